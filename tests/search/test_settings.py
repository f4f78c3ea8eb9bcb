"""Settings that a spec names: trained first, in their order, and the same after a kill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import optuna
import pytest
import resumed
from resumed import outcome, resume_here, silent

from search import sweeps
from search.faults import Faults
from search.reading import read_spec, validate
from search.samplers import SAMPLERS
from storage.database import Database
from storage.projection import optuna_storage
from storage.reading import load_study
from storage.rows import StudyRow

NAMED = [
    {"lr": 0.02, "optimizer": "adam", "batch_size": 32, "width": 1},
    {"lr": 0.3, "optimizer": "sgd", "batch_size": 64, "width": 2.5},
]
FLAG = (
    'search.settings=[{lr=0.02, optimizer="adam", batch_size=32, width=1}, '
    '{lr=0.3, optimizer="sgd", batch_size=64, width=2.5}]'
)
MODEL = (
    'space={lr={low=0.001, high=0.1}, optimizer=["adam","sgd"], momentum={low=0.5, high=0.9}, '
    'batch_size=[32,"full"], width=1}'
)


def launch_named(folder: Path, sampler: str, num_trials: int, *settings: str) -> Database:
    folder.mkdir(exist_ok=True)
    database = Database(f"sqlite:///{folder}/paretune.db")
    spec = resumed.write_spec(folder, sampler, num_trials)
    sweeps.launch(read_spec(spec, ["compute.engine=inline", FLAG, *settings]), database, silent)
    return database


def params_of(study: StudyRow) -> list[Any]:
    return [dict(trial.params) for trial in study.trials]


def faults_of(*settings: str) -> list[str]:
    with pytest.raises(Faults) as caught:
        read_spec(None, settings)
    return list(caught.value.lines)


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "gp", "qmc"])
def test_named_settings_come_after_the_baseline_and_before_the_samplers_own(sampler: str, tmp_path: Path) -> None:
    database = launch_named(tmp_path, sampler, 6)
    study = load_study(database, "searched")
    assert params_of(study)[1:3] == NAMED
    assert [trial.is_baseline for trial in study.trials] == [True] + [False] * 5
    assert all(params not in NAMED for params in params_of(study)[3:])
    told = optuna.load_study(study_name="searched", storage=optuna_storage(database)).trials
    assert [trial.params for trial in told] == params_of(study)
    assert all(trial.values for trial in told)


def test_where_all_settings_are_named_the_sampler_is_not_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ask(self: object, *_: object) -> None:
        raise AssertionError("the sampler was asked")

    monkeypatch.setattr(optuna.Study, "ask", ask)
    database = launch_named(tmp_path, "tpe", 2, "search.baseline=false")
    assert params_of(load_study(database, "searched")) == NAMED
    with pytest.raises(AssertionError, match="was asked"):
        resume_here(database, 1)


def test_each_named_setting_gets_all_its_seeds(tmp_path: Path) -> None:
    database = launch_named(tmp_path, "tpe", 4, "search.baseline=false", "search.repeats=2")
    study = load_study(database, "searched")
    assert params_of(study) == [NAMED[0], NAMED[0], NAMED[1], NAMED[1]]
    assert len({trial.seed for trial in study.trials}) == 4


@pytest.mark.parametrize(("sampler", "count"), [("tpe", 2), ("tpe", 3), ("nsga2", 3)])
@pytest.mark.parametrize("instant", ["between ask and write", "when the ledger alone has it"])
def test_a_kill_among_named_settings_changes_nothing(sampler: str, count: int, instant: str, tmp_path: Path) -> None:
    undisturbed = outcome(load_study(launch_named(tmp_path / "whole", sampler, 6), "searched"))
    killed = tmp_path / "killed"
    killed.mkdir()
    spec = resumed.write_spec(killed, sampler, 6)
    flags = ("--set", "compute.engine=inline", "--set", FLAG)
    resumed.run_and_kill(killed, instant, count, "launch", str(spec), *flags, *resumed.URL)
    database = Database(f"sqlite:///{killed}/paretune.db")
    assert load_study(database, "searched").state == "interrupted"
    assert outcome(resume_here(database)) == undisturbed


def test_a_grid_does_not_try_a_named_setting_again(tmp_path: Path) -> None:
    grid = ["space.lr=[0.02, 0.3]", 'space.optimizer=["adam","sgd"]', "space.batch_size=[32, 64]"]
    grid += ["space.width=[1.0, 2.5]", "search.baseline=false"]
    study = load_study(launch_named(tmp_path, "grid", 16, *grid), "searched")
    assert len({str(params) for params in params_of(study)}) == 16
    with pytest.raises(Faults, match="the grid has 16 settings besides the baseline, but 17 are asked for"):
        launch_named(tmp_path / "more", "grid", 17, *grid)


def test_what_a_setting_leaves_out() -> None:
    spec = read_spec(None, [MODEL, "space.lr.low=0.0001", "search.settings=[{optimizer='adam', batch_size='full'}]"])
    assert spec.settings == [{"optimizer": "adam", "lr": 0.001, "batch_size": "full", "width": 1.0}]
    sgd = read_spec(None, [MODEL, "search.settings=[{optimizer='sgd', lr=0.1, batch_size=32}]"])
    assert sgd.settings[0]["momentum"] == 0.9  # the baseline's
    assert validate(spec.model_dump(mode="json")).settings == spec.settings


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ("[{lr=0.2}]", "search.settings.0.lr: 0.2 lies outside of the space, which has 0.001 to 0.1"),
        ("[{lr=0.01}, {lr='x'}]", "search.settings.1.lr: a number with x > 0 is needed, but got 'x'"),
        ("[{lr=[0.1]}]", "search.settings.0.lr: a number with x > 0 is needed, but got [0.1]"),
        ("[{optimizer='gd'}]", "search.settings.0.optimizer: 'gd' lies outside of the space, which has adam, sgd"),
        ("[{width=2}]", "search.settings.0.width: 2 lies outside of the space, which has 1.0"),
        ("[{batchsize=1}]", "search.settings.0.batchsize: the space has no such parameter; did you mean 'batch_size'?"),
        ("[{optimizer='adam', batch_size=32}]", None),
        ("[{optimizer='adam'}]", "search.settings.0.batch_size: a value is needed: the space has 32, full"),
        (
            "[{optimizer='adam', batch_size=32, momentum=0.6}]",
            "search.settings.0.momentum: this setting does not take it, by its optimizer or a `when` of the space; "
            "leave it out",
        ),
        (
            "[{batch_size=32}, {lr=0.001, batch_size=32, optimizer='sgd'}]",
            "search.settings.1: it is the same as number 0; search.repeats gives a setting several seeds",
        ),
        ("3", "search.settings: list is needed, but got 3"),
    ],
)
def test_faults_of_settings(settings: str, line: str | None) -> None:
    flag = f"search.settings={settings}"
    if line is None:
        assert read_spec(None, [MODEL, flag])
    else:
        assert any(fault.startswith(line) for fault in faults_of(MODEL, flag)), faults_of(MODEL, flag)


def test_faults_of_all_settings_are_told_at_once() -> None:
    found = faults_of(MODEL, "search.settings=[{lr=0.2, optimizer='gd'}, {width=2.0}]")
    assert [line.partition(":")[0] for line in found] == [
        "search.settings.0.lr", "search.settings.0.optimizer", "search.settings.1.width"
    ]  # fmt: skip


def test_named_settings_cannot_change_later(tmp_path: Path) -> None:
    database = launch_named(tmp_path, "random", 3)
    with pytest.raises(Faults) as caught:
        resume_here(database, 1, ["search.settings=[]"])
    assert caught.value.lines == (
        "search.settings: the first trials were those that the study began with; `paretune launch --from searched "
        "--study NEW --set ...` takes over the finished trials that fit",
    )


def test_what_is_taken_over_is_not_trained_again(tmp_path: Path) -> None:
    database = launch_named(tmp_path, "random", 3)
    old = load_study(database, "searched")
    more = FLAG.replace("]", ', {lr=0.4, optimizer="adam", batch_size=20, width=2}]')
    spec = read_spec(None, [more], {"name": "new", "search.trials": 2}, old.spec)
    new = sweeps.launch(spec, database, silent, source=old)
    assert params_of(new)[:3] == params_of(old)
    assert params_of(new)[3] == {"lr": 0.4, "optimizer": "adam", "batch_size": 20, "width": 2.0}
    assert params_of(new)[4] not in params_of(old)


def test_every_sampler_goes_on_from_named_settings(tmp_path: Path) -> None:
    for sampler in SAMPLERS:
        if sampler not in ("cmaes", "grid"):
            assert len(load_study(launch_named(tmp_path / sampler, sampler, 5), "searched").trials) == 5

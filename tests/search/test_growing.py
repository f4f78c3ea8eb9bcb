"""A study may grow: wider ranges, more trials. What cannot be is refused with the reason and the way out."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
import resumed
from optuna.search_space import intersection_search_space
from resumed import launch_here, outcome, resume_here, silent
from sampled import MOST_SLOWLY

from search import sweeps
from search.faults import Faults
from search.reading import read_spec
from storage.database import Database
from storage.projection import optuna_storage
from storage.reading import load_study

WIDER = {
    "grid": ["space.batch_size.high=128", "space.width.high=2.0"],
    "cmaes": ["space.lr.low=1e-6", "space.batch_size.low=1", "space.width.high=64.0"],
}
WIDE = ["space.lr.low=1e-6", "space.batch_size.low=1", "space.width.high=64.0"]


@pytest.mark.parametrize("sampler", MOST_SLOWLY)
def test_widened_and_stopped_is_widened_and_not_stopped(sampler: str, tmp_path: Path) -> None:
    half, wider = 6 if sampler == "gp" else 8, WIDER.get(sampler, WIDE)
    whole = resume_here(launch_here(tmp_path / "whole", sampler, half), 4, wider)
    stopped = launch_here(tmp_path / "stopped", sampler, half)
    resume_here(stopped, 1, wider)
    after_stop = resume_here(stopped, 3, [])
    assert outcome(after_stop) == outcome(whole)
    undisturbed = launch_here(tmp_path / "narrow", sampler, half)
    assert outcome(whole)[:half] == outcome(load_study(undisturbed, "searched"))
    assert outcome(whole)[half:] != outcome(resume_here(undisturbed, 4, []))[half:]


def test_samplers_learn_a_widened_range_from_all_trials(tmp_path: Path) -> None:
    database = launch_here(tmp_path, "nsga2", 8)
    resume_here(database, 4, WIDE)
    study = optuna.load_study(study_name="searched", storage=optuna_storage(database))
    known = intersection_search_space(study.trials)
    assert set(known) == {"lr", "optimizer", "batch_size", "width"}  # else NSGA-II would draw the widened ones blindly
    assert known["lr"] == optuna.distributions.FloatDistribution(1e-6, 1.0, log=True)


def test_a_grid_that_has_grown_tries_each_setting_once(tmp_path: Path) -> None:
    folder = tmp_path / "grid"
    folder.mkdir()
    database = Database(f"sqlite:///{folder}/paretune.db")
    small = ["space.lr=[0.01, 0.1]", "space.optimizer=sgd", "space.batch_size=64", "search.baseline=false"]
    spec = read_spec(resumed.write_spec(folder, "grid", 6), ["compute.engine=inline", *small])
    sweeps.launch(spec, database, silent)
    study = resume_here(database, 4, ["space.width.high=2.5"])
    assert len({str(trial.params) for trial in study.trials}) == len(study.trials) == 10
    with pytest.raises(Faults, match="the grid has 10 settings besides the baseline, but 11 are asked for"):
        resume_here(database, 1, [])


def test_a_change_is_stored_and_told(tmp_path: Path) -> None:
    database = launch_here(tmp_path, "random", 3)
    study = resume_here(database, 2, ["space.lr.high=2.0", "compute.threads=1"])
    assert study.spec["space"]["lr"]["high"] == 2.0
    (change,) = study.changes
    assert change["from_trial"] == 3
    assert change["keys"] == [{"key": "space.lr.high", "before": 1.0, "now": 2.0}]
    shown = resumed.run(tmp_path, "show", "searched", *resumed.URL).stdout
    assert "spec changed from trial 3 on" in shown
    assert "space.lr.high 1.0 to 2.0" in shown
    assert len(resume_here(database, 0, []).changes) == 1


FROM = "`paretune launch --from searched --study NEW --set ...` takes over the finished trials that fit"


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("space.lr.high=0.5", "space.lr.high: a range may widen, but not narrow: trials that lie outside would be "
         f"taken for good ones to go on from (1 to 0.5); {FROM}"),
        ("space.lr.log=false", f"space.lr.log: Optuna cannot turn log on or off between trials; {FROM}"),
        ("space.size.step=1", f"space.size.step: values so far lie on other steps; {FROM}"),
        ("space.size={low=-1,high=11}", f"space.size.low: values so far are 0 and whole steps of 2 from there; {FROM}"),
        ("space.batch_size.high=600.5", "space.batch_size: Optuna cannot turn whole numbers into others between "
         f"trials; {FROM}"),
        ('space.optimizer=["sgd","adam","adamw","gd"]', "space.optimizer: Optuna knows the values of a choice by their "
         f"places, so they cannot change; {FROM}"),
        ("space.width=1.0", f"space.width: a range cannot become a fixed value in Optuna; {FROM}"),
        ('space.depth={low=1,high=3,when={optimizer="adam"}}', "space.depth: no trial so far has a value of it, and "
         f"Optuna's models need the same parameters in all; {FROM}"),
        ('space.width={low=0.25,high=4.0,when={optimizer="sgd"}}', None),
        ("objective.epochs=7", "objective.epochs: trials before and after could not be compared; `paretune launch` a "
         "new study"),
        ("objective.minimize=[]", "objective.minimize: the samplers and the front go by the same costs from the first "
         f"trial on; {FROM}"),
        ("search.seed=3", f"search.seed: proposals before and after would not belong to one search; {FROM}"),
        ("search.sampler=gp", f"search.sampler: proposals before and after would not belong to one search; {FROM}"),
        ("search.trials=99", "search.trials: it is the number that the study began with; `--trials N` adds N"),
        ("compute.precision=bf16", f"compute.precision: it is part of each setting; {FROM}"),
        ("name=other", f"name: it is what the study is found by; {FROM}"),
        ("space.lr.hgih=2", None),
        ("nonsense", None),
    ],
)  # fmt: skip
def test_a_change_that_cannot_be_is_refused_with_reason_and_way_out(
    random_study: Database, setting: str, line: str | None
) -> None:
    before = load_study(random_study, "searched")
    with pytest.raises(Faults) as caught:
        resume_here(random_study, 0, [setting])
    if line is not None:
        assert caught.value.lines == (line,)
    assert load_study(random_study, "searched") == before


def test_all_faults_of_a_change_are_told_at_once(random_study: Database) -> None:
    with pytest.raises(Faults) as caught:
        resume_here(
            random_study, 0, ["space.lr.high=0.5", "objective.epochs=7", "search.seed=3", "space.width.high=5.0"]
        )
    assert [line.partition(":")[0] for line in caught.value.lines] == [
        "space.lr.high", "objective.epochs", "search.seed"
    ]  # fmt: skip


SIZE = "space.size={low=0, high=10, step=2, when={optimizer='adam'}}"


@pytest.fixture(scope="module")
def random_study(tmp_path_factory: pytest.TempPathFactory) -> Database:
    folder = tmp_path_factory.mktemp("grown")
    path = resumed.write_spec(folder, "random", 2)
    spec = read_spec(path, ["compute.engine=inline", SIZE])
    database = Database(f"sqlite:///{folder}/paretune.db")
    sweeps.launch(spec, database, silent)
    return database


def test_the_command_line_widens_and_refuses(tmp_path: Path) -> None:
    launch_here(tmp_path, "random", 3)
    done = resumed.run(tmp_path, "resume", "searched", "--set", "space.lr.high=0.1", *resumed.URL, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "may widen, but not narrow" in done.stderr
    resumed.run(tmp_path, "resume", "searched", "--trials", "2", "--set", "space.lr.high=3.0", *resumed.URL)
    assert len(resumed.shown(tmp_path)) == 5

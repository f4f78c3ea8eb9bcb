"""A new study that takes over the finished trials of another."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import optuna
import pytest
from commands import Run
from resumed import launch_here, outcome, resume_here, silent

from dashboards.bills import bill_lines
from dashboards.figures import FIGURES
from dashboards.report import render_report
from dashboards.summary import summarize
from search import sweeps
from search.faults import Faults
from search.reading import read_spec
from search.samplers import SAMPLERS
from storage.database import Database
from storage.projection import optuna_storage
from storage.reading import load_study
from storage.rows import StudyRow


def launch_from(database: Database, num_trials: int, *settings: str, name: str = "new") -> tuple[StudyRow, list[str]]:
    old, lines = load_study(database, "searched"), list[str]()
    flags = {"name": name, "search.trials": num_trials}
    spec = read_spec(None, settings, flags, old.spec)
    return sweeps.launch(spec, database, silent, lines.append, old), lines


def test_finished_trials_that_fit_are_taken_over(tmp_path: Path) -> None:
    database = launch_here(tmp_path, "random", 12)
    old = load_study(database, "searched")
    new, lines = launch_from(database, 3, "space.lr.high=0.1", 'space.optimizer=["adamw","adam","sgd","gd"]')
    fitting = [trial for trial in old.trials if trial.params["lr"] <= 0.1]
    taken = [trial for trial in new.trials if trial.source is not None]
    assert 3 < len(fitting) < 12
    assert lines[0] == (
        f"took over {len(fitting)} of 12 trials of searched, whose bills stay there; "
        f"left there: {12 - len(fitting)} lr not in the space"
    )
    assert [trial.source["trial"] for trial in taken if trial.source] == [trial.number for trial in fitting]
    for ours, theirs in zip(taken, fitting, strict=True):
        assert (ours.params, ours.state, ours.seed, ours.is_baseline) == (
            theirs.params, theirs.state, theirs.seed, theirs.is_baseline
        )  # fmt: skip
        assert (ours.costs, ours.epochs, ours.attempts) == (theirs.costs, theirs.epochs, ())
    assert (new.state, new.num_trials, len(new.trials)) == ("complete", len(fitting) + 3, len(fitting) + 3)
    assert new.reference == old.reference
    assert sum(trial.is_baseline for trial in new.trials) == 1
    in_optuna = optuna.load_study(study_name="new", storage=optuna_storage(database)).trials
    assert [trial.state.name for trial in in_optuna] == ["COMPLETE"] * len(new.trials)
    assert in_optuna[1].distributions["lr"].high == 0.1


def test_what_was_taken_over_is_billed_where_it_ran(tmp_path: Path) -> None:
    database = launch_here(tmp_path, "random", 6)
    new, _ = launch_from(database, 2)
    billed = [sum(sum(attempt.bill.values()) for attempt in trial.attempts) for trial in new.trials]
    assert billed[:6] == [0.0] * 6
    lines = bill_lines(new)
    assert sum(lines.values()) - lines["idle"] == pytest.approx(sum(billed[6:]))
    summary = summarize(new)
    for figure in FIGURES.values():
        figure.draw(figure.trace([summary]))
    assert "6 of the 8 trials were taken over from searched; what they cost was billed there" in render_report(summary)


def test_the_baseline_comes_after_what_was_taken_over_without_it(tmp_path: Path) -> None:
    database = launch_here(tmp_path, "random", 5)
    baseline = {"lr": 0.02, "batch_size": 32, "width": 0.5, "optimizer": "adam"}
    text = ", ".join(f"{name}={json.dumps(value)}" for name, value in baseline.items())
    new, _ = launch_from(database, 2, f"search.baseline={{{text}}}")
    assert [trial.is_baseline for trial in new.trials] == [False] * 5 + [True, False]
    assert new.trials[5].params == baseline


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_took_over_is_the_same_after_a_stop(sampler: str, tmp_path: Path) -> None:
    database = launch_here(tmp_path, sampler, 7)
    whole, _ = launch_from(database, 4, "search.seed=1", name="whole")
    launch_from(database, 1, "search.seed=1", name="stopped")
    assert outcome(resume_here(database, 3, name="stopped")) == outcome(whole)
    fresh = sweeps.launch(
        read_spec(
            None, ["search.seed=1"], {"name": "fresh", "search.trials": 5}, load_study(database, "searched").spec
        ),
        database,
        silent,
    )
    news = [trial.params for trial in whole.trials[7:]]
    assert len(news) == 4
    if sampler in ("tpe", "gp", "nsga2", "nsga3", "cmaes"):
        assert news != [trial.params for trial in fresh.trials[1:]]  # it has learned
    if sampler == "grid":
        assert len({str(trial.params) for trial in whole.trials[1:]}) == 10


def test_genetic_samplers_take_what_was_taken_over_for_their_first_generation(tmp_path: Path) -> None:
    database = launch_here(tmp_path, "nsga2", 7)
    launch_from(database, 3, "search.sampler=nsga3")
    trials = optuna.load_study(study_name="new", storage=optuna_storage(database)).trials
    assert [trial.system_attrs["NSGAIIISampler:generation"] for trial in trials] == [0] * 7 + [1] * 3


@pytest.mark.slow
def test_weights_and_test_accuracies_come_along(paretune: Run, quick_spec: Path, tmp_path: Path) -> None:
    inline = ("--set", "compute.engine=inline")
    paretune("launch", str(quick_spec), *inline, check=True)
    tested = json.loads(paretune("pick", "quick", "--min-accuracy", "0.1", "--json", check=True).stdout)
    wider = ("--set", "space.width.high=1.0", "--trials", "1")
    done = paretune("launch", "--from", "quick", "--study", "wide", *wider, *inline, check=True)
    assert "took over 4 of 4 trials of quick, whose bills stay there" in done.stderr
    assert "4 of the 5 trials were taken over from quick" in done.stdout
    database = Database(f"sqlite:///{tmp_path}/paretune.db")
    old, new = load_study(database, "quick"), load_study(database, "wide")
    assert new.tests == old.tests
    assert len(old.tests) == 1
    paretune("delete", "quick", "--yes", check=True)
    picked = json.loads(paretune("pick", "wide", "--min-accuracy", "0.1", "--json", check=True).stdout)
    assert picked["test_accuracy"] is not None
    assert tested["test_accuracy"] is not None
    best = json.loads(paretune("pick", "wide", "--max-cost", "train_flops=1e18", "--json", check=True).stdout)
    assert best["test_accuracy"] is not None  # computed from the weights, whose other name is gone
    shown = json.loads(paretune("show", "wide", "--json", check=True).stdout)
    assert shown["trials"][2]["source"]["trial"] == 2
    assert shown["trials"][4]["source"] is None
    paretune("report", "wide", "-o", "r.html", check=True)


@pytest.mark.parametrize(
    ("settings", "lines"),
    [
        (["objective.epochs=2", "search.repeats=2"], [
            "--from searched: objective.epochs is 1 there and 2 here: their trials cannot be compared",
            "--from searched: search.repeats is 1 there and 2 here: a setting needs the same number of seeds in both",
        ]),
        (["objective.train=elsewhere:train"], [
            "--from searched: objective.train is instant:train there and elsewhere:train here: their trials cannot be "
            "compared",
        ]),
    ],
)  # fmt: skip
def test_studies_that_train_differently_are_refused(
    tmp_path: Path, settings: list[str], lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    database = launch_here(tmp_path, "random", 2)
    monkeypatch.setattr(sweeps, "check_function", lambda _path: None)
    with pytest.raises(Faults) as caught:
        launch_from(database, 2, *settings)
    assert list(caught.value.lines) == lines
    assert [row.name for row in all_studies(database)] == ["searched"]


def all_studies(database: Database) -> list[Any]:
    from storage.studies import list_studies

    return list_studies(database)


def test_what_does_not_fit_is_counted_by_reason(tmp_path: Path) -> None:
    database = launch_here(tmp_path, "random", 4)
    _, lines = launch_from(database, 1, "space.depth={low=1,high=2}", "search.baseline=false")
    assert lines == ["took over 0 of 4 trials of searched, whose bills stay there; left there: 4 without depth"]


def test_a_new_name_is_needed(paretune: Run, tmp_path: Path) -> None:
    launch_here(tmp_path, "random", 2)
    done = paretune("launch", "--from", "searched", "--trials", "2")
    assert done.returncode == 2
    assert "--study: a name for the new study is needed" in done.stderr
    done = paretune("launch", "--from", "serched", "--study", "b")
    assert "did you mean 'searched'?" in done.stderr

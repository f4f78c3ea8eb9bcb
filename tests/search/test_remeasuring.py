"""`paretune remeasure`: a study of its own, with new seeds, alone, which the first study's pages show."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import resumed
from commands import Run
from resumed import launch_here, outcome, resume_here, run, run_and_kill, silent
from sqlalchemy import update

from objectives.seeds import derive_seed
from search import load, sweeps
from search.compute import place_slots
from search.faults import Faults
from search.pricing import load_summary
from search.reading import read_spec
from search.remeasuring import Wish, find_seed, plan, remeasure
from storage import leases, tables
from storage.database import Database
from storage.reading import load_study
from storage.rows import StudyRow
from storage.studies import create_study, list_remeasurements, list_running_here

AGAIN = "searched-remeasured"


@pytest.fixture
def database(tmp_path: Path) -> Database:
    """A search of 12 settings over made-up results, of which several are on the front."""
    return launch_here(tmp_path, "random", 12)


def again(database: Database, **wish: Any) -> StudyRow:
    summary = load_summary(database, "searched")
    spec = plan(summary, database, Wish(**{"repeats": 3, **wish}))
    return remeasure(summary.study, spec, database, silent)


def seeds_of(*studies: StudyRow) -> list[int]:
    return [trial.seed for study in studies for trial in study.trials]


def faults_of(database: Database, **wish: Any) -> tuple[str, ...]:
    with pytest.raises(Faults) as caught:
        plan(load_summary(database, "searched"), database, Wish(**wish))
    return caught.value.lines


@pytest.mark.slow
def test_the_front_is_trained_again_from_the_command_line(paretune: Run, quick_spec: Path) -> None:
    database = Database(f"sqlite:///{quick_spec.parent}/paretune.db")
    sweeps.launch(read_spec(quick_spec, ["compute.engine=inline"]), database, silent)
    before = load_summary(database, "quick")
    answer = json.loads(paretune("remeasure", "quick", "--front", "--repeats", "2", "--json", check=True).stdout)
    assert (answer["study"], answer["remeasured"]) == ("quick", "quick-remeasured")
    points = answer["remeasurement"]["points"]
    assert [(point["trial"], point["epoch"]) for point in points] == [
        (point.trial, point.epoch) for point in before.front
    ]
    study = load_study(database, "quick-remeasured")
    settings = {point.trial: dict(point.params) for point in before.front}
    trained = [trial.params for trial in study.trials]
    assert trained == [params for params in settings.values() for _ in range(2)]  # once, however many of its epochs
    assert len(settings) < len(before.front)
    for point in points:
        assert len(point["accuracy_of_seeds"]) == len(point["seeds"]) == 2
        assert point["accuracy_interval"][0] <= point["accuracy"] <= point["accuracy_interval"][1]
        flops = point["costs"]["train_flops"]
        assert flops["mean"] == pytest.approx(point["search"]["costs"]["train_flops"])  # the same work, counted
        assert flops["excess"] is None
    assert study.spec["search"]["remeasures"] == before.study.uuid


def test_the_first_studys_pages_show_it(tmp_path: Path, database: Database) -> None:
    assert json.loads(run(tmp_path, "show", "searched", "--json").stdout)["remeasurement"] is None
    again(database)
    found = load_summary(database, "searched").remeasurement
    assert found is not None
    shown = run(tmp_path, "show", "searched").stdout
    assert "Trained again: what the search saw, and the mean of new seeds (95 %)" in shown
    run(tmp_path, "report", "searched")
    assert "Trained again with new seeds" in (tmp_path / "report.html").read_text()
    figure = json.loads(run(tmp_path, "show", "searched", "--figure", "tradeoff", "--json").stdout)
    told = json.loads(run(tmp_path, "show", "searched", "--json").stdout)["remeasurement"]["points"]
    assert len(figure["remeasured"]) == len(told) == len(found.points)


def test_no_seed_is_one_of_an_earlier_study(database: Database) -> None:
    source = load_study(database, "searched")
    first, second = again(database), again(database, name="more")
    assert len(first.trials) == len(second.trials) > 6
    seeds = seeds_of(source, first, second)
    assert len(set(seeds)) == len(seeds)
    assert first.spec["search"]["seed"] != second.spec["search"]["seed"] != source.spec["search"]["seed"]


def test_a_seed_whose_trials_would_repeat_one_is_passed_over(database: Database) -> None:
    source = load_study(database, "searched")
    found = find_seed([source], 6)
    lucky = replace(source.trials[0], seed=derive_seed(found, 5, "training"))
    assert find_seed([replace(source, trials=(*source.trials, lucky))], 6) != found
    assert find_seed([replace(source, trials=(*source.trials, lucky))], 5) == found


def test_each_setting_of_the_front_gets_its_seeds_and_nothing_else_is_trained(database: Database) -> None:
    summary = load_summary(database, "searched")
    study = again(database)
    wanted = [str(dict(point.params)) for point in summary.front]
    assert Counter(str(dict(trial.params)) for trial in study.trials) == Counter(dict.fromkeys(wanted, 3))
    assert not any(trial.is_baseline for trial in study.trials)
    assert study.name == AGAIN
    assert study.state == "complete"
    found = load_summary(database, "searched").remeasurement
    assert found is not None
    assert [point.seen for point in found.points] == list(summary.front)
    assert {len(point.seeds) for point in found.points} == {3}


def test_a_baseline_outside_of_the_space_can_be_trained_again(tmp_path: Path) -> None:
    folder = tmp_path / "outside"
    folder.mkdir()
    database = Database(f"sqlite:///{folder}/paretune.db")
    spec = resumed.write_spec(folder, "random", 3)
    sweeps.launch(read_spec(spec, ["compute.engine=inline", "search.baseline.width=8"]), database, silent)
    study = again(database, trials=[0], repeats=2)
    assert [trial.params["width"] for trial in study.trials] == [8, 8]


def test_a_kill_changes_nothing(tmp_path: Path) -> None:
    whole = again(launch_here(tmp_path / "whole", "random", 12))
    killed = launch_here(tmp_path / "killed", "random", 12)
    run_and_kill(tmp_path / "killed", "between result and tell", 4, "remeasure", "searched", "--repeats", "3")
    assert load_study(killed, AGAIN).state == "interrupted"
    half = load_summary(killed, "searched").remeasurement
    assert half is not None
    assert half.points
    assert any("new seeds have come so far" in lack.reason for lack in half.lacking)
    run(tmp_path / "killed", "resume", AGAIN, "--quiet")
    assert outcome(load_study(killed, AGAIN)) == outcome(whole)


def test_one_is_made_beside_another_and_the_unfinished_is_told(tmp_path: Path, database: Database) -> None:
    run_and_kill(tmp_path, "between result and tell", 2, "remeasure", "searched", "--repeats", "2")
    done = run(tmp_path, "remeasure", "searched", "--repeats", "2")
    assert f"{AGAIN} was not finished: `paretune resume {AGAIN}` would continue it" in done.stderr
    assert list_remeasurements(database, load_study(database, "searched").uuid) == [f"{AGAIN}-2", AGAIN]


def test_deleting_either_leaves_the_other(database: Database) -> None:
    again(database, trials=[1, 3], repeats=2)
    sweeps.delete(AGAIN, database)
    assert load_summary(database, "searched").remeasurement is None
    again(database, trials=[1], repeats=2)
    sweeps.delete("searched", database)
    alone = load_summary(database, AGAIN)
    assert (len(alone.finals), alone.remeasurement) == (1, None)
    assert resume_here(database, name=AGAIN).state == "complete"


def test_it_is_refused_while_another_study_runs_on_this_machine(tmp_path: Path, database: Database) -> None:
    spec = load_study(database, "searched").spec
    other = create_study(database, "other", {**spec, "name": "other"}, 3, {})
    leases.acquire(database, other)
    assert [study.name for study in list_running_here(database)] == ["other"]
    done = run(tmp_path, "remeasure", "searched", check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "remeasure: other runs on this machine and would disturb the costs; `paretune stop` it first, or --force\n"
    )
    assert list_remeasurements(database, load_study(database, "searched").uuid) == []
    run(tmp_path, "remeasure", "searched", "--trial", "1", "--repeats", "2", "--force", "--quiet")
    with database.write() as connection:
        connection.execute(update(tables.leases).where(tables.leases.c.study == other).values(boot="a/b/c", host="far"))
    assert [study.name for study in list_running_here(database)] == []


def test_wishes_that_cannot_be(tmp_path: Path, database: Database) -> None:
    assert faults_of(database, repeats=1, trials=[77]) == (
        "--repeats: 2 seeds or more are needed for an interval, but got 1",
        "--trial: searched has no trial 77 with a result",
    )
    assert faults_of(database, at_knee=True, trials=[1]) == ("--trial: it does not go with --knee",)
    assert "budget.wall: " in faults_of(database, budget={"budget.wall": "soon"})[0]
    done = run(tmp_path, "remeasure", "searched", "--front", "--knee", check=False)
    assert (done.returncode, done.stderr) == (2, "--front: it does not go with --knee\n")
    study = again(database, trials=[1], repeats=2)
    with pytest.raises(Faults, match=f"{AGAIN} trains settings of another study again itself; name that one"):
        plan(load_summary(database, AGAIN), database, Wish())
    with pytest.raises(Faults, match=r"--trials: searched-remeasured trains settings of another study again"):
        resume_here(database, 2, name=study.name)
    with pytest.raises(Faults, match=r"search[.]remeasures: `paretune remeasure NAME` sets it; leave it out"):
        sweeps.launch(read_spec(None, [], {"name": "mine", "search.remeasures": "u"}), database, silent)
    done = run(tmp_path, "launch", "--from", AGAIN, "--study", "new", check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "its settings are another study's, trained again" in done.stderr


def test_budget_and_slots_are_its_own(tmp_path: Path) -> None:
    folder = tmp_path / "priced"
    folder.mkdir()
    database = Database(f"sqlite:///{folder}/paretune.db")
    spec = resumed.write_spec(folder, "random", 4)
    limits = ["budget.wall=100", "prices.price_per_device_hour=2.0"]
    sweeps.launch(read_spec(spec, ["compute.engine=inline", *limits]), database, silent)
    summary = load_summary(database, "searched")
    compute = {**summary.study.spec["compute"], "engine": "process", "slots": 2, "slots_per_device": 2}
    spec = {**summary.study.spec, "compute": compute}
    summary = replace(summary, study=replace(summary.study, spec=spec))
    chosen = plan(summary, database, Wish(budget={"budget.device_hours": 2.0}))
    assert (chosen.compute.engine, chosen.compute.slots, chosen.compute.threads) == ("process", 1, 1)
    assert len(place_slots(chosen.compute, chosen.search.trials)) == 1
    assert (chosen.budget.wall, chosen.budget.device_hours) == (None, 2.0)
    assert chosen.prices == {"price_per_device_hour": 2.0}


def test_from_python(database: Database) -> None:
    study = load("searched", storage=str(database.url))
    found = study.remeasure(2, trials=[1, 3], quiet=True)
    assert {point.seen.trial for point in found.points} >= {1, 3}
    assert study.summary.remeasurement == found

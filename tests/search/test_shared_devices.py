"""Sweeps whose slots share their cores: solo costs are calibrated, bills are shares that add up."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from commands import Run, start, wait_for, workers_of
from sqlalchemy import select

from dashboards.bills import IDLE, bill_lines, held_seconds
from objectives.costs import NOTABLE
from search import sweeps
from search.compute import place_slots
from search.configs import fingerprint_trained
from search.faults import Faults
from search.reading import validate
from search.sections import Compute
from storage import tables
from storage.database import Database
from storage.reading import load_study
from storage.rows import StudyRow

NUM_CORES = len(os.sched_getaffinity(0))


def spec(name: str, slots: int, **compute: Any) -> Any:
    return validate(
        {
            "name": name,
            "objective": {"dataset": "digits", "epochs": 2},
            "space": {"width": [0.25, 0.5], "lr": 0.01, "optimizer": ["sgd", "adam"], "batch_size": 64},
            "search": {"sampler": "grid", "trials": 4, "baseline": False},
            "compute": {"slots": slots, "slots_per_device": slots, "threads": 1, "device": "cpu", **compute},
        }
    )


def assert_lines_add_up(study: StudyRow, shared: int) -> None:
    held = 0.0
    for trial in study.trials:
        for attempt in trial.attempts:
            assert attempt.ended_at is not None
            seconds = (attempt.ended_at - attempt.started_at).total_seconds() / shared
            assert sum(attempt.bill.values()) == pytest.approx(seconds, rel=0.1, abs=0.3)
            held += seconds
    lines = bill_lines(study)
    assert sum(lines.values()) == pytest.approx(held_seconds(study.sittings), abs=0.05)
    assert lines[IDLE] == pytest.approx(held_seconds(study.sittings) - held, rel=0.1, abs=0.5)


@pytest.mark.slow
@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def test_solo_costs_are_calibrated_once_for_each_signature_and_reused(device: str, database: Database) -> None:
    first = sweeps.launch(spec("first", 2, device=device), database, lambda *_: None)
    second = sweeps.launch(spec("second", 2, device=device), database, lambda *_: None)
    assert [trial.state for study in (first, second) for trial in study.trials] == ["complete"] * 8
    assert bill_lines(first)["calibration"] > 0
    is_calm = num_calibrated(database) == 4  # what other work disturbed is not kept
    assert ("calibration" in bill_lines(second)) != is_calm
    for study in (first, second):
        assert_lines_add_up(study, 2)
        assert [sitting.slots_per_device for sitting in study.sittings] == [2]
    costs = [{str(trial.params): trial.costs["device_seconds"] for trial in study.trials} for study in (first, second)]
    assert costs[0] == costs[1] or not is_calm
    assert {cost.method for cost in costs[0].values()} == {"calibrated"}
    assert all(cost.error for cost in costs[0].values())


def num_calibrated(database: Database) -> int:
    with database.engine.connect() as connection:
        row = tables.calibrations.c
        return len(connection.execute(select(row.signature).where(row.name == "device_seconds")).all())


@pytest.mark.slow
def test_what_is_calibrated_beside_other_work_is_told_of_no_other_trial(database: Database) -> None:
    others = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2 * NUM_CORES)]
    try:
        study = sweeps.launch(spec("beside", 2), database, lambda *_: None)
    finally:
        for other in others:
            other.kill()
            other.wait()
    assert [trial.state for trial in study.trials] == ["complete"] * 4
    for costs in (epoch.costs for trial in study.trials for epoch in trial.epochs):
        waited, took = costs["contention_seconds"], costs["device_seconds"]
        assert (waited.method, took.method) == ("calibrated", "calibrated")
        assert (waited.value or 0.0) > NOTABLE * (took.value or 0.0)
    assert num_calibrated(database) == 0


@pytest.mark.parametrize("is_users", [True, False])
def test_the_code_of_the_users_own_is_in_the_signature(is_users: bool, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    found = set()
    objective = {"dataset": "digits", "epochs": 2, **({"model": "own_model:net"} if is_users else {})}
    for code, uuid in (("one", "a"), ("two", "a"), ("two", "b"), ("two", "b")):
        (tmp_path / "own_model.py").write_text(f"# {code}")
        asked = SimpleNamespace(objective=SimpleNamespace(model_dump=lambda: objective))
        study = SimpleNamespace(data={"fingerprint": "of the data"}, uuid=uuid)
        found.add(fingerprint_trained(study, asked))  # type: ignore[arg-type]
    assert len(found) == (3 if is_users else 1)


@pytest.mark.slow
def test_a_calibrated_cost_is_that_of_a_slot_with_cores_of_its_own(database: Database) -> None:
    shared = sweeps.launch(spec("shared", 4), database, lambda *_: None)
    own = sweeps.launch(spec("own", 1), database, lambda *_: None)
    for trial, other in zip(shared.trials, own.trials, strict=True):
        assert trial.params == other.params
        worked = [one.costs["cpu_seconds"].value for one in (trial, other)]  # others on the cores make seconds longer
        assert worked[0] == pytest.approx(worked[1], rel=0.5)
        training = sum(attempt.bill["training"] for attempt in trial.attempts)
        assert training < 0.75 * (trial.costs["device_seconds"].value or 0.0) * 4  # a quarter of the device, for longer


@pytest.mark.slow
@pytest.mark.parametrize(("device", "epochs"), [("cpu", 6), pytest.param("cuda", 150, marks=pytest.mark.gpu)])
def test_a_kill_in_mid_training_leaves_the_lines_in_balance(
    device: str, epochs: int, paretune: Run, tmp_path: Path
) -> None:
    settings = ["objective.dataset=digits", f"objective.epochs={epochs}", f"compute.device={device}",
                "compute.slots=2", "compute.slots_per_device=2", "compute.threads=1"]  # fmt: skip
    flags = ["--trials", "3", "--study", "quick", *(part for setting in settings for part in ("--set", setting))]
    running = start(tmp_path, "launch", *flags)
    home = Database(f"sqlite:///{tmp_path}/paretune.db")

    def num_epochs() -> int:
        try:
            return sum(len(trial.epochs) for trial in load_study(home, "quick").trials)
        except Exception:  # noqa: BLE001  there is no study yet
            return 0

    wait_for(lambda: num_epochs() >= 2)
    for process in [*workers_of(running.pid)]:
        process.send_signal(signal.SIGKILL)
    running.kill()
    running.communicate()
    paretune("resume", "quick", "--quiet", check=True)
    study = load_study(home, "quick")
    assert [trial.state for trial in study.trials] == ["complete"] * 3
    assert [[epoch.epoch for epoch in trial.epochs] for trial in study.trials] == [list(range(1, epochs + 1))] * 3
    assert len(study.sittings) == 2
    assert_lines_add_up(study, 2)


def test_slots_that_share_cores_are_spread_over_them() -> None:
    placements = place_slots(Compute(device="cpu", threads=1, slots_per_device=3), 1000)
    assert len(placements) == 3 * NUM_CORES
    counts = [sum(placement.cores == (core,) for placement in placements) for core in sorted(os.sched_getaffinity(0))]
    assert counts == [3] * NUM_CORES
    assert len(place_slots(Compute(device="cpu", slots_per_device=2), 1)) == 2


@pytest.mark.parametrize(
    ("compute", "preload", "law"),
    [
        ({"slots": 3, "slots_per_device": 2}, None, "a multiple of slots_per_device"),
        ({"engine": "inline", "slots_per_device": 2}, None, "the inline engine has 1 slot, but got 2 on a device"),
        ({"slots_per_device": 2}, "my:train", "needs a device of its own"),
    ],
)
def test_what_cannot_be_shared_is_refused(compute: dict[str, Any], preload: str | None, law: str) -> None:
    with pytest.raises(Faults, match=law):
        place_slots(Compute(device="cpu", **compute), 10, preload)


def test_wall_time_of_shared_slots_cannot_be_minimised(database: Database) -> None:
    asked = spec("a", 2)
    asked = asked.model_copy(update={"objective": asked.objective.model_copy(update={"minimize": ["wall_seconds"]})})
    with pytest.raises(Faults, match="wall_seconds tells nothing where slots share a device"):
        sweeps.launch(asked, database, lambda *_: None)

"""A whole sweep on a device that is played, so that what it must come to is known: solo costs, bills, and the meter."""

from __future__ import annotations

import pytest
from replay import EVALUATION_SECONDS, SETUP_SECONDS, Replay
from resumed import silent

from dashboards.bills import bill_lines
from dashboards.prices import price_study
from dashboards.summary import summarize
from search import sweeps
from search.reading import validate
from storage.database import Database
from storage.rows import StudyRow

WATTS, TICK_SECONDS, EPOCHS = 250.0, 0.1, 3
EPOCH_SECONDS = (1.23, 4.56)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Replay:
    """A device of constant power, whose counter moves every 100 ms, and first at 70 ms."""
    made = Replay.steady(WATTS, TICK_SECONDS, 60.0, since=0.07)
    made.install(monkeypatch)
    return made


def sweep(database: Database) -> StudyRow:
    """Two settings that complete and one that gives up after its first epoch's training."""
    settings = [{"epoch_seconds": seconds, "gives_up": False} for seconds in EPOCH_SECONDS]
    settings.append({"epoch_seconds": 2.0, "gives_up": True})
    spec = validate(
        {
            "name": "played",
            "objective": {"train": "replay:train", "epochs": EPOCHS, "minimize": ["device_seconds"]},
            "space": {"epoch_seconds": [*EPOCH_SECONDS, 2.0], "gives_up": [False, True]},
            "search": {"trials": len(settings), "baseline": False, "settings": settings},
            "compute": {"engine": "inline", "device": "cpu", "threads": 1},
        }
    )
    return sweeps.launch(spec, database, silent)


def test_solo_costs_are_those_of_the_training_alone(device: Replay, database: Database) -> None:
    study = sweep(database)
    assert [trial.state for trial in study.trials] == ["complete", "complete", "infeasible"]
    for trial, seconds in zip(study.trials, EPOCH_SECONDS, strict=False):
        costs = trial.costs
        assert costs["device_seconds"].value == pytest.approx(EPOCHS * seconds)
        assert costs["wall_seconds"].value == pytest.approx(EPOCHS * (seconds + EVALUATION_SECONDS))
        joules, error = costs["energy_joules"].value, costs["energy_joules"].error
        assert joules is not None
        assert error is not None
        assert abs(joules - WATTS * EPOCHS * seconds) <= error
        assert error == pytest.approx(EPOCHS * WATTS * TICK_SECONDS, rel=0.1)


def test_the_bills_add_up_to_the_meter(device: Replay, database: Database) -> None:
    study = sweep(database)
    lines = bill_lines(study)
    assert lines["setup"] == pytest.approx(3 * SETUP_SECONDS)
    assert lines["training"] == pytest.approx(EPOCHS * sum(EPOCH_SECONDS) + 2.0)
    assert lines["evaluation"] == pytest.approx(2 * EPOCHS * EVALUATION_SECONDS)
    assert sum(lines.values()) == pytest.approx(device.now)
    for trial, seconds in zip(study.trials, EPOCH_SECONDS, strict=False):
        whole = SETUP_SECONDS + EPOCHS * (seconds + EVALUATION_SECONDS)
        assert sum(sum(attempt.bill.values()) for attempt in trial.attempts) == pytest.approx(whole)


def test_the_billed_energy_is_what_the_counter_moved(device: Replay, database: Database) -> None:
    study = sweep(database)
    summary = summarize(study)
    billed = price_study(study, summary.book)["electricity_kwh"].value
    assert billed is not None
    assert summary.book.pue is not None
    moved = device.read_joules()
    ticks = 2 * EPOCHS * WATTS * TICK_SECONDS  # each epoch's energy may be off by one
    assert billed * 3.6e6 / summary.book.pue.value == pytest.approx(moved, abs=ticks * 1.5)

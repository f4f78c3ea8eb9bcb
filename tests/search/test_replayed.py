"""A whole sweep on a device that is played, so that what it must come to is known: solo costs, bills, and the meter."""

from __future__ import annotations

import pytest
from replay import EVALUATION_SECONDS, SETUP_SECONDS, Replay
from resumed import silent

from dashboards.bills import bill_lines
from dashboards.budget import budget_lines
from dashboards.energy import BESIDES, TRAINING, bill_energy, estimate_energy
from dashboards.prices import METERED, price_study
from dashboards.summary import summarize
from search import sweeps
from search.coordinator import Watch
from search.reading import validate
from storage.database import Database
from storage.rows import StudyRow

WATTS, TICK_SECONDS, EPOCHS = 250.0, 0.1, 3
EPOCH_SECONDS = (1.23, 4.56)
ELECTRICITY = {"money": "electricity", "electricity": {"price_per_kwh": 1.0}, "pue": {"ratio": 1.0}}


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> Replay:
    """A device of constant power, whose counter moves every 100 ms, and first at 70 ms."""
    made = Replay.steady(WATTS, TICK_SECONDS, 60.0, since=0.07)
    made.install(monkeypatch)
    return made


def sweep(database: Database, watch: Watch = silent, **tables: object) -> StudyRow:
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
            **tables,
        }
    )
    return sweeps.launch(spec, database, watch)


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
    billed = price_study(study, summary.book)["electricity_kwh"]
    assert billed.value is not None
    assert summary.book.pue is not None
    assert billed.value * 3.6e6 / summary.book.pue.value == pytest.approx(device.read_joules())
    assert (billed.source or "").startswith(METERED)


def test_the_lines_of_the_energy_add_up_to_what_the_counter_moved(device: Replay, database: Database) -> None:
    device.play(0.99)  # what it moved before is nobody's
    before = device.read_joules()
    study = sweep(database)
    (sitting,) = study.sittings
    moved = device.read_joules() - before
    assert sitting.joules == pytest.approx(moved)
    bill = bill_energy(study)
    assert (bill.method, bill.joules) == ("measured", sitting.joules)
    assert sum(bill.lines.values()) == pytest.approx(moved)
    epochs = [epoch.costs["energy_joules"] for trial in study.trials for epoch in trial.epochs]
    assert bill.lines[TRAINING] == pytest.approx(sum(cost.value or 0.0 for cost in epochs))
    besides = 3 * SETUP_SECONDS + 2 * EPOCHS * EVALUATION_SECONDS + 2.0  # the epoch that was given up is in it
    assert bill.lines[BESIDES] == pytest.approx(besides * WATTS, abs=sum(cost.error or 0.0 for cost in epochs))


@pytest.mark.parametrize("item", ["kwh", "money"])
def test_a_budget_of_energy_counts_what_the_meter_moved_of_all_sittings_idle_slots_too(
    device: Replay, database: Database, item: str
) -> None:
    budget = {item: 6000 / 3.6e6}
    study = sweep(database, lambda _trial, _event: device.play(5.0), budget=budget, prices=ELECTRICITY)
    assert study.state == "stopped"
    assert (estimate_energy(study.trials).joules or 0.0) < 5000
    again = sweeps.resume("played", database, silent)
    assert again.state == "stopped"
    assert again.trials == study.trials
    lines = {line.name: line for line in budget_lines(study, summarize(study).book)}
    joules = 3.6e6 * (lines[item].spent or 0.0)
    assert joules == pytest.approx(device.read_joules())
    assert joules > bill_energy(study).lines[TRAINING]
    (sitting,) = study.sittings
    assert joules == pytest.approx(sitting.joules)

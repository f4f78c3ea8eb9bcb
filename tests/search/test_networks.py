"""What a network itself costs is measured once on each device, so that equal networks cost the same."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from sqlalchemy import select
from turns import SlotsInTurn

from objectives.trial import Event, Profiled
from search import sweeps
from search.coordinator import Watch
from search.engines import ENGINES
from search.pricing import load_summary
from search.reading import validate
from search.remeasuring import Wish, plan, remeasure
from search.trials import Trial
from storage import tables
from storage.database import Database
from storage.rows import StudyRow

LATENCY = "inference_latency_seconds"


def silent(_trial: Trial, _event: Event) -> None:
    pass


def launch(database: Database, name: str, widths: list[float], watch: Watch = silent, **compute: Any) -> StudyRow:
    spec = validate(
        {
            "name": name,
            "objective": {"dataset": "digits", "epochs": 1},
            "space": {"width": widths, "lr": [0.01, 0.02], "optimizer": "sgd", "batch_size": 256},
            "search": {"sampler": "grid", "trials": 2 * len(widths), "baseline": False},
            "compute": {"engine": "inline", "threads": 1, "device": "cpu", **compute},
        }
    )
    return sweeps.launch(spec, database, watch)


def methods(study: StudyRow) -> Counter[str]:
    return Counter(trial.costs[LATENCY].method for trial in study.trials)


def num_known(database: Database) -> int:
    row = tables.calibrations.c
    with database.engine.connect() as connection:
        return len(connection.execute(select(row.signature).where(row.name == LATENCY)).all())


def test_a_network_is_measured_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectives.alone.NOTABLE", float("inf"))  # other tests run beside this one
    first, second = (launch(database, name, [0.25, 0.5]) for name in ("first", "second"))
    assert (methods(first), methods(second)) == ({"measured": 2, "calibrated": 2}, {"calibrated": 4})
    found = {(trial.params["width"], trial.costs[LATENCY].value) for study in (first, second) for trial in study.trials}
    assert len(found) == num_known(database) == 2
    counted = {trial.costs["parameters"].method for trial in second.trials}
    assert counted == {"counted"}, "what was not measured is not calibrated either"
    again = remeasure(first, plan(load_summary(database, "first"), database, Wish(2)), database, silent)
    assert set(methods(again)) == {"measured"}, "anew, or it would say nothing of what the first study told"


def test_what_was_measured_beside_other_work_is_told_of_no_other_trial(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objectives.alone.NOTABLE", -1.0)
    study = launch(database, "beside", [0.25, 0.5])
    assert (methods(study), num_known(database)) == ({"measured": 4}, 0)


def test_slots_that_begin_one_network_at_once_tell_the_same(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objectives.alone.NOTABLE", float("inf"))
    monkeypatch.setitem(ENGINES, "turns", SlotsInTurn)
    measured: list[float | None] = []

    def note(_trial: Trial, event: Event) -> None:
        measured.extend([event.costs[LATENCY].value] if isinstance(event, Profiled) else [])

    study = launch(database, "at-once", [0.25], note, engine="turns", slots=2)
    assert methods(study) == {"measured": 1, "calibrated": 1}
    assert len(set(measured)) == 2, "each has measured it"
    assert [trial.costs[LATENCY].value for trial in study.trials] == [measured[0]] * 2

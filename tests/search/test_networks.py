"""What a network itself costs is measured once on each device, so that equal networks cost the same."""

from __future__ import annotations

from collections import Counter
from importlib import import_module
from pathlib import Path
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
from search.spec import SweepSpec
from search.trials import Trial
from storage import tables
from storage.database import Database
from storage.ledger import Page
from storage.rows import StudyRow

LATENCY = "inference_latency_seconds"


def silent(_trial: Trial, _event: Event) -> None:
    pass


def spec_of(name: str, **changed: Any) -> SweepSpec:
    return validate(
        {
            "name": name,
            "objective": {"dataset": "digits", "epochs": 1},
            "search": {"sampler": "grid", "trials": 2, "baseline": False},
            "compute": {"engine": "inline", "threads": 1, "device": "cpu"},
            **changed,
            "space": {"lr": [0.01, 0.02], "optimizer": "sgd", "batch_size": 256, **changed.get("space", {})},
        }
    )


def launch(database: Database, name: str, widths: list[float], watch: Watch = silent, **compute: Any) -> StudyRow:
    search = {"sampler": "grid", "trials": 2 * len(widths), "baseline": False}
    computed = {"engine": "inline", "threads": 1, "device": "cpu", **compute}
    spec = spec_of(name, space={"width": widths}, search=search, compute=computed)
    return sweeps.launch(spec, database, watch)


def methods(study: StudyRow) -> Counter[str]:
    return Counter(trial.costs[LATENCY].method for trial in study.trials)


def num_known(database: Database) -> int:
    row = tables.calibrations.c
    with database.engine.connect() as connection:
        return len(connection.execute(select(row.signature).where(row.name == LATENCY)).all())


def test_a_network_is_measured_once(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectives.alone.NOTABLE", float("inf"))  # other tests run beside this one
    told: list[str] = []

    def note(_trial: Trial, event: Event) -> None:
        told.extend([event.network] if isinstance(event, Profiled) and event.network else [])

    first, second = (launch(database, name, [0.25, 0.5], note) for name in ("first", "second"))
    assert Counter(told) == dict.fromkeys(told, 2), "once in each sitting, to know which network a setting has"
    assert (methods(first), methods(second)) == ({"measured": 2, "calibrated": 2}, {"calibrated": 4})
    found = {(trial.params["width"], trial.costs[LATENCY].value) for study in (first, second) for trial in study.trials}
    assert len(found) == num_known(database) == 2
    counted = {trial.costs["parameters"].method for trial in second.trials}
    assert counted == {"counted"}, "what was not measured is not calibrated either"
    again = remeasure(first, plan(load_summary(database, "first"), database, Wish(2)), database, silent)
    assert set(methods(again)) == {"measured"}, "anew, or it would say nothing of what the first study told"


def test_widths_that_give_one_network_cost_the_same(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("objectives.alone.NOTABLE", float("inf"))
    study = launch(database, "rounded", [0.25, 0.2501, 0.2502])
    assert len({trial.costs["parameters"].value for trial in study.trials}) == 1
    assert len({trial.costs[LATENCY].value for trial in study.trials}) == num_known(database) == 1


def test_a_network_that_changes_between_two_sittings_is_another(
    database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """By code that the spec does not name, of which no digest is kept."""
    monkeypatch.setattr("objectives.alone.NOTABLE", float("inf"))
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "helping_net.py").write_text("NUM_HIDDEN = 4")
    (tmp_path / "helped_net.py").write_text(
        "import helping_net\nfrom torch import nn\n\ndef net(num_channels, num_classes):\n"
        "    hidden = helping_net.NUM_HIDDEN\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(1024, hidden), nn.Linear(hidden, num_classes))\n"
    )
    spec = spec_of(
        "helped",
        objective={"dataset": "digits", "epochs": 1, "model": "helped_net:net"},
        space={"lr": [0.01, 0.02, 0.03, 0.04]},
    )
    sweeps.launch(spec, database, silent)
    import_module("helping_net").NUM_HIDDEN = 8
    study = sweeps.resume("helped", database, silent, num_more=2)
    assert [trial.costs["parameters"].value for trial in study.trials] == [4150, 4150, 8290, 8290]
    assert methods(study) == {"measured": 2, "calibrated": 2}
    assert len({trial.costs[LATENCY].value for trial in study.trials}) == num_known(database) == 2


def test_another_study_that_is_first_to_keep_a_network_changes_nothing(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("objectives.alone.NOTABLE", float("inf"))
    launch(database, "first", [0.25])
    monkeypatch.setattr(Page, "find_calibrations", lambda _page, _signature: {})  # it is not yet there to be read
    study = launch(database, "second", [0.25])
    assert methods(study) == {"measured": 1, "calibrated": 1}
    assert len({trial.costs[LATENCY].value for trial in study.trials}) == 1


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

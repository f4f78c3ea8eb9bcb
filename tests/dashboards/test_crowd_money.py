"""Money of a large study on several devices: the same by columns as when it is read trial by trial."""

from __future__ import annotations

from typing import Any

import pytest
from crowds import check_billed, crowd_of
from pages import write_study
from postgresql import new_database
from sqlalchemy import insert, select, update
from synthetic import NOW

from dashboards.summary import summarize
from storage import tables
from storage.database import Database
from storage.reading import load_study

GPU = {"kind": "cuda", "name": "NVIDIA H100", "identity": "GPU-1", "threads": 2, "held_threads": 4, "torch": "2"}
PRICE = {"kind": "cuda", "match": "H100", "price_per_hour": 3.0, "source": "a list", "year": 2026}
MOVED, SILENT = 5, (7, 8)


def write_mixed(database: Database, spec: dict[str, Any]) -> str:
    """Writes a study whose every third trial ran on a GPU; one went on there, two told no device before they died."""
    uuid = write_study(database, "a", 40)
    own = load_study(database, "a", ()).spec
    attempt, epoch, trial = tables.attempts.c, tables.epochs.c, tables.trials.c
    with database.write() as connection:
        connection.execute(update(tables.studies).values(spec={**own, **spec}))
        connection.execute(update(tables.attempts).where(attempt.trial % 3 == 0).values(device=GPU))
        fewer = {**GPU, "threads": 1}  # of those that the slot held
        connection.execute(update(tables.attempts).where(attempt.trial == 3).values(device=fewer))
        moved = {"study": uuid, "trial": MOVED, "attempt": 9}
        times = {"slot": 0, "started_at": NOW, "heard_at": NOW, "ended_at": NOW, "outcome": "complete"}
        connection.execute(insert(tables.attempts).values(moved | times | {"device": GPU}))
        connection.execute(insert(tables.bills).values(moved | {"line": "training", "seconds": 4.0}))
        connection.execute(update(tables.epochs).where(epoch.trial == MOVED, epoch.epoch > 2).values(attempt=9))
        connection.execute(update(tables.attempts).where(attempt.trial.in_(SILENT)).values(device=None))
        for number, params in connection.execute(select(trial.number, trial.params)).all():
            kind = "cuda" if number % 3 == 0 or number == SILENT[0] else "cpu"
            connection.execute(
                update(tables.trials).where(trial.number == number).values(params={**params, "device": kind})
            )
    return uuid


@pytest.mark.parametrize("device", ["auto", ["cpu", "cuda"]], ids=["any", "searched"])
@pytest.mark.parametrize(
    "prices", [{}, {"devices": [PRICE]}, {"price_per_device_hour": 2.0}], ids=["cpu", "both", "one for all"]
)
def test_each_device_has_its_own_price(database: Database, prices: dict[str, Any], device: Any) -> None:
    crowd = crowd_of(database, write_mixed(database, {"prices": prices, "compute": {"device": device}}))
    check_solo(database, crowd)
    check_billed(database, crowd, "money")
    assert "money" in crowd.costs()


def test_a_database_server_gives_the_same(server: str) -> None:
    database = Database(new_database(server))
    database.create()
    crowd = crowd_of(database, write_mixed(database, {"prices": {"devices": [PRICE]}, "compute": {"device": []}}))
    check_solo(database, crowd)
    check_billed(database, crowd, "money")


def check_solo(database: Database, crowd: Any) -> None:
    summary = summarize(load_study(database, "a"))
    points = [point for curve in summary.curves.values() for point in curve]
    totals = dict(zip(zip(crowd.trial.tolist(), crowd.epoch.tolist(), strict=True), crowd.cost("money"), strict=True))
    found = {key: amount for key, amount in totals.items() if amount >= 0}
    told = {(point.trial, point.epoch): point.value("money") for point in points}
    assert found == pytest.approx({key: value for key, value in told.items() if value is not None}, rel=1e-9)
    assert len(found) > 20

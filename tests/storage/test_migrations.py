from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from postgresql import find_postgresql, new_database, running_postgresql
from sqlalchemy import MetaData, insert, select, text
from sqlalchemy.exc import IntegrityError

from storage import tables
from storage.database import HEAD, VERSION_TABLE, Database
from storage.migrations import upgrade
from storage.reading import load_study
from storage.studies import delete_study
from storage.tables import PREFIX, metadata

AT = datetime(2026, 1, 1)
STUDY = "3f0c0a5e-0000-4000-8000-000000000000"
COST = {"value": 1.5, "method": "measured", "reason": None}
FIRST: dict[str, dict[str, Any]] = {
    "studies": {"uuid": STUDY, "name": "a", "spec": {"x": 1}, "data": {}, "num_trials": 3, "state": "stopped",
                "created_at": AT, "reference": None},
    "leases": {"study": STUDY, "token": 4, "host": "h", "boot": "b", "pid": 1, "pid_started": 1.0, "acquired_at": AT,
               "renewed_at": AT, "expires_at": None},
    "requests": {"study": STUDY, "kind": "stop", "made_at": AT, "answered_at": AT},
    "trials": {"study": STUDY, "number": 0, "state": "complete", "params": {"lr": 0.1}, "seed": 7, "is_baseline": True,
               "reason": None, "created_at": AT, "ended_at": AT},
    "attempts": {"study": STUDY, "trial": 0, "attempt": 1, "slot": 0, "device": None, "started_at": AT, "heard_at": AT,
                 "ended_at": AT, "outcome": "complete"},
    "epochs": {"study": STUDY, "trial": 0, "epoch": 1, "attempt": 1, "train_loss": 1.0, "validation_loss": 2.0,
               "num_correct": 9, "num_images": 10, "recorded_at": AT},
    "epoch_costs": {"study": STUDY, "name": "device_seconds", "trial": 0, "epoch": 1, **COST},
    "trial_costs": {"study": STUDY, "name": "device_seconds", "trial": 0, **COST},
    "bills": {"study": STUDY, "trial": 0, "attempt": 1, "line": "training", "seconds": 1.5},
    "test_results": {"study": STUDY, "trial": 0, "epoch": 1, "num_correct": 8, "num_images": 10, "computed_at": AT},
}  # fmt: skip
"""A row in each table of the first schema, in the order of their keys."""

LATER = ("tokens", "audit", "sittings", "calibrations", "queue")
"""Tables that came later."""


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield Database(f"sqlite:///{tmp_path}/old.db")
    elif find_postgresql() is None:
        pytest.skip("there is no PostgreSQL here")
    else:
        with running_postgresql() as server:
            made = Database(new_database(server))
            yield made
            made.engine.dispose()


def rows(database: Database) -> dict[str, list[dict[str, Any]]]:
    found = MetaData()
    with database.engine.connect() as connection:
        found.reflect(connection, only=lambda name, _: name.startswith(PREFIX) and name != VERSION_TABLE)
        return {
            name.removeprefix(PREFIX): [dict(row._mapping) for row in connection.execute(select(table))]
            for name, table in found.tables.items()
        }


def fill_first_schema(database: Database) -> None:
    upgrade(database.engine, "0001")
    found = MetaData()
    with database.engine.begin() as connection:
        found.reflect(connection)
        for name, row in FIRST.items():
            connection.execute(insert(found.tables[PREFIX + name]).values(**row))


def test_an_upgrade_keeps_every_row(database: Database) -> None:
    fill_first_schema(database)
    before = rows(database)
    assert {name: len(found) for name, found in before.items()} == dict.fromkeys(FIRST, 1)
    Database(database.url.render_as_string(hide_password=False)).check()  # as the first command of the new version does
    after = rows(database)
    assert after["studies"][0].pop("environments") == after["studies"][0].pop("changes") == []
    assert (after["studies"][0].pop("reason"), after["studies"][0].pop("wall_seconds")) == (None, 0.0)
    assert after["trials"][0].pop("source") is None
    assert [after.pop(name) for name in LATER] == [[] for _ in LATER]
    assert after["epoch_costs"][0].pop("error") is after["trial_costs"][0].pop("error") is None
    assert after == before
    assert load_study(database, "a").trials[0].epochs[0].costs["device_seconds"].value == 1.5


def test_an_upgraded_schema_is_that_of_the_tables_and_holds_its_keys(database: Database) -> None:
    fill_first_schema(database)
    database.create()
    with database.engine.connect() as connection:
        options = {
            "version_table": VERSION_TABLE,
            "include_name": lambda name, kind, _: kind != "table" or str(name).startswith(PREFIX),
        }
        assert compare_metadata(MigrationContext.configure(connection, opts=options), metadata) == []
        assert connection.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")) == HEAD
    orphan = {**FIRST["epochs"], "trial": 9}
    with pytest.raises(IntegrityError), database.engine.begin() as connection:
        connection.execute(insert(tables.epochs).values(**{**orphan, "recorded_at": AT.astimezone()}))
    delete_study(database, "a")
    assert rows(database) == {name: [] for name in (*FIRST, *LATER)}


def test_a_price_per_device_hour_moves_from_the_budget_to_the_prices(database: Database) -> None:
    fill_first_schema(database)
    with database.engine.begin() as connection:
        found = MetaData()
        found.reflect(connection)
        studies = found.tables[f"{PREFIX}studies"]
        for number, price in enumerate((2.5, None)):
            spec = {"name": "old", "budget": {"money": 5.0, "price_per_device_hour": price}}
            row = {**FIRST["studies"], "uuid": str(number), "name": str(number), "spec": spec}
            connection.execute(insert(studies).values(**row))
    database.create()
    specs = {row["name"]: row["spec"] for row in rows(database)["studies"]}
    assert specs == {
        "a": {"x": 1},
        "0": {"name": "old", "budget": {"money": 5.0}, "prices": {"price_per_device_hour": 2.5}},
        "1": {"name": "old", "budget": {"money": 5.0}, "prices": {}},
    }


def test_a_sitting_of_before_has_no_energy_and_says_why(database: Database) -> None:
    fill_first_schema(database)
    upgrade(database.engine, "0010")
    found = MetaData()
    sitting = {"study": STUDY, "token": 4, "device": {}, "num_slots": 1, "slots_per_device": 1, "started_at": AT}
    with database.engine.begin() as connection:
        found.reflect(connection)
        connection.execute(insert(found.tables[f"{PREFIX}sittings"]).values(**sitting, seconds=2.5))
    database.create()
    (row,) = load_study(database, "a").sittings
    assert (row.seconds, row.joules, row.reason) == (2.5, None, "it was not recorded")


def test_a_loss_may_be_absent(database: Database) -> None:
    fill_first_schema(database)
    database.create()
    with database.engine.begin() as connection:
        lossless = {**FIRST["epochs"], "epoch": 2, "train_loss": None, "validation_loss": None}
        connection.execute(insert(tables.epochs).values(**{**lossless, "recorded_at": AT.astimezone()}))
    assert load_study(database, "a").trials[0].epochs[1].train_loss is None

"""Marks of studies: what differs as soon as there is anything new of one, so that a page knows when to read it anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Row, Table, func, select

from storage import tables
from storage.database import Database
from storage.studies import families_of, study_state

COUNTED: dict[Table, list[Column[Any]]] = {
    tables.epochs: [],
    tables.trials: [tables.trials.c.ended_at, tables.trials.c.reason],
    tables.attempts: [tables.attempts.c.ended_at, tables.attempts.c.device],
    tables.bills: [],
}
"""Of each table of what trials leave, the columns that come later than their row."""


def mark_studies(database: Database, names: Sequence[str]) -> dict[str, str]:
    """Returns the marks of studies by name, which tell of those that train them again too; what is gone has none.

    It is a few counts in plain SQL, as many for several as for one, so that a page may ask every other second.
    """
    database.check()
    with database.read() as connection:
        chosen = select(tables.studies).where(tables.studies.c.name.in_(names))
        return _mark(connection, connection.execute(chosen).all())


def _mark(connection: Connection, rows: Sequence[Row[Any]]) -> dict[str, str]:
    again = families_of(connection, [row.uuid for row in rows])
    counts = _count(connection, {*again, *(uuid for family in again.values() for uuid in family)})
    return {
        row.name: " ".join(
            [
                f"{row.uuid} {study_state(connection, row)} {row.num_trials}",
                f"{len(row.changes)} {len(row.environments)}",
                *(f"{uuid} {counts[uuid]}" for uuid in [row.uuid, *again[row.uuid]]),
                row.reason or "",
            ]
        )
        for row in rows
    }


def _count(connection: Connection, uuids: Collection[str]) -> dict[str, str]:
    """Returns of each study how many rows it has of each kind, and of how many of them what comes later is there."""
    found: defaultdict[str, str] = defaultdict(str)
    for table, columns in {**COUNTED, tables.test_results: []}.items():
        counts = select(table.c.study, func.count(), *map(func.count, columns)).where(table.c.study.in_(uuids))
        for study, *numbers in connection.execute(counts.group_by(table.c.study)):
            found[study] += f" {table.name} {numbers}"
    return found

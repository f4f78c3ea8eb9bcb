"""What is new of a study since it was looked at last, without counting all of it anew.

A trial that has ended does not change any more: so only those that had not ended, and those that came later, are looked
at. How long that takes does not grow with the study.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Column, ColumnElement, Connection, Select, func, select

from storage import tables
from storage.database import Database
from storage.marks import COUNTED
from storage.studies import families_of, find_study, study_state

Rows = list[tuple[Any, ...]]


@dataclass(frozen=True)
class Since:
    """How far a study was read.

    Attributes:
        newest: The number of its newest trial; -1 before the first.
        unended: The trials up to it that had not ended.
    """

    newest: int = -1
    unended: frozenset[int] = frozenset()

    def live(self, trial: Column[Any]) -> list[ColumnElement[bool]]:
        """Returns the conditions of which one holds for a row of a trial that may have changed, in ascending order.

        A database finds the rows of each by their key; an `OR` of them makes SQLite read the whole study.
        """
        return [*([trial.in_(sorted(self.unended))] if self.unended else []), trial > self.newest]


@dataclass(frozen=True)
class Glance:
    """How a study stands.

    Attributes:
        uuid: Its key.
        num_trials: How many trials there are.
        mark: Differs from that of another glance since the same point as soon as there is anything new.
    """

    uuid: str
    num_trials: int
    mark: str


def glance(database: Database, name: str, since: Since) -> Glance:
    """Returns how a study stands, and studies that train it again.

    Raises:
        StorageFault: where there is none of that name.
    """
    with database.read() as connection:
        row = find_study(connection, name)
        state = study_state(connection, row)
        parts = [row.uuid, state, row.num_trials, len(row.changes), len(row.environments), row.reference is not None]
        parts += [_count(connection, row.uuid, since), row.reason]
        for uuid in families_of(connection, [row.uuid])[row.uuid]:
            parts += [uuid, _count(connection, uuid, Since())]
        num_trials = connection.scalar(
            select(func.max(tables.trials.c.number)).where(tables.trials.c.study == row.uuid)
        )
    return Glance(row.uuid, 0 if num_trials is None else num_trials + 1, " ".join(map(str, parts)))


def see_trials(connection: Connection, study: str, since: Since) -> tuple[Rows, Since]:
    """Returns (number, state, whether it is the baseline) of the trials that may have changed, and how far this is.

    Args:
        connection: In a transaction that reads.
        study: Its UUID.
        since: How far it was read before.
    """
    trial = tables.trials.c
    chosen = select(trial.number, trial.state, trial.is_baseline, trial.ended_at.is_(None))
    rows = fetch_live(connection, chosen, study, since, trial.study, trial.number)
    unended = frozenset(row[0] for row in rows if row[3])
    return [row[:3] for row in rows], Since(max([since.newest, *(row[0] for row in rows)]), unended)


def see_since(database: Database, study: str, since: Since) -> Since:
    """Returns how far a study, by its UUID, can be read now."""
    with database.read() as connection:
        return see_trials(connection, study, since)[1]


def fetch_live(
    connection: Connection, chosen: Select[Any], study: str, since: Since, of: Column[Any], *key: Column[Any]
) -> Rows:
    """Returns the rows of live trials as plain tuples, in the order of a key that begins with the trial.

    A million records of SQLAlchemy's would take three times as long.
    """
    rows: Rows = []
    for is_live in since.live(key[0]):
        cursor = connection.execute(chosen.where(of == study, is_live).order_by(*key)).cursor
        assert cursor is not None
        rows += cursor.fetchall()
    return rows


def _count(connection: Connection, study: str, since: Since) -> str:
    """Returns how many rows of each kind live trials have, and of how many of them what comes later is there."""
    counts: list[Any] = []
    for table, columns in COUNTED.items():
        for is_live in since.live(tables.trial_of(table)):
            found = select(func.count(), *map(func.count, columns)).where(table.c.study == study, is_live)
            counts += connection.execute(found).one()
    tests = tables.test_results
    counts.append(connection.scalar(select(func.count()).where(tests.c.study == study)))
    return str(counts)

"""A glance at a study: it sees all that is new, and looks at live trials alone."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from pages import add_trial, write_study
from sqlalchemy import event, insert, update

from storage import tables
from storage.database import Database
from storage.faults import NoStudy
from storage.watching import Since, glance, see_since


def write(database: Database, statement: Any) -> None:
    with database.write() as connection:
        connection.execute(statement)


@pytest.fixture
def uuid(database: Database) -> str:
    return write_study(database, "a", 12)


def test_a_glance_differs_as_soon_as_there_is_anything_new(database: Database, uuid: str) -> None:
    trial, now = tables.trials, datetime.now(UTC)
    add_trial(database, uuid)
    since = see_since(database, uuid, Since())
    assert since == Since(12, frozenset([12]))
    marks = [glance(database, "a", since).mark]
    assert glance(database, "a", since).mark == marks[0]
    new = {"state": "waiting", "params": {}, "seed": 0, "is_baseline": False, "created_at": now}
    epoch = {"attempt": 1, "num_correct": 1, "num_images": 2, "recorded_at": now}
    for statement in (
        insert(tables.epochs).values(study=uuid, trial=12, epoch=2, **epoch),
        update(trial).where(trial.c.study == uuid, trial.c.number == 12).values(ended_at=now),
        insert(trial).values(study=uuid, number=13, **new),
        insert(tables.attempts).values(study=uuid, trial=13, attempt=1, slot=0, started_at=now, heard_at=now),
        insert(tables.test_results).values(study=uuid, trial=0, epoch=1, num_correct=1, num_images=2, computed_at=now),
        update(tables.studies).where(tables.studies.c.uuid == uuid).values(state="stopped"),
        update(tables.studies).where(tables.studies.c.uuid == uuid).values(num_trials=99),
    ):
        write(database, statement)
        marks.append(glance(database, "a", since).mark)
    assert len(set(marks)) == len(marks)
    assert glance(database, "a", since).num_trials == 14
    assert see_since(database, uuid, since) == Since(13, frozenset([13]))


def test_a_study_that_trains_it_again_belongs_to_it(database: Database, uuid: str) -> None:
    since = see_since(database, uuid, Since())
    before = glance(database, "a", since).mark
    other = write_study(database, "b", 2)
    assert glance(database, "a", since).mark == before
    spec = {"objective": {"minimize": []}, "search": {"remeasures": uuid}}
    write(database, update(tables.studies).where(tables.studies.c.uuid == other).values(spec=spec))
    again = glance(database, "a", since).mark
    assert again != before
    add_trial(database, other)
    assert glance(database, "a", since).mark != again


def test_no_row_of_a_trial_that_has_ended_is_read(database: Database, uuid: str) -> None:
    since, plans = see_since(database, uuid, Since()), []

    @event.listens_for(database.engine, "before_cursor_execute")
    def _(connection: Any, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "count(" in statement and "live" not in plans:
            plans.extend(row[3] for row in cursor.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall())

    glance(database, "a", since)
    per_trial = [plan for plan in plans if "test_results" not in plan]
    assert len(per_trial) == 4
    assert all("number>?" in plan or "trial>?" in plan for plan in per_trial), per_trial
    counts = re.search(r"\[(.*?)\]", glance(database, "a", since).mark)
    assert counts is not None
    assert set(counts[1].split(", ")) == {"0"}


def test_a_study_that_is_not_there(database: Database) -> None:
    with pytest.raises(NoStudy, match="there is no 'c'"):
        glance(database, "c", Since())

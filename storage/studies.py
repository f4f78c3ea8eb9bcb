"""Studies: made, found, listed, asked to stop, and removed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, Row, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from storage import leases, tables
from storage.beginnings import Beginning, write_beginning
from storage.database import Database
from storage.faults import NameTaken, NoStudy, StorageFault
from storage.machine import Holder
from storage.rows import RunningStudy, StudyLine, is_imported

_remeasures = tables.studies.c.spec[("search", "remeasures")].as_string()
"""The UUID of the study that one trains again, of its spec."""


def create_study(
    database: Database,
    name: str,
    spec: Mapping[str, Any],
    num_trials: int,
    data: Mapping[str, Any],
    beginning: Beginning | None = None,
    *,
    uuid: str | None = None,
    state: str = "running",
) -> str:
    """Writes a new study and returns its UUID.

    Args:
        database: Where to.
        name: Not taken yet.
        spec: What defines the sweep, as plain values.
        num_trials: How many trials it is to have.
        data: What describes its data set, as plain values.
        beginning: The trials that it begins with.
        uuid: Its key; None for a new one.
        state: Its first state.

    Raises:
        NameTaken: where the name is.
    """
    database.create()
    uuid, beginning = uuid or str(uuid4()), beginning or Beginning()
    row = {"uuid": uuid, "name": name, "spec": dict(spec), "data": dict(data), "num_trials": num_trials}
    try:
        with database.write() as connection:
            row |= {"reference": beginning.reference, "state": state, "created_at": datetime.now(UTC)}
            connection.execute(insert(tables.studies).values(**row))
            write_beginning(connection, uuid, beginning)
    except IntegrityError as error:
        raise NameTaken(
            f"study: {name!r} is there already; `paretune resume {name}` continues it, `--study` names another"
        ) from error
    return uuid


def list_studies(database: Database) -> list[StudyLine]:
    """Returns all studies, the newest first."""
    database.check()
    trial = tables.trials.c
    with database.read() as connection:
        counts = select(trial.study, func.count()).where(trial.ended_at.is_not(None)).group_by(trial.study)
        ended = {row[0]: row[1] for row in connection.execute(counts)}
        studies = connection.execute(select(tables.studies).order_by(tables.studies.c.created_at.desc())).all()
        return [
            StudyLine(
                row.uuid, row.name, study_state(connection, row), row.num_trials, ended.get(row.uuid, 0), row.created_at
            )
            for row in studies
        ]


def list_remeasurements(database: Database, study: str) -> list[str]:
    """Returns the names of the studies that train settings of a study again, by its UUID; the newest first."""
    database.check()
    column = tables.studies.c
    with database.read() as connection:
        chosen = select(column.name).where(_remeasures == study).order_by(column.created_at.desc())
        return [str(name) for name in connection.scalars(chosen)]


def families_of(connection: Connection, studies: Collection[str]) -> dict[str, list[str]]:
    """Returns of each study, by its UUID, the UUIDs of those that train its settings again."""
    families: dict[str, list[str]] = {uuid: [] for uuid in studies}
    uuid = tables.studies.c.uuid
    for study, other in connection.execute(select(_remeasures, uuid).where(_remeasures.in_(families)).order_by(uuid)):
        families[study].append(other)
    return families


def list_running_here(database: Database) -> list[RunningStudy]:
    """Returns the studies whose coordinators run on this machine."""
    database.check()
    here = Holder.here()
    with database.read() as connection:
        held = tables.studies.join(tables.leases, tables.leases.c.study == tables.studies.c.uuid)
        columns = tables.studies.c
        rows = connection.execute(
            select(columns.name, columns.state, columns.spec, tables.leases).select_from(held).order_by(columns.name)
        )
        return [
            RunningStudy(
                row.name,
                row.spec.get("compute", {}),
                row.pid if row.boot == here.boot else None,
                row.acquired_at,
                row.spec.get("search", {}).get("remeasures") is not None,
            )
            for row in rows
            if row.state == "running"
            and leases.is_live(row)
            and here.is_beside(Holder(row.host, row.boot, row.pid, row.pid_started))
        ]


def keep_test(database: Database, study: str, trial: int, epoch: int, num_correct: int, num_images: int) -> None:
    """Writes what a checkpoint gets on the test images, once: what is there already stays.

    Args:
        database: Where the study is.
        study: Its UUID.
        trial: The trial's number.
        epoch: From 1.
        num_correct: Test images classified correctly.
        num_images: Test images.
    """
    row = {"study": study, "trial": trial, "epoch": epoch, "num_correct": num_correct, "num_images": num_images}
    with suppress(IntegrityError), database.write() as connection:
        connection.execute(insert(tables.test_results).values(**row, computed_at=datetime.now(UTC)))


def request_stop(database: Database, name: str) -> bool:
    """Asks the study's coordinator to stop; returns whether there is one that can.

    Raises:
        StorageFault: where there is no such study.
    """
    database.check()
    with database.write() as connection:
        row = find_study(connection, name)
        if study_state(connection, row) != "running":
            return False
        connection.execute(insert(tables.requests).values(study=row.uuid, kind="stop", made_at=datetime.now(UTC)))
    return True


def delete_study(database: Database, name: str) -> str:
    """Removes a study from our tables and Optuna's, and returns its UUID.

    Raises:
        StorageFault: where there is no such study, or it is running.
    """
    import optuna

    from storage.projection import optuna_storage

    database.check()
    with database.write() as connection:
        row = find_study(connection, name)
        if study_state(connection, row) == "running":
            raise StorageFault(f"study: {name!r} is running; `paretune stop {name}` first")
        connection.execute(delete(tables.studies).where(tables.studies.c.uuid == row.uuid))
    if is_imported(row):  # one of Optuna's that has its name is somebody's own
        return str(row.uuid)
    with suppress(KeyError):  # it was interrupted before Optuna's study was made
        optuna.delete_study(study_name=name, storage=optuna_storage(database))
    return str(row.uuid)


def find_study(connection: Connection, name: str) -> Row[Any]:
    """Returns the row of a study.

    Raises:
        NoStudy: where there is none of that name.
    """
    if "\0" in name:  # no text of PostgreSQL's holds it, so that it would refuse the question
        raise NoStudy(f"study: there is no {name!r}")
    row = connection.execute(select(tables.studies).where(tables.studies.c.name == name)).one_or_none()
    if row is None:
        names = list(connection.scalars(select(tables.studies.c.name).order_by(tables.studies.c.created_at.desc())))
        close = get_close_matches(name, names, n=1)
        there = f"there are {', '.join(names[:10])}" if names else "there is none yet"
        raise NoStudy(f"study: there is no {name!r}; {there}" + (f"; did you mean {close[0]!r}?" if close else ""))
    return row


def study_state(connection: Connection, row: Row[Any]) -> str:
    """Returns the state of a study by its row: interrupted where nobody runs what should be running."""
    if row.state != "running":
        return str(row.state)
    held = connection.execute(select(tables.leases).where(tables.leases.c.study == row.uuid)).one_or_none()
    if held is None:
        return "interrupted"
    return "running" if leases.is_live(held) else "interrupted"

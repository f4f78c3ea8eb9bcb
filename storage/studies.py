"""Studies as records: what was asked, what came of it. Everything is read by plain SQL, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from typing import Any
from uuid import uuid4

from sqlalchemy import Column, Connection, Row, Table, delete, func, insert, select
from sqlalchemy.exc import IntegrityError

from storage import leases, tables
from storage.beginnings import Beginning, write_beginning
from storage.collector import collector_rests
from storage.database import Database
from storage.faults import NoStudy, NoTrial, StorageFault
from storage.ledger import CostValue
from storage.machine import Holder

_remeasures = tables.studies.c.spec[("search", "remeasures")].as_string()
"""The UUID of the study that one trains again, of its spec."""


@dataclass(frozen=True)
class EpochRow:
    """One epoch of a trial; `costs` are this epoch's own, not cumulative. A loss that was not reported is None."""

    epoch: int
    attempt: int
    train_loss: float | None
    validation_loss: float | None
    num_correct: int
    num_images: int
    costs: Mapping[str, CostValue]


@dataclass(frozen=True)
class AttemptRow:
    """One sitting of a trial; `bill` is in seconds per line."""

    attempt: int
    slot: int
    device: Mapping[str, Any] | None
    started_at: datetime
    heard_at: datetime
    ended_at: datetime | None
    outcome: str | None
    bill: Mapping[str, float]


@dataclass(frozen=True)
class TrialRow:
    """One trial; `costs` are those of its model, and once it has ended its frozen solo costs.

    One that was taken over has a `source`: study and trial, or what they were in Optuna. Its attempts stayed there.
    """

    number: int
    state: str
    params: Mapping[str, Any]
    seed: int
    is_baseline: bool
    reason: str | None
    costs: Mapping[str, CostValue]
    epochs: tuple[EpochRow, ...]
    attempts: tuple[AttemptRow, ...]
    source: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class SittingRow:
    """How long a coordinator held slots: `num_slots` of them, each for so many seconds, on such a device."""

    token: int
    device: Mapping[str, Any]
    num_slots: int
    slots_per_device: int
    started_at: datetime
    seconds: float


@dataclass(frozen=True)
class StudyRow:
    """One study.

    Attributes:
        state: running, complete, stopped, or interrupted: its coordinator is gone and did not say why.
        num_trials: How many trials it is to have.
        data: The data set that it began with: sizes, fingerprint, notes.
        reference: Scales of the hypervolume; None until a trial completed.
        tests: Of checkpoints (trial, epoch) that were picked: test images classified correctly, and all of them.
        environments: What it was run with, a record for each sitting in which that differed from the one before.
        changes: Of its spec: when, from which trial on, and each key before and after.
        reason: Why it ended before its target; None where it did not, or goes on.
        wall_seconds: How long its coordinators ran, all sittings together.
        sittings: How long they held slots, in their order; none where only some trials were read.
    """

    uuid: str
    name: str
    state: str
    spec: Mapping[str, Any]
    num_trials: int
    created_at: datetime
    reference: Mapping[str, Any] | None
    data: Mapping[str, Any]
    trials: tuple[TrialRow, ...]
    tests: Mapping[tuple[int, int], tuple[int, int]] = field(default_factory=dict)
    environments: tuple[Mapping[str, Any], ...] = ()
    changes: tuple[Mapping[str, Any], ...] = ()
    reason: str | None = None
    wall_seconds: float = 0.0
    sittings: tuple[SittingRow, ...] = ()


@dataclass(frozen=True)
class StudyLine:
    """A study in a list."""

    uuid: str
    name: str
    state: str
    num_trials: int
    num_ended: int
    created_at: datetime


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
        StorageFault: where the name is taken.
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
        raise StorageFault(
            f"study: {name!r} is there already; `paretune resume {name}` continues it, `--study` names another"
        ) from error
    return uuid


def load_study(database: Database, name: str, numbers: Collection[int] | None = None) -> StudyRow:
    """Returns a study with its trials, epochs and bills.

    Args:
        database: Where it is.
        name: Of the study.
        numbers: The trials that are read, some thousands at most; None for all.

    Raises:
        StorageFault: where there is none of that name.
    """
    database.check()
    with database.read() as connection:
        row = find_study(connection, name)
        state = study_state(connection, row)
        with collector_rests():
            trials = _read_trials(connection, row.uuid, numbers, is_run=state == "running")
        tests = _read_tests(connection, row.uuid)
        sittings = read_sittings(connection, row.uuid) if numbers is None else ()
    return StudyRow(
        row.uuid,
        row.name,
        state,
        row.spec,
        row.num_trials,
        row.created_at,
        row.reference,
        row.data,
        trials,
        tests,
        tuple(row.environments),
        tuple(row.changes),
        row.reason,
        row.wall_seconds,
        sittings,
    )


def read_sittings(connection: Connection, study: str) -> tuple[SittingRow, ...]:
    """Returns how long coordinators held slots for a study, by its UUID, in their order."""
    names = _own_fields(SittingRow, tables.sittings)
    return tuple(SittingRow(*values) for values in _rows(connection, tables.sittings, study, *names))


def mark_study(database: Database, name: str) -> str:
    """Returns what differs as soon as there is something new of a study, or of one that trains it again.

    It is a few counts in plain SQL, so that a page may ask every other second whether to read the whole anew.

    Raises:
        StorageFault: where there is none of that name.
    """
    database.check()
    with database.read() as connection:
        return _mark(connection, [find_study(connection, name)])[name]


def mark_studies(database: Database, names: Sequence[str]) -> dict[str, str]:
    """Returns the marks of several studies by name, for about as many statements as for one; what is gone has none."""
    database.check()
    with database.read() as connection:
        return _mark(
            connection, connection.execute(select(tables.studies).where(tables.studies.c.name.in_(names))).all()
        )


def _mark(connection: Connection, rows: Sequence[Row[Any]]) -> dict[str, str]:
    families = {row.uuid: [row.uuid] for row in rows}
    again = select(_remeasures, tables.studies.c.uuid).where(_remeasures.in_(families)).order_by(tables.studies.c.uuid)
    for uuid, other in connection.execute(again).all():
        families[uuid].append(other)
    counts = _count(connection, {uuid for family in families.values() for uuid in family})
    return {
        row.name: " ".join(
            [
                f"{row.uuid} {study_state(connection, row)} {row.num_trials}",
                f"{len(row.changes)} {len(row.environments)}",
                *(f"{uuid} {counts[uuid]}" for uuid in families[row.uuid]),
                row.reason or "",
            ]
        )
        for row in rows
    }


def _count(connection: Connection, uuids: Collection[str]) -> dict[str, str]:
    """Returns of each study how many rows it has of each kind, and of how many of them what comes later is there."""
    trial, attempt = tables.trials.c, tables.attempts.c
    later: dict[Table, list[Column[Any]]] = {
        tables.epochs: [],
        tables.trials: [trial.ended_at, trial.reason],
        tables.attempts: [attempt.ended_at, attempt.device],
        tables.bills: [],
        tables.test_results: [],
    }
    found: defaultdict[str, str] = defaultdict(str)
    for table, columns in later.items():
        counts = select(table.c.study, func.count(), *map(func.count, columns)).where(table.c.study.in_(uuids))
        for study, *numbers in connection.execute(counts.group_by(table.c.study)):
            found[study] += f" {table.name} {numbers}"
    return found


def family_of(connection: Connection, study: str) -> list[str]:
    """Returns the UUIDs of the studies that train settings of a study again, by its UUID."""
    found = select(tables.studies.c.uuid).where(_remeasures == study).order_by(tables.studies.c.uuid)
    return [str(uuid) for uuid in connection.scalars(found)]


def load_tests(database: Database, study: str) -> Mapping[tuple[int, int], tuple[int, int]]:
    """Returns what of a study, by its UUID, was tested: `StudyRow.tests`."""
    with database.read() as connection:
        return _read_tests(connection, study)


def is_imported(study: StudyRow) -> bool:
    """Says whether the study came from elsewhere whole, so that it can be looked at but not run."""
    return "imported" in study.data


def find_trial(study: StudyRow, number: int) -> TrialRow:
    """Returns a trial of a study that was read whole.

    Raises:
        NoTrial: where there is none of that number.
    """
    trials = {trial.number: trial for trial in study.trials}
    if number not in trials:
        there = f"there are 0 to {max(trials)}" if trials else "there is none yet"
        raise NoTrial(f"trial: {study.name} has no trial {number}; {there}")
    return trials[number]


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


@dataclass(frozen=True)
class RunningStudy:
    """A study whose coordinator runs on this machine.

    Attributes:
        name: Of the study.
        compute: The `compute` table of its spec.
        pid: The coordinator's process number; None where it is of another container.
        since: When it took the lease.
        is_alone: Whether it trains another study's settings again, beside which nothing else should run.
    """

    name: str
    compute: Mapping[str, Any]
    pid: int | None
    since: datetime
    is_alone: bool


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


def _read_trials(
    connection: Connection, study: str, numbers: Collection[int] | None, *, is_run: bool
) -> tuple[TrialRow, ...]:
    """Reads trials; where nobody runs the study, one that was running when its coordinator died waits."""
    epochs, attempts = _read_epochs(connection, study, numbers), _read_attempts(connection, study, numbers)
    costs: dict[int, dict[str, CostValue]] = defaultdict(dict)
    costed = _rows(connection, tables.trial_costs, study, "trial", "name", *CostValue._fields, numbers=numbers)
    for trial, name, *cost in costed:
        costs[trial][name] = CostValue(*cost)
    names = _own_fields(TrialRow, tables.trials)
    trials = [
        TrialRow(
            **dict(zip(names, row, strict=True)),
            costs=costs[number],
            epochs=tuple(epochs.get(number, ())),
            attempts=tuple(attempts[number]),
        )
        for number, *row in _rows(connection, tables.trials, study, "number", *names, numbers=numbers)
    ]
    if is_run:
        return tuple(trials)
    return tuple(replace(trial, state="waiting") if trial.state == "running" else trial for trial in trials)


def _read_tests(connection: Connection, study: str) -> dict[tuple[int, int], tuple[int, int]]:
    rows = _rows(connection, tables.test_results, study, "trial", "epoch", "num_correct", "num_images")
    return {(trial, epoch): (num_correct, num_images) for trial, epoch, num_correct, num_images in rows}


def _read_epochs(connection: Connection, study: str, numbers: Collection[int] | None) -> dict[int, list[EpochRow]]:
    # There are several costs for each epoch of each trial: rows are unpacked, since access by name takes far longer.
    costs: dict[tuple[int, int], dict[str, CostValue]] = defaultdict(dict)
    for trial, epoch, name, value, method, reason, error in _rows(
        connection, tables.epoch_costs, study, "trial", "epoch", "name", *CostValue._fields, numbers=numbers
    ):
        costs[trial, epoch][name] = CostValue(value, method, reason, error)
    epochs: dict[int, list[EpochRow]] = defaultdict(list)
    names = _own_fields(EpochRow, tables.epochs)
    for trial, epoch, *row in _rows(connection, tables.epochs, study, "trial", "epoch", *names, numbers=numbers):
        epochs[trial].append(EpochRow(**dict(zip(names, row, strict=True)), costs=costs[trial, epoch]))
    return epochs


def _read_attempts(connection: Connection, study: str, numbers: Collection[int] | None) -> dict[int, list[AttemptRow]]:
    bills: dict[tuple[int, int], dict[str, float]] = defaultdict(dict)
    billed = _rows(connection, tables.bills, study, "trial", "attempt", "line", "seconds", numbers=numbers)
    for trial, attempt, line, seconds in billed:
        bills[trial, attempt][line] = seconds
    attempts: dict[int, list[AttemptRow]] = defaultdict(list)
    names = _own_fields(AttemptRow, tables.attempts)
    for trial, attempt, *row in _rows(connection, tables.attempts, study, "trial", "attempt", *names, numbers=numbers):
        attempts[trial].append(AttemptRow(**dict(zip(names, row, strict=True)), bill=bills[trial, attempt]))
    return attempts


def _own_fields(record: type[EpochRow | AttemptRow | TrialRow | SittingRow], table: Table) -> list[str]:
    """Returns the fields of a record that stand in its own table."""
    return [field.name for field in fields(record) if field.name in table.c]


def _rows(
    connection: Connection, table: Table, study: str, *columns: str, numbers: Collection[int] | None = None
) -> Sequence[Any]:
    """Returns these columns of a study's rows, in the order of the table's key; of all trials, or of some."""
    chosen = select(*(table.c[name] for name in columns)).where(table.c.study == study)
    if numbers is not None:
        chosen = chosen.where(table.c["number" if table is tables.trials else "trial"].in_(sorted(numbers)))
    if numbers is not None and table.primary_key.columns.keys()[1] == "name":  # the key is of use by the name alone
        chosen = chosen.where(table.c.name.in_(_names(connection, table, study)))
    return connection.execute(chosen.order_by(*table.primary_key)).all()


def _names(connection: Connection, table: Table, study: str) -> list[str]:
    """Returns the names of the costs that a study has, each by a look into the key rather than by reading all rows."""
    names: list[str] = []
    least = select(func.min(table.c.name)).where(table.c.study == study)
    while (name := connection.scalar(least.where(table.c.name > names[-1]) if names else least)) is not None:
        names.append(name)
    return names

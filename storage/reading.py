"""A whole study is read: by plain SQL, in one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from sqlalchemy import Connection, Table, func, select

from storage import tables
from storage.collector import collector_rests
from storage.database import Database
from storage.ledger import CostValue
from storage.rows import AttemptRow, EpochRow, SittingRow, StudyRow, TrialRow
from storage.studies import find_study, study_state


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


def load_tests(database: Database, study: str) -> Mapping[tuple[int, int], tuple[int, int]]:
    """Returns what of a study, by its UUID, was tested: `StudyRow.tests`."""
    with database.read() as connection:
        return _read_tests(connection, study)


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
        chosen = chosen.where(tables.trial_of(table).in_(sorted(numbers)))
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

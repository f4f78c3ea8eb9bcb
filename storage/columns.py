"""A large study column by column: numbers alone, each table read once, without a record for each row."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import Connection, Text, and_, func, select

from storage import tables
from storage.watching import Rows, Since, fetch_live


def read_epochs(connection: Connection, study: str, since: Since) -> Rows:
    """Returns (trial, epoch, images classified correctly, images) of each epoch of live trials, in this order.

    Args:
        connection: In a transaction that reads.
        study: Its UUID.
        since: Trials that had ended by then are left out.
    """
    epoch = tables.epochs.c
    chosen = select(epoch.trial, epoch.epoch, epoch.num_correct, epoch.num_images)
    return fetch_live(connection, chosen, study, since, epoch.study, epoch.trial, epoch.epoch)


def read_epoch_cost(connection: Connection, study: str, name: str, since: Since) -> Rows:
    """Returns (trial, epoch, value) of a cost of each epoch of live trials, the epoch's own; None where absent."""
    cost = tables.epoch_costs.c
    chosen = select(cost.trial, cost.epoch, cost.value).where(cost.name == name)
    return fetch_live(connection, chosen, study, since, cost.study, cost.trial, cost.epoch)


def read_trial_cost(connection: Connection, study: str, name: str, since: Since) -> Rows:
    """Returns (trial, value) of a cost of each live trial's model; None where it is absent."""
    cost = tables.trial_costs.c
    chosen = select(cost.trial, cost.value).where(cost.name == name)
    return fetch_live(connection, chosen, study, since, cost.study, cost.trial)


def read_billed(connection: Connection, study: str, since: Since) -> Rows:
    """Returns (trial, seconds) that all attempts of each live trial held their slots."""
    bill = tables.bills.c
    chosen = select(bill.trial, func.sum(bill.seconds)).group_by(bill.trial)
    return fetch_live(connection, chosen, study, since, bill.study, bill.trial)


def read_attempts(connection: Connection, study: str) -> Rows:
    """Returns (trial, attempt, device as JSON, seconds billed) of all attempts; None for what is not recorded."""
    attempt, bill = tables.attempts, tables.bills
    same = [attempt.c[name] == bill.c[name] for name in ("study", "trial", "attempt")]
    key = (attempt.c.trial, attempt.c.attempt)
    device = attempt.c.device.cast(Text)
    chosen = select(*key, device, func.sum(bill.c.seconds)).outerjoin(bill, and_(*same)).group_by(*key, device)
    return fetch_live(connection, chosen, study, Since(), attempt.c.study, *key)


def read_epoch_attempts(connection: Connection, study: str, since: Since) -> Rows:
    """Returns (trial, epoch, attempt) of each epoch of live trials, in this order."""
    epoch = tables.epochs.c
    chosen = select(epoch.trial, epoch.epoch, epoch.attempt)
    return fetch_live(connection, chosen, study, since, epoch.study, epoch.trial, epoch.epoch)


def read_wanted_devices(connection: Connection, study: str) -> dict[int, str]:
    """Returns the device that its setting names, of each trial with an attempt that told none."""
    trial, attempt = tables.trials.c, tables.attempts.c
    silent = select(attempt.trial).where(attempt.study == study, attempt.device.is_(None))
    found = select(trial.number, trial.params).where(trial.study == study, trial.number.in_(silent))
    return {row.number: str(row.params.get("device")) for row in connection.execute(found)}


def sum_bills(connection: Connection, study: str, since: Since) -> Counter[str]:
    """Returns the seconds that all attempts of live trials held their slots, by line."""
    bill = tables.bills.c
    lines: Counter[str] = Counter()
    for is_live in since.live(bill.trial):
        found = select(bill.line, func.sum(bill.seconds)).where(bill.study == study, is_live).group_by(bill.line)
        lines.update({row.line: row[1] for row in connection.execute(found)})
    return lines


def read_heard(connection: Connection, study: str) -> list[datetime]:
    """Returns when each attempt under way was last heard of."""
    attempt = tables.attempts.c
    return list(connection.scalars(select(attempt.heard_at).where(attempt.study == study, attempt.ended_at.is_(None))))


def list_devices(connection: Connection, study: str, since: Since) -> set[str | None]:
    """Returns the different devices that attempts of live trials ran on, as JSON; None for one that is not recorded."""
    attempt, found = tables.attempts.c, set[str | None]()
    device = attempt.device.cast(Text)
    for is_live in since.live(attempt.trial):
        found |= set(connection.scalars(select(device).where(attempt.study == study, is_live).distinct()))
    return found

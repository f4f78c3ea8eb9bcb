"""The ledger: all that a coordinator writes about a study, in transactions that its lease guards."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import Connection, Table, func, insert, select, update

from storage import tables
from storage.database import Database
from storage.leases import Lease


class CostValue(NamedTuple):
    """A cost as it is kept: a value in the cost's unit, or None with the reason."""

    value: float | None
    method: str
    reason: str | None


class Ledger:
    """Writes one study. Open it under a lease; `LeaseLost` is raised by every commit after the lease is gone."""

    def __init__(self, database: Database, lease: Lease) -> None:
        self.study = lease.study
        self._lease = lease
        self._engine = database.new_engine()
        lease.fence(self._engine)

    @contextmanager
    def writing(self) -> Iterator[Page]:
        """Opens one transaction: all that is written on the page is kept, or nothing."""
        with self._engine.begin() as connection:
            yield Page(connection, self.study, self._lease)

    def close(self) -> None:
        """Gives the lease back."""
        with self.writing() as page:
            page.release()
        self.disconnect()

    def disconnect(self) -> None:
        """Closes its connections; the lease stays."""
        self._engine.dispose()


@dataclass(frozen=True)
class Page:
    """What can be written in a transaction."""

    connection: Connection
    study: str
    lease: Lease

    def renew(self) -> None:
        """Puts off the lease's expiry."""
        self.lease.renew(self.connection)

    def release(self) -> None:
        """Gives the lease back."""
        self.lease.release(self.connection)

    def take_requests(self) -> list[str]:
        """Returns the kinds of the requests that nobody answered yet, and marks them answered."""
        request = tables.requests.c
        open_ones = (request.study == self.study) & request.answered_at.is_(None)
        kinds = list(self.connection.scalars(select(request.kind).where(open_ones).order_by(request.id)))
        if kinds:
            self.connection.execute(update(tables.requests).where(open_ones).values(answered_at=_now()))
        return kinds

    def set_state(self, state: str, reason: str | None = None) -> None:
        """Sets the study's state, running, complete or stopped, and why it ended before its target."""
        self._update_study(state=state, reason=reason)

    def set_wall(self, seconds: float) -> None:
        """Sets how long the study's coordinators ran, all sittings together."""
        self._update_study(wall_seconds=seconds)

    def set_spec(self, spec: Mapping[str, Any]) -> None:
        """Writes what defines the sweep from now on, as plain values."""
        self._update_study(spec=dict(spec))

    def set_target(self, num_trials: int) -> None:
        """Sets how many trials the study is to have."""
        self._update_study(num_trials=num_trials)

    def set_reference(self, reference: Mapping[str, Any]) -> None:
        """Fixes the scales of the hypervolume."""
        self._update_study(reference=dict(reference))

    def environments(self) -> list[Mapping[str, Any]]:
        """Returns what the study was run with so far."""
        study = tables.studies.c
        return list(self.connection.scalar(select(study.environments).where(study.uuid == self.study)) or [])

    def add_environment(self, environment: Mapping[str, Any]) -> None:
        """Writes what the study is run with from now on."""
        self._update_study(environments=[*self.environments(), dict(environment)])

    def add_trial(self, number: int, params: Mapping[str, Any], seed: int, *, is_baseline: bool) -> None:
        """Writes a new trial, waiting for a slot."""
        self._insert(
            tables.trials,
            number=number,
            state="waiting",
            params=dict(params),
            seed=seed,
            is_baseline=is_baseline,
            created_at=_now(),
        )

    def start_attempt(self, trial: int, slot: int) -> int:
        """Writes that a trial went to a slot and returns the attempt's number, from 1."""
        attempt = tables.attempts.c
        query = select(func.count()).where(attempt.study == self.study, attempt.trial == trial)
        number = (self.connection.scalar(query) or 0) + 1
        now = _now()
        self._insert(tables.attempts, trial=trial, attempt=number, slot=slot, started_at=now, heard_at=now)
        self._update_trial(trial, state="running")
        return number

    def set_device(self, trial: int, attempt: int, device: Mapping[str, Any]) -> None:
        """Writes what an attempt runs on."""
        self._update_attempt(trial, attempt, device=dict(device), heard_at=_now())

    def record_epoch(
        self,
        trial: int,
        attempt: int,
        *,
        epoch: int,
        train_loss: float | None,
        validation_loss: float | None,
        num_correct: int,
        num_images: int,
        costs: Mapping[str, CostValue],
    ) -> None:
        """Writes an epoch and its costs. An epoch is recorded once; the caller skips one that is there."""
        self._insert(
            tables.epochs,
            trial=trial,
            epoch=epoch,
            attempt=attempt,
            train_loss=train_loss,
            validation_loss=validation_loss,
            num_correct=num_correct,
            num_images=num_images,
            recorded_at=_now(),
        )
        for name, cost in costs.items():
            self._insert(tables.epoch_costs, trial=trial, epoch=epoch, name=name, **cost._asdict())
        self._update_attempt(trial, attempt, heard_at=_now())

    def charge(self, trial: int, attempt: int, bill: Mapping[str, float]) -> None:
        """Adds seconds to the lines of an attempt's bill."""
        where = tables.bills.c
        for line, seconds in bill.items():
            key = (
                where.study == self.study,
                where.trial == trial,
                where.attempt == attempt,
                where.line == line,
            )
            added = self.connection.execute(update(tables.bills).where(*key).values(seconds=where.seconds + seconds))
            if added.rowcount == 0:
                self._insert(tables.bills, trial=trial, attempt=attempt, line=line, seconds=seconds)

    def end_attempt(self, trial: int, attempt: int, outcome: str) -> None:
        """Writes how an attempt ended."""
        self._update_attempt(trial, attempt, ended_at=_now(), outcome=outcome)

    def return_trial(self, trial: int) -> None:
        """Puts a trial whose attempt was cut off back among the waiting."""
        self._update_trial(trial, state="waiting")

    def end_trial(self, trial: int, state: str, reason: str | None, costs: Mapping[str, CostValue]) -> None:
        """Writes how a trial ended, and freezes its solo costs."""
        self._update_trial(trial, state=state, reason=reason, ended_at=_now())
        for name, cost in costs.items():
            self._insert(tables.trial_costs, trial=trial, name=name, **cost._asdict())

    def _insert(self, table: Table, **values: Any) -> None:
        self.connection.execute(insert(table).values(study=self.study, **values))

    def _update_study(self, **values: Any) -> None:
        self.connection.execute(update(tables.studies).where(tables.studies.c.uuid == self.study).values(**values))

    def _update_trial(self, trial: int, **values: Any) -> None:
        where = tables.trials.c.study == self.study, tables.trials.c.number == trial
        self.connection.execute(update(tables.trials).where(*where).values(**values))

    def _update_attempt(self, trial: int, attempt: int, **values: Any) -> None:
        row = tables.attempts.c
        where = row.study == self.study, row.trial == trial, row.attempt == attempt
        self.connection.execute(update(tables.attempts).where(*where).values(**values))


def _now() -> datetime:
    return datetime.now(UTC)

"""The ledger: all that a coordinator writes about a study, in transactions that its lease guards."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Connection, Executable, Table, bindparam, insert, select, update
from sqlalchemy.exc import DBAPIError, IntegrityError

from storage import leases, tables
from storage.database import READ_ONLY, Database
from storage.faults import DiskFull
from storage.leases import Lease, LeaseLost
from storage.patience import AWAY_SECONDS, DatabaseAway, Patience, until_back

HEARTBEAT_SECONDS = 1.0
"""How often a lease that is held is renewed."""

BUSY_SECONDS = 2
"""How long a write to SQLite waits for another program's lock before it is told of and tried again."""

_ADD = (
    update(tables.bills)
    .where(*(tables.bills.c[name] == bindparam(f"its_{name}") for name in ("study", "trial", "attempt", "line")))
    .values(seconds=tables.bills.c.seconds + bindparam("more"))
)
"""Made once: to make a statement takes longer than to carry it out."""

Step = Callable[[Connection], object]
"""A write in a transaction that somebody else opens and closes."""


class CostValue(NamedTuple):
    """A cost as it is kept: a value in the cost's unit and its error where that is known, or None with the reason."""

    value: float | None
    method: str
    reason: str | None
    error: float | None = None


class Ledger:
    """Writes one study, in transactions that each prove the lease.

    A page is filled first and written when it is closed: whole, or not at all, and never twice. While the database is
    away it is tried again and again; nothing but the page itself is needed for that, so what was decided while it was
    filled is decided once. An answer to a commit that got lost is recognised by the mark that each transaction leaves
    in the lease.

    Args:
        database: Where the study is.
        lease: The right to write it.
        patience: Told of waits.
    """

    def __init__(self, database: Database, lease: Lease, patience: Patience | None = None) -> None:
        self.study, self.lease = lease.study, lease
        self._database, self._patience = database, patience or Patience()
        self._engine = database.new_engine(BUSY_SECONDS, round(leases.DURATION.total_seconds()))
        self._most_seconds: float = AWAY_SECONDS
        self._lock, self._is_closing = threading.Lock(), threading.Event()
        self._loss: LeaseLost | None = None

    @contextmanager
    def writing(self) -> Iterator[Page]:
        """Opens a page: all that is on it when it is closed is kept, or nothing.

        Raises:
            LeaseLost: after the lease is gone; nothing was written.
            DatabaseAway: where the database was away for too long.
        """
        if self._loss is not None:
            raise self._loss
        page = Page(self.lease, self._read)
        yield page
        if page.steps:
            with self._lock:
                self._write(page)

    @contextmanager
    def beating(self) -> Iterator[None]:
        """Renews the lease every second meanwhile, however long whoever writes is busy with something else."""
        heart = threading.Thread(target=self._beat, daemon=True)
        heart.start()
        try:
            yield
        finally:
            self._is_closing.set()
            heart.join()

    def close(self) -> None:
        """Gives the lease back, where the database is there to take it, and closes the connections."""
        try:
            with self.writing() as page:
                page.release()
        except (DatabaseAway, DiskFull):
            pass  # the process ends, and with it the lease
        finally:
            self._engine.dispose()

    def _write(self, page: Page) -> None:
        marks: list[datetime] = []

        def write() -> None:
            with self._engine.begin() as connection:
                if marks and self.lease.last_mark(connection) in marks:
                    return  # the commit came through, the answer did not
                marks.append(_now())
                for step in page.steps:
                    step(connection)
                self.lease.renew(connection, marks[-1], release=page.is_last)

        try:
            with self._database.faults():
                until_back(write, str(self._database), self._patience, self._most_seconds)
        except DatabaseAway:
            self._most_seconds = 0.0  # whoever still writes to end in order does not wait as long again
            raise

    def _read(self, query: Callable[[Connection], Sequence[Any]]) -> Sequence[Any]:
        def read() -> Sequence[Any]:
            with self._engine.connect().execution_options(**READ_ONLY) as connection:
                return query(connection)

        with self._database.faults():
            return until_back(read, str(self._database), self._patience, self._most_seconds)

    def _beat(self) -> None:
        while not self._is_closing.wait(HEARTBEAT_SECONDS):
            if not self._lock.acquire(blocking=False):
                continue  # a page is being written, which renews the lease too
            try:
                with self._engine.begin() as connection:
                    self.lease.renew(connection, _now())
            except LeaseLost as loss:
                self._loss = loss
                return
            except DBAPIError:
                pass  # whoever writes next finds out, and waits
            finally:
                self._lock.release()


class Page:
    """What is to be written in one transaction.

    Attributes:
        steps: Writes, in their order; each leaves nothing behind but in the database.
        is_last: Whether the lease is given back with it.
    """

    def __init__(self, lease: Lease, read: Callable[[Callable[[Connection], Sequence[Any]]], Sequence[Any]]) -> None:
        self._study, self._token, self._read = lease.study, lease.token, read
        self.steps: list[Step] = []
        self.is_last = False

    def add(self, *steps: Step) -> None:
        """Adds writes. They may be run more than once, each time in a fresh transaction."""
        self.steps.extend(steps)

    def release(self) -> None:
        """Gives the lease back."""
        self.is_last = True
        self.add(lambda _connection: None)

    def take_requests(self) -> list[str]:
        """Returns the kinds of the requests that nobody answered yet, and marks them answered."""
        request = tables.requests.c
        open_ones = (request.study == self._study) & request.answered_at.is_(None)
        query = select(request.id, request.kind).where(open_ones).order_by(request.id)
        rows = self._read(lambda connection: connection.execute(query).all())
        if rows:
            seen = request.id.in_([row.id for row in rows])  # one that comes meanwhile is not answered unseen
            self._execute(update(tables.requests).where(seen).values(answered_at=_now()))
        return [row.kind for row in rows]

    def set_state(self, state: str, reason: str | None = None) -> None:
        """Sets the study's state, running, complete or stopped, and why it ended before its target."""
        self._update_study(state=state, reason=reason)

    def set_wall(self, seconds: float) -> None:
        """Sets how long the study's coordinators ran, all sittings together."""
        self._update_study(wall_seconds=seconds)

    def begin_sitting(
        self, device: Mapping[str, Any], num_slots: int, slots_per_device: int, energy: CostValue
    ) -> None:
        """Writes that slots are held from now on.

        Args:
            device: What they run on; where they differ, its `parts` are devices with the `num_slots` of each.
            num_slots: How many there are.
            slots_per_device: How many of them share a device.
            energy: Of all their devices since then, in joules: the meter's first reading.
        """
        self._insert(
            tables.sittings,
            token=self._token,
            device=dict(device),
            num_slots=num_slots,
            slots_per_device=slots_per_device,
            started_at=_now(),
            seconds=0.0,
            joules=energy.value,
            reason=energy.reason,
        )

    def set_sitting(self, seconds: float, energy: CostValue) -> None:
        """Sets for how long this sitting has held its slots, and the energy of all their devices since, in joules."""
        self._update_sitting(self._token, seconds=seconds, joules=energy.value, reason=energy.reason)

    def mend_sitting(self, token: int, seconds: float) -> None:
        """Sets for how long a sitting held its slots that was killed; what energy it last read stays."""
        self._update_sitting(token, seconds=seconds)

    def _update_sitting(self, token: int, **values: object) -> None:
        row = tables.sittings.c
        where = row.study == self._study, row.token == token
        self._execute(update(tables.sittings).where(*where).values(**values))

    def set_target(self, num_trials: int) -> None:
        """Sets how many trials the study is to have."""
        self._update_study(num_trials=num_trials)

    def set_reference(self, reference: Mapping[str, Any]) -> None:
        """Fixes the scales of the hypervolume."""
        self._update_study(reference=dict(reference))

    def change_spec(self, spec: Mapping[str, Any], change: Mapping[str, Any]) -> None:
        """Writes what defines the sweep from now on, and how it differs from before."""
        query = select(tables.studies.c.changes).where(tables.studies.c.uuid == self._study)
        before = list(self._read(lambda connection: connection.scalar(query) or []))
        self._update_study(spec=dict(spec), changes=[*before, dict(change)])

    def environments(self) -> list[Mapping[str, Any]]:
        """Returns what the study was run with so far."""
        study = tables.studies.c
        query = select(study.environments).where(study.uuid == self._study)
        return list(self._read(lambda connection: connection.scalar(query) or []))

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

    def start_attempt(self, trial: int, attempt: int, slot: int) -> None:
        """Writes that a trial went to a slot; attempts are counted from 1."""
        now = _now()
        self._insert(tables.attempts, trial=trial, attempt=attempt, slot=slot, started_at=now, heard_at=now)
        self._update_trial(trial, state="running")

    def set_device(self, trial: int, attempt: int, device: Mapping[str, Any]) -> None:
        """Writes what an attempt runs on."""
        self._update_attempt(trial, attempt, device=dict(device), heard_at=_now())

    def hear(self, trial: int, attempt: int) -> None:
        """Writes that an attempt was heard of now."""
        self._update_attempt(trial, attempt, heard_at=_now())

    def note_trial(self, trial: int, text: str) -> None:
        """Writes what the user should know of a trial that goes on; it stays where the trial ends without a reason."""
        self._update_trial(trial, reason=text)

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
        self._insert_costs(tables.epoch_costs, costs, trial=trial, epoch=epoch)
        self._update_attempt(trial, attempt, heard_at=_now())

    def charge(self, trial: int, attempt: int, bill: Mapping[str, float]) -> None:
        """Adds seconds to the lines of an attempt's bill."""
        for line, seconds in bill.items():
            self.add(
                partial(
                    _charge,
                    key={"study": self._study, "trial": trial, "attempt": attempt, "line": line},
                    seconds=seconds,
                )
            )

    def end_attempt(self, trial: int, attempt: int, outcome: str, at: datetime | None = None) -> None:
        """Writes how an attempt ended, and when: now, if nothing else is said."""
        self._update_attempt(trial, attempt, ended_at=at or _now(), outcome=outcome)

    def return_trial(self, trial: int) -> None:
        """Puts a trial whose attempt was cut off back among the waiting."""
        self._update_trial(trial, state="waiting")

    def record_profile(self, trial: int, costs: Mapping[str, CostValue]) -> None:
        """Writes what a trial's model itself costs, once."""
        self._insert_costs(tables.trial_costs, costs, trial=trial)

    def find_calibrations(self, signature: str) -> dict[str, dict[str, CostValue]]:
        """Returns what an epoch of a signature costs, by the digest of the device and the cost's name."""
        row = tables.calibrations.c
        query = select(row.device, row.name, *(row[name] for name in CostValue._fields))
        found: dict[str, dict[str, CostValue]] = {}
        for device, name, *cost in self._read(
            lambda connection: connection.execute(query.where(row.signature == signature)).all()
        ):
            found.setdefault(device, {})[name] = CostValue(*cost)
        return found

    def keep_calibration(
        self, signature: str, device: str, described: Mapping[str, Any], costs: Mapping[str, CostValue]
    ) -> None:
        """Writes what an epoch of a signature costs alone on a device, unless that is known.

        Args:
            signature: Digest of the setting.
            device: Digest of the device.
            described: The device, as plain values.
            costs: By name.
        """
        key = {"signature": signature, "device": device, "described": dict(described), "measured_at": _now()}
        rows = [{**key, "name": name, **cost._asdict()} for name, cost in costs.items()]
        self.add(partial(_keep_new, rows=rows))

    def end_trial(self, trial: int, state: str, reason: str | None, costs: Mapping[str, CostValue]) -> None:
        """Writes how a trial ended, and freezes the costs of its epochs together."""
        self._update_trial(trial, state=state, reason=reason, ended_at=_now())
        self._insert_costs(tables.trial_costs, costs, trial=trial)

    def _execute(self, statement: Executable) -> None:
        self.add(lambda connection: connection.execute(statement))

    def _insert(self, table: Table, **values: Any) -> None:
        self._execute(insert(table).values(study=self._study, **values))

    def _insert_costs(self, table: Table, costs: Mapping[str, CostValue], **key: int) -> None:
        rows = [{"study": self._study, **key, "name": name, **cost._asdict()} for name, cost in costs.items()]
        if rows:  # in one statement: compiling is what an insertion costs
            self.add(lambda connection: connection.execute(insert(table), rows))

    def _update_study(self, **values: Any) -> None:
        self._execute(update(tables.studies).where(tables.studies.c.uuid == self._study).values(**values))

    def _update_trial(self, trial: int, **values: Any) -> None:
        where = tables.trials.c.study == self._study, tables.trials.c.number == trial
        self._execute(update(tables.trials).where(*where).values(**values))

    def _update_attempt(self, trial: int, attempt: int, **values: Any) -> None:
        row = tables.attempts.c
        where = row.study == self._study, row.trial == trial, row.attempt == attempt
        self._execute(update(tables.attempts).where(*where).values(**values))


def _keep_new(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    with suppress(IntegrityError), connection.begin_nested():  # another study may write the same at this moment
        connection.execute(insert(tables.calibrations), list(rows))


def _charge(connection: Connection, key: Mapping[str, Any], seconds: float) -> None:
    added = connection.execute(_ADD, {**{f"its_{name}": value for name, value in key.items()}, "more": seconds})
    if added.rowcount == 0:
        connection.execute(insert(tables.bills), {**key, "seconds": seconds})


def _now() -> datetime:
    return datetime.now(UTC)

"""The lease: who coordinates a study, proved in every transaction that writes it.

The holder renews it at least once a second. Whether a holder that cannot be seen from here is still there is not
judged by comparing clocks, since either may be wrong: its row is watched for as long as the lease lasts, on this
machine's own stopwatch, and only a row that does not change meanwhile is taken over. A holder that comes back after
that finds a higher token and writes nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage import tables
from storage.database import Database
from storage.faults import StorageFault
from storage.machine import Holder
from storage.patience import Patience

DURATION = timedelta(seconds=float(os.environ.get("PARETUNE_LEASE_SECONDS", "60")))
"""A lease that was not renewed for so long has expired."""

LONGEST = timedelta(minutes=10)
"""The longest that a lease of another's is believed to last, whatever its row says."""

GLANCE_SECONDS, TELLING_SECONDS = 0.25, 10.0
"""How often a lease that is watched is looked at, and how often the wait is shown."""


class LeaseLost(StorageFault):
    """Another process coordinates the study now; nothing more can be written under this lease."""


@dataclass(frozen=True)
class Lease:
    """The right to write a study.

    Attributes:
        study: Its UUID.
        token: Higher than that of any holder before.
        last_renewed_at: When the holder before was last heard of; None for the first holder.
    """

    study: str
    token: int
    last_renewed_at: datetime | None = None

    def renew(self, connection: Connection, at: datetime, *, release: bool = False) -> None:
        """Proves in a transaction that this lease still holds, and puts off its expiry or gives it back.

        The token stays when it is given back, so that the next holder's is higher.

        Args:
            connection: In the transaction, which must be rolled back where this raises.
            at: The present moment; it marks the transaction as the last one.
            release: Give it back.

        Raises:
            LeaseLost: where it does not hold.
        """
        row = tables.leases.c
        expires_at = None if release else at + DURATION
        renewed = connection.execute(
            update(tables.leases)
            .where(row.study == self.study, row.token == self.token)
            .values(renewed_at=at, expires_at=expires_at)
        )
        if renewed.rowcount != 1:
            raise self._lost(connection)

    def last_mark(self, connection: Connection) -> datetime:
        """Returns the moment of the last transaction under this lease that was kept; one under way is waited for.

        Raises:
            LeaseLost: where it does not hold.
        """
        row = tables.leases.c
        query = select(row.renewed_at).where(row.study == self.study, row.token == self.token)
        mark: datetime | None = connection.scalar(query.with_for_update())
        if mark is None:
            raise self._lost(connection)
        return mark

    def _lost(self, connection: Connection) -> LeaseLost:
        held = connection.execute(select(tables.leases).where(tables.leases.c.study == self.study)).one_or_none()
        if held is None:
            return LeaseLost("study: it was deleted meanwhile; this process wrote nothing more and ended its slots")
        return LeaseLost(f"study: {_who(held)} took it over; this process wrote nothing more and ended its slots")


@dataclass(frozen=True)
class Holding:
    """A lease as those see it who only look.

    Attributes:
        host: Name of the coordinator's machine.
        pid: Its process number there.
        since: When it took the lease.
        heard_at: When it was last heard of.
    """

    host: str
    pid: int
    since: datetime
    heard_at: datetime


def acquire(database: Database, study: str, patience: Patience | None = None) -> Lease:
    """Takes the lease of a study: one that is free or left by a dead process at once, else one that falls silent.

    Args:
        database: Where the study is.
        study: Its UUID.
        patience: Told of the wait for a holder that may be alive.

    Raises:
        StorageFault: naming the holder, where it is heard of meanwhile or the patience is over.
    """
    with database.read() as connection:
        seen = _row(connection, study)
    if not _is_free(seen):
        assert seen is not None
        _watch(database, seen, patience or Patience())
    return _take(database, study, seen)


@contextmanager
def held_off(database: Database, study: str) -> Iterator[bool]:
    """Keeps everybody from taking a study's lease meanwhile; yields whether it is free. Nothing is written.

    The rows are locked until the end, on SQLite the whole database, for its other writers too: do little in it.
    """
    with database.write() as connection:
        connection.execute(select(tables.studies.c.uuid).where(tables.studies.c.uuid == study).with_for_update())
        held = _row(connection, study, for_update=True)
        yield held is None or not is_live(held)


def is_live(held: Row[Any]) -> bool:
    """Says whether a lease's row looks held: not given back, not expired by the clock, its holder not known dead.

    This is for those who look; whoever wants the lease watches it.
    """
    return not _is_free(held) and held.expires_at > datetime.now(UTC)


def find_holding(database: Database, name: str) -> Holding | None:
    """Returns who coordinates a study now, None where nobody does or there is no such study.

    Args:
        database: Where it is.
        name: The study.
    """
    of_study = tables.leases.join(tables.studies, tables.studies.c.uuid == tables.leases.c.study)
    query = select(tables.leases).select_from(of_study).where(tables.studies.c.name == name)
    with database.read() as connection:
        held = connection.execute(query).one_or_none()
    if held is None or not is_live(held):
        return None
    return Holding(held.host, held.pid, held.acquired_at, held.renewed_at)


def _watch(database: Database, seen: Row[Any], patience: Patience) -> None:
    """Waits until a lease has been silent for as long as it lasts.

    Raises:
        StorageFault: where it is renewed, or changes hands.
    """
    lasts_seconds = min(max(seen.expires_at - seen.renewed_at, timedelta(0)), LONGEST).total_seconds()
    start = time.monotonic()
    tell_at = start + 2 * GLANCE_SECONDS  # a live holder is mostly heard of before a wait is worth a line
    while (silent_seconds := time.monotonic() - start) < lasts_seconds:
        if silent_seconds >= tell_at - start:
            tell_at += TELLING_SECONDS
            patience.tell(
                f"the study is held by {_who(seen)}, silent for {silent_seconds:.0f} s; "
                f"taking over in {lasts_seconds - silent_seconds:.0f} s unless it is heard of"
            )
        patience.pause(min(GLANCE_SECONDS, lasts_seconds - silent_seconds))
        if patience.is_over():
            raise _held(seen)
        with database.read() as connection:
            now = _row(connection, seen.study)
        if _is_free(now):
            return
        if not _is_same(now, seen):
            raise _held(now or seen)


def _take(database: Database, study: str, seen: Row[Any] | None) -> Lease:
    """Takes a lease that is as it was seen, or free by now.

    Raises:
        StorageFault: where another process was quicker.
    """
    now = datetime.now(UTC)
    values = {**vars(Holder.here()), "acquired_at": now, "renewed_at": now, "expires_at": now + DURATION}
    try:
        with database.write() as connection:
            held = _row(connection, study, for_update=True)
            if held is None:
                connection.execute(insert(tables.leases).values(study=study, token=1, **values))
                return Lease(study, 1)
            if not _is_same(held, seen) and not _is_free(held):
                raise _held(held)
            where = tables.leases.c.study == study
            connection.execute(update(tables.leases).where(where).values(token=held.token + 1, **values))
            return Lease(study, held.token + 1, held.renewed_at)
    except IntegrityError as error:  # the first lease of a study, taken twice at once
        raise StorageFault("study: another process has begun to run it just now") from error


def _row(connection: Connection, study: str, *, for_update: bool = False) -> Row[Any] | None:
    query = select(tables.leases).where(tables.leases.c.study == study)
    return connection.execute(query.with_for_update() if for_update else query).one_or_none()


def _is_free(held: Row[Any] | None) -> bool:
    if held is None or held.expires_at is None:
        return True
    return Holder(held.host, held.boot, held.pid, held.pid_started).is_dead(held.renewed_at)


def _is_same(held: Row[Any] | None, seen: Row[Any] | None) -> bool:
    if held is None or seen is None:
        return False
    return (held.token, held.renewed_at) == (seen.token, seen.renewed_at)


def _held(held: Row[Any]) -> StorageFault:
    return StorageFault(f"study: it is being run by {_who(held)}; `paretune stop` ends that")


def _who(held: Row[Any]) -> str:
    return f"process {held.pid} on {held.host} since {held.acquired_at:%Y-%m-%d %H:%M:%S} UTC"

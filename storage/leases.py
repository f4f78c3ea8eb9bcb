"""The lease: who coordinates a study, proved at every commit."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Engine, event, insert, select, update

from storage import tables
from storage.database import Database
from storage.faults import StorageFault

DURATION = timedelta(seconds=60)
"""A lease that was not renewed for so long has expired."""


class LeaseLost(Exception):
    """Another process coordinates the study now; nothing more can be written under this lease."""


@dataclass(frozen=True)
class Holder:
    """The process that holds a lease.

    Attributes:
        host: Name of its machine.
        boot: Identity of the machine's present boot.
        pid: Process number.
        pid_started: When that process started, in seconds; tells it from a later one with the same number.
    """

    host: str
    boot: str
    pid: int
    pid_started: float

    @staticmethod
    def here() -> Holder:
        """Returns this process."""
        pid = os.getpid()
        return Holder(platform.node(), _boot(), pid, _started(pid) or 0.0)

    def is_dead(self) -> bool:
        """Says whether the process is known to have ended; a process on another host is not known to have."""
        if self.host != platform.node():
            return False
        return self.boot != _boot() or _started(self.pid) != self.pid_started


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

    def fence(self, engine: Engine) -> None:
        """Makes every commit of `engine` check, in its own transaction, that this lease still holds.

        A commit after the lease went to another raises `LeaseLost` and leaves nothing behind.
        """

        @event.listens_for(engine, "commit")
        def _(connection: Connection) -> None:
            query = select(tables.leases.c.token).where(tables.leases.c.study == self.study)
            if connection.scalar(query.with_for_update(read=True)) != self.token:
                raise LeaseLost(f"another process took over study {self.study}; this one wrote nothing more")

    def renew(self, connection: Connection) -> None:
        """Puts off the expiry."""
        now = datetime.now(UTC)
        connection.execute(
            update(tables.leases)
            .where(tables.leases.c.study == self.study, tables.leases.c.token == self.token)
            .values(renewed_at=now, expires_at=now + DURATION)
        )

    def release(self, connection: Connection) -> None:
        """Gives the lease back; the token stays, so that the next holder's is higher."""
        connection.execute(
            update(tables.leases)
            .where(tables.leases.c.study == self.study, tables.leases.c.token == self.token)
            .values(expires_at=None)
        )


def acquire(database: Database, study: str) -> Lease:
    """Takes the lease of a study: free, expired, or left by a process that died on this host.

    Raises:
        StorageFault: naming the holder, where it is held.
    """
    here, now = Holder.here(), datetime.now(UTC)
    row = {**vars(here), "acquired_at": now, "renewed_at": now, "expires_at": now + DURATION}
    with database.engine.begin() as connection:
        query = select(tables.leases).where(tables.leases.c.study == study).with_for_update()
        held = connection.execute(query).one_or_none()
        if held is None:
            connection.execute(insert(tables.leases).values(study=study, token=1, **row))
            return Lease(study, 1)
        holder = Holder(held.host, held.boot, held.pid, held.pid_started)
        if is_live(holder, held.expires_at):
            raise StorageFault(
                f"the study is being run by process {held.pid} on {held.host} since "
                f"{held.acquired_at:%Y-%m-%d %H:%M:%S} UTC; `paretune stop` ends that"
            )
        token = held.token + 1
        connection.execute(update(tables.leases).where(tables.leases.c.study == study).values(token=token, **row))
    return Lease(study, token, held.renewed_at)


@contextmanager
def held_off(database: Database, study: str) -> Iterator[bool]:
    """Keeps everybody from taking a study's lease meanwhile; yields whether it is free. Nothing is written.

    The rows are locked until the end, on SQLite the whole database, for its other writers too: do little in it.
    """
    with database.write() as connection:
        connection.execute(select(tables.studies.c.uuid).where(tables.studies.c.uuid == study).with_for_update())
        held = connection.execute(
            select(tables.leases).where(tables.leases.c.study == study).with_for_update()
        ).one_or_none()
        yield held is None or not is_live(Holder(held.host, held.boot, held.pid, held.pid_started), held.expires_at)


def is_live(holder: Holder, expires_at: datetime | None) -> bool:
    """Says whether a lease is held: not given back, not expired, its holder not known to be dead."""
    return expires_at is not None and expires_at > datetime.now(UTC) and not holder.is_dead()


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "unknown"


def _started(pid: int) -> float | None:
    import psutil

    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return float(process.create_time())
    except psutil.NoSuchProcess:
        return None

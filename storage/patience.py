"""Waiting for a database that is away: told once, tried again and again, given up after a while."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy.exc import DBAPIError, OperationalError

from storage.faults import StorageFault

AWAY_SECONDS = 300
"""A writer whose database is away gives up after so long."""

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.1, 5.0
"""The pause between two tries doubles from the first to the longest."""

GLANCE_SECONDS = 0.1
"""How often a pause is broken to look whether it should end."""

BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)

PASSING_STATES = ("08", "57P", "53300", "25P03", "40001", "40P01")
"""Beginnings of the PostgreSQL error codes that time cures: no connection, shut down or starting, too many
connections, a session that was idle for too long, a transaction that had to yield to another."""

Result = TypeVar("Result")


class DatabaseAway(StorageFault):
    """The database was away for longer than a writer waits; what was to be written is not there."""


def _silent(_line: str) -> None:
    pass


def _never() -> bool:
    return False


@dataclass(frozen=True)
class Patience:
    """Who hears of a wait, and what ends it early.

    Attributes:
        tell: Takes a line for a person to read.
        is_over: Asked several times a second; once it says so, the wait is given up.
    """

    tell: Callable[[str], None] = _silent
    is_over: Callable[[], bool] = _never

    def pause(self, seconds: float) -> None:
        """Lets time pass, until the wait is over at the latest."""
        end = time.monotonic() + seconds
        while not self.is_over() and (left := end - time.monotonic()) > 0:
            time.sleep(min(GLANCE_SECONDS, left))


def until_back(work: Callable[[], Result], where: str, patience: Patience, most_seconds: float) -> Result:
    """Does what needs the database, again from the start each time that the database turns out to be away.

    Args:
        work: Leaves nothing behind where it fails.
        where: The database, for the line that tells of the wait.
        patience: Who is told.
        most_seconds: How long to go on trying.

    Raises:
        DatabaseAway: once that time is over, or the patience.
    """
    away_since: float | None = None
    pause_seconds = FIRST_PAUSE_SECONDS
    while True:
        try:
            result = work()
        except DBAPIError as error:
            if not is_away(error):
                raise
            cause, now = cause_words(error), time.monotonic()
            if away_since is None:
                away_since = now
                if most_seconds > 0:
                    most = f"{most_seconds / 60:.0f} min"
                    patience.tell(f"the database is away ({cause}); trying again for up to {most}")
            away_seconds = now - away_since
            if away_seconds >= most_seconds or patience.is_over():
                raise DatabaseAway(f"storage: {where} was away for {away_seconds:.0f} s: {cause}") from error
            patience.pause(min(pause_seconds, most_seconds - away_seconds))
            pause_seconds = min(2 * pause_seconds, LONGEST_PAUSE_SECONDS)
        else:
            if away_since is not None:
                patience.tell(f"the database is back after {time.monotonic() - away_since:.0f} s")
            return result


def is_away(error: DBAPIError) -> bool:
    """Says whether an error means that the database cannot be reached or written now, and may be again soon."""
    cause = error.orig
    if isinstance(cause, sqlite3.Error):
        return isinstance(cause, sqlite3.OperationalError) and cause.sqlite_errorcode & 0xFF in BUSY
    state = getattr(cause, "sqlstate", None)
    if state is None:  # there is no answer at all: refused, reset, timed out
        return isinstance(error, OperationalError) or error.connection_invalidated
    return str(state).startswith(PASSING_STATES)


def cause_words(error: DBAPIError) -> str:
    """Returns what a driver said, in one line."""
    return (str(error.orig).strip().splitlines() or [type(error.orig).__name__])[0]

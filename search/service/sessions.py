"""Sessions of browsers: a random id in a cookie, known to this process alone; a restart asks for the token again."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock

LIFE_SECONDS = 12 * 3600
MOST_SESSIONS = 1000
"""The oldest ends where there would be more."""


@dataclass
class Sessions:
    """Open sessions. They are kept by a digest of their id: how long a look-up takes tells nothing of the id.

    Attributes:
        clock: Seconds that never run backwards.
    """

    clock: Callable[[], float] = time.monotonic
    _open: OrderedDict[str, tuple[int, float]] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def begin(self, token: int) -> str:
        """Begins a session and returns its id.

        Args:
            token: Key of the token that was given; the session holds no longer than it does.
        """
        session = secrets.token_urlsafe(32)
        with self._lock:
            self._open[_place(session)] = (token, self.clock() + LIFE_SECONDS)
            if len(self._open) > MOST_SESSIONS:
                self._open.popitem(last=False)
        return session

    def find(self, session: str) -> int | None:
        """Returns the key of the token that a session began with, None where it is over or never was."""
        with self._lock:
            token, until = self._open.get(_place(session), (None, 0.0))
            return token if self.clock() < until else None

    def end(self, session: str) -> None:
        """Ends a session."""
        with self._lock:
            self._open.pop(_place(session), None)


def _place(session: str) -> str:
    return sha256(session.encode(errors="replace")).hexdigest()

"""How often pages show what is new: so seldom that a sweep on the same machine hardly feels who looks at it."""

from __future__ import annotations

import time
from collections.abc import Callable
from threading import Lock

from objectives.meters import own_cores

SHARE = 0.006
"""Of the time of this machine's cores, what the pages of sweeps that run on them may take."""

SAVED_SECONDS = 0.25
"""CPU time that may be taken at once after a rest: a page that is opened is not kept waiting."""

LONGEST_SECONDS = 30.0
"""What is new is shown at the latest after this, whatever it costs."""


class Pace:
    """Says how long what was read may be shown as it was.

    It lets CPU time of this process come in evenly and saves some of it. Once more was used than came, it has pages
    rest until that is made up for; but only while a sweep runs here, whose cores they would take.

    Args:
        least_seconds: The rest that there always is, however many pages are open.
        is_shared: Says whether a sweep runs on this machine; asked seldom.
        clock: Seconds that go by.
        used: CPU seconds that this process has used.
    """

    def __init__(
        self,
        least_seconds: float,
        is_shared: Callable[[], bool],
        clock: Callable[[], float] = time.monotonic,
        used: Callable[[], float] = time.process_time,
    ) -> None:
        self._least_seconds, self._is_shared, self._clock, self._used = least_seconds, is_shared, clock, used
        self._rate = SHARE * len(own_cores())
        self._saved, self._at, self._before = SAVED_SECONDS, clock(), used()
        self._lock = Lock()

    def rest_seconds(self) -> float:
        """Returns how long what is read now may stand, from `least_seconds` to `LONGEST_SECONDS`."""
        with self._lock:
            now, used = self._clock(), self._used()
            came = self._rate * (now - self._at)
            self._saved = min(SAVED_SECONDS, self._saved + came - (used - self._before))
            self._at, self._before = now, used
            owed_seconds = -self._saved / self._rate
        if owed_seconds <= self._least_seconds or not self._is_shared():
            return self._least_seconds
        return min(owed_seconds, LONGEST_SECONDS)

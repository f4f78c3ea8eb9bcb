"""How often a trial saves. Torch-free."""

from __future__ import annotations

import time

SHARE = 0.005
"""Of the time since the save before, the most that a save may take (the law is 1 % for all that is saved: the rest is
for the weights of each epoch)."""

LEAST_SECONDS = 2.0
"""Between saves, however fast they are; the first one, of which nobody knows how long it takes, comes after that."""


class Pace:
    """Says when to save, by the host's clock alone: a device is never waited for."""

    def __init__(self) -> None:
        self._since, self._wait_seconds = time.perf_counter(), LEAST_SECONDS

    @property
    def is_due(self) -> bool:
        """Whether enough time has gone by since the last save."""
        return time.perf_counter() - self._since >= self._wait_seconds

    def saved(self, seconds: float) -> None:
        """Notes a save that is over, and how long it took."""
        self._since, self._wait_seconds = time.perf_counter(), max(LEAST_SECONDS, seconds / SHARE)

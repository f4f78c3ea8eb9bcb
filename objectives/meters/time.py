"""Time by the clock, after the device has done what it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from objectives.trial import Bill, Device


class Stopwatch:
    """Divides an attempt's time into lines without a gap: each stretch ends where the next begins.

    Every reading waits for the device first, so that a line holds the work that was started in it.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._lines: dict[str, float] = {}
        self._since = self._now()

    def lap(self, line: str) -> float:
        """Books the time since the last reading on `line`, one of `LINES`, and returns it, in seconds."""
        now = self._now()
        seconds, self._since = now - self._since, now
        self._lines[line] = self._lines.get(line, 0.0) + seconds
        return seconds

    def take_bill(self) -> Bill:
        """Returns what was booked since the last bill, in seconds per line."""
        bill, self._lines = self._lines, {}
        return bill

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves out what happens inside: somebody else's time."""
        yield
        self._since = self._now()

    def _now(self) -> float:
        if self._device.kind == "cuda":
            import torch

            torch.cuda.synchronize()
        return perf_counter()

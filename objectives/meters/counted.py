"""Energy by a counter that takes milliseconds to read, of a device whose driver remembers nothing that is relied on."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from objectives.costs import Measurement, absent, measured
from objectives.meters.energy import LEAST_TICKS, EnergyCounter
from objectives.meters.seldom import Seldom

COUNTED_SECONDS = 1.0
"""How far apart such a counter is read at least: on an H200 that took over 4 ms."""


class Reading(NamedTuple):
    """What a counter showed.

    Attributes:
        at: When, in seconds.
        joules: Since some time before.
    """

    at: float
    joules: float


class CountedSeldom:
    """Tells a stretch's energy by the power between two readings of the counter, some ticks apart.

    The first reading is at the first start. Brief stretches between two readings are told the power of those before,
    the first ones that of the power sensor, and the stretch at whose end the counter is read makes their sum right: the
    time that they took, at the mean power since the reading before. What was told too much is taken off the next ones.
    What the device does between brief stretches is in that mean. Stretches that are longer have a reading at both ends.
    Of a trial that is stopped before its end the last second stays as it was told.

    Args:
        counter: The device's.
        seldom: Says at which stops it is read.
        clock: Tells seconds.
    """

    def __init__(self, counter: EnergyCounter, seldom: Seldom, clock: Callable[[], float] = perf_counter) -> None:
        self._counter, self._seldom, self._clock = counter, seldom, clock
        self._reading: Reading | None = None
        self._watts: float | None = None
        self._seconds = 0.0  # of the stretches since the reading
        self._told_joules = 0.0  # of them, and what was told too much of those before
        self._fault: str | None = None

    def start(self) -> None:
        """Begins a stretch."""
        if self._reading is None:
            self._reading = self._read()

    def stop(self, seconds: float) -> Measurement:
        """Returns the energy of a stretch of so many seconds, in joules."""
        self._seconds += seconds
        before, after = self._reading, self._read() if self._is_told() else None
        if self._fault is not None:
            return absent(self._fault)
        return self._guess(seconds) if before is None or after is None else self._tell(seconds, before, after)

    def _is_told(self) -> bool:
        """Whether the counter is read as this stretch ends: it has moved some times since it was."""
        passed = 0.0 if self._reading is None else self._clock() - self._reading.at
        return self._seldom.is_due and passed >= LEAST_TICKS * self._counter.tick_seconds

    def _tell(self, seconds: float, before: Reading, after: Reading) -> Measurement:
        """Returns the energy of a stretch at the power between two readings, and what others lack."""
        self._watts = (after.joules - before.joules) / (after.at - before.at)
        owed = self._watts * self._seconds - self._told_joules
        joules = max(0.0, owed)
        self._reading = after if seconds < self._seldom.least_seconds else None
        self._seconds, self._told_joules = 0.0, joules - owed
        return measured(joules, error=abs(joules - self._watts * seconds) + self._watts * self._counter.tick_seconds)

    def _guess(self, seconds: float) -> Measurement:
        """Returns the energy of a stretch at the power before, less what was told too much."""
        self._watts = self._counter.read_watts() if self._watts is None else self._watts
        if self._watts is None:
            self._seconds -= seconds
            return absent("so brief a stretch is told by a power sensor, and there is none")
        told, self._told_joules = self._told_joules, max(self._told_joules, self._watts * self._seconds)
        return measured(self._told_joules - told, error=self._watts * max(seconds, self._counter.tick_seconds))

    def _read(self) -> Reading | None:
        """Returns what the counter shows now; None where it cannot be read any more."""
        try:
            return Reading(self._clock(), self._counter.read_joules())
        except OSError as error:
            self._fault = str(error)
            return None

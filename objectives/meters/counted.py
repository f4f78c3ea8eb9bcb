"""Energy by a counter that takes milliseconds to read, of a device whose driver remembers nothing that is relied on."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple

from objectives.costs import Measurement, absent, measured
from objectives.meters.energy import LEAST_TICKS, EnergyCounter
from objectives.meters.seldom import Seldom

COUNTED_SECONDS = 2.0
"""How far apart such a counter is read at least: on an H200 that took 2 to 14 ms (by hand)."""


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

    The first reading is at the first start, and others at starts that come some ticks after the stop before: what the
    device did meanwhile is not training's. Brief stretches between two readings are told the power of those before, the
    first ones that of the power sensor; once the counter is read, the next ones make their sum right: the time that
    they took, at the mean power since the reading. None of them pays more than half its own energy for others, but the
    last ones pay what is left. What the device does in short pauses is in that mean. Longer stretches have a reading at
    both ends. Of a trial that is stopped before its end the last two seconds stay as they were told.

    Args:
        counter: The device's.
        seldom: Says at which stops it is read.
        clock: Tells seconds.
    """

    def __init__(self, counter: EnergyCounter, seldom: Seldom, clock: Callable[[], float] = perf_counter) -> None:
        self._counter, self._seldom, self._clock = counter, seldom, clock
        self._reading: Reading | None = None
        self._watts: float | None = None
        self._seconds = self._guessed_joules = 0.0  # of the stretches since the reading
        self._owed_joules = 0.0  # to those before, of which less was told than they took
        self._stopped_at = float("-inf")
        self._fault: str | None = None

    def start(self) -> None:
        """Begins a stretch."""
        pause = self._clock() - self._stopped_at
        if self._reading is None or pause >= LEAST_TICKS * self._counter.tick_seconds:
            self._reading = self._read()
            self._seconds = self._guessed_joules = 0.0

    def stop(self, seconds: float) -> Measurement:
        """Returns the energy of a stretch of so many seconds, in joules."""
        self._seconds += seconds
        before, after = self._reading, self._read() if self._is_told() else None
        self._stopped_at = self._clock()
        if self._fault is not None:
            self._reading = None
            return absent(self._fault)
        return self._guess(seconds) if before is None or after is None else self._tell(seconds, before, after)

    def _is_told(self) -> bool:
        """Whether the counter is read as this stretch ends: it has moved some times since it was."""
        passed = 0.0 if self._reading is None else self._clock() - self._reading.at
        return self._seldom.is_due and passed >= LEAST_TICKS * self._counter.tick_seconds

    def _tell(self, seconds: float, before: Reading, after: Reading) -> Measurement:
        """Returns the energy of a stretch at the power between two readings, and what others lack."""
        self._watts = (after.joules - before.joules) / (after.at - before.at)
        self._owed_joules += self._watts * (self._seconds - seconds) - self._guessed_joules
        self._seconds = self._guessed_joules = 0.0
        self._reading = after if seconds < self._seldom.least_seconds else None
        joules = self._watts * seconds
        paid = self._pay(joules)
        return measured(joules + paid, error=abs(paid) + self._watts * self._counter.tick_seconds)

    def _guess(self, seconds: float) -> Measurement:
        """Returns the energy of a stretch at the power before."""
        self._watts = self._counter.read_watts() if self._watts is None else self._watts
        if self._watts is None:
            return absent("so brief a stretch is told by a power sensor, and there is none")
        joules = self._watts * seconds
        self._guessed_joules += joules
        paid = self._pay(joules)
        return measured(joules + paid, error=abs(paid) + self._watts * max(seconds, self._counter.tick_seconds))

    def _pay(self, joules: float) -> float:
        """Returns what a stretch of so much energy is told more, or less, for those before it."""
        most = joules / 2
        paid = max(-joules, self._owed_joules) if self._seldom.asks_always else min(most, max(-most, self._owed_joules))
        self._owed_joules -= paid
        return paid

    def _read(self) -> Reading | None:
        """Returns what the counter shows now; None where it cannot be read."""
        try:
            found = Reading(self._clock(), self._counter.read_joules())
        except OSError as error:
            self._fault = str(error)
            return None
        self._fault = None
        return found

"""What a GPU takes long to tell is asked for seldom: else its meters would be a notable part of brief epochs."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple, Protocol

from objectives.costs import Measurement, absent

RECALL_SECONDS = 0.5
"""How far apart a driver's record of power is recalled at least; an H200 took 0.2 to 0.5 ms for it (by hand)."""

HARDLY_SECONDS = 2.0
"""The same of what hardly changes: throttling, memory, other processes; an H200 took 1 to 3 ms for it (by hand)."""


class Seldom:
    """Says at which stops of a stretch a device is asked: seldom, until it is told to ask always.

    Of a trial that ends sooner than was known, what came after the last such stop is not asked for.

    Args:
        least_seconds: How far apart at least; 0 for a device that answers at once.
        clock: Tells seconds.

    Attributes:
        least_seconds: As it was given.
        asks_always: Whether it is asked at every stop from now on, since the last ones have come.
        is_due: Whether it is asked at the stop that has begun.
    """

    def __init__(self, least_seconds: float = 0.0, clock: Callable[[], float] = perf_counter) -> None:
        self.is_due = self._is_next_due = least_seconds == 0
        self.least_seconds, self._clock = least_seconds, clock
        self.asks_always = False
        self._asked_at = self._stopped_at = clock()

    @property
    def is_next_due(self) -> bool:
        """Whether the device will be asked at the next stop, if that comes as soon as the last one did."""
        return self._is_next_due or self.asks_always

    def begin_stop(self) -> None:
        """Decides for the stop that begins."""
        now = self._clock()
        self.is_due = self.asks_always or now - self._asked_at >= self.least_seconds
        if self.is_due:
            self._asked_at = now
        self._is_next_due = (now - self._asked_at) + (now - self._stopped_at) >= self.least_seconds
        self._stopped_at = now


class Paces(NamedTuple):
    """How often a device is asked.

    Attributes:
        energy: For its energy.
        rest: For what hardly changes.
    """

    energy: Seldom
    rest: Seldom


class Asked(Protocol):
    """A meter that asks the device."""

    def start(self) -> None:
        """Begins a stretch."""

    def stop(self, seconds: float) -> Measurement:
        """Ends the stretch."""


class Sparing:
    """Lets a meter measure some of the stretches, whole ones: of the others it tells what it told before.

    It is for what hardly changes from one stretch to the next. The first two are measured, since a first step may need
    less than others, and those at whose stop the device is asked; where that was not foreseen, all until the next such.

    Args:
        meter: What measures.
        seldom: Says at which stops the device is asked.
    """

    def __init__(self, meter: Asked, seldom: Seldom) -> None:
        self._meter, self._seldom = meter, seldom
        self._last = absent("it was not begun")
        self._num_first = 2
        self._is_started = self._is_owed = False

    def start(self) -> None:
        """Begins a stretch."""
        self._is_started = self._num_first > 0 or self._is_owed or self._seldom.is_next_due
        if self._is_started:
            self._meter.start()

    def stop(self, seconds: float) -> Measurement:
        """Returns what the meter tells, or told last."""
        if self._seldom.is_due:
            self._is_owed = not self._is_started
        if self._is_started:
            self._last, self._num_first = self._meter.stop(seconds), self._num_first - 1
        return self._last

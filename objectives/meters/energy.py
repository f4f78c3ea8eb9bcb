"""Energy of a slot's device, by a counter that moves in ticks."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from statistics import median
from time import perf_counter
from typing import NamedTuple, Protocol

from objectives.costs import Measurement, absent, measured, scale
from objectives.meters.power import Piece, PowerRecord, joules_of, mean_watts, sum_joules
from objectives.meters.seldom import Seldom

MOVES = 4
"""Of a counter, whose distances tell its tick."""

PATIENCE_SECONDS = 1.0
"""How long a counter is waited for to move."""

LEAST_TICKS = 3
"""That passes go on for, so that one uneven tick does not decide."""

SURELY_BRIEF = 2
"""Brief stretches one after the other, after which the next one is taken to be brief."""

SETTLE_SECONDS, STEADY_SECONDS = 0.06, 0.14
"""How long passes run until a sensor has followed them, and are then watched by what the driver remembers."""


class EnergyCounter(Protocol):
    """What shows how much energy a device has taken; it stands still between its ticks.

    It counts the whole device: whatever else runs there is in it.
    """

    @property
    def tick_seconds(self) -> float:
        """How often it moves."""

    @property
    def most_seconds(self) -> float:
        """Longest stretch that two readings tell of: after it the counter may have come round more than once."""

    @property
    def record(self) -> PowerRecord | None:
        """What the driver remembers of the device's power; None where it remembers nothing."""

    def read_joules(self) -> float:
        """Returns the energy since some time before.

        Raises:
            OSError: where the counter cannot be read any more.
        """

    def read_watts(self) -> float | None:
        """Returns the power now, by a sensor of its own; None where there is none."""


class Untold(NamedTuple):
    """A stretch whose power was not recalled yet.

    Attributes:
        start: When it began, by the clock.
        stop: When it ended.
        guess: The joules that were told of it, before what was told too much was taken off.
    """

    start: float
    stop: float
    guess: float


class Energy:
    """Tells a stretch's energy: by what the driver remembers of the power, else by the energy counter at both ends.

    The first is off by what the device takes at most while its sensor is late; a step up within a stretch that is even
    shorter is not seen before the next. The counter is off by up to a tick at the stretch's mean power. On a GPU it
    takes milliseconds to read, so that for a while after a reading what it would show is told by what the driver
    remembers since.

    What the driver remembers takes a while to recall as well. Once stretches are brief it is recalled seldom: those at
    whose end it is not are told the power of those before, and the next ones make their sum right. Of a trial that is
    stopped before its end the last half second stays so told. The first stretch after brief ones that is longer than
    the driver remembers is told the power of what it does; from then on the counter is read for all.

    Args:
        counter: The device's, or why there is none.
        seldom: Says at which stops power is recalled; None for all.
        clock: Tells seconds.
    """

    def __init__(
        self, counter: EnergyCounter | str, seldom: Seldom | None = None, clock: Callable[[], float] = perf_counter
    ) -> None:
        self._counter, self._seldom, self._clock = counter, seldom or Seldom(), clock
        self._start: float | str = "it was not begun"
        self._read_at: float | None = None
        self._shown_joules = self._most_watts = self._last_watts = 0.0
        self._num_brief = 0  # stretches before this one, without a long one between them
        self._was_surprised = False  # by a long one after them
        self._untold: list[Untold] = []
        self._excess_joules = 0.0  # told beyond what it was

    def start(self) -> None:
        """Begins a stretch."""
        if isinstance(self._counter, str) or self._is_brief:
            return
        try:
            self._start = self._read(self._counter)
        except OSError as error:
            self._start = str(error)

    def stop(self, seconds: float) -> Measurement:
        """Returns the energy of a stretch of so many seconds, in joules."""
        counter = self._counter
        if isinstance(counter, str):
            return absent(counter)
        if counter.record is not None and (found := self._stop_by_record(counter.record, seconds)) is not None:
            return found
        if isinstance(self._start, str):
            return absent(self._start)
        if seconds > counter.most_seconds:
            return absent(f"in {seconds:.0f} s the energy counter may have come round more than once")
        try:
            joules = counter.read_joules() - self._start
        except OSError as error:
            return absent(str(error))
        # Within a tick the counter may not have moved at all: then the stretch's own power says nothing of the error.
        sensed = None if seconds > counter.tick_seconds else counter.read_watts()
        watts = joules / seconds if sensed is None else sensed
        return measured(joules, error=watts * counter.tick_seconds)

    @property
    def _is_brief(self) -> bool:
        """Whether the stretch under way is taken to be brief: what the counter showed as it began was not read."""
        return self._num_brief >= SURELY_BRIEF and not self._was_surprised

    def _stop_by_record(self, record: PowerRecord, seconds: float) -> Measurement | None:
        """Returns the energy of a stretch that ends now; None where the counter was read for it."""
        now, was_brief = self._clock(), self._is_brief
        if was_brief and not self._seldom.is_due:
            return self._guess(record, seconds, now)
        untold, self._untold = [one for one in self._untold if now - one.start < record.span_seconds], []
        if seconds >= record.span_seconds:
            self._num_brief, self._was_surprised = 0, self._was_surprised or was_brief
            return self._extrapolate(record, seconds) if was_brief else None
        found = self._tell(record, untold, Untold(now - seconds, now, 0.0))
        is_brief = seconds < self._seldom.least_seconds
        self._num_brief = self._num_brief + 1 if is_brief and found is not None else 0
        return self._extrapolate(record, seconds) if found is None and was_brief else found

    def _guess(self, record: PowerRecord, seconds: float, now: float) -> Measurement:
        """Returns the energy of a brief stretch by the power of those before, less what these were told too much."""
        guess = self._last_watts * seconds
        joules = max(0.0, guess - self._excess_joules)
        self._excess_joules -= guess - joules
        self._untold.append(Untold(now - seconds, now, guess))
        return measured(joules, error=self._most_watts * max(seconds, record.late_seconds))

    def _tell(self, record: PowerRecord, untold: list[Untold], last: Untold) -> Measurement | None:
        """Returns the energy of the last stretch, and what others lack; None where it is not remembered."""
        stretches = [*untold, last]
        since = stretches[0].start
        if (pieces := self._recall(record, last.stop - since)) is None:
            return None
        each = joules_of(pieces, [(one.start - since, one.stop - since) for one in stretches])
        self._last_watts = sum(each) / sum(one.stop - one.start for one in stretches)
        lack = sum(each) - each[-1] - sum(one.guess for one in untold) - self._excess_joules
        joules = max(0.0, each[-1] + lack)
        self._excess_joules = joules - each[-1] - lack
        return measured(joules, error=abs(joules - each[-1]) + self._most_watts * record.late_seconds)

    def _extrapolate(self, record: PowerRecord, seconds: float) -> Measurement:
        """Returns the energy of a stretch at the power of as much of it as is remembered, or of those before."""
        known_seconds = min(seconds, record.span_seconds / 2)
        pieces = self._recall(record, known_seconds)
        if pieces is None:
            return measured(self._last_watts * seconds, error=self._most_watts * seconds)
        joules = sum_joules(pieces) / known_seconds * seconds
        return measured(joules, error=self._most_watts * (seconds - known_seconds + record.late_seconds))

    def _read(self, counter: EnergyCounter) -> float:
        """Returns what the counter shows, or would show; it is read where the driver does not remember since when."""
        now, record = self._clock(), counter.record
        if record is not None and self._read_at is not None and now - self._read_at < record.span_seconds / 2:
            pieces = self._recall(record, now - self._read_at)
            if pieces is not None:
                return self._shown_joules + sum_joules(pieces)
        self._shown_joules, self._read_at = counter.read_joules(), now
        return self._shown_joules

    def _recall(self, record: PowerRecord, seconds: float) -> list[Piece] | None:
        """Returns the power of a stretch; None where it is not remembered."""
        pieces = record.recall(seconds) if seconds < record.span_seconds else None
        self._most_watts = max([self._most_watts, *(piece.watts for piece in pieces or ())])
        return pieces


def measure_passes(
    run: Callable[[], object],
    counter: EnergyCounter | str,
    least_seconds: float = 0.02,
    clock: Callable[[], float] = perf_counter,
) -> Measurement:
    """Returns the energy of one pass, in joules: of all passes between two moves of the counter.

    Where the driver remembers the power, passes run until that has settled, and it is watched for a while. What a
    reading lags behind is then less than a pass and less than a tick; that at the passes' mean power is the
    error. All that the device takes meanwhile is in it, what it takes at rest too.

    Args:
        run: One pass, until the device has done it.
        counter: The device's, or why there is none.
        least_seconds: How long passes go on for, where the counter's ticks are short.
        clock: Tells seconds.
    """
    if isinstance(counter, str):
        return absent(counter)
    try:
        remembered = _recall_passes(run, counter, least_seconds, clock)
        return remembered or _count_passes(run, counter, least_seconds, clock)
    except OSError as error:
        return absent(str(error))


def _count_passes(
    run: Callable[[], object], counter: EnergyCounter, least_seconds: float, clock: Callable[[], float]
) -> Measurement:
    """Returns the energy of one pass, of all between two moves of the counter."""
    if _run_to_move(run, counter, clock) is None:
        return absent(f"the energy counter did not move within {PATIENCE_SECONDS:g} s")
    start_seconds, start_joules, num_passes = clock(), counter.read_joules(), 0
    while clock() - start_seconds < max(LEAST_TICKS * counter.tick_seconds, least_seconds):
        run()
        num_passes += 1
    more = _run_to_move(run, counter, clock)
    if more is None:
        return absent(f"the energy counter did not move within {PATIENCE_SECONDS:g} s")
    num_passes += more
    seconds, joules = clock() - start_seconds, counter.read_joules() - start_joules
    lag_seconds = min(seconds / num_passes, counter.tick_seconds)
    return measured(joules / num_passes, error=joules / seconds * lag_seconds / num_passes)


def _recall_passes(
    run: Callable[[], object], counter: EnergyCounter, least_seconds: float, clock: Callable[[], float]
) -> Measurement | None:
    """Returns the energy of one pass by what the driver remembers; None where it remembers nothing."""
    if (record := counter.record) is None:
        return None
    _run_for(run, SETTLE_SECONDS, clock)
    seconds, num_passes = _run_for(run, min(max(STEADY_SECONDS, least_seconds), record.span_seconds / 2), clock)
    pieces = record.recall(seconds)
    return None if pieces is None else scale(mean_watts(pieces), seconds / num_passes)


def _run_for(run: Callable[[], object], least_seconds: float, clock: Callable[[], float]) -> tuple[float, int]:
    """Runs passes for so long at least and returns how long it was, in seconds, and how many they were."""
    start_seconds, num_passes = clock(), 0
    while (seconds := clock() - start_seconds) < least_seconds or not num_passes:
        run()
        num_passes += 1
    return seconds, num_passes


def _run_to_move(run: Callable[[], object], counter: EnergyCounter, clock: Callable[[], float]) -> int | None:
    """Runs passes until the counter moves and returns how many; None where it did not for too long."""
    start_seconds, before, num_passes = clock(), counter.read_joules(), 0
    while counter.read_joules() == before:
        if clock() - start_seconds > PATIENCE_SECONDS:
            return None
        run()
        num_passes += 1
    return num_passes


def measure_tick(read: Callable[[], float], clock: Callable[[], float] = perf_counter) -> float | None:
    """Returns how often a counter moves, in seconds: the median of some moves; None where it does not in time."""
    moves: list[float] = []
    start_seconds, last = clock(), read()
    while len(moves) < MOVES:
        if (now_seconds := clock()) - start_seconds > PATIENCE_SECONDS:
            return None
        if (now := read()) != last:
            moves.append(now_seconds)
            last = now
    return median(after - before for before, after in pairwise(moves))

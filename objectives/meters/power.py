"""The power that a device's driver remembers: finer than an energy counter that moves ten times a second."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple, Protocol

from objectives.costs import Measurement, measured
from objectives.intervals import student_interval

LATE_SECONDS = 0.02
"""How long a GPU's sensor takes to follow its power: seen on one H100 (2026-11, by hand), which told 60 % of a step of
550 W after 16 ms and 90 % after 36 ms."""


class Piece(NamedTuple):
    """A stretch of one power.

    Attributes:
        seconds: How long it took.
        watts: Its power.
    """

    seconds: float
    watts: float


class PowerRecord(Protocol):
    """What a driver remembers of a device's power."""

    @property
    def span_seconds(self) -> float:
        """How far back it goes."""

    @property
    def late_seconds(self) -> float:
        """By how much the moments that it tells may be wrong: the distance of its values, and the sensor's delay."""

    def recall(self, seconds: float) -> list[Piece] | None:
        """Returns the power of the last so many seconds in pieces; None where that is not remembered."""


def divide(samples: Sequence[tuple[float, float]], start: float, stop: float) -> list[Piece] | None:
    """Returns the power between two moments, in pieces.

    A sample tells the power since the one before it, the last one also that of what came after it.

    Args:
        samples: Moments in seconds and the power in watts, the oldest first.
        start: In seconds, by the samples' clock.
        stop: Likewise.

    Returns:
        None where the samples begin after the start.

    >>> divide([(1.0, 50.0), (1.5, 100.0), (2.0, 200.0)], 1.25, 2.25)
    [Piece(seconds=0.25, watts=100.0), Piece(seconds=0.75, watts=200.0)]
    >>> divide([(1.0, 50.0), (1.5, 100.0)], 0.5, 2.0) is None
    True
    """
    if not samples or samples[0][0] > start:
        return None
    ends = [*samples[:-1], (max(stop, samples[-1][0]), samples[-1][1])]
    pieces = [
        Piece(min(end, stop) - max(begin, start), watts) for (begin, _), (end, watts) in pairwise(ends) if end > start
    ]
    return [piece for piece in pieces if piece.seconds > 0] or [Piece(stop - start, samples[-1][1])]


def joules_of(pieces: Sequence[Piece], stretches: Sequence[tuple[float, float]]) -> list[float]:
    """Returns the energy of each of many stretches, in joules.

    Args:
        pieces: At least one.
        stretches: When each starts and stops, in seconds since the first piece began; what is before it or after the
            last one is left out.

    >>> joules_of([Piece(1.0, 50.0), Piece(1.0, 100.0), Piece(1.0, 20.0)], [(0.5, 1.25), (1.0, 9.0), (-1.0, 0.5)])
    [50.0, 120.0, 25.0]
    """
    ends = [0.0, *accumulate(piece.seconds for piece in pieces)]
    sums = [0.0, *accumulate(piece.seconds * piece.watts for piece in pieces)]

    def joules_until(moment: float) -> float:
        index = min(max(0, bisect_right(ends, moment) - 1), len(pieces) - 1)
        return sums[index] + (min(max(0.0, moment), ends[-1]) - ends[index]) * pieces[index].watts

    return [joules_until(stop) - joules_until(start) for start, stop in stretches]


def sum_joules(pieces: Sequence[Piece]) -> float:
    """Returns the energy of a stretch in joules."""
    return sum(seconds * watts for seconds, watts in pieces)


def mean_watts(pieces: Sequence[Piece]) -> Measurement:
    """Returns the mean power of a steady stretch in watts, with its error by the spread of the pieces."""
    seconds = sum(piece.seconds for piece in pieces)
    mean = sum(piece.seconds * piece.watts for piece in pieces) / seconds
    if len(pieces) < 2:  # noqa: PLR2004
        return measured(mean)
    low, high = student_interval([piece.watts for piece in pieces])[1]
    return measured(mean, error=(high - low) / 2)

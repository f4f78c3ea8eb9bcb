"""Dominance, front, knee and hypervolume. Plain Python, since a front is looked at before anything heavy is loaded.

Points are tuples of *losses*: every number is to be made small, so accuracy enters negated.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from operator import le

Losses = Sequence[float]


def front(points: Sequence[Losses]) -> list[int]:
    """Returns the indices of the points that no other point dominates, ascending.

    A point dominates another when it is nowhere larger and somewhere smaller. Of equal points the first is kept. With
    two losses it takes N log N steps.

    Args:
        points: N points of M losses, all finite.

    >>> front([(1.0, 4.0), (2.0, 2.0), (2.0, 2.0), (3.0, 3.0), (4.0, 1.0)])
    [0, 1, 4]
    """
    kept: list[int] = []
    # Sorted lexicographically, so whatever dominates or equals a point comes before it.
    keys = [tuple(point) for point in points]
    order = sorted(range(len(points)), key=keys.__getitem__)
    flat = 2
    if points and len(points[0]) <= flat:
        least = math.inf
        for index in order:
            if keys[index][-1] < least:
                least = keys[index][-1]
                kept.append(index)
        return sorted(kept)
    for index in order:
        point = points[index]
        if not any(all(map(le, other, point)) for other in (points[number] for number in kept)):
            kept.append(index)
    return sorted(kept)


def front_ranks(points: Sequence[Losses]) -> list[int]:
    """Returns each point's depth: 0 on the front, 1 on the front of what is left without it, and so on.

    Equal points have equal ranks. With two losses it takes N log N steps.

    Args:
        points: N points of M losses, all finite.

    Source: X. Zhang et al., "An efficient approach to nondominated sorting for evolutionary multiobjective
    optimization", IEEE TEC 19 (2015), ENS-BS.

    >>> front_ranks([(1.0, 4.0), (2.0, 2.0), (2.0, 2.0), (3.0, 3.0), (4.0, 4.0)])
    [0, 0, 0, 1, 2]
    """
    fronts: list[list[Losses]] = []
    ranks = [0] * len(points)
    flat = 2
    # Sorted lexicographically, so whatever dominates a point comes before it; with two losses the last point of a front
    # has the least second loss of all, and so dominates whatever any point of its front dominates.
    for index in sorted(range(len(points)), key=lambda index: tuple(points[index])):
        point = points[index]
        start = -1 if len(point) <= flat else 0
        rank = bisect_left(fronts, True, key=lambda kept: not _is_dominated(point, kept[start:]))
        if rank == len(fronts):
            fronts.append([])
        fronts[rank].append(point)
        ranks[index] = rank
    return ranks


def _is_dominated(point: Losses, others: Sequence[Losses]) -> bool:
    return any(all(map(le, other, point)) and tuple(other) != tuple(point) for other in others)


def knee(accuracies: Sequence[float], costs: Sequence[float]) -> int | None:
    """Returns the index of the front's knee: after it accuracy gets expensive.

    It is the point farthest above the chord from the cheapest to the most accurate point, both axes scaled to
    [0, 1] over the front.

    Args:
        accuracies: Of points that form a front.
        costs: Of the same points, in the cost's unit.

    Returns:
        None with fewer than three points, or when no point lies above the chord.

    Source: V. Satopaa et al., "Finding a 'kneedle' in a haystack", ICDCS workshops (2011); I. Das, "On
    characterizing the knee of the Pareto curve", Structural Optimization 18 (1999).

    >>> knee([0.80, 0.97, 0.98], [1.0, 2.0, 9.0])
    1
    """
    enough_points = 3
    if len(costs) < enough_points or max(costs) == min(costs) or max(accuracies) == min(accuracies):
        return None
    gains = [(value - min(accuracies)) / (max(accuracies) - min(accuracies)) for value in accuracies]
    prices = [(value - min(costs)) / (max(costs) - min(costs)) for value in costs]
    above = [gain - price for gain, price in zip(gains, prices, strict=True)]
    best = above.index(max(above))
    return best if above[best] > 0 else None


@dataclass(frozen=True)
class Reference:
    """The fixed scales in which a study's hypervolume is counted.

    Each objective is mapped to a score in [0, 1], 1 being best. Accuracy counts linearly from `chance` to 1. A cost
    counts by its logarithm over three decades: the `worst` cost and above scores 0, a thousandth of it scores 1, so
    that halving any cost is worth the same.

    Attributes:
        chance: The accuracy that scores 0.
        worst: The cost that scores 0, for each minimised cost, in its unit.
    """

    chance: float
    worst: tuple[float, ...]

    DECADES = 3.0
    WORST_OVER_FIRST = 10.0

    def scores(self, accuracy: float, costs: tuple[float, ...]) -> tuple[float, ...]:
        """Returns the score in [0, 1] of each objective, accuracy first.

        >>> [round(score, 3) for score in Reference(0.1, (10.0,)).scores(0.55, (1.0,))]
        [0.5, 0.333]
        """
        gains = [(accuracy - self.chance) / (1 - self.chance)]
        for cost, worst in zip(costs, self.worst, strict=True):
            gains.append(math.log10(worst / cost) / self.DECADES if cost > 0 else 1.0)
        return tuple(min(1.0, max(0.0, gain)) for gain in gains)


def hypervolume(scores: Sequence[Losses]) -> float:
    """Returns the volume of the unit cube that the points dominate, 0 to 1; larger is better.

    Exact, by slicing along the last objective.

    Args:
        scores: N points of M scores in [0, 1], larger is better.

    Source: E. Zitzler and L. Thiele, "Multiobjective evolutionary algorithms", IEEE TEC 3 (1999).

    >>> hypervolume([(0.5, 1.0), (1.0, 0.5)])
    0.75
    """
    if not scores:
        return 0.0
    if len(scores[0]) == 1:
        return max(score[0] for score in scores)
    points = sorted(scores, key=lambda score: -score[-1])
    heads = [tuple(-value for value in point[:-1]) for point in points]
    volume = 0.0
    for count, point in enumerate(points, start=1):
        below = points[count][-1] if count < len(points) else 0.0
        if point[-1] > below:
            kept = [tuple(-value for value in heads[index]) for index in front(heads[:count])]
            volume += (point[-1] - below) * hypervolume(kept)
    return volume


def hypervolume_gain(score: Losses, others: Sequence[Losses]) -> float:
    """Returns the volume that a point adds to what others dominate: its exclusive hypervolume, 0 to 1.

    Args:
        score: M scores in [0, 1], larger is better.
        others: N points of M scores.

    Source: L. While, L. Bradstreet and L. Barone, "A fast way of calculating exact hypervolumes", IEEE TEC 16 (2012).

    >>> hypervolume_gain((1.0, 0.5), [(0.5, 1.0)])
    0.25
    """
    shared = [tuple(-min(own, value) for own, value in zip(score, other, strict=True)) for other in others]
    kept = [tuple(-value for value in shared[index]) for index in front(shared)]
    return max(0.0, math.prod(score) - hypervolume(kept))

"""Dominance, front, knee and hypervolume. Torch-free.

Points are rows of *losses*: every column is to be made small, so accuracy enters negated.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Losses = npt.NDArray[np.float64]


def front(losses_NM: Losses) -> list[int]:
    """Returns the indices of the rows that no other row dominates, ascending.

    A row dominates another when it is nowhere larger and somewhere smaller. Of equal rows the first is kept.

    Args:
        losses_NM: N points of M losses, all finite.

    >>> front(np.array([[1.0, 4.0], [2.0, 2.0], [2.0, 2.0], [3.0, 3.0], [4.0, 1.0]]))
    [0, 1, 4]
    """
    order = np.lexsort((np.arange(len(losses_NM)), *losses_NM.T[::-1]))
    kept: list[int] = []
    kept_losses = np.empty_like(losses_NM)
    for index in order:
        # Sorted lexicographically, so whatever dominates or equals this row came before it.
        rows = kept_losses[: len(kept)]
        if not np.any(np.all(rows <= losses_NM[index], axis=1)):
            kept_losses[len(kept)] = losses_NM[index]
            kept.append(int(index))
    return sorted(kept)


def knee(accuracies: Losses, costs: Losses) -> int | None:
    """Returns the index of the front's knee: after it accuracy gets expensive.

    It is the point farthest above the chord from the cheapest to the most accurate point, both axes scaled to
    [0, 1] over the front.

    Args:
        accuracies: Shape (N,), of points that form a front.
        costs: Shape (N,), in the cost's unit.

    Returns:
        None with fewer than three points, or when no point lies above the chord.

    Source: V. Satopaa et al., "Finding a 'kneedle' in a haystack", ICDCS workshops (2011); I. Das, "On
    characterizing the knee of the Pareto curve", Structural Optimization 18 (1999).

    >>> knee(np.array([0.80, 0.97, 0.98]), np.array([1.0, 2.0, 9.0]))
    1
    """
    enough_points = 3
    if len(costs) < enough_points or np.ptp(costs) == 0 or np.ptp(accuracies) == 0:
        return None
    gain = (accuracies - accuracies.min()) / np.ptp(accuracies)
    price = (costs - costs.min()) / np.ptp(costs)
    above = gain - price
    best = int(np.argmax(above))
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


def hypervolume(scores_NM: Losses) -> float:
    """Returns the volume of the unit cube that the points dominate, 0 to 1; larger is better.

    Exact, by slicing along the last objective.

    Args:
        scores_NM: N points of M scores in [0, 1], larger is better.

    Source: E. Zitzler and L. Thiele, "Multiobjective evolutionary algorithms", IEEE TEC 3 (1999).

    >>> hypervolume(np.array([[0.5, 1.0], [1.0, 0.5]]))
    0.75
    """
    if len(scores_NM) == 0:
        return 0.0
    if scores_NM.shape[1] == 1:
        return float(scores_NM.max())
    points = scores_NM[np.argsort(-scores_NM[:, -1], kind="stable")]
    heights = points[:, -1]
    volume = 0.0
    for count in range(1, len(points) + 1):
        below = heights[count] if count < len(points) else 0.0
        if heights[count - 1] > below:
            head = points[:count, :-1]
            volume += (heights[count - 1] - below) * hypervolume(head[front(-head)])
    return float(volume)

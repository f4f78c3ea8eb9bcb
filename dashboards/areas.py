"""Boxes and lassos drawn over the trade-off of a large study, which shows no trial by itself."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dashboards.bills import BILLED
from dashboards.crowd import MONEY, Crowd
from objectives.costs import MINIMIZABLE

if TYPE_CHECKING:
    from dashboards.columns import Numbers

PERCENT = 100.0
MOST_CORNERS = 48
"""Of a lasso: as many as an address has room for."""

LEAST_CORNERS = 3
SCALES = {"log": True, "linear": False}
"""Whether an axis of costs is logarithmic, by its name in an address."""

AXES = {name: (name, False) for name in (*MINIMIZABLE, MONEY)} | {f"billed.{name}": (name, True) for name in BILLED}
"""What the trade-off can be shown over, by its name in an address: a cost, and whether it is of bills."""


@dataclass(frozen=True)
class Area:
    """A part of the trade-off.

    Attributes:
        axis: What accuracy is shown over, one of `AXES`.
        corners: In the cost's unit and in percent of accuracy: the lower left and the upper right one of a box, all
            those of a lasso.
        is_log: Whether the axis of a lasso is logarithmic, which decides what lies within its edges.
    """

    axis: str
    corners: tuple[tuple[float, float], ...]
    is_log: bool = False

    @property
    def is_box(self) -> bool:
        """Whether it is a box."""
        return len(self.corners) < LEAST_CORNERS

    def find(self, crowd: Crowd) -> set[int]:
        """Returns the trials of a large study with a checkpoint in it, or with their bill where it is of bills."""
        import numpy as np

        cost, is_billed = AXES[self.axis]
        points = crowd.points(cost, is_billed=is_billed)
        x, y = points.cost, PERCENT * points.accuracy
        xs, ys = zip(*self.corners, strict=True)
        inside = np.flatnonzero((x >= min(xs)) & (x <= max(xs)) & (y >= min(ys)) & (y <= max(ys)))
        if not self.is_box:
            inside = inside[self._is_within(x[inside], y[inside])]
        return set(np.unique(points.trial[inside]).tolist())

    def _is_within(self, x: Numbers, y: Numbers) -> Any:
        """Returns which points a line to their right leaves through an odd number of edges; all lie in its frame."""
        import numpy as np

        corners = [(math.log10(x), y) if self.is_log else (x, y) for x, y in self.corners]
        at, is_odd = np.log10(x) if self.is_log else x, np.zeros(len(x), dtype=np.bool_)
        for (x0, y0), (x1, y1) in zip([corners[-1], *corners[:-1]], corners, strict=True):
            if y0 != y1:
                is_odd ^= ((y0 > y) != (y1 > y)) & (at < (x1 - x0) * (y - y0) / (y1 - y0) + x0)
        return is_odd


def read_box(told: Sequence[Any]) -> Area | None:
    """Returns the box that an axis, its left and right end, and its lower and upper end tell; None where it is none.

    >>> read_box(["device_seconds", 0.1, 2, 95, 99]).corners
    ((0.1, 95.0), (2.0, 99.0))
    >>> read_box(["device_seconds", 0.1, 2, 95])
    """
    match told:
        case [str(axis), left, right, bottom, top] if axis in AXES:
            ends = _read_numbers([left, right, bottom, top])
            return None if ends is None else Area(axis, ((ends[0], ends[2]), (ends[1], ends[3])))
    return None


def read_lasso(told: Sequence[Any]) -> Area | None:
    """Returns the lasso that an axis, its scale, and cost and accuracy of each corner tell; None where it is none.

    >>> read_lasso(["billed.money", "log", 1, 90, 2, 99, 3, 90]).corners
    ((1.0, 90.0), (2.0, 99.0), (3.0, 90.0))
    >>> read_lasso(["billed.money", "log", 0, 90, 2, 99, 3, 90])
    """
    match told:
        case [str(axis), str(scale), *rest] if axis in AXES and scale in SCALES and len(rest) % 2 == 0:
            if not LEAST_CORNERS <= len(rest) // 2 <= MOST_CORNERS:
                return None
            ends = _read_numbers(rest)
            if ends is None or (SCALES[scale] and min(ends[::2]) <= 0):
                return None
            return Area(axis, tuple(zip(ends[::2], ends[1::2], strict=True)), SCALES[scale])
    return None


def _read_numbers(told: Sequence[Any]) -> list[float] | None:
    """Returns these as numbers, None where one is none or not finite."""
    try:
        numbers = [float(one) for one in told if isinstance(one, int | float)]
    except OverflowError:
        return None
    return numbers if len(numbers) == len(told) and all(map(math.isfinite, numbers)) else None

"""Columns of numbers: rows of a database as arrays, their values by key, and what no other of them beats."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Numbers: TypeAlias = NDArray[np.float64]
    Whole: TypeAlias = NDArray[np.int64]

SHIFT = 2**20
"""More attempts or epochs than a trial has: what tells one apart is its trial times this, plus its number."""


def to_table(rows: Sequence[tuple[Any, ...]], width: int) -> Numbers:
    """Returns rows as an array; what is NULL becomes NaN."""
    import numpy as np

    return np.array(rows, dtype=np.float64).reshape(-1, width)


def align(wanted: Whole, keys: Whole, values: Numbers) -> Numbers:
    """Returns the value of each key that is wanted, NaN where there is none; `keys` ascend."""
    import numpy as np

    if not len(keys):
        return np.full(len(wanted), np.nan)
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, values[at], np.nan)


def find_front(accuracy: Numbers, costs: Sequence[Numbers]) -> Whole:
    """Returns the indices of the checkpoints that nothing beats in accuracy and all costs; of equal ones the first.

    Args:
        accuracy: Of N checkpoints.
        costs: M arrays of N; a checkpoint that lacks one is left out. Without any, the most accurate is the front.
    """
    import numpy as np

    known = np.flatnonzero(np.all([~np.isnan(cost) for cost in costs] or [accuracy >= 0], axis=0))
    losses = [-accuracy[known], *(cost[known] for cost in costs)]
    flat = 2
    if len(losses) > flat and len(known):
        from moocore import is_nondominated

        return known[np.flatnonzero(is_nondominated(np.column_stack(losses), keep_weakly=False))]
    near = _near_front(losses)
    return known[near[_flat_front([loss[near] for loss in losses])]]


def _flat_front(losses: Sequence[Numbers]) -> Whole:
    """Returns the indices of the points that nothing beats in one or two losses, ascending; of equal ones the first."""
    import numpy as np

    order = np.lexsort(losses[::-1])
    last = losses[-1][order]
    least = np.concatenate([[np.inf], np.minimum.accumulate(last)[:-1]])
    return np.sort(order[last < least[: len(last)]])


def _near_front(losses: Sequence[Numbers]) -> Whole:
    """Returns the indices of the points that the front of some of them does not beat: sorting all takes far longer."""
    import numpy as np

    some = np.arange(0, len(losses[0]), 1 + len(losses[0]) // 5000)
    beaten_by = some[_flat_front([loss[some] for loss in losses])]
    if len(losses) == 1 or not len(beaten_by):
        return np.arange(len(losses[0]))
    beaten_by = beaten_by[np.argsort(losses[1][beaten_by])]
    at = np.searchsorted(losses[1][beaten_by], losses[1], side="right")
    return np.flatnonzero(losses[0] <= np.concatenate([[np.inf], losses[0][beaten_by]])[at])

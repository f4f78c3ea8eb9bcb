"""Which trial begins next, and on which free slot."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from objectives.trial import Placement
from search.trials import Trial


def match(
    waiting: Iterable[Trial], free: Sequence[Placement], *, is_device_searched: bool
) -> tuple[Trial, Placement] | None:
    """Returns the first trial that waits for one of the free slots, with the slot; None where there is none.

    Args:
        waiting: Trials that may begin, in their order.
        free: Slots with nothing to do, in their order.
        is_device_searched: Whether a trial is for slots of its setting's device alone; else any slot will do.
    """
    for trial in waiting:
        kind = trial.params["device"] if is_device_searched else None
        for placement in free:
            if kind in (None, placement.kind):
                return trial, placement
    return None

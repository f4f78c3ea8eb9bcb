"""What is measured for other trials too: with the device alone, and said of it where it was not. Torch-free."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from objectives.costs import NOTABLE, Measurement

TRIES = 3
"""How often it is measured at most, where other work has its cores."""


class Alone(NamedTuple):
    """What was measured with the device to itself, as far as that was so.

    Attributes:
        costs: By name.
        has_waited: Whether other work had the cores for a notable part.
        has_company: Whether other processes were on the GPU.
    """

    costs: dict[str, Measurement]
    has_waited: bool
    has_company: bool

    @property
    def is_disturbed(self) -> bool:
        """Whether it says nothing of another trial. That heat or a power limit held the device back is part of it."""
        return self.has_waited or self.has_company

    @staticmethod
    def of(costs: dict[str, Measurement], stretch: Mapping[str, Measurement]) -> Alone:
        """Returns costs with what the meters of the slot tell of the stretch in which they were measured."""
        waited, took, others = (
            stretch[name].value or 0.0 for name in ("contention_seconds", "device_seconds", "other_processes")
        )
        return Alone(costs, has_waited=waited > NOTABLE * took, has_company=others > 0)


def find_quietest(measure: Callable[[], Alone], seconds: str) -> Alone:
    """Returns what is measured; where other work has the cores, the quickest of several tries.

    Args:
        measure: Measures once.
        seconds: Name of the cost by which the quickest is known.
    """
    tries: list[Alone] = []
    while not tries or (tries[-1].has_waited and len(tries) < TRIES):
        tries.append(measure())
    return min(tries, key=lambda one: (one.has_waited, one.costs[seconds].value or 0.0))

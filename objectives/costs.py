"""The costs that a trial can have: their names, units and how they add up. Torch-free."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

Method = Literal["measured", "counted", "absent"]


@dataclass(frozen=True)
class Cost:
    """A named quantity of which less is better.

    Attributes:
        unit: SI unit, or the thing counted.
        title: Its words on an axis, without the unit.
        accumulate: Whether the cost of several epochs is their sum or the largest of them.
        text: What it includes.
    """

    unit: str
    title: str
    accumulate: Literal["sum", "max"]
    text: str


COSTS: dict[str, Cost] = {
    "device_seconds": Cost(
        "s",
        "device time",
        "sum",
        "time that training steps occupied the slot's device (its GPU or its cores)",
    ),
    "wall_seconds": Cost("s", "wall time", "sum", "training and evaluation, by the clock"),
    "cpu_seconds": Cost("s", "CPU time", "sum", "CPU time of the slot's process, all threads, while training"),
    "energy_joules": Cost("J", "energy", "sum", "energy of the slot's device while training"),
    "train_flops": Cost("FLOP", "training FLOPs", "sum", "forward and backward, 2 FLOP per multiply-add"),
    "peak_memory_bytes": Cost(
        "B",
        "peak memory",
        "max",
        "CUDA: most memory allocated by torch; CPU: most resident memory of the slot",
    ),
    "samples": Cost("images", "images trained on", "sum", "training images seen, repeats included"),
}


@dataclass(frozen=True)
class Measurement:
    """The value of one cost, and how it was got.

    Attributes:
        value: In the cost's unit; None where nothing was measured. Zero is a measurement.
        method: `measured` by a clock or counter, `counted` by arithmetic, or `absent`.
        reason: Why it is absent; None otherwise.
    """

    value: float | None
    method: Method
    reason: str | None = None

    def __post_init__(self) -> None:
        absent = self.value is None
        if absent != (self.method == "absent") or absent != (self.reason is not None):
            raise ValueError(f"a value, or 'absent' with a reason, must be given, but got {self!r}")


def measured(value: float) -> Measurement:
    """Returns a value that a clock or a counter gave."""
    return Measurement(value, "measured")


def counted(value: float) -> Measurement:
    """Returns a value that arithmetic gave."""
    return Measurement(value, "counted")


def absent(reason: str) -> Measurement:
    """Returns a cost that could not be measured, with the reason."""
    return Measurement(None, "absent", reason)


def accumulate(name: str, values: Iterable[Measurement]) -> Measurement:
    """Returns the cost of several epochs together: their sum, or the largest, as `COSTS[name]` says.

    One absent value makes the whole absent: a sum that leaves something out would be too small.

    >>> accumulate("device_seconds", [measured(1.0), measured(2.5)]).value
    3.5
    >>> accumulate("peak_memory_bytes", [measured(1.0), measured(2.5)]).value
    2.5
    >>> accumulate("energy_joules", [measured(1.0), absent("no counter")]).reason
    'no counter'
    """
    together = list(values)
    if not together:
        return absent("no epoch was recorded")
    total = running_totals(name, [value.value for value in together])[-1]
    if total is None:
        return next(value for value in together if value.value is None)
    return Measurement(total, together[-1].method)


def add_costs(before: Mapping[str, Measurement], more: Mapping[str, Measurement]) -> dict[str, Measurement]:
    """Returns the costs of two stretches of one epoch together; nothing was before the first.

    >>> add_costs({"samples": counted(2.0)}, {"samples": counted(3.0)})["samples"].value
    5.0
    """
    return {name: accumulate(name, [before[name], cost] if before else [cost]) for name, cost in more.items()}


def running_totals(name: str, values: Sequence[float | None]) -> list[float | None]:
    """Returns the cost of the first epoch, of the first two together, and so on, each as `accumulate` has it.

    Args:
        name: One of `COSTS`.
        values: Of each epoch, in the cost's unit; None where it is absent.

    >>> running_totals("device_seconds", [1.0, 2.5, None, 1.0]), running_totals("peak_memory_bytes", [2.0, 1.0])
    ([1.0, 3.5, None, None], [2.0, 2.0])
    """
    add: Any = operator.add if COSTS[name].accumulate == "sum" else max
    known = values[: values.index(None)] if None in values else values
    return [*itertools.accumulate(known, add), *itertools.repeat(None, len(values) - len(known))]

"""The costs that a trial can have: their names, units and how they add up. Torch-free."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

Method = Literal["measured", "calibrated", "counted", "absent"]


@dataclass(frozen=True)
class Cost:
    """A named quantity of which less is better.

    Attributes:
        unit: SI unit, or the thing counted.
        title: Its words on an axis, without the unit.
        accumulate: Whether the cost of several epochs is their sum or the largest of them, or whether it is the model's
            own, found once for each trial before its first epoch.
        text: What it includes.
        is_price: Whether somebody may want less of it as such; else it tells how far the others can be trusted, or what
            else the device held.
    """

    unit: str
    title: str
    accumulate: Literal["sum", "max", "once"]
    text: str
    is_price: bool = True


COSTS: dict[str, Cost] = {
    "device_seconds": Cost(
        "s",
        "device time",
        "sum",
        "time that training steps occupied the slot's device (its GPU or its cores)",
    ),
    "wall_seconds": Cost("s", "wall time", "sum", "training and evaluation, by the clock"),
    "event_seconds": Cost(
        "s",
        "device time by events",
        "sum",
        "CUDA: the same by the GPU's own clock, from before the first step to after the last",
        is_price=False,
    ),
    "cpu_seconds": Cost("s", "CPU time", "sum", "CPU time of the slot's process, all threads, while training"),
    "contention_seconds": Cost(
        "s",
        "waiting for cores",
        "sum",
        "part of the training in which other work had the slot's cores",
        is_price=False,
    ),
    "throttled_seconds": Cost(
        "s",
        "throttling",
        "sum",
        "part of the training in which heat or the power limit held the device back",
        is_price=False,
    ),
    "other_processes": Cost(
        "processes",
        "other processes",
        "max",
        "most processes seen on the slot's GPU besides its slots",
        is_price=False,
    ),
    "energy_joules": Cost("J", "energy", "sum", "energy of the slot's device while training"),
    "train_flops": Cost("FLOP", "training FLOPs", "sum", "forward and backward, 2 FLOP per multiply-add"),
    "peak_memory_bytes": Cost(
        "B",
        "peak memory",
        "max",
        "CUDA: most memory that torch gave to arrays, those within graphs too; CPU: most resident memory of the slot",
    ),
    "reserved_memory_bytes": Cost(
        "B",
        "reserved memory",
        "max",
        "CUDA: most memory that torch held of the GPU, with what it keeps for later",
        is_price=False,
    ),
    "used_memory_bytes": Cost(
        "B",
        "GPU memory in use",
        "max",
        "CUDA: memory in use on the GPU as an epoch ends, whoever uses it: the GPU's context too",
        is_price=False,
    ),
    "resident_memory_bytes": Cost(
        "B",
        "resident memory",
        "max",
        "CUDA: most resident memory of the slot's process, beside the GPU's",
        is_price=False,
    ),
    "samples": Cost("images", "images trained on", "sum", "training images seen, repeats included"),
    "parameters": Cost("weights", "parameters", "once", "the model's weights, those that are not trained too"),
    "model_bytes": Cost("B", "model size", "once", "the weights as a file"),
    "inference_flops": Cost("FLOP", "inference FLOPs", "once", "forward pass of one image, 2 FLOP per multiply-add"),
    "inference_latency_seconds": Cost(
        "s", "inference latency", "once", "forward pass of a single image on the slot's device: the median"
    ),
    "inference_latency_p95_seconds": Cost(
        "s", "inference latency, 95th percentile", "once", "the same: 19 of 20 passes take no longer"
    ),
    "inference_seconds_per_image": Cost(
        "s",
        "inference time per image",
        "once",
        "forward pass of a large batch on the slot's device: the median, per image",
    ),
    "inference_peak_memory_bytes": Cost(
        "B",
        "inference peak memory",
        "once",
        "forward pass of a large batch: weights, images, and the most that torch allocates beside them",
    ),
    "inference_joules_per_1000_images": Cost(
        "J",
        "inference energy per 1,000 images",
        "once",
        "forward passes of a large batch on the slot's device, all that it takes meanwhile, per 1,000 images",
    ),
}

MINIMIZABLE = tuple(name for name, cost in COSTS.items() if cost.is_price)
"""Costs that a sweep can minimise."""

ONCE = tuple(name for name, cost in COSTS.items() if cost.accumulate == "once")
"""Costs of the model itself: the same after each epoch."""

NOTABLE = 0.05
"""Share of a stretch that other work, heat or a power limit had, from which on its seconds are notably too long."""


@dataclass(frozen=True)
class Measurement:
    """The value of one cost, and how it was got.

    Attributes:
        value: In the cost's unit; None where nothing was measured. Zero is a measurement.
        method: `measured` by a clock or counter while it happened, `calibrated` by a clock or counter alone on the
            device, `counted` by arithmetic, or `absent`.
        reason: Why it is absent; None otherwise.
        error: By how much the true value may differ, in the cost's unit, with 95 % confidence or as the counter's
            resolution bounds it; None where that is not known.
    """

    value: float | None
    method: Method
    reason: str | None = None
    error: float | None = None

    def __post_init__(self) -> None:
        absent = self.value is None
        if absent != (self.method == "absent") or absent != (self.reason is not None):
            raise ValueError(f"a value, or 'absent' with a reason, must be given, but got {self!r}")


def measured(value: float, error: float | None = None) -> Measurement:
    """Returns a value that a clock or a counter gave."""
    return Measurement(value, "measured", error=error)


def calibrated(cost: Measurement) -> Measurement:
    """Returns a cost that was measured once as it is told of all trials which are alike in it.

    >>> calibrated(measured(2.0, 0.1)), calibrated(counted(3.0)).method
    (Measurement(value=2.0, method='calibrated', reason=None, error=0.1), 'counted')
    """
    return replace(cost, method="calibrated") if cost.method == "measured" else cost


def counted(value: float) -> Measurement:
    """Returns a value that arithmetic gave."""
    return Measurement(value, "counted")


def absent(reason: str) -> Measurement:
    """Returns a cost that could not be measured, with the reason."""
    return Measurement(None, "absent", reason)


def scale(cost: Measurement, factor: float) -> Measurement:
    """Returns a cost times a factor, and so its error where that is known; what is absent stays so.

    >>> scale(measured(2.0, error=0.5), 3.0).value, scale(measured(2.0, error=0.5), 3.0).error
    (6.0, 1.5)
    >>> scale(measured(2.0), 3.0).value
    6.0
    """
    if cost.value is None:
        return cost
    return replace(cost, value=cost.value * factor, error=None if cost.error is None else cost.error * factor)


def accumulate(name: str, values: Iterable[Measurement]) -> Measurement:
    """Returns the cost of several epochs together: their sum, or the largest, as `COSTS[name]` says.

    One absent value makes the whole absent: a sum that leaves something out would be too small. Errors add up, and it
    was got as its least direct part was.

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
    errors = running_totals(name, [value.error for value in together])[-1]
    return Measurement(total, least_direct(value.method for value in together), error=errors)


def least_direct(methods: Iterable[Method]) -> Method:
    """Returns how a whole was got of whose parts it is known.

    >>> least_direct(["measured", "calibrated", "measured"]), least_direct(["counted", "counted"])
    ('calibrated', 'counted')
    """
    return min(methods, key=("absent", "calibrated", "measured", "counted").index)


def add_costs(before: Mapping[str, Measurement], more: Mapping[str, Measurement]) -> dict[str, Measurement]:
    """Returns the costs of two stretches of one epoch together; nothing was before the first.

    >>> add_costs({"samples": counted(2.0)}, {"samples": counted(3.0)})["samples"].value
    5.0
    """
    lacking = absent("it was not measured before the checkpoint")
    return {
        name: accumulate(name, [before.get(name, lacking), cost] if before else [cost]) for name, cost in more.items()
    }


def running_totals(name: str, values: Sequence[float | None]) -> list[float | None]:
    """Returns the cost of the first epoch, of the first two together, and so on, each as `accumulate` has it.

    Args:
        name: One of `COSTS`, of those that epochs have.
        values: Of each epoch, in the cost's unit; None where it is absent.

    >>> running_totals("device_seconds", [1.0, 2.5, None, 1.0]), running_totals("peak_memory_bytes", [2.0, 1.0])
    ([1.0, 3.5, None, None], [2.0, 2.0])
    """
    add: Any = operator.add if COSTS[name].accumulate == "sum" else max
    known = values[: values.index(None)] if None in values else values
    return [*itertools.accumulate(known, add), *itertools.repeat(None, len(values) - len(known))]

"""What an epoch costs a trial that has its device to itself, measured by some of its steps.

Where slots share a device, what a trial's own meters show there is what ran beside it, not what the setting costs. So
each setting is measured once, alone, and every epoch of it costs so much, whatever runs beside it.

Shapes: N images of the training part.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable, Iterator
from statistics import fmean
from typing import NamedTuple

import torch
from torch import Tensor

from objectives.alone import Alone, find_quietest
from objectives.costs import Measurement, accumulate, calibrated, measured, scale
from objectives.intervals import student_interval
from objectives.meters import Meters

CALIBRATED = ("device_seconds", "cpu_seconds", "contention_seconds", "throttled_seconds", "energy_joules")
"""Costs of an epoch that depend on what runs beside it."""

WARM_STEPS = 3
BLOCK_SECONDS = 0.02
"""Steps are timed in blocks of about so long, so that waiting for the device is a small part of them."""

LEAST_BLOCKS, SPREAD = 5, 0.02
"""It is measured until the mean of the blocks is known to so small a part of itself, with 95 % confidence."""

LEAST_SECONDS = {"cpu": 0.1, "cuda": 1.0}
"""But for so long at least: a GPU's energy counter moves ten to fifty times a second."""

MOST_SECONDS = {"cpu": 1.0, "cuda": 3.0}
"""And no longer, whatever the spread, which is the value's error."""

Steps = Callable[[Tensor, int], Iterator[None]]
"""Takes steps over images, given by their numbers and the size of a batch, and yields after each."""


class Calibration(NamedTuple):
    """What was measured alone.

    Attributes:
        costs: By name.
        is_disturbed: Whether other work had the cores for a notable part, or others were on the GPU: then it says
            nothing of another trial. That heat or a power limit held the device back is part of what it is.
    """

    costs: dict[str, Measurement]
    is_disturbed: bool


def calibrate_epoch(steps: Steps, order_N: Tensor, batch_size: int, meters: Meters) -> Calibration:
    """Returns what an epoch costs, of `CALIBRATED`, each with its error as far as that is known.

    Args:
        steps: Takes training steps that leave no trace in the trial.
        order_N: The images of an epoch, by number.
        batch_size: Images of a step, 1 to N; the last step of an epoch may have fewer.
        meters: Of the slot, which nothing else uses meanwhile.
    """
    num_full, num_last = divmod(len(order_N), batch_size)
    some = order_N[: batch_size * min(num_full, 8)]
    whole = _measure(lambda: steps(some, batch_size), order_N.device, meters)
    costs = {name: scale(cost, num_full) for name, cost in whole.costs.items()}
    found = [whole]
    if num_last:
        last = _measure(lambda: steps(order_N[-num_last:], num_last), order_N.device, meters)
        costs = {name: accumulate(name, [cost, last.costs[name]]) for name, cost in costs.items()}
        found.append(last)
    told = {name: calibrated(cost) for name, cost in costs.items()}
    return Calibration(told, any(one.is_disturbed for one in found))


def _measure(epoch: Callable[[], Iterator[None]], device: torch.device, meters: Meters) -> Alone:
    """Returns what one step costs."""
    return find_quietest(lambda: _try(epoch, device, meters), "device_seconds")


def _try(epoch: Callable[[], Iterator[None]], device: torch.device, meters: Meters) -> Alone:
    steps = itertools.chain.from_iterable(epoch() for _ in itertools.count())
    _time(steps, WARM_STEPS, device)
    num_steps = max(1, math.ceil(BLOCK_SECONDS / _time(steps, 1, device)))
    blocks: list[float] = []
    meters.read_all()
    meters.start("calibration")
    while not _is_enough(blocks, num_steps, device.type):
        blocks.append(_time(steps, num_steps, device) / num_steps)
    stretch = meters.stop("calibration")
    costs = {name: scale(stretch[name], 1 / (num_steps * len(blocks))) for name in CALIBRATED}
    low, high = student_interval(blocks)[1]
    costs["device_seconds"] = measured(fmean(blocks), error=(high - low) / 2)
    return Alone.of(costs, stretch)


def _is_enough(blocks: list[float], num_steps: int, kind: str) -> bool:
    seconds = num_steps * sum(blocks)
    if len(blocks) < LEAST_BLOCKS or seconds < LEAST_SECONDS[kind]:
        return False
    mean, (low, high) = student_interval(blocks)
    return seconds >= MOST_SECONDS[kind] or (high - low) / 2 <= SPREAD * mean


def _time(steps: Iterator[None], num_steps: int, device: torch.device) -> float:
    """Returns the seconds of so many steps, until the device has done them."""
    start = time.perf_counter()
    for _ in itertools.islice(steps, num_steps):
        pass
    if device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - start

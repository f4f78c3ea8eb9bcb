"""A device under a load, as its energy counter, its power sensor and Zeus tell it: what the GPU's checks compare."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from time import perf_counter, sleep
from typing import Any

from objectives.meters.energy import EnergyCounter

LEAST_SAMPLES = 60
"""Of the power sensor, so that its integral counts. Source: MLPerf's rules for power."""


@dataclass(frozen=True)
class Load:
    """A stretch of passes one after the other.

    Attributes:
        seconds: That it took, after its warm-up.
        num_samples: Of the power sensor.
        counted_joules: By the energy counter.
        integrated_joules: By the power sensor, integrated; None where there is none.
    """

    seconds: float
    num_samples: int
    counted_joules: float
    integrated_joules: float | None

    @property
    def counted_watts(self) -> float:
        """Mean power by the counter."""
        return self.counted_joules / self.seconds

    @property
    def disagreement(self) -> float | None:
        """How much more the counter tells than the sensor, as a share; None where there is no sensor."""
        return None if self.integrated_joules is None else self.counted_joules / self.integrated_joules - 1


def watch_load(
    run: Callable[[], object],
    counter: EnergyCounter,
    seconds: float = 10.0,
    warm_up_seconds: float = 2.0,
    clock: Callable[[], float] = perf_counter,
) -> Load:
    """Runs passes and returns what both ways to tell their energy say.

    The sensor's mean of the last second lags behind, so that passes run for a while before they count.

    Args:
        run: One pass, until the device has done it, much shorter than the counter's tick; or a sleep, for rest.
        counter: The device's.
        seconds: How long, at least.
        warm_up_seconds: How long before.
        clock: Tells seconds.
    """
    begun = clock()
    while clock() - begun < warm_up_seconds:
        run()
    start, start_joules = clock(), counter.read_joules()
    samples = [(start, counter.read_watts())]
    while clock() - start < seconds or len(samples) < LEAST_SAMPLES:
        run()
        samples.append((clock(), counter.read_watts()))
    counted, took = counter.read_joules() - start_joules, samples[-1][0] - start
    integrated = 0.0
    for (before, low), (after, high) in pairwise(samples):
        if low is None or high is None:
            return Load(took, 0, counted, None)
        integrated += (after - before) * (low + high) / 2
    return Load(took, len(samples), counted, integrated)


def watch_bursts(
    run: Callable[[], object], counter: EnergyCounter, seconds: float = 5.0, burst_seconds: float = 0.02
) -> tuple[float, float]:
    """Runs bursts of passes, three times as much rest after each, from one move of the counter to another.

    Args:
        run: One pass, until the device has done it.
        counter: The device's, whose driver remembers its power.
        seconds: How long, at least.
        burst_seconds: How long a burst is, at least.

    Returns:
        The joules by the counter, and by what the driver remembers.
    """
    assert counter.record is not None
    start_joules, start = _wait_for_move(counter)
    remembered, told = 0.0, start
    while perf_counter() - start < seconds:
        _run_burst(run, burst_seconds)
        if perf_counter() - told > counter.record.span_seconds / 2:
            remembered, told = remembered + _recall(counter, told), perf_counter()
    end_joules, _ = _wait_for_move(counter)
    return end_joules - start_joules, remembered + _recall(counter, told)


def _run_burst(run: Callable[[], object], seconds: float) -> None:
    start = perf_counter()
    while perf_counter() - start < seconds:
        run()
    sleep(3 * (perf_counter() - start))


def _recall(counter: EnergyCounter, since: float) -> float:
    """Returns the joules since a moment of `perf_counter`, by what the driver remembers."""
    assert counter.record is not None
    pieces = counter.record.recall(perf_counter() - since)
    assert pieces is not None
    return sum(seconds * watts for seconds, watts in pieces)


def _wait_for_move(counter: EnergyCounter) -> tuple[float, float]:
    """Returns what the counter shows once it has moved, and when that was."""
    before = counter.read_joules()
    while (now := counter.read_joules()) == before:
        pass
    return now, perf_counter()


def open_zeus(uuid: str) -> Any | str:
    """Returns Zeus's monitor of one GPU, or why there is none.

    Source: https://ml.energy/zeus, version 0.16.

    Args:
        uuid: The GPU's, without its prefix.
    """
    if find_spec("zeus") is None:
        return "Zeus is not installed: pip install zeus"
    if "GPU-" in os.environ.get("CUDA_VISIBLE_DEVICES", ""):
        return "Zeus cannot read a UUID in CUDA_VISIBLE_DEVICES"
    import pynvml
    from zeus.monitor import ZeusMonitor  # type: ignore[import-not-found]

    pynvml.nvmlInit()
    every = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    uuids = [str(pynvml.nvmlDeviceGetUUID(handle)).removeprefix("GPU-") for handle in every]
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    numbers = list(range(len(uuids))) if visible is None else [int(index) for index in visible.split(",")]
    where = next((index for index, number in enumerate(numbers) if uuids[number] == uuid), None)
    if where is None:
        return f"Zeus does not see GPU {uuid}"
    return ZeusMonitor(gpu_indices=[where], cpu_indices=[])


def zeus_joules(zeus: Any, run: Callable[[], object]) -> float:
    """Returns what Zeus says that a stretch took, in joules."""
    zeus.begin_window("load")
    run()
    return float(zeus.end_window("load").total_energy)

"""The meters: each reads one thing, in SI units, absent with a reason where it cannot be read. Torch-free on a CPU."""

from __future__ import annotations

import os
from time import process_time

from objectives.costs import Measurement, measured
from objectives.meters.contention import Contention
from objectives.meters.energy import GpuEnergy
from objectives.meters.memory import PeakMemory
from objectives.meters.rapl import CpuEnergy
from objectives.meters.time import Stopwatch
from objectives.trial import Device


class Meters:
    """All meters of a slot that read a device, over one stretch of training after the other.

    Args:
        device: What the slot runs on.
        watch: The slot's clock; a stretch begins where its last line ended.
    """

    def __init__(self, device: Device, watch: Stopwatch) -> None:
        self._watch, self._memory = watch, PeakMemory(device)
        self._energy = GpuEnergy(device.identity) if device.kind == "cuda" else CpuEnergy(own_cores())
        self._contention = Contention(device)
        self._cpu_start_seconds = 0.0

    def start(self) -> None:
        """Begins a stretch."""
        self._memory.start()
        self._energy.start()
        self._contention.start()
        self._cpu_start_seconds = process_time()

    def stop(self, line: str = "training") -> dict[str, Measurement]:
        """Ends the stretch, books it on a line of the bill, and returns its costs by name."""
        device_seconds = self._watch.lap(line)
        return {
            "device_seconds": measured(device_seconds),
            "cpu_seconds": measured(process_time() - self._cpu_start_seconds),
            "contention_seconds": self._contention.stop(device_seconds),
            "energy_joules": self._energy.stop(device_seconds),
            "peak_memory_bytes": self._memory.stop(),
        }


def own_cores() -> list[int]:
    """Returns the CPU cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))

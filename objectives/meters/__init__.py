"""The meters: each reads one thing, in SI units, absent with a reason where it cannot be read. Torch-free on a CPU."""

from __future__ import annotations

import os
from typing import Protocol

from objectives.costs import Measurement, absent, measured
from objectives.meters.contention import Contention
from objectives.meters.counted import COUNTED_SECONDS, CountedSeldom
from objectives.meters.energy import Energy, EnergyCounter
from objectives.meters.memory import ResidentMemory, TorchMemory, UsedMemory
from objectives.meters.neighbours import Neighbours
from objectives.meters.nvml import open_nvml
from objectives.meters.rapl import open_rapl
from objectives.meters.seldom import HARDLY_SECONDS, RECALL_SECONDS, Paces, Seldom, Sparing
from objectives.meters.throttling import Throttling
from objectives.meters.time import CpuTime, EventTime, Stopwatch
from objectives.trial import Device


class Meter(Protocol):
    """Measures one cost of a stretch of training; it may be started anew after each."""

    def start(self) -> None:
        """Begins a stretch."""

    def stop(self, seconds: float) -> Measurement:
        """Ends the stretch, which took so many seconds, and returns its cost; absent with the reason."""


class NoMeter:
    """Stands for a meter where there is nothing to measure.

    Args:
        reason: Why.
    """

    def __init__(self, reason: str) -> None:
        self._cost = absent(reason)

    def start(self) -> None:
        """Begins a stretch."""

    def stop(self, seconds: float) -> Measurement:  # noqa: ARG002  however long it took
        """Returns the reason."""
        return self._cost


def open_counter(device: Device) -> EnergyCounter | str:
    """Returns the energy counter of a slot's device, or why there is none."""
    return open_nvml(device.identity) if device.kind == "cuda" else open_rapl(own_cores())


def open_paces(device: Device, counter: EnergyCounter | str, watch: Stopwatch) -> Paces:
    """Returns how often a device is asked; a CPU tells at once.

    Args:
        device: What the slot runs on.
        counter: Its energy counter, or why there is none.
        watch: The slot's clock, by whose time it is seldom.
    """

    def clock() -> float:
        return watch.booked_seconds

    if device.kind != "cuda":
        return Paces(Seldom(0.0, clock), Seldom(0.0, clock))
    seconds = RECALL_SECONDS if isinstance(counter, str) or counter.record is not None else COUNTED_SECONDS
    return Paces(Seldom(seconds, clock), Seldom(HARDLY_SECONDS, clock))


def open_meters(
    device: Device, counter: EnergyCounter | str, paces: Paces, watch: Stopwatch, graph_bytes: float = 0.0
) -> dict[str, Meter]:
    """Returns the meters of a slot, by the cost that each measures, in the order in which they are read.

    They begin in the opposite order, so that the first ones see the least of the others.

    Args:
        device: What the slot runs on.
        counter: Its energy counter, or why there is none.
        paces: How often it is asked what it takes long to tell.
        watch: The slot's clock.
        graph_bytes: Memory of arrays within the graphs that training replays.
    """
    return {
        "event_seconds": _open_events(device, watch),
        "cpu_seconds": CpuTime(),
        "contention_seconds": Contention(device),
        "energy_joules": _open_energy(device, counter, paces.energy),
        **_open_memories(device, paces.rest, graph_bytes),
        "throttled_seconds": Throttling(device, own_cores(), paces.rest),
        "other_processes": Sparing(Neighbours(device), paces.rest),
    }


def _open_energy(device: Device, counter: EnergyCounter | str, seldom: Seldom) -> Meter:
    if device.kind == "cuda" and not isinstance(counter, str) and counter.record is None:
        return CountedSeldom(counter, seldom)
    return Energy(counter, seldom)


def _open_events(device: Device, watch: Stopwatch) -> Meter:
    if device.kind != "cuda":
        return NoMeter("a CPU has no clock of its own")
    if device.slots > 1:
        return NoMeter("what other slots do on the GPU is between its events too")
    return EventTime(watch)


def _open_memories(device: Device, seldom: Seldom, graph_bytes: float) -> dict[str, Meter]:
    """Returns the meters of a device's memory; on a CPU it is one with that of the slot's process."""
    if device.kind == "cuda":
        return {
            "peak_memory_bytes": Sparing(TorchMemory("allocated", graph_bytes), seldom),
            "reserved_memory_bytes": Sparing(TorchMemory("reserved"), seldom),
            "used_memory_bytes": Sparing(UsedMemory(device), seldom),
            "resident_memory_bytes": Sparing(ResidentMemory(), seldom),
        }
    return {
        "peak_memory_bytes": ResidentMemory(),
        "reserved_memory_bytes": NoMeter("torch reserves none of a CPU's memory"),
        "used_memory_bytes": NoMeter("of a CPU's slot peak_memory_bytes tells its own memory"),
        "resident_memory_bytes": NoMeter("of a CPU's slot that is peak_memory_bytes"),
    }


class Meters:
    """All meters of a slot that read a device, over one stretch of training after the other.

    Attributes:
        counter: The device's energy counter, or why there is none.
    """

    def __init__(self, device: Device, watch: Stopwatch, graph_bytes: float = 0.0) -> None:
        """Opens them.

        Args:
            device: What the slot runs on.
            watch: The slot's clock; a stretch begins where its last line ended.
            graph_bytes: Memory of arrays within the graphs that training replays.
        """
        self.counter = open_counter(device)
        self._paces = open_paces(device, self.counter, watch)
        self._watch, self._meters = watch, open_meters(device, self.counter, self._paces, watch, graph_bytes)

    def read_all(self) -> None:
        """Has every stop from now on read all meters, since a trial's last stretch begins; told before its start."""
        for seldom in self._paces:
            seldom.asks_always = True

    def start(self, line: str | None = None) -> None:
        """Begins a stretch, and books what came before it on a line of the bill; None where that is done.

        What the meters themselves take is no part of the stretch: it has a line of its own.
        """
        if line is not None:
            self._watch.lap(line)
        for meter in reversed(self._meters.values()):
            meter.start()
        self._watch.lap("metering")

    def stop(self, line: str = "training") -> dict[str, Measurement]:
        """Ends the stretch, books it on a line of the bill, and returns its costs by name."""
        seconds = self._watch.lap(line)
        for seldom in self._paces:
            seldom.begin_stop()
        costs = {name: meter.stop(seconds) for name, meter in self._meters.items()}
        self._watch.lap("metering")
        return {"device_seconds": measured(seconds), **costs}


def own_cores() -> list[int]:
    """Returns the CPU cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))

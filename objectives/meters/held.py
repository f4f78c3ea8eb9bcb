"""Energy of all devices that slots hold, whatever they do with them: what the bills' joules must add up to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from time import perf_counter

from objectives.costs import Measurement, absent, measured
from objectives.meters.energy import EnergyCounter
from objectives.meters.nvml import open_gpus
from objectives.meters.rapl import POWERCAP, open_rapl
from objectives.trial import Placement

Counters = Sequence[EnergyCounter]


class HeldEnergy:
    """Reads counters from when it is made, each once however many slots share its device.

    What it once could not tell of stays absent: a part of the energy is not the whole.

    Args:
        counters: Of the devices, or why there are none.
        clock: Tells seconds.
    """

    def __init__(self, counters: Counters | str, clock: Callable[[], float] = perf_counter) -> None:
        self._fault = counters if isinstance(counters, str) else None
        self._counters: Counters = () if isinstance(counters, str) else counters
        self._clock, self._last_seconds = clock, clock()
        self._start = self._last = self._read()

    def read(self) -> Measurement:
        """Returns the energy until now, in joules; between two calls a counter may come round once."""
        last, self._last = self._last, self._read()
        if self._fault is None and any(now < before for before, now in zip(last, self._last, strict=True)):
            self._fault = "an energy counter began anew"
        return measured(sum(self._last) - sum(self._start)) if self._fault is None else absent(self._fault)

    def _read(self) -> list[float]:
        seconds, self._last_seconds = self._clock() - self._last_seconds, self._clock()
        if any(seconds > counter.most_seconds for counter in self._counters):
            self._give_up(f"in {seconds:.0f} s the energy counter may have come round more than once")
        try:
            return [counter.read_joules() for counter in self._counters]
        except OSError as error:
            self._give_up(f"an energy counter could not be read any more: {error.strerror or error}")
            return []

    def _give_up(self, fault: str) -> None:
        self._fault, self._counters = self._fault or fault, ()


def open_counters(placements: Iterable[Placement], root: Path = POWERCAP) -> Counters | str:
    """Returns the counters of all devices that slots hold, each once, or why there are none.

    Those of the CPU are of whole packages, so that they tell of slots only where these have all cores together. Where
    slots are on GPUs and on the CPU, both are needed.

    Args:
        placements: The slots.
        root: Where the kernel shows the CPU's counters.
    """
    held = list(placements)
    gpus = dict.fromkeys(placement.device.partition(":")[2] for placement in held if placement.device != "cpu")
    cores = {core for placement in held if placement.device == "cpu" for core in placement.cores}
    found: list[EnergyCounter] = []
    if gpus:
        if isinstance(counters := open_gpus(list(gpus)), str):
            return counters
        found += counters
    if cores or not gpus:
        if isinstance(counter := open_rapl(sorted(cores), root, "these slots have"), str):
            return counter
        found.append(counter)
    return found

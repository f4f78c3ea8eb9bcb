"""NVIDIA's management library: the energy counter of a GPU, in millijoules since the driver was loaded, and more."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from itertools import pairwise
from statistics import median
from time import time
from typing import Any, TypeVar

from objectives.meters.energy import EnergyCounter, measure_tick
from objectives.meters.power import LATE_SECONDS, Piece, PowerRecord, divide

Answer = TypeVar("Answer")

TICK_SECONDS = 0.1
"""How often the counter moves (A100, H100), where it does not move while it is watched."""


REMEMBERING = ("H100", "H200")
"""Parts of the names of GPUs whose record was compared with their counter; on others it is not relied on.

Sensors of some see a quarter of the time alone, or tell means of a second: Z. Yang et al., "Part-time power
measurements", arXiv 2312.02741 (2023)."""

LEAST_SAMPLES = 20
"""Of the power, without which a driver is taken to remember nothing."""

SURE_SHARE = 0.9
"""Of what a driver remembers now, it is counted on that it will again."""

STALE_SECONDS = 0.5
"""After so long without a new value the record tells nothing of now."""


class DriverRecord:
    """The power of one GPU as its driver samples it, every 20 ms for some two seconds on an H100.

    Over five seconds of bursts of 20 ms its integral was within 0.2 % of the energy counter there
    (`tests/benchmarks/costs.py --device cuda` measures it).

    Args:
        handle: NVML's, of the GPU.
        span_seconds: How far back it goes.
        late_seconds: By how much the moments that it tells may be wrong.
        clock: Tells the seconds since 1970, as the driver does.
    """

    def __init__(
        self, handle: Any, span_seconds: float, late_seconds: float, clock: Callable[[], float] = time
    ) -> None:
        self.span_seconds, self.late_seconds = span_seconds, late_seconds
        self._handle, self._clock = handle, clock

    def recall(self, seconds: float) -> list[Piece] | None:
        """Returns the power of the last so many seconds in pieces; None where that is not remembered."""
        now = self._clock()
        samples = read_samples(self._handle, now - seconds - STALE_SECONDS)
        if isinstance(samples, str) or not samples or now - samples[-1][0] > STALE_SECONDS:
            return None
        return divide(samples, now - seconds, now)


def read_samples(handle: Any, since: float = 0.0) -> list[tuple[float, float]] | str:
    """Returns the power that a GPU's driver sampled, or why there is none: moments and watts, the oldest first.

    Args:
        handle: NVML's, of the GPU.
        since: Seconds since 1970, from which on they are wanted.
    """
    import pynvml

    def read() -> list[tuple[float, float]]:
        found = pynvml.nvmlDeviceGetSamples(handle, pynvml.NVML_TOTAL_POWER_SAMPLES, int(1e6 * since))[1]
        return [(sample.timeStamp / 1e6, sample.sampleValue.uiVal / 1000) for sample in found]

    return call_nvml(read)


def open_record(handle: Any) -> PowerRecord | None:
    """Returns what a GPU's driver remembers of its power; None where that is nothing, or not relied on."""
    import pynvml

    if not any(part in str(call_nvml(lambda: pynvml.nvmlDeviceGetName(handle))) for part in REMEMBERING):
        return None
    samples = read_samples(handle)
    if isinstance(samples, str) or len(samples) < LEAST_SAMPLES or time() - samples[-1][0] > STALE_SECONDS:
        return None
    distance = median(after - before for (before, _), (after, _) in pairwise(samples))
    return DriverRecord(handle, SURE_SHARE * (samples[-1][0] - samples[0][0]), distance + LATE_SECONDS)


class NvmlCounter:
    """Reads the counter of one GPU.

    Args:
        handle: NVML's, of the GPU.
        tick_seconds: How often it moves; None to measure it.

    Attributes:
        record: What the driver remembers of its power.

    Raises:
        OSError: where the GPU has no such counter.
    """

    most_seconds = float("inf")

    def __init__(self, handle: Any, tick_seconds: float | None = None) -> None:
        self._handle = handle
        self.read_joules()
        self.tick_seconds = tick_seconds or measure_tick(self.read_joules) or TICK_SECONDS
        self.record = open_record(handle)

    def read_joules(self) -> float:
        """Returns the energy since the driver was loaded.

        Raises:
            OSError: where it cannot be read.
        """
        import pynvml

        try:
            return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle)) / 1000
        except pynvml.NVMLError as error:
            raise OSError(str(error)) from error

    def read_watts(self) -> float | None:
        """Returns the power by the GPU's sensor: on recent ones the mean of a second."""
        import pynvml

        found = call_nvml(lambda: int(pynvml.nvmlDeviceGetPowerUsage(self._handle)) / 1000)
        return None if isinstance(found, str) else found


@cache
def open_nvml(uuid: str) -> EnergyCounter | str:
    """Returns the counter of a GPU, or why there is none; its tick is measured once in a process.

    Args:
        uuid: The GPU's, without its prefix.
    """
    found = _open_all([f"GPU-{uuid}"])
    return found if isinstance(found, str) else found[0]


def open_gpus(names: Sequence[str]) -> list[NvmlCounter] | str:
    """Returns the counters of GPUs, or why there are none; their ticks are not measured.

    Args:
        names: An index or a UUID of each, as CUDA_VISIBLE_DEVICES would name it.
    """
    return _open_all(names, TICK_SECONDS)


def _open_all(names: Sequence[str], tick_seconds: float | None = None) -> list[NvmlCounter] | str:
    """Returns the counters of GPUs, or why one has none."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return [NvmlCounter(find_handle(name), tick_seconds) for name in names]
    except (pynvml.NVMLError, OSError) as error:
        return f"NVML gives no energy counter: {error}"


def find_handle(name: str) -> Any:
    """Returns NVML's handle of a GPU by its index or its UUID.

    Raises:
        pynvml.NVMLError: where there is none.
    """
    import pynvml

    find = pynvml.nvmlDeviceGetHandleByIndex if name.isdigit() else pynvml.nvmlDeviceGetHandleByUUID
    return find(int(name) if name.isdigit() else name)


def call_nvml(ask: Callable[[], Answer]) -> Answer | str:
    """Returns what NVML answers, or why it does not."""
    import pynvml

    try:
        pynvml.nvmlInit()
        return ask()
    except pynvml.NVMLError as error:
        return f"NVML does not tell: {error}"

"""How long heat or a power limit held the device back: what makes measured seconds too long though it is not shared."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from objectives.costs import Measurement, absent, measured
from objectives.meters.nvml import call_nvml, find_handle
from objectives.meters.seldom import Seldom
from objectives.trial import Device

CPUS = Path("/sys/devices/system/cpu")
"""Where the kernel counts for how long each core was throttled (Intel; Documentation/ABI/testing)."""

Reader = Callable[[], list[float]]
"""Reads counters of seconds, those of one device in the same order each time."""


class Throttling:
    """Reads the hardware's own counters at both ends of a stretch.

    Of several cores the one counts that was throttled longest. A GPU's counters are those of its power limit and its
    temperature (nvml.h, `nvmlViolationTime_t`). They are read seldom: brief stretches are told together in the one at
    whose end it is done, no longer than they took. Of a trial that is stopped before its end what came after the last
    reading is not told.

    Args:
        device: What the slot runs on.
        cores: Of a CPU's slot.
        seldom: Says at which stops a GPU's are read.
        root: Where the kernel shows the cores.
    """

    def __init__(self, device: Device, cores: Sequence[int], seldom: Seldom, root: Path = CPUS) -> None:
        self._is_slow, self._seldom = device.kind == "cuda", seldom
        self._read = _gpu_reader(device.identity) if self._is_slow else _cpu_reader(cores, root)
        self._start: list[float] | str = "it was never read"
        self._unread_seconds = 0.0

    def start(self) -> None:
        """Begins a stretch."""
        if isinstance(self._start, str) or not self._is_slow:
            self._start = self._try()

    def stop(self, seconds: float) -> Measurement:
        """Returns for how much of a stretch of so many seconds the device was throttled."""
        self._unread_seconds += seconds
        if not self._seldom.is_due and not isinstance(self._start, str):
            return measured(0.0)
        start, end, most = self._start, self._try(), self._unread_seconds
        self._start, self._unread_seconds = end, 0.0
        if isinstance(start, str) or isinstance(end, str):
            return absent(end if isinstance(end, str) else str(start))
        return measured(min(most, max(after - before for before, after in zip(start, end, strict=True))))

    def _try(self) -> list[float] | str:
        if isinstance(self._read, str):
            return self._read
        try:
            return self._read()
        except (OSError, ValueError) as error:
            return f"throttling cannot be read: {error}"


def _cpu_reader(cores: Sequence[int], root: Path) -> Reader | str:
    files = [root / f"cpu{core}/thermal_throttle/core_throttle_total_time_ms" for core in cores]
    if not all(file.exists() for file in files):
        return "this machine does not count for how long its cores are throttled"
    return lambda: [int(file.read_text()) / 1000 for file in files]


def _gpu_reader(uuid: str) -> Reader | str:
    import pynvml

    def ask() -> list[float]:
        handle = find_handle(f"GPU-{uuid}")
        limits = (pynvml.NVML_PERF_POLICY_POWER, pynvml.NVML_PERF_POLICY_THERMAL)
        times = [int(pynvml.nvmlDeviceGetViolationStatus(handle, limit).violationTime) for limit in limits]
        return [sum(times) / 1e9]

    def read() -> list[float]:
        if isinstance(found := call_nvml(ask), str):
            raise OSError(found)
        return found

    found = call_nvml(ask)
    return found if isinstance(found, str) else read

"""Energy of a GPU, by the total-energy counter of NVML."""

from __future__ import annotations

from typing import Any

from objectives.costs import Measurement, absent, measured

TICK_SECONDS = 0.1
"""How often the counter moves (A100, H100)."""


class GpuEnergy:
    """Reads NVML's counter (millijoules since the driver was loaded) at both ends of a stretch.

    The counter ticks about every 100 ms, so that a stretch is off by up to a tick at its mean power. It counts the
    whole GPU: whatever else runs there is in it.

    Args:
        uuid: The GPU's, without its prefix.
    """

    def __init__(self, uuid: str) -> None:
        self._handle: Any = None
        self._fault: str | None = None
        self._start_millijoules = 0
        import pynvml

        try:
            pynvml.nvmlInit()
            self._handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid}")
            self._read()
        except pynvml.NVMLError as error:
            self._fault = f"NVML gives no energy counter: {error}"

    def start(self) -> None:
        """Begins a stretch."""
        if self._fault is None:
            self._start_millijoules = self._read()

    def stop(self, seconds: float) -> Measurement:
        """Returns the energy of a stretch of so many seconds, in joules."""
        if self._fault is not None:
            return absent(self._fault)
        joules = (self._read() - self._start_millijoules) / 1000
        # Within a tick the counter may not have moved at all: then the stretch's own power says nothing of the error.
        watts = joules / seconds if seconds > TICK_SECONDS else self._read_watts()
        return measured(joules, error=watts * TICK_SECONDS)

    def _read_watts(self) -> float:
        import pynvml

        return int(pynvml.nvmlDeviceGetPowerUsage(self._handle)) / 1000

    def _read(self) -> int:
        import pynvml

        return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(self._handle))

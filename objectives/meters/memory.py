"""The most memory that a stretch of work held."""

from __future__ import annotations

from pathlib import Path

from objectives.costs import Measurement, absent, measured
from objectives.trial import Device

RESET_PEAK = "5"
"""Written to /proc/self/clear_refs it sets the process's peak to what it holds now (Linux, proc(5))."""


class PeakMemory:
    """On CUDA the most memory allocated by torch; on a CPU the most resident memory of the process (Linux)."""

    def __init__(self, device: Device) -> None:
        self._device = device
        self._fault: str | None = None

    def start(self) -> None:
        """Begins a stretch: the peak is what is held now."""
        if self._device.kind == "cuda":
            import torch

            torch.cuda.reset_peak_memory_stats()
            return
        try:
            Path("/proc/self/clear_refs").write_text(RESET_PEAK)
        except OSError as error:
            self._fault = f"the peak of resident memory cannot be reset here: {error.strerror or error}"

    def stop(self) -> Measurement:
        """Returns the stretch's peak in bytes."""
        if self._device.kind == "cuda":
            import torch

            return measured(float(torch.cuda.max_memory_allocated()))
        if self._fault is not None:
            return absent(self._fault)
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return measured(float(line.split()[1]) * 1024)
        return absent("this kernel does not tell the peak of resident memory")

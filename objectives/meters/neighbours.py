"""Who else computes on the slot's GPU: whose work makes measured seconds too long and is in its energy."""

from __future__ import annotations

from objectives.costs import Measurement, absent, measured
from objectives.meters.nvml import call_nvml
from objectives.trial import Device


class Neighbours:
    """Counts the processes on a GPU at both ends of a stretch, without those of the slots that are meant to be there.

    One that came and went in between is not seen. On a CPU every process may run everywhere: what that costs is told
    by `contention_seconds`.

    Args:
        device: What the slot runs on.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._start: int | str = 0

    def start(self) -> None:
        """Begins a stretch."""
        self._start = self._count()

    def stop(self, seconds: float) -> Measurement:  # noqa: ARG002  it counts at both ends
        """Returns how many others were seen at most."""
        counts = [self._start, self._count()]
        if faults := [count for count in counts if isinstance(count, str)]:
            return absent(faults[0])
        most = max(int(count) for count in counts)
        if most == 0:  # a container may hide all of them
            return absent("NVML shows no process on this GPU, not even the slot's own")
        return measured(float(max(0, most - self._device.slots)))

    def _count(self) -> int | str:
        if self._device.kind != "cuda":
            return "of a CPU's slot contention_seconds tells what other processes took"
        import pynvml

        def count() -> int:
            handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{self._device.identity}")
            return len(pynvml.nvmlDeviceGetComputeRunningProcesses(handle))

        return call_nvml(count)

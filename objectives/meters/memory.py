"""The most memory that a stretch of work held."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Literal

from objectives.costs import Measurement, absent, measured
from objectives.meters.kernel import read_kernel, write_kernel
from objectives.meters.nvml import call_nvml
from objectives.trial import Device

RESET_PEAK = b"5"
"""Written to /proc/self/clear_refs it sets the process's peak to what it holds now (Linux, proc(5))."""


class ResidentMemory:
    """The most resident memory of this process, its libraries included (Linux)."""

    def __init__(self) -> None:
        self._fault: str | None = None

    def start(self) -> None:
        """Begins a stretch: the peak is what is held now."""
        try:
            write_kernel("/proc/self/clear_refs", RESET_PEAK)
        except OSError as error:
            self._fault = f"the peak of resident memory cannot be reset here: {error.strerror or error}"

    def stop(self, seconds: float) -> Measurement:  # noqa: ARG002  however long it took
        """Returns the stretch's peak in bytes."""
        if self._fault is not None:
            return absent(self._fault)
        _, _, peak = read_kernel("/proc/self/status").partition(b"VmHWM:")
        if not peak:
            return absent("this kernel does not tell the peak of resident memory")
        return measured(float(peak.split(maxsplit=1)[0]) * 1024)


class TorchMemory:
    """The most memory of a GPU that torch had: for arrays, or in all, with what it keeps for the next ones.

    Args:
        kind: `allocated` for arrays, `reserved` in all.
        graph_bytes: Of arrays within captured graphs, which torch counts for free between their replays.
    """

    def __init__(self, kind: Literal["allocated", "reserved"], graph_bytes: float = 0.0) -> None:
        self._kind, self._graph_bytes = kind, graph_bytes

    def start(self) -> None:
        """Begins a stretch: both peaks are what is held now."""
        import torch

        torch.cuda.reset_peak_memory_stats()

    def stop(self, seconds: float) -> Measurement:  # noqa: ARG002  however long it took
        """Returns the stretch's peak in bytes."""
        import torch

        told = torch.cuda.memory_stats_as_nested_dict()  # what tells the peaks alone takes several times as long
        return measured(told[f"{self._kind}_bytes"]["all"]["peak"] + self._graph_bytes)


class UsedMemory:
    """The memory of a GPU that is in use as a stretch ends: torch's, that of the GPU's context, and of whoever else.

    Torch keeps what it took, so that its largest share is still there at the end.

    Args:
        device: The GPU; where slots share it, no one's part can be told.
    """

    def __init__(self, device: Device) -> None:
        self._device = device

    def start(self) -> None:
        """Begins a stretch."""

    def stop(self, seconds: float) -> Measurement:  # noqa: ARG002  however long it took
        """Returns what is in use, in bytes."""
        if self._device.slots > 1:
            return absent("the slots that share the GPU use its memory together")
        import pynvml

        def used() -> float:
            handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{self._device.identity}")
            return float(pynvml.nvmlDeviceGetMemoryInfo(handle).used)

        found = call_nvml(used)
        return absent(found) if isinstance(found, str) else measured(found)


def measure_pass(run: Callable[[], object], device: str) -> Measurement:
    """Returns the most memory in bytes that torch allocated in a pass beyond what it held before.

    On a CPU torch's profiler tells of each allocation; resident memory would be that of the whole process, which keeps
    what was freed. What libraries take past torch's allocators is not seen.

    Args:
        run: One pass, in this thread; what it gives back is part of it.
        device: `cpu` or `cuda`.
    """
    import torch

    if device == "cuda":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        run()
        torch.cuda.synchronize()
        return measured(float(torch.cuda.max_memory_allocated() - before))
    # The newer profiler takes a second to begin in each process, and writes to standard error.
    if find_spec("torch.autograd.profiler_legacy") is None:
        return absent("this version of torch does not tell what it allocates on a CPU")
    legacy: Any = import_module("torch.autograd.profiler_legacy")
    legacy._enable_profiler_legacy(legacy.profile(profile_memory=True).config())
    try:
        kept = run()
    finally:
        threads = legacy._disable_profiler_legacy()
    del kept
    held = most = 0
    for event in (event for events in threads for event in events if event.kind() == "memory_alloc"):
        held += event.cpu_memory_usage()
        most = max(most, held)
    return measured(float(most))

"""Time by the clock, after the device has done what it was given."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter, process_time
from typing import Any

from objectives.costs import Measurement, measured
from objectives.trial import Bill, Device


class Stopwatch:
    """Divides an attempt's time into lines without a gap: each stretch ends where the next begins.

    Every reading waits for the device first, so that a line holds the work that was started in it.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self._lines: dict[str, float] = {}
        self._since = self._now()

    def lap(self, line: str) -> float:
        """Books the time since the last reading on `line`, one of `LINES`, and returns it, in seconds."""
        now = self._now()
        seconds, self._since = now - self._since, now
        self._lines[line] = self._lines.get(line, 0.0) + seconds
        return seconds

    def take_bill(self) -> Bill:
        """Returns what was booked since the last bill, in seconds per line."""
        bill, self._lines = self._lines, {}
        return bill

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Leaves out what happens inside: somebody else's time."""
        yield
        self._since = self._now()

    def _now(self) -> float:
        if self._device.kind == "cuda":
            import torch

            torch.cuda.synchronize()
        return perf_counter()


class CpuTime:
    """CPU time of this process, all threads."""

    def __init__(self) -> None:
        self._start_seconds = 0.0

    def start(self) -> None:
        """Begins a stretch."""
        self._start_seconds = process_time()

    def stop(self, seconds: float) -> Measurement:  # noqa: ARG002  it has its own clock
        """Returns the stretch's CPU time in seconds."""
        return measured(process_time() - self._start_seconds)


class EventTime:
    """Time by the GPU's own clock, between two events in the stream of its work.

    It holds what `Stopwatch` does, waits between kernels included, but for the way from the processor to the GPU.

    Source: CUDA Runtime API, `cudaEventElapsedTime`, which resolves about 0.5 us.
    """

    def __init__(self) -> None:
        self._began: Any = None

    def start(self) -> None:
        """Begins a stretch."""
        self._began = self._record()

    def stop(self, seconds: float) -> Measurement:  # noqa: ARG002  it has its own clock
        """Returns the stretch's time in seconds, once the GPU has done it."""
        ended = self._record()
        ended.synchronize()
        return measured(self._began.elapsed_time(ended) / 1000)

    @staticmethod
    def _record() -> Any:
        import torch

        event = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
        event.record()
        return event

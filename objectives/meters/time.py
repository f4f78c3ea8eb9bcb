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

    Every reading waits for the device first, so that a line holds the work that was started in it. On a GPU it leaves
    an event in the stream of its work, too.

    Attributes:
        booked_seconds: On all lines since it was made: the attempt's own time.
    """

    def __init__(self, device: Device) -> None:
        self._device = device
        self.booked_seconds = 0.0
        self._lines: dict[str, float] = {}
        self._events: tuple[Any, Any] | None = None  # of the last two readings
        self._since = self._now()

    @property
    def event_seconds(self) -> float:
        """Time between the last two readings by the GPU's own clock: `cudaEventElapsedTime`, to about 0.5 us."""
        if self._events is None:
            raise RuntimeError("only a GPU has a clock of its own")
        before, last = self._events
        return float(before.elapsed_time(last)) / 1000

    def lap(self, line: str) -> float:
        """Books the time since the last reading on `line`, one of `LINES`, and returns it, in seconds."""
        now = self._now()
        seconds, self._since = now - self._since, now
        self._lines[line] = self._lines.get(line, 0.0) + seconds
        self.booked_seconds += seconds
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
            self._leave_event()
        return perf_counter()

    def _leave_event(self) -> None:
        """Waits until the GPU has done what it was given, an event after that in the current stream included."""
        import torch

        if self._events is None:
            self._events = (_make_event(), _make_event())
        before, last = self._events
        self._events = last, before
        before.record()
        torch.cuda.synchronize()


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
    """Time by the GPU's own clock, between the events of a stretch's two readings.

    It holds what `Stopwatch` does, waits between kernels included, but for the way from the processor to the GPU, and
    for what goes on in other streams than torch's current one.

    Args:
        watch: Ends a stretch before this meter is asked.
    """

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch

    def start(self) -> None:
        """Begins a stretch."""

    def stop(self, seconds: float) -> Measurement:  # noqa: ARG002  it has its own clock
        """Returns the stretch's time in seconds."""
        return measured(self._watch.event_seconds)


def _make_event() -> Any:
    import torch

    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]

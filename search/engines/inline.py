"""The inline engine: one slot, in this process. A trial advances while its events are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from objectives.slot import Bundle, Requests, open_device, run_bundle
from objectives.trial import Event, Placement


class InlineEngine:
    """Runs trials in the calling thread; simple to debug, and nothing to pin or to lose."""

    def __init__(self, placements: Sequence[Placement]) -> None:
        self._placement = placements[0]
        self._device = open_device(self._placement)
        self._running: Iterator[Event] | None = None
        self._requests = Requests()

    def free_slots(self) -> Sequence[Placement]:
        """Returns the one slot when nothing runs."""
        return [] if self._running else [self._placement]

    def submit(self, slot: int, bundle: Bundle) -> None:
        """Takes a bundle; it is begun when events are read."""
        assert self._running is None
        assert slot == self._placement.slot
        self._requests.clear()
        self._running = run_bundle(bundle, self._device, self._requests)

    def events(self, timeout_seconds: float) -> Iterator[Event]:  # noqa: ARG002  an event is always under way
        """Trains until the next event and yields it."""
        if self._running is None:
            return
        event = next(self._running, None)
        if event is None:
            self._running = None
        else:
            yield event

    def stop(self, trial: int) -> None:
        """Lets a trial go no further than it is: it trains only while events are read."""
        self._requests.to_stop.add(trial)

    def suspend(self, trial: int) -> None:
        """Lets a trial save where it is, once events are read; a training function first ends its epoch."""
        self._requests.to_suspend.add(trial)

    def abandon(self, trial: int) -> None:
        """Does as `stop`: whoever calls this is what a hanging trial would keep from calling."""
        self.stop(trial)

    def close(self) -> None:
        """Drops what runs."""
        self._running = None

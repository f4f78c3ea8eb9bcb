"""An engine for tests: what side by side comes by chance comes in the same order in each run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from objectives.slot import Bundle, open_device, run_bundle
from objectives.trial import Ended, Event, Placement


class SlotsInTurn:
    """Slots in this process that take turns, all on the CPU: those that are placed on a GPU say that it is one.

    Each tells one event a turn, so that trials which begin together go the same way together.
    """

    def __init__(self, placements: Sequence[Placement]) -> None:
        self._placements = placements
        self._running: dict[int, Iterator[Event]] = {}
        self._trials: dict[int, int] = {}

    def free_slots(self) -> Sequence[Placement]:
        return [placement for placement in self._placements if placement.slot not in self._running]

    def submit(self, slot: int, bundle: Bundle) -> None:
        placement = self._placements[slot]
        device = open_device(replace(placement, device="cpu"))
        if placement.kind == "cuda":
            device = replace(device, name="A GPU")
        self._running[slot] = run_bundle(bundle, device)

    def events(self, timeout_seconds: float) -> Iterator[Event]:  # noqa: ARG002  an event is always under way
        for slot, trial in list(self._running.items()):
            event = next(trial, None)
            if event is None:
                del self._running[slot]
                continue
            yield event
            if isinstance(event, Ended):
                del self._running[slot]

    def stop(self, trial: int) -> None:
        raise NotImplementedError

    def suspend(self, trial: int) -> None:
        raise NotImplementedError

    def abandon(self, trial: int) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._running.clear()

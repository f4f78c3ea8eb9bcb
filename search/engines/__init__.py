"""Engines: what provides slots. Both obey one contract, which a test runs over every entry of `ENGINES`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from importlib import import_module
from typing import Protocol

from objectives.slot import Bundle
from objectives.trial import Event, Placement


class Engine(Protocol):
    """Runs bundles of trials on slots and tells what happens.

    Every trial of a submitted bundle gets exactly one ending event (one of `objectives.trial.Ended`), and nothing after
    it.
    """

    def free_slots(self) -> Sequence[Placement]:
        """Returns the slots that are ready and have nothing to do."""

    def submit(self, slot: int, bundle: Bundle) -> None:
        """Gives a free slot one or more trials."""

    def events(self, timeout_seconds: float) -> Iterator[Event]:
        """Yields the events that are there, waiting for the first one no longer than the time-out."""

    def stop(self, trial: int) -> None:
        """Asks a trial to end after the epoch under way: `Stopped`, unless it ends by itself first."""

    def suspend(self, trial: int) -> None:
        """Asks a trial to save where it is and to end there: `Stopped`, unless it ends by itself first."""

    def abandon(self, trial: int) -> None:
        """Ends a trial at once, with its slot, which is replaced: `SlotLost`. Inline it is asked to stop."""

    def close(self) -> None:
        """Ends the slots and whatever runs on them, at once."""


def _engine(path: str) -> Callable[[Sequence[Placement]], Engine]:
    def build(placements: Sequence[Placement]) -> Engine:
        module, _, name = path.partition(":")
        engine: Engine = getattr(import_module(module), name)(placements)
        return engine

    return build


ENGINES: dict[str, Callable[[Sequence[Placement]], Engine]] = {
    "inline": _engine("search.engines.inline:InlineEngine"),
    "process": _engine("search.engines.process:ProcessEngine"),
}

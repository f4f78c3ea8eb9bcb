"""The process engine: each slot a long-lived worker process of its own, pinned to its cores."""

from __future__ import annotations

import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from multiprocessing.context import ForkServerProcess

from objectives.slot import Bundle, StopRequest, SuspendRequest, serve
from objectives.trial import SLOT_DIED, Ended, Event, Placement, SlotLost, billed_seconds
from search.engines.forking import begin_loading, fork
from search.faults import Faults

PATIENCE_SECONDS = 5

LOADING_SECONDS = 600
"""Longest time in which a worker gets ready for a bundle; one that takes longer hangs, and is replaced."""

MOST_STARTS = 3
"""Times in a row that a worker may die before it was ever ready."""


@dataclass
class _Slot:
    placement: Placement
    process: ForkServerProcess
    connection: Connection
    num_starts: int = 1
    pending: list[int] = field(default_factory=list)
    busy: bool = True
    heard_at: float = field(default_factory=time.perf_counter)
    billed_until: float = 0.0


class ProcessEngine:
    """Workers forked from one process that has loaded torch: the data stay in each, configurations and events travel.

    A slot is free once its worker is ready, so that loading torch is no trial's time. A worker that dies is replaced.
    The trial that it ran is reported lost, with the time that it has not told of as the bill; trials of the bundle
    that had not begun are reported lost without a bill.

    Raises:
        Faults: by `events`, where a slot cannot be started at all.
    """

    def __init__(self, placements: Sequence[Placement]) -> None:
        begin_loading(placements)
        self._slots = {placement.slot: _start(placement) for placement in placements}

    def free_slots(self) -> Sequence[Placement]:
        """Returns the slots that wait for a bundle."""
        return [slot.placement for slot in self._slots.values() if not slot.busy]

    def submit(self, slot: int, bundle: Bundle) -> None:
        """Sends a bundle to a worker."""
        chosen = self._slots[slot]
        assert not chosen.busy
        chosen.busy, chosen.pending = True, [config.number for config in bundle]
        chosen.heard_at = chosen.billed_until = time.perf_counter()
        with suppress(OSError):  # a worker that just died is found by `events`
            chosen.connection.send(bundle)

    def events(self, timeout_seconds: float) -> Iterator[Event]:
        """Yields what the workers sent."""
        for slot in self._slots.values():
            if slot.busy and not slot.pending and time.perf_counter() - slot.heard_at > LOADING_SECONDS:
                slot.process.kill()
        by_connection = {slot.connection: slot for slot in self._slots.values()}
        for ready in wait(list(by_connection), timeout_seconds):
            assert isinstance(ready, Connection)
            slot = by_connection[ready]
            try:
                while ready.poll():
                    event: Event | None = ready.recv()
                    slot.heard_at = time.perf_counter()
                    if event is None:
                        slot.busy, slot.num_starts = False, 0
                        continue
                    slot.billed_until += billed_seconds(event)
                    if isinstance(event, Ended):
                        slot.pending.remove(event.trial)
                    yield event
            except (EOFError, ConnectionResetError):
                yield from self._replace(slot)

    def stop(self, trial: int) -> None:
        """Sends the request to the worker that has the trial."""
        self._ask(StopRequest(trial))

    def suspend(self, trial: int) -> None:
        """Sends the request to the worker that has the trial."""
        self._ask(SuspendRequest(trial))

    def abandon(self, trial: int) -> None:
        """Kills the worker that has the trial, one that was halted too; `events` finds it dead and replaces it."""
        for slot in self._slots.values():
            if trial in slot.pending:
                slot.process.kill()

    def close(self) -> None:
        """Kills the workers; what they did since their last event is lost."""
        for slot in self._slots.values():
            slot.process.kill()
        for slot in self._slots.values():
            slot.process.join(PATIENCE_SECONDS)
            slot.connection.close()
        self._slots.clear()

    def _ask(self, request: StopRequest | SuspendRequest) -> None:
        for slot in self._slots.values():
            if request.trial in slot.pending:
                with suppress(OSError):  # a worker that just died is found by `events`
                    slot.connection.send(request)

    def _replace(self, slot: _Slot) -> Iterator[Event]:
        slot.process.join(PATIENCE_SECONDS)
        if slot.process.exitcode is None:
            slot.process.kill()
            slot.process.join()
        slot.connection.close()
        reason = f"{SLOT_DIED}{_words(slot.process.exitcode)}"
        lost_seconds = max(0.0, time.perf_counter() - slot.billed_until)
        pending = slot.pending
        if slot.num_starts >= MOST_STARTS:
            raise Faults(f"compute: {reason} before it was ready, {slot.num_starts} times (slot {slot.placement.slot})")
        self._slots[slot.placement.slot] = _start(slot.placement, slot.num_starts + 1)
        for index, number in enumerate(pending):
            yield SlotLost(number, reason, {"lost": lost_seconds} if index == 0 else {})


def _start(placement: Placement, num_starts: int = 1) -> _Slot:
    ours, theirs = multiprocessing.Pipe()
    process = fork(serve, theirs, placement)
    theirs.close()
    return _Slot(placement, process, ours, num_starts)


def _words(exitcode: int | None) -> str:
    if exitcode is not None and exitcode < 0:
        return f"killed by {signal.Signals(-exitcode).name}"
    return f"exit code {exitcode}"

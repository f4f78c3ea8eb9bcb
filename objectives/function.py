"""A training function of the user's own as a trial: it runs in a thread, and what it tells becomes events."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator

from objectives.context import Abandoned, Context, NotTrainable, Suspended
from objectives.imports import find_callable
from objectives.trial import Device, Event, FunctionConfig, Question, never

LOOK_SECONDS = 0.1
"""How often a function that has nothing to tell is asked to end."""


def run_function(
    config: FunctionConfig, device: Device, is_to_suspend: Question = never
) -> Generator[Event, None, None]:
    """Runs one trial of a training function and yields what happens, as `run_trial` does for the built-in training.

    The function runs in a thread of its own, which waits whenever it has told something until the next event is asked
    for. Closing the iterator lets it go no further than its next word to the context.

    Args:
        config: The setting.
        device: What the slot runs on.
        is_to_suspend: Asked before each epoch, and a few times a second; once it is so the trial ends with `Stopped`,
            in the middle of an epoch, and what was saved last is written.

    Raises:
        Exception: whatever the function raises.
    """
    told: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
    goes_on, abandoned = threading.Semaphore(0), threading.Event()
    raised: list[BaseException] = []

    def send(event: Event) -> None:
        told.put(event)
        goes_on.acquire()
        if abandoned.is_set():
            raise Abandoned

    context = Context(config, device, send, is_to_suspend)

    def work() -> None:
        try:
            find_callable(config.train)(dict(config.params), context)
        except BaseException as error:  # noqa: BLE001  SystemExit too must reach the slot
            raised.append(error)
        told.put(None)

    threading.Thread(target=work, daemon=True).start()
    try:
        while True:
            try:
                event = told.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                if is_to_suspend() and context.hush():
                    yield context.suspend()
                    return
                continue
            if event is None:
                break
            yield event
            goes_on.release()
    finally:
        abandoned.set()
        goes_on.release()
    match raised:
        case []:
            yield from context.close()
        case [Suspended()]:
            yield context.suspend()
        case [NotTrainable() as error]:
            yield context.give_up(str(error))
        case [Exception() as error]:
            raise error
        case [error]:
            raise RuntimeError(f"the function ended with {type(error).__name__}: {error}") from error

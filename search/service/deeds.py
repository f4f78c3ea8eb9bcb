"""What a visitor may do, and the audit of it: for the API and the pages alike."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

from dashboards.actions import Actions, Refused
from search.reading import example
from search.service.auth import check_operates, visitor
from search.service.coordinators import Coordinators
from search.service.problems import refusals
from storage.audit import write_deed
from storage.faults import StorageFault

log = logging.getLogger("paretune.service")
Result = TypeVar("Result")


def build_actions(coordinators: Coordinators) -> Actions:
    """Returns what may be done: only by a token that may operate, and each deed is written down.

    The audit has it twice, as it is asked for and as it is done or refused: where the first cannot be written nothing
    is done. What a token that may only read asks for is in the log of requests alone.
    """

    def resume(name: str, num_more: int) -> None:
        detail = f"{num_more} more trials" if num_more else None
        _do(coordinators, "resume", name, detail, lambda: coordinators.resume(name, num_more))

    return Actions(
        launch=lambda text: _do(coordinators, "launch", None, None, lambda: coordinators.launch(text)),
        resume=resume,
        stop=lambda name: _do(coordinators, "stop", name, None, lambda: coordinators.stop(name)),
        delete=lambda name: _do(coordinators, "delete", name, None, lambda: coordinators.delete(name)),
        example=example,
    )


def _do(
    coordinators: Coordinators, action: str, study: str | None, detail: str | None, run: Callable[[], Result]
) -> Result:
    """Does what a visitor asks for and writes it down.

    Args:
        coordinators: Who does it.
        action: What it is called in the audit.
        study: The study that it is about; None where the result names it.
        detail: More about it.
        run: Does it.

    Raises:
        Refused: where it cannot be done, or not by this visitor.
    """
    token = check_operates(visitor())

    def note(about: str | None, *words: str) -> None:
        write_deed(coordinators.database, token.name, action, about, "; ".join(words))

    def note_end(about: str | None, *words: str) -> None:
        try:
            note(about, *words)
        except StorageFault as fault:  # what is done stays done
            log.error("the audit lacks that %s's %s of %r was %s: %s", token.name, action, about, words[0], fault)

    with refusals():
        note(study, "asked", *([detail] if detail else []))
    try:
        with refusals():
            result = run()
    except Refused as refusal:
        note_end(study, "refused", *refusal.lines)
        raise
    note_end(study or (result if isinstance(result, str) else None), "done")
    return result

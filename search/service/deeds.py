"""What a visitor may do, and the audit of it: for the API and the pages alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from dashboards.actions import Actions, Refused
from search.reading import example
from search.service.auth import may_operate, visitor
from search.service.coordinators import Coordinators
from search.service.problems import Forbidden
from storage.audit import write_deed
from storage.faults import StorageFault

Result = TypeVar("Result")


def build_actions(coordinators: Coordinators) -> Actions:
    """Returns what may be done: only by a token that may operate, and each deed is written down, refused ones too."""

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
    token = visitor()
    if token is None or not may_operate():
        raise Forbidden("token: this one may only read; one with the role operate is needed")

    def note(about: str | None, more: str | None) -> None:
        write_deed(coordinators.database, token.name, action, about, more)

    try:
        result = run()
        note(study or (result if isinstance(result, str) else None), detail)
    except StorageFault as fault:
        raise Refused(str(fault)) from fault
    except Refused as refusal:
        note(study, "; ".join(["refused", *refusal.lines]))
        raise
    return result

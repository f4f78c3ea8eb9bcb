"""What a visitor may do, and the audit of it: for the API and the pages alike."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from threading import Event
from typing import TypeVar

from dashboards.actions import Actions, Begun, Refused
from dashboards.summary import Summary
from search.cleanup import Clearing, clear
from search.exporting import Wanted
from search.faults import Faults
from search.imported import ImportedStudy, write_imported
from search.remeasuring import Wish
from search.service.auth import check_operates, visitor
from search.service.changes import Change
from search.service.coordinators import Coordinators
from search.service.drafts import Drafts
from search.service.exports import Made
from search.service.problems import refusals
from storage.audit import DONE, write_deed
from storage.faults import StorageFault
from storage.queue import Order

GLANCE_SECONDS, PAUSE_SECONDS = 1.0, 10.0
"""How often it is looked for free slots, and for how long it is not while the database cannot be used."""

log = logging.getLogger("paretune.service")
Result = TypeVar("Result")


def build_actions(coordinators: Coordinators, drafts: Drafts) -> Actions:
    """Returns what may be done: only by a token that may operate, and each deed is written down.

    The audit has it twice, as it is asked for and as it is done or refused: where the first cannot be written nothing
    is done. What a token that may only read asks for is in the log of requests alone.
    """
    return Actions(
        launch=lambda text: ask_launch(coordinators, text),
        resume=lambda name, num_more: ask_resume(coordinators, name, Change(num_more)),
        stop=lambda name: do(coordinators, "stop", name, None, lambda _: coordinators.stop(name)),
        delete=lambda name: do(coordinators, "delete", name, None, lambda _: coordinators.delete(name)),
        cancel=lambda name: do(coordinators, "cancel", name, None, lambda _: coordinators.cancel(name)),
        templates=drafts.list_templates,
        template=drafts.read_template,
        clone=drafts.clone,
    )


def ask_launch(coordinators: Coordinators, text: str, source: str | None = None) -> Begun:
    """Starts the sweep of a spec for a visitor, or queues it.

    Args:
        coordinators: Who does it.
        text: The spec, TOML.
        source: A study whose finished trials are taken over; None for none.

    Raises:
        Refused: where it cannot be, or not by this visitor.
    """
    detail = None if source is None else f"from {source}"
    return do(coordinators, "launch", None, detail, lambda token: coordinators.launch(text, token, source))


def ask_resume(coordinators: Coordinators, name: str, change: Change) -> Begun:
    """Continues a study for a visitor, or queues that.

    Args:
        coordinators: Who does it.
        name: The study.
        change: What it is continued with.

    Raises:
        Refused: where it cannot be, or not by this visitor.
    """
    more = [f"{change.num_more} more trials"] if change.num_more else []
    detail = "; ".join([*more, *change.arguments()]) or None
    return do(coordinators, "resume", name, detail, lambda token: coordinators.resume(name, change, token))


def ask_remeasure(coordinators: Coordinators, summary: Summary, wish: Wish, *, is_forced: bool) -> Begun:
    """Trains settings of a study again for a visitor, or queues that.

    Args:
        coordinators: Who does it.
        summary: Of the study.
        wish: What of it.
        is_forced: Whether other studies may run meanwhile.

    Raises:
        Refused: where it cannot be, or not by this visitor.
    """
    what = "the knee" if wish.at_knee else f"trials {', '.join(map(str, wish.trials))}" if wish.trials else "the front"
    detail = f"{what} of {summary.study.name}, {wish.repeats} seeds{', forced' if is_forced else ''}"
    run = partial(coordinators.remeasure, summary, wish, is_forced=is_forced)
    return do(coordinators, "remeasure", None, detail, lambda token: run(token=token))


def ask_export(coordinators: Coordinators, name: str, wanted: Wanted, run: Callable[[], Made]) -> Made:
    """Exports a model for a visitor.

    Args:
        coordinators: Whose database has the audit.
        name: The study.
        wanted: What of it.
        run: Does it.

    Raises:
        Refused: where it cannot be, or not by this visitor.
    """
    what = "the knee" if wanted.at_knee else "what pick picks" if wanted.trial is None else f"trial {wanted.trial}"
    epoch = "" if wanted.epoch is None else f", epoch {wanted.epoch}"
    return do(coordinators, "export", name, f"{what}{epoch} as {wanted.output.suffix}", lambda _: run())


def ask_clear(coordinators: Coordinators, *, is_dry: bool) -> Clearing:
    """Removes files that nothing needs for a visitor.

    Args:
        coordinators: Of the studies.
        is_dry: Only look.

    Raises:
        Refused: where it cannot be, or not by this visitor.
    """
    detail = "to look" if is_dry else None
    return do(coordinators, "clear", None, detail, lambda _: clear(coordinators.database, is_dry=is_dry))


def ask_import(coordinators: Coordinators, study: ImportedStudy) -> None:
    """Makes a study of one of Optuna's for a visitor.

    Args:
        coordinators: Whose database it is written into.
        study: What was sent.

    Raises:
        Refused: where its name is taken, or not by this visitor.
    """
    detail = f"{len(study.trials)} trials of {study.study} from {study.url}"
    do(coordinators, "import", study.name, detail, lambda _: write_imported(study, coordinators.database))


def do(
    coordinators: Coordinators, action: str, study: str | None, detail: str | None, run: Callable[[str], Result]
) -> Result:
    """Does what a visitor asks for and writes it down.

    Args:
        coordinators: Who does it.
        action: What it is called in the audit.
        study: The study that it is about; None where the result names it.
        detail: More about it.
        run: Does it, for the bearer of the token of this name.

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
            result = run(token.name)
    except Refused as refusal:
        note_end(study, "refused", *refusal.lines)
        raise
    if isinstance(result, Begun):
        note_end(result.study, DONE if result.place is None else "queued")
    else:
        note_end(study, DONE)
    return result


def keep_queue(coordinators: Coordinators, is_over: Event) -> None:
    """Starts what waits as soon as there are slots, until it is over; each beginning is written down.

    Args:
        coordinators: Whose queue it is.
        is_over: Set when the service ends.
    """

    def note(order: Order, outcome: str) -> None:
        try:
            write_deed(coordinators.database, order.token, order.action, order.study, outcome)
        except StorageFault as fault:
            log.error("the audit lacks that %s of %r was %s: %s", order.action, order.study, outcome, fault)

    while not is_over.wait(GLANCE_SECONDS):
        try:
            coordinators.advance(note)
        except (StorageFault, Faults) as fault:  # it is looked at again, so that a database may go away for a while
            log.warning("the queue waits: %s", fault)
            is_over.wait(PAUSE_SECONDS)
        except Exception:
            log.exception("the queue waits")  # this thread is the only one that starts what is queued
            is_over.wait(PAUSE_SECONDS)

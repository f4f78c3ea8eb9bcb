"""What happens to a study, as server-sent events, from where whoever asks has got to.

Source of the format: HTML Living Standard, section 9.2. The id of each event is a cursor: what was told of each trial.
A trial is told again whole whenever something of it is new, so that to hear of it twice does no harm; after a cut
nothing is missed, by whatever clock.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any

from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from dashboards.pages.reading import Reader
from dashboards.records import trial_json
from search.service.problems import Problem
from search.trials import ENDED
from storage.faults import NoStudy, StorageFault
from storage.queue import find_waiting
from storage.rows import StudyRow, TrialRow

MEDIA_TYPE = "text/event-stream"
GLANCE_SECONDS, BEAT_SECONDS, CHECK_SECONDS = 1.0, 15.0, 5.0
"""How often it is looked for something new, a sign of life is sent, and the token is looked at again."""

MOST_STREAMS = 8
"""Of one token at a time."""

MOST_TOLD = 100
"""Trials that a cursor tells of one by one; of others what was told before is told again."""

CURSOR = re.compile(r"(?P<study>[0-9a-f]{8})\.(?P<base>\d{1,7})(?P<told>(\.\d{1,7}-\d{1,6}[a-z]\d{1,6})*)")


@dataclass(frozen=True)
class Cursor:
    """What was told of a study.

    Attributes:
        study: The first letters of its UUID: another study of that name begins anew.
        base: All trials with lower numbers have ended and were told.
        told: Of others the version that was told, by number.
    """

    study: str
    base: int = 0
    told: Mapping[int, str] = field(default_factory=dict)

    @staticmethod
    def read(text: str) -> Cursor:
        """Returns the cursor that an event's id is.

        Raises:
            Problem: where it is none.

        >>> Cursor.read("3f0c0a5e.2.4-1r1") == Cursor("3f0c0a5e", 2, {4: "1r1"})
        True
        """
        found = CURSOR.fullmatch(text)
        if found is None:
            raise Problem(422, "last-event-id: the id of an event of this stream is needed")
        pairs = (part.split("-") for part in found["told"].split(".")[1:])
        return Cursor(found["study"], int(found["base"]), {int(number): version for number, version in pairs})

    def write(self) -> str:
        """Returns the id of an event."""
        told = sorted(self.told.items())[:MOST_TOLD]
        return ".".join([self.study, str(self.base), *(f"{number}-{version}" for number, version in told)])

    def knows(self, trial: TrialRow) -> bool:
        """Says whether all that there is of a trial was told."""
        return trial.number < self.base or self.told.get(trial.number) == version_of(trial)

    def after(self, trial: TrialRow, trials: Mapping[int, TrialRow]) -> Cursor:
        """Returns the cursor once a trial was told.

        Args:
            trial: As it was told.
            trials: All of the study, by number.
        """
        base, told = self.base, {**self.told, trial.number: version_of(trial)}
        while base in trials and trials[base].state in ENDED and told.get(base) == version_of(trials[base]):
            del told[base]
            base += 1
        return Cursor(self.study, base, told)


def version_of(trial: TrialRow) -> str:
    """Returns what differs as soon as something of a trial is new: its epochs, state and attempts."""
    return f"{len(trial.epochs)}{trial.state[0]}{len(trial.attempts)}"


@dataclass(frozen=True)
class Glance:
    """A study as it was looked at: itself, and its place in the queue where it waits there."""

    study: StudyRow
    place: int | None

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        return self.study.state != "running" and self.place is None

    def head(self) -> dict[str, Any]:
        """Returns how the study stands, as plain values."""
        ended = sum(trial.state in ENDED for trial in self.study.trials)
        study = self.study
        told = {"study": study.name, "state": study.state, "num_trials": study.num_trials, "num_ended": ended}
        return {**told, "reason": study.reason, "place": self.place}


@dataclass(frozen=True)
class Streams:
    """How many streams there are, by token.

    Attributes:
        are_over: Set when the service ends: each stream does then, as if it had been cut.
    """

    are_over: Event = field(default_factory=Event)
    _open: Counter[str] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    @contextmanager
    def hold(self, token: str) -> Iterator[None]:
        """Holds a stream's place meanwhile.

        Raises:
            Problem: where the token has as many as it may.
        """
        with self._lock:
            if self._open[token] >= MOST_STREAMS:
                raise Problem(429, f"events: at most {MOST_STREAMS} streams of one token", headers={"retry-after": "5"})
            self._open[token] += 1
        try:
            yield
        finally:
            with self._lock:
                self._open[token] -= 1


class EventStream(StreamingResponse):
    """A response that lasts as long as its study runs, in a place of its token's.

    Args:
        events: What is sent.
        streams: Where the place is.
        token: Name of the token.
    """

    def __init__(self, events: AsyncIterator[str], streams: Streams, token: str) -> None:
        super().__init__(events, media_type=MEDIA_TYPE, headers={"x-accel-buffering": "no"})
        self._streams, self._token = streams, token

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends the events until there are no more, or nobody listens."""
        with self._streams.hold(self._token):
            await super().__call__(scope, receive, send)


async def tell_events(
    reader: Reader, name: str, cursor: Cursor | None, check: Callable[[], object], are_over: Event
) -> AsyncIterator[str]:
    """Yields the events of a study until it is over: `study`, `trial` and at last `end`.

    Args:
        reader: Reads it.
        name: The study.
        cursor: What was told before; None for nothing.
        check: Raises a `Problem` as soon as whoever asked may listen no longer.
        are_over: Set when the service ends.
    """
    watch = _Watch(reader, name)
    head: dict[str, Any] | None = None
    yield "retry: 2000\n\n"
    beat = checked = time.monotonic()
    while not are_over.is_set():
        try:
            glance = await run_in_threadpool(watch.look)
        except NoStudy:
            yield write_event("end", {"study": name, "state": "deleted", "reason": None}, None)
            return
        except StorageFault:  # the database may be back in a while
            glance = None
        if glance is not None:
            cursor = cursor if cursor is not None and glance.study.uuid.startswith(cursor.study) else None
            cursor = cursor or Cursor(glance.study.uuid[:8])
            if head != glance.head():
                head = glance.head()
                yield write_event("study", head, cursor)
            trials = {trial.number: trial for trial in glance.study.trials}
            for trial in glance.study.trials:
                if not cursor.knows(trial):
                    cursor = cursor.after(trial, trials)
                    yield write_event("trial", trial_json(trial), cursor)
            if glance.is_over:
                yield write_event("end", head, cursor)
                return
            beat = time.monotonic()
        await asyncio.sleep(GLANCE_SECONDS)
        if time.monotonic() - beat > BEAT_SECONDS:
            beat = time.monotonic()
            yield ": nothing new\n\n"
        if time.monotonic() - checked > CHECK_SECONDS:
            checked = time.monotonic()
            try:
                await run_in_threadpool(check)
            except Problem:
                return
            except StorageFault:  # while tokens cannot be looked up, studies cannot either
                pass


def write_event(kind: str, data: Mapping[str, Any], cursor: Cursor | None) -> str:
    """Returns an event as it is sent."""
    own = "" if cursor is None else f"id: {cursor.write()}\n"
    return f"{own}event: {kind}\ndata: {json.dumps(data, allow_nan=False)}\n\n"  # JSON has no line breaks of its own


class _Watch:
    """Looks at a study, and reads it only where something of it is new."""

    def __init__(self, reader: Reader, name: str) -> None:
        self._reader, self._name, self._mark = reader, name, ""

    def look(self) -> Glance | None:
        """Returns the study where something of it is new, else None."""
        waiting = find_waiting(self._reader.database, self._name)
        place = None if waiting is None else waiting.place
        mark = f"{place} {self._reader.mark([self._name])}"
        if mark == self._mark:
            return None
        self._mark = mark
        return Glance(self._reader.summary(self._name).study, place)

"""What the pages read, and whether there is anything new of it."""

from __future__ import annotations

import itertools
import secrets
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock

from dashboards.brushing import Brush, restrict
from dashboards.crowd import Crowd, Tally
from dashboards.figures.parts import thin
from dashboards.figures.tradeoff import TradeoffInfo, trace_tradeoff
from dashboards.pages.recent import Recent
from dashboards.prices import book_of
from dashboards.remeasured import add_remeasurement
from dashboards.seeds import num_seeds
from dashboards.summary import Summary, summarize
from objectives.prices import PriceBook
from storage.database import Database
from storage.faults import NoStudy
from storage.marks import mark_studies
from storage.reading import load_study
from storage.watching import Since, glance, see_since

MOST_KEPT = 6
"""Studies of which what was read is kept, those that were used last."""

MOST_SEEN = 1000
"""Studies of which is kept how they stood: next to nothing, so that one that gave way is not taken for a new one."""

LARGE = 1000
"""Trials from which on a study is not held trial by trial: it would take seconds, and a gigabyte for 50,000."""

MOST_CHOSEN = 1000
"""Trials of a large study that stand for all where a figure needs whole trials."""


@dataclass
class _Seen:
    """How a study stood when it was looked at last, and the lock that it is looked at under.

    Attributes:
        rests_until: When it is looked at anew at the earliest, by `time.monotonic`.
        since: How far it was seen then.
        mark: Its mark of that time.
        version: Another one, never used before, whenever something was new.
        uuid: Its key.
        num_trials: That there were.
        has_seeds: Whether each setting has several; None where that was not asked.
    """

    lock: Lock = field(default_factory=Lock)
    rests_until: float = float("-inf")
    since: Since = field(default_factory=Since)
    mark: str | None = None
    version: int = -1
    uuid: str = ""
    num_trials: int = 0
    has_seeds: bool | None = None


@dataclass
class _Kept:
    """What was read of a study, each as of a version, and the locks that it is read under.

    Attributes:
        crowd: A large study's checkpoints.
        summary: All of a study.
        chosen: Some trials of a large one.
        tradeoff: Of the summary.
    """

    reading: Lock = field(default_factory=Lock)
    gathering: Lock = field(default_factory=Lock)
    crowd: Crowd | None = None
    crowd_version: int = -1
    summary: Summary | None = None
    summary_version: int = -1
    chosen: Summary | None = None
    chosen_version: int = -1
    tradeoff: TradeoffInfo | None = None


class Reader:
    """Reads studies, each whole only where something of it is new.

    Args:
        database: Where they are.
        book: The prices that a study's own go before; None for those of the package.
        rest: Returns how long, in seconds, what is looked at now is taken as it is: however many pages are open, they
            ask no more; None for no time at all.
    """

    def __init__(
        self, database: Database, book: PriceBook | None = None, rest: Callable[[], float] | None = None
    ) -> None:
        self.database, self._book, self._rest = database, book, rest
        self._seen, self._kept = Recent(_Seen, MOST_SEEN), Recent(_Kept, MOST_KEPT)
        self._versions = itertools.count()
        self._begun = secrets.token_hex(4)  # a page that was open before a restart knows other versions

    def mark(self, names: Sequence[str]) -> str:
        """Returns what differs as soon as there is something new of these studies.

        Raises:
            StorageFault: where one is not there, or the database cannot be used.
        """
        return " ".join([self._begun, *(f"{seen.uuid} {seen.version}" for seen in map(self._look, names))])

    def wait_seconds(self, names: Sequence[str]) -> float:
        """Returns after how long these studies, whose marks were asked for, are looked at anew at the earliest."""
        looks = [self._seen.find(name).rests_until for name in names]
        return max(0.0, min(looks, default=0.0) - time.monotonic())

    def marks(self, names: Sequence[str]) -> dict[str, str]:
        """Returns the mark of each study by name; one that is gone has none.

        Raises:
            StorageFault: where the database cannot be used.
        """
        large = {name for name in names if (seen := self._seen.get(name)) is not None and seen.num_trials >= LARGE}
        found = mark_studies(self.database, [name for name in names if name not in large])
        for name in large:
            with suppress(NoStudy):
                found[name] = self.mark([name])
        return {name: found[name] for name in names if name in found}

    def summary(self, name: str) -> Summary:
        """Returns what a study has come to, at its own prices over those of the book; all of it, however large.

        Raises:
            StorageFault: where it is not there, or the database cannot be used.
        """
        seen = self._look(name)
        kept = self._kept.find(seen.uuid)
        with kept.reading:
            return self._read(name, seen, kept)

    def chosen(self, name: str, brush: Brush | None = None) -> Summary:
        """Returns what pages show of a study: the whole, or of a large one some trials, all of its front among them.

        Args:
            name: Of the study.
            brush: The trials that are wanted; None for all.

        Raises:
            StorageFault: where it is not there, or the database cannot be used.
        """
        if brush is not None:
            return self._brushed(name, brush)
        with self._gather(name) as (kept, crowd):
            numbers = set() if crowd is None else crowd.choose(MOST_CHOSEN)
            version = kept.crowd_version
        if crowd is None:
            return self.summary(name)
        with kept.reading:
            if kept.chosen is None or kept.chosen_version != version:
                kept.chosen, kept.chosen_version = crowd.read(numbers), version
            return kept.chosen

    def _brushed(self, name: str, brush: Brush) -> Summary:
        with self.crowd(name) as crowd:
            numbers = brush.find(crowd)
        if crowd is None:
            return restrict(self.summary(name), numbers)
        chosen = set(thin(sorted(numbers), MOST_CHOSEN))
        return restrict(crowd.read(chosen), chosen)

    def peak(self, name: str) -> tuple[Summary, Tally | None]:
        """Returns a study, of a large one only the trials on its front and the baseline, and what is counted of all.

        Raises:
            StorageFault: where it is not there, or the database cannot be used.
        """
        with self.crowd(name) as crowd:
            if crowd is not None:
                return crowd.peak(), crowd.tally
        return self.summary(name), None

    def of_trial(self, name: str, number: int) -> Summary:
        """Returns a study in which at least this trial is, where there is one of that number.

        Raises:
            StorageFault: where the study is not there, or the database cannot be used.
        """
        with self.crowd(name) as crowd:
            return self.summary(name) if crowd is None else crowd.read({number})

    def tradeoff(self, name: str) -> TradeoffInfo:
        """Returns the trade-offs of a study that is not large, which are traced once for each summary.

        Raises:
            StorageFault: where the study is not there, or the database cannot be used.
        """
        seen = self._look(name)
        kept = self._kept.find(seen.uuid)
        with kept.reading:
            summary = self._read(name, seen, kept)
            if kept.tradeoff is None:
                kept.tradeoff = trace_tradeoff(summary)
            return kept.tradeoff

    @contextmanager
    def crowd(self, name: str) -> Iterator[Crowd | None]:
        """Gives the checkpoints of a large study, up to date, which nobody else changes meanwhile.

        It gives None of a study that is not large, or has several seeds of each setting.

        Raises:
            StorageFault: where the study is not there, or the database cannot be used.
        """
        with self._gather(name) as (_, crowd):
            yield crowd

    @contextmanager
    def _gather(self, name: str) -> Iterator[tuple[_Kept, Crowd | None]]:
        seen = self._look(name)
        uuid = seen.uuid
        kept = self._kept.find(uuid)
        if seen.num_trials < LARGE or self._has_seeds(name, seen):
            yield kept, None
            return
        with kept.gathering:
            version = seen.version
            crowd = kept.crowd = kept.crowd or Crowd(self.database, name, uuid, self._book)
            if kept.crowd_version != version:
                crowd.refresh()
                kept.crowd_version = version
            yield kept, crowd

    def _read(self, name: str, seen: _Seen, kept: _Kept) -> Summary:
        """Returns what a study has come to; `kept.reading` is held."""
        if kept.summary is None or kept.summary_version != seen.version:
            version, study = seen.version, load_study(self.database, name)
            kept.summary = add_remeasurement(self.database, summarize(study, book_of(study, self._book)))
            kept.summary_version, kept.tradeoff = version, None
        return kept.summary

    def _has_seeds(self, name: str, seen: _Seen) -> bool:
        """Says whether each setting of a study has several trials, which a study never changes."""
        if seen.has_seeds is None:
            seen.has_seeds = num_seeds(load_study(self.database, name, ())) > 1
        return seen.has_seeds

    def _look(self, name: str) -> _Seen:
        """Looks at a study unless that was done just now, and returns how it stands."""
        seen = self._seen.find(name)
        with seen.lock:
            if time.monotonic() < seen.rests_until:
                return seen
            found = glance(self.database, name, seen.since)
            if found.uuid != seen.uuid:
                seen.since, seen.uuid, seen.has_seeds, seen.mark = Since(), found.uuid, None, None
                found = glance(self.database, name, seen.since)
            if found.mark != seen.mark:
                if found.num_trials >= LARGE:
                    seen.since = see_since(self.database, found.uuid, seen.since)
                    found = glance(self.database, name, seen.since)
                seen.mark, seen.num_trials = found.mark, found.num_trials
                seen.version = next(self._versions)
            if self._rest is not None:
                seen.rests_until = time.monotonic() + self._rest()
            return seen

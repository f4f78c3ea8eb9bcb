"""What the pages read, and whether there is anything new of it."""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock

from dashboards.brushing import Brush, restrict
from dashboards.crowd import Crowd, Tally
from dashboards.figures.parts import thin
from dashboards.figures.tradeoff import TradeoffInfo, trace_tradeoff
from dashboards.prices import book_of
from dashboards.remeasured import add_remeasurement
from dashboards.seeds import num_seeds
from dashboards.summary import Summary, summarize
from objectives.prices import PriceBook
from storage.database import Database
from storage.faults import NoStudy
from storage.studies import load_study, mark_studies
from storage.watching import Since, glance, see_since

MOST_KEPT = 6
"""Studies that are kept as they were used last."""

LARGE = 1000
"""Trials from which on a study is not held trial by trial: it would take seconds, and a gigabyte for 50,000."""

MOST_CHOSEN = 1000
"""Trials of a large study that stand for all where a figure needs whole trials."""


@dataclass
class _Kept:
    """A study as it was read last, and the locks that it is read under.

    Attributes:
        looked_at: When, by `time.monotonic`.
        since: How far it was read then.
        seen: Its mark of that time.
        version: Counts what was new.
        uuid: Its key.
        num_trials: That there were.
        has_seeds: Whether each setting has several; None where that was not asked.
        crowd: A large study's checkpoints, as of `crowd_version`.
    """

    lock: Lock = field(default_factory=Lock)
    reading: Lock = field(default_factory=Lock)
    gathering: Lock = field(default_factory=Lock)
    looked_at: float = float("-inf")
    since: Since = field(default_factory=Since)
    seen: str | None = None
    version: int = 0
    uuid: str = ""
    num_trials: int = 0
    has_seeds: bool | None = None
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
        rest_seconds: How long what was looked at is taken as it was: however many pages are open, they ask no more.
    """

    def __init__(self, database: Database, book: PriceBook | None = None, rest_seconds: float = 0.0) -> None:
        self.database, self._book, self._rest_seconds = database, book, rest_seconds
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = Lock()
        self._begun = secrets.token_hex(4)  # a page that was open before a restart knows other versions

    def mark(self, names: Sequence[str]) -> str:
        """Returns what differs as soon as there is something new of these studies.

        Raises:
            StorageFault: where one is not there, or the database cannot be used.
        """
        return " ".join([self._begun, *(f"{kept.uuid} {kept.version}" for kept in map(self._look, names))])

    def marks(self, names: Sequence[str]) -> dict[str, str]:
        """Returns the mark of each study by name; one that is gone has none.

        Raises:
            StorageFault: where the database cannot be used.
        """
        large = {name for name in names if (kept := self._kept.get(name)) is not None and kept.num_trials >= LARGE}
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
        kept = self._look(name)
        with kept.reading:
            return self._read(name, kept)

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
        with self.crowd(name) as crowd:
            numbers = set() if crowd is None else crowd.choose(MOST_CHOSEN)
            version = self._find(name).crowd_version
        if crowd is None:
            return self.summary(name)
        kept = self._find(name)
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
        kept = self._look(name)
        with kept.reading:
            summary = self._read(name, kept)
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
        kept = self._look(name)
        if kept.num_trials < LARGE or self._has_seeds(name, kept):
            yield None
            return
        with kept.gathering:
            version = kept.version
            crowd = kept.crowd = kept.crowd or Crowd(self.database, name, kept.uuid, self._book)
            if kept.crowd_version != version:
                crowd.refresh()
                kept.crowd_version = version
            yield crowd

    def _read(self, name: str, kept: _Kept) -> Summary:
        """Returns what a study has come to; `kept.reading` is held."""
        if kept.summary is None or kept.summary_version != kept.version:
            version, study = kept.version, load_study(self.database, name)
            kept.summary = add_remeasurement(self.database, summarize(study, book_of(study, self._book)))
            kept.summary_version, kept.tradeoff = version, None
        return kept.summary

    def _has_seeds(self, name: str, kept: _Kept) -> bool:
        """Says whether each setting of a study has several trials, which a study never changes."""
        if kept.has_seeds is None:
            kept.has_seeds = num_seeds(load_study(self.database, name, ())) > 1
        return kept.has_seeds

    def _look(self, name: str) -> _Kept:
        """Looks at a study unless that was done just now, and returns what is kept of it."""
        kept = self._find(name)
        with kept.lock:
            if time.monotonic() - kept.looked_at < self._rest_seconds:
                return kept
            seen = glance(self.database, name, kept.since)
            if seen.uuid != kept.uuid:
                kept.since, kept.crowd, kept.uuid, kept.has_seeds = Since(), None, seen.uuid, None
                kept.crowd_version, kept.seen = -1, None
                seen = glance(self.database, name, kept.since)
            if seen.mark != kept.seen:
                if seen.num_trials >= LARGE:
                    kept.since = see_since(self.database, seen.uuid, kept.since)
                    seen = glance(self.database, name, kept.since)
                kept.seen, kept.num_trials = seen.mark, seen.num_trials
                kept.version += 1
            kept.looked_at = time.monotonic()
            return kept

    def _find(self, name: str) -> _Kept:
        """Returns what is kept of a study, which becomes the one used last; the one unused longest gives way."""
        with self._lock:
            kept = self._kept.setdefault(name, _Kept())
            self._kept.move_to_end(name)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
            return kept

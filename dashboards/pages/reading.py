"""What the pages read, and whether there is anything new of it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, field
from threading import Lock

from dashboards.figures.tradeoff import TradeoffInfo, trace_tradeoff
from dashboards.prices import book_of
from dashboards.remeasured import add_remeasurement
from dashboards.summary import Summary, summarize
from objectives.prices import PriceBook
from storage.database import Database
from storage.studies import load_study, mark_studies, mark_study

MOST_SUMMARIES = 6
"""Studies that are kept as they were used last; a large one takes some hundred megabytes."""


@dataclass
class _Kept:
    """A study as it was read last, and the lock that it is read and traced under."""

    lock: Lock = field(default_factory=Lock)
    mark: str | None = None
    summary: Summary | None = None
    tradeoff: TradeoffInfo | None = None


class Reader:
    """Reads studies, each whole only where something of it is new.

    Args:
        database: Where they are.
        book: The prices that a study's own go before; None for those of the package.
    """

    def __init__(self, database: Database, book: PriceBook | None = None) -> None:
        self.database, self._book = database, book
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = Lock()

    def mark(self, names: Sequence[str]) -> str:
        """Returns what differs as soon as there is something new of these studies.

        Raises:
            StorageFault: where one is not there, or the database cannot be used.
        """
        return "\n".join(mark_study(self.database, name) for name in names)

    def marks(self, names: Sequence[str]) -> dict[str, str]:
        """Returns the mark of each study by name; one that is gone has none.

        Raises:
            StorageFault: where the database cannot be used.
        """
        return mark_studies(self.database, names)

    def summary(self, name: str) -> Summary:
        """Returns what a study has come to, at its own prices over those of the book.

        Raises:
            StorageFault: where it is not there, or the database cannot be used.
        """
        mark = self.mark([name])
        kept = self._find(name)
        with kept.lock:
            return self._refresh(kept, name, mark)

    def tradeoff(self, name: str) -> TradeoffInfo:
        """Returns a study's trade-offs, which are traced once for each summary.

        Raises:
            StorageFault: where the study is not there, or the database cannot be used.
        """
        mark = self.mark([name])
        kept = self._find(name)
        with kept.lock:
            summary = self._refresh(kept, name, mark)
            if kept.tradeoff is None:
                kept.tradeoff = trace_tradeoff(summary)
            return kept.tradeoff

    def _find(self, name: str) -> _Kept:
        """Returns what is kept of a study, which becomes the one used last; the one unused longest gives way."""
        with self._lock:
            kept = self._kept.setdefault(name, _Kept())
            self._kept.move_to_end(name)
            while len(self._kept) > MOST_SUMMARIES:
                self._kept.popitem(last=False)
            return kept

    def _refresh(self, kept: _Kept, name: str, mark: str) -> Summary:
        """Returns the summary that is kept, read anew where its mark is not this one; call it under the lock."""
        if kept.summary is None or kept.mark != mark:
            study = load_study(self.database, name)
            kept.summary = add_remeasurement(self.database, summarize(study, book_of(study, self._book)))
            kept.mark, kept.tradeoff = mark, None
        return kept.summary

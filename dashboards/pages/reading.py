"""What the pages read, and whether there is anything new of it."""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Sequence
from threading import Lock

from dashboards.prices import book_of
from dashboards.remeasured import add_remeasurement
from dashboards.summary import Summary, summarize
from objectives.prices import PriceBook
from storage.database import Database
from storage.studies import load_study, mark_study

MOST_SUMMARIES = 6
"""Studies that are kept as they were read last; a large one takes some hundred megabytes."""


class Reader:
    """Reads studies, each whole only where something of it is new.

    Args:
        database: Where they are.
        book: The prices that a study's own go before; None for those of the package.
    """

    def __init__(self, database: Database, book: PriceBook | None = None) -> None:
        self.database, self._book = database, book
        self._kept: OrderedDict[str, tuple[str, Summary]] = OrderedDict()
        self._locks: defaultdict[str, Lock] = defaultdict(Lock)

    def mark(self, names: Sequence[str]) -> str:
        """Returns what differs as soon as there is something new of these studies.

        Raises:
            StorageFault: where one is not there, or the database cannot be used.
        """
        return "\n".join(mark_study(self.database, name) for name in names)

    def summary(self, name: str) -> Summary:
        """Returns what a study has come to, at its own prices over those of the book.

        Raises:
            StorageFault: where it is not there, or the database cannot be used.
        """
        with self._locks[name]:
            mark = self.mark([name])
            kept = self._kept.get(name)
            if kept is not None and kept[0] == mark:
                return kept[1]
            study = load_study(self.database, name)
            summary = add_remeasurement(self.database, summarize(study, book_of(study, self._book)))
            self._kept[name] = (mark, summary)
            self._kept.move_to_end(name)
            while len(self._kept) > MOST_SUMMARIES:
                self._kept.popitem(last=False)
            return summary

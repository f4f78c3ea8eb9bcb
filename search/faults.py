"""What the user can mend: lines, each saying where, the law, what was got, and what would do."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path

SHOWN = 12


class Faults(Exception):
    """One or more faults of the user's input, a line each."""

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class Abandoned(KeyboardInterrupt):
    """Interrupted before anything was written."""


class Unsaved(KeyboardInterrupt):
    """Interrupted while the database was away: the last results are on the slots' disk alone."""


class Hasty(KeyboardInterrupt):
    """Interrupted before all trials had saved where they were."""


def check_ending(path: Path, what: str, known: Iterable[str]) -> list[str]:
    """Returns the line about a path whose ending is none of those known; none where it is one.

    >>> check_ending(Path("a.pdf"), "a report's ending says what is written", [".html"])
    ["a.pdf: a report's ending says what is written; no such ending: '.pdf' (known: .html)"]
    """
    endings = list(known)
    if path.suffix in endings:
        return []
    return [f"{path}: {what}; no such ending: {path.suffix!r}{suggest(path.suffix, endings)}"]


def suggest(got: str, known: Iterable[str]) -> str:
    """Returns the end of a line about an unknown name: what was perhaps meant, and what there is.

    >>> suggest("adm", ["sgd", "adam"])
    "; did you mean 'adam'? (known: sgd, adam)"
    >>> suggest("adm", [])
    '; there is none'
    """
    names = list(known)
    if not names:
        return "; there is none"
    close = get_close_matches(got, names, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    more = ", ..." if len(names) > SHOWN else ""
    return f"{meant} (known: {', '.join(names[:SHOWN])}{more})"

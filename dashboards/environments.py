"""How the environments that a study was run with differ."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, NamedTuple

from storage.rows import StudyRow

Environment = Mapping[str, Any]
"""What a sitting ran with, as `studies.environments` keeps it: since, versions, host, platform, code."""


class Change(NamedTuple):
    """What is not as it was.

    Attributes:
        kind: versions, host, platform or code.
        name: The package, or the import path of the code; empty for host and platform.
        before: As it was; None where it was not there.
        now: As it is; None where it is not there.
    """

    kind: str
    name: str
    before: str | None
    now: str | None


def list_changes(before: Environment, now: Environment) -> list[Change]:
    """Returns what differs between two environments; when they were seen does not count.

    >>> list_changes({"versions": {"torch": "2.14.1", "numpy": "2"}}, {"versions": {"torch": "2.15.0", "numpy": "2"}})
    [Change(kind='versions', name='torch', before='2.14.1', now='2.15.0')]
    >>> list_changes({"host": "a", "since": "2026-01-01"}, {"host": "b", "since": "2026-01-02"})
    [Change(kind='host', name='', before='a', now='b')]
    """
    changes = []
    for kind in ("versions", "code"):
        then, here = before.get(kind, {}), now.get(kind, {})
        for name in sorted({*then, *here}):
            changes.append(Change(kind, name, then.get(name), here.get(name)))
    for kind in ("host", "platform"):
        changes.append(Change(kind, "", before.get(kind), now.get(kind)))
    return [change for change in changes if change.before != change.now]


def change_words(change: Change) -> str:
    """Returns a change in a few words.

    >>> change_words(Change("versions", "torch", "2.14.1", "2.15.0")), change_words(Change("code", "my:net", "a", "b"))
    ('torch 2.14.1 to 2.15.0', 'other code of my:net')
    """
    if change.kind == "code":
        return f"other code of {change.name}"
    return f"{change.name or change.kind} {change.before or 'absent'} to {change.now or 'absent'}"


def environment_lines(study: StudyRow) -> list[str]:
    """Returns a line for each sitting whose environment was not that of the sitting before."""
    return [_line(before, now) for before, now in pairwise(study.environments)]


def _line(before: Environment, now: Environment) -> str:
    since = datetime.fromisoformat(now["since"])
    return f"since {since:%Y-%m-%d %H:%M} UTC: {', '.join(map(change_words, list_changes(before, now)))}"

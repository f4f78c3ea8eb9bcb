"""Completion in the shell: names of studies, of the database that the line names."""

from __future__ import annotations

import shlex
from collections.abc import MutableMapping, Sequence

import typer

from storage.faults import StorageFault

BREAKS = {":", "="}
"""Where bash breaks words, besides blanks: in the middle of a URL."""


def complete_name(ctx: typer.Context, incomplete: str) -> list[str]:
    """Returns the studies that begin so, of the `--storage` typed before, of PARETUNE_STORAGE, or of the default."""
    from storage.database import Database
    from storage.studies import list_studies

    try:
        studies = list_studies(Database(ctx.params["storage"]))
    except StorageFault:
        return []
    return [line.name for line in studies if line.name.startswith(incomplete)]


def mend_bash_words(environment: MutableMapping[str, str]) -> None:
    """Puts the words that bash asks to complete together again.

    >>> asked = {"COMP_WORDS": "paretune show --storage sqlite : ///a.db qui", "COMP_CWORD": "6"}
    >>> mend_bash_words(asked)
    >>> asked
    {'COMP_WORDS': 'paretune show --storage sqlite:///a.db qui', 'COMP_CWORD': '4'}
    """
    try:
        words, at = shlex.split(environment["COMP_WORDS"]), int(environment["COMP_CWORD"])
    except (KeyError, ValueError):  # a quotation that is still open: nothing to put together
        return
    mended, index = _join(words, at)
    environment.update(COMP_WORDS=shlex.join(mended), COMP_CWORD=str(index))


def _join(words: Sequence[str], at: int) -> tuple[list[str], int]:
    """Joins words at single breaks; returns them and the index of the word that holds the one at `at`."""
    joined: list[str] = []
    index = None
    for number, word in enumerate(words):
        is_joint = set(word) <= BREAKS or set(words[number - 1]) <= BREAKS
        if number and word and is_joint:
            joined[-1] += word
        else:
            joined.append(word)
        if number == at:
            index = len(joined) - 1
    return joined, len(joined) if index is None else index

"""A whole study as JSON and back, so that what is made of a study here can be made of it on another machine."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter

from objectives.prices import PriceBook
from storage.rows import StudyRow

_study, _book = TypeAdapter(StudyRow), TypeAdapter(PriceBook)


@dataclass(frozen=True)
class Record:
    """A study, and what its summary needs besides.

    Attributes:
        study: The study.
        again: Those that train its settings again, the newest first.
        book: The prices that hold for it where it is kept.
    """

    study: StudyRow
    again: Sequence[StudyRow]
    book: PriceBook

    def write(self) -> bytes:
        """Returns it as JSON."""
        told = {
            "study": _plain(self.study),
            "again": [_plain(study) for study in self.again],
            "book": write_book(self.book),
        }
        return json.dumps(told, allow_nan=False).encode()

    @staticmethod
    def read(told: Mapping[str, Any]) -> Record:
        """Returns the record of plain values.

        Raises:
            ValueError: where they are of none, or of another version's.
        """
        if not {"study", "again", "book"} <= {*told}:
            raise ValueError("no record of a study")
        return Record(_read(told["study"]), [_read(study) for study in told["again"]], read_book(told["book"]))


def write_book(book: PriceBook) -> dict[str, Any]:
    """Returns a price book as plain values."""
    plain: dict[str, Any] = _book.dump_python(book, mode="json")
    return plain


def read_book(plain: Mapping[str, Any]) -> PriceBook:
    """Returns the price book of plain values.

    Raises:
        ValueError: where they are of none, or of another version's.
    """
    return _book.validate_python(plain)


def _plain(study: StudyRow) -> dict[str, Any]:
    """Returns a study as plain values; JSON has no keys of two numbers."""
    plain: dict[str, Any] = _study.dump_python(replace(study, tests={}), mode="json")
    return {**plain, "tests": [[*key, *counts] for key, counts in study.tests.items()]}


def _read(plain: Mapping[str, Any]) -> StudyRow:
    tests = {(trial, epoch): (correct, images) for trial, epoch, correct, images in plain["tests"]}
    return _study.validate_python({**plain, "tests": tests})

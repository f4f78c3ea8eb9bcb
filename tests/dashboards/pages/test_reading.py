"""What the pages read, and when they read it anew."""

from __future__ import annotations

import pytest
from pages import add_epoch, write_study

from dashboards.pages.reading import Reader
from objectives.prices import default_book, overlay
from storage.database import Database
from storage.faults import StorageFault


def test_a_study_is_read_anew_only_when_something_of_it_is_new(database: Database) -> None:
    uuid, reader = write_study(database, "a", 4), Reader(database)
    write_study(database, "b", 4)
    first, mark = reader.summary("a"), reader.mark(["a"])
    assert (reader.summary("a") is first, reader.mark(["a"])) == (True, mark)
    add_epoch(database, uuid)
    assert reader.mark(["a"]) != mark
    assert reader.summary("a") is not first
    assert reader.summary("a").num_looks == first.num_looks + 1
    with pytest.raises(StorageFault, match="there is no 'c'"):
        reader.mark(["a", "c"])


def test_the_study_unused_longest_gives_way(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.pages.reading.MOST_KEPT", 2)
    reader = Reader(database)
    for number, name in enumerate("abc"):
        write_study(database, name, 2, number)
    first, second = reader.summary("a"), reader.summary("b")
    assert reader.summary("a") is first
    reader.summary("c")
    assert reader.summary("a") is first
    assert reader.summary("b") is not second


def test_prices_are_those_of_the_book(database: Database) -> None:
    write_study(database, "a", 4)
    dear = overlay(default_book(), {"price_per_device_hour": 100.0})
    plain, priced = (Reader(database, book).summary("a").prices["money"].value for book in (None, dear))
    assert plain is not None
    assert priced is not None
    assert priced > 100 * plain

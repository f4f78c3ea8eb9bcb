"""What the pages read, and when they read it anew."""

from __future__ import annotations

from typing import Any

import pytest
from pages import add_epoch, add_trial, write_study

from dashboards.figures.tradeoff import trace_tradeoff
from dashboards.pages.reading import Reader
from objectives.prices import default_book, overlay
from storage.database import Database
from storage.faults import StorageFault
from storage.studies import delete_study
from storage.watching import Since, glance


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


def test_what_was_read_stands_for_as_long_as_it_rests(database: Database) -> None:
    uuid, rests = write_study(database, "a", 4), [4.5, 0.0, 0.0]
    reader = Reader(database, rest=lambda: rests.pop(0))
    mark = reader.mark(["a"])
    add_epoch(database, uuid)
    assert reader.mark(["a"]) == mark
    assert 3.0 < reader.wait_seconds(["a"]) <= 4.5
    reader._seen.find("a").rests_until = 0.0
    assert reader.mark(["a"]) != mark
    assert reader.wait_seconds(["a"]) == 0.0


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


def test_the_tradeoff_is_that_of_the_newest_summary_whoever_read_it(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid, reader = write_study(database, "a", 4), Reader(database)
    real, others = Reader._look, [1, 2]

    def interrupted(self: Reader, name: str) -> Any:
        kept = real(self, name)
        if others:  # another viewer, between this look and what follows
            others.pop()
            add_epoch(database, uuid)
            with monkeypatch.context() as plain:
                plain.setattr(Reader, "_look", real)
                self.summary(name)
        return kept

    monkeypatch.setattr(Reader, "_look", interrupted)
    reader.tradeoff("a")
    monkeypatch.setattr(Reader, "_look", real)
    assert reader.tradeoff("a").num_earlier == trace_tradeoff(reader.summary("a")).num_earlier


def test_a_large_study_that_is_gone_has_no_mark(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.pages.reading.LARGE", 4)
    reader = Reader(database)
    for seed, name in enumerate("ab"):
        write_study(database, name, 6, seed)
    assert list(reader.marks("ab")) == ["a", "b"]
    reader.mark("ab")
    delete_study(database, "a")
    assert list(reader.marks("ab")) == ["b"]


@pytest.mark.parametrize(("large", "looks"), [(4, 2), (1000, 1)])
def test_what_is_new_is_looked_at_once_and_of_a_large_study_from_there_on(
    database: Database, monkeypatch: pytest.MonkeyPatch, large: int, looks: int
) -> None:
    monkeypatch.setattr("dashboards.pages.reading.LARGE", large)
    uuid, reader, looked = write_study(database, "a", 6), Reader(database), list[Since]()
    first = reader.mark("a")
    monkeypatch.setattr("dashboards.pages.reading.glance", lambda *given: looked.append(given[2]) or glance(*given))  # type: ignore[func-returns-value]
    add_trial(database, uuid)
    assert reader.mark("a") != first
    assert len(looked) == looks
    second = reader.mark("a")
    assert (reader.mark("a"), len(looked)) == (second, looks + 2)


def test_prices_are_those_of_the_book(database: Database) -> None:
    write_study(database, "a", 4)
    dear = overlay(default_book(), {"price_per_device_hour": 100.0})
    plain, priced = (Reader(database, book).summary("a").prices["money"].value for book in (None, dear))
    assert plain is not None
    assert priced is not None
    assert priced > 100 * plain

"""The page of several studies."""

from __future__ import annotations

import json

import pytest
from pages import Pages, write_study
from synthetic import summary_of, trial

from dashboards.bills import bill_lines
from dashboards.pages.compare import compare_rows
from dashboards.words import cost_words
from storage.database import Database
from storage.reading import load_study


def test_studies_are_compared_at_the_first_ones_cost() -> None:
    rows = compare_rows([summary_of(trial(0, [(900, 2.0)]), name="a"), summary_of(name="b")], {})
    assert rows[0][:5] == ["a", "complete", "1", "90.0 % (88.0-91.7)", "2 s"]
    assert rows[1] == ["b", "complete", "0", "none", "none", "none", "none", "0 s", "not recorded"]


def test_compare_shows_what_is_chosen_or_says_what_to_do(pages: Pages, database: Database) -> None:
    write_study(database, "a", 4)
    write_study(database, "b", 4, 1)
    chosen = pages.ask("names.data", "compared.value", compared_value=["a", "b"])
    assert chosen["names"]["data"] == ["a", "b"]
    told = json.dumps(pages.ask("compare-table.children", "mark.data", names_data=["a", "b"]))
    assert ("/study/a" in told, "/study/b" in told) == (True, True)
    assert "Of a" not in told
    nothing = json.dumps(pages.ask("compare-table.children", "mark.data", names_data=[]))
    assert "Choose the studies above" in nothing


def test_a_large_study_is_counted_and_billed_whole(
    pages: Pages, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboards.pages.reading.LARGE", 40)
    monkeypatch.setattr("dashboards.pages.reading.MOST_CHOSEN", 5)
    write_study(database, "a", 60)
    bill = cost_words("device_seconds", sum(bill_lines(load_study(database, "a")).values()))
    told = json.dumps(pages.ask("compare-table.children", "mark.data", names_data=["a"]))
    assert ('"60"' in told, f'"{bill}"' in told, "Of a the figures show about" in told) == (True, True, True)

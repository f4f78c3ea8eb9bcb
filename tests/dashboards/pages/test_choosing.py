"""The slider beside the trade-off."""

from __future__ import annotations

from typing import Any

import pytest
from pages import Pages, add_epoch, write_study
from synthetic import summary_of, trial

from dashboards.figures.tradeoff import trace_tradeoff
from dashboards.pages.choosing import AT_LEAST, AT_MOST, answer_wish, read_tradeoff, wish_range
from dashboards.pages.reading import Reader
from objectives.costs import COSTS
from storage.database import Database


def test_a_wish_or_a_cost_that_is_chosen_anew_resets_the_slider_and_what_is_new_does_not(
    pages: Pages, database: Database
) -> None:
    write_study(database, "a", 12)
    menus = [
        {"id": {"part": "choice", "kind": "tradeoff", "menu": number}, "value": choice}
        for number, choice in enumerate([COSTS["train_flops"].title, "x: linear"])
    ]

    def limit(changed: str, value: float, menu: int | None = None) -> dict[str, Any]:
        asked = {"names_data": ["a"], "wish_value": AT_MOST, "limit_value": value}
        return dict(pages.ask("limit.min", changed, *menus, menu=menu, **asked)["limit"])

    by_menu = '{"kind":"tradeoff","menu":["ALL"],"part":"choice"}.value'
    start = limit("mark.data", -100)["value"]
    within = round(start + 0.02, 2)
    assert limit("wish.value", within)["value"] == start
    assert limit(by_menu, within, menu=0)["value"] == start
    assert "value" not in limit(by_menu, within, menu=1)
    assert "value" not in limit("mark.data", within)


def test_the_tradeoffs_are_traced_once_for_what_is_there(
    pages: Pages, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid, traced = write_study(database, "a", 4), []

    def noted(summary: Any) -> Any:
        traced.append(summary)
        return trace_tradeoff(summary)

    monkeypatch.setattr("dashboards.pages.reading.trace_tradeoff", noted)
    asked = {"names_data": ["a"], "wish_value": AT_LEAST}
    for value in (91.0, 92.0, 93.0):
        pages.ask("limit.min", "mark.data", **asked)
        pages.ask("answer.children", "limit.value", **asked, limit_value=value)
    assert len(traced) == 1
    add_epoch(database, uuid)
    limits = pages.ask("limit.min", "mark.data", **asked)
    assert (len(traced), limits["limit"]["max"]) == (2, 99.9)


def test_the_slider_answers_with_the_cheapest_or_the_best() -> None:
    summary = summary_of(trial(0, [(900, 1.0)]), trial(1, [(960, 2.0)]), trial(2, [(980, 9.0)]))
    found = trace_tradeoff(summary).tradeoffs[0]
    assert found.cost == "device_seconds"
    least, most = wish_range(found, AT_LEAST), wish_range(found, AT_MOST)
    assert (least.low, least.high, least.start) == (90.0, 98.0, 96.0)
    assert (most.low, round(10**most.high, 1)) == (0.0, 9.1)
    told = answer_wish(found, AT_LEAST, 95.0, "USD")
    assert told.found == "Trial 1 after epoch 1: 96.0 % (94.6-97.0) for 2\u00a0s"
    assert told.more.startswith("The next 2 percentage points would cost 4.5 times as much (9 s)")
    for kind, wish in ((AT_LEAST, least), (AT_MOST, most)):
        for value in (wish.low, wish.start, wish.high):
            assert answer_wish(found, kind, value, "USD").point is not None
    cheap = answer_wish(found, AT_MOST, most.low, "USD")
    assert (cheap.point and cheap.point.trial, cheap.wish) == (0, "at most 1 s")
    assert answer_wish(found, AT_LEAST, 99.0, "USD").point is None


def test_the_slider_goes_by_the_cost_that_the_figure_shows(database: Database) -> None:
    write_study(database, "a", 6)
    reader = Reader(database)
    for labels, cost in (([], "device_seconds"), ([COSTS["train_flops"].title, "x: linear"], "train_flops")):
        found = read_tradeoff(reader, "a", labels)
        assert found is not None
        assert found[0].cost == cost

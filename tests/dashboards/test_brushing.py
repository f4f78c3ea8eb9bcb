"""Choosing trials: what an address can say, and what a study is with these alone."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest
from pages import Pages, write_study
from synthetic import DEVICE, NOW, synthetic_summary

from dashboards.areas import Area
from dashboards.bills import bill_lines
from dashboards.brushing import Brush, parse_brush, read_brush, restrict
from dashboards.figures.spending import trace_spending
from dashboards.pages.brushing import describe
from dashboards.pages.reading import Reader
from dashboards.words import range_words
from storage.database import Database
from storage.rows import SittingRow


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"origin": 1, "trials": []},
        {"origin": "a", "trials": ["<b>"]},
        {"origin": "a", "box": ["money", 1]},
        {"origin": "a", "box": ["no cost", 1, 2, 3, 4]},
        {"origin": "a", "box": ["money", "a", 2, 3, 4]},
        {"origin": "a", "box": ["money", None, 2, 3, 4]},
        {"origin": "a", "box": ["money", math.nan, 2, 3, 4]},
        {"origin": "a", "box": ["money", 10**400, 2, 3, 4]},
        {"origin": "a", "box": ["billed.train_flops", 1, 2, 3, 4]},
        {"origin": "a", "lasso": ["money", "log", 1, 2, 3, 4]},
        {"origin": "a", "lasso": ["money", "log", 1, 2, 3, 4, 5]},
        {"origin": "a", "lasso": ["money", "wavy", 1, 2, 3, 4, 5, 6]},
        {"origin": "a", "lasso": ["money", "log", 0, 2, 3, 4, 5, 6]},
        {"origin": "a", "lasso": ["money", "log", 1, 2, 3, 4, 5, "6"]},
        {"origin": "a", "lasso": ["money", "log", *[1.0] * 98]},
        [],
    ],
)
def test_what_is_no_choice_is_none(data: Any) -> None:
    assert read_brush(data) is None


def test_an_address_leads_back_to_the_choice() -> None:
    numbers = {0, 1, 2, 9, 11, 12}
    told = parse_brush(range_words(numbers, ","), "")
    assert read_brush(told) == Brush("address", frozenset(numbers))
    for hostile in ("1-99999999", "1,", "<b>", "1" * 2000, "-1", ",".join(["0-99999"] * 9)):
        assert parse_brush(hostile, "") is None
    corners = [(123_457e15 + place, 97.1234) for place in range(48)]
    told = ["train_flops", "linear", *(end for corner in corners for end in corner)]
    longest = "train_flops:linear:" + "_".join(f"{x:.0f}_{y}" for x, y in corners)
    assert read_brush(parse_brush("", "", longest)) == read_brush({"origin": "address", "lasso": told}) is not None
    for hostile in ("money:log:1_2_3_4_5_<b>", "money:log", "money:log:", f"{longest}_1_2", longest + "0" * 200):
        assert parse_brush("", "", hostile) is None
    for hostile in ("money:a:b:c:d", "money:nan:1:2:3", "money:1:inf:2:3", "no cost:1:2:3:4", "money:1:2:3"):
        assert parse_brush("", hostile) is None


def test_a_study_of_some_trials_keeps_its_front_as_far_as_it_is_there() -> None:
    whole = synthetic_summary(40)
    numbers = {whole.front[0].trial, *(trial.number for trial in whole.study.trials[:5])}
    some = restrict(whole, numbers)
    assert {trial.number for trial in some.study.trials} == numbers
    assert set(some.curves) == numbers & set(whole.curves)
    assert some.front == tuple(point for point in whole.front if point.trial in numbers)
    assert set(some.lasts) == numbers & set(whole.lasts)


def test_what_others_held_is_not_idle_time_of_the_trials_that_are_chosen() -> None:
    whole = synthetic_summary(40)
    sitting = SittingRow(1, DEVICE, 4, 1, NOW, 1e6)
    whole = replace(whole, study=replace(whole.study, sittings=(sitting,)))
    assert bill_lines(whole.study)["idle"] > 0
    some = restrict(whole, {1, 2, 3})
    billed = sum(sum(attempt.bill.values()) for trial in some.study.trials for attempt in trial.attempts)
    assert sum(trace_spending(some).lines.values()) == pytest.approx(billed)


def test_figures_and_table_show_what_is_chosen_and_its_own_figure_all(pages: Pages, database: Database) -> None:
    write_study(database, "a", 30)
    brush = {"origin": "parallel", "trials": [3, 4, 5]}
    asked = {"names_data": ["a"], "brush_data": brush}
    shown = pages.ask("trials.rowData", "brush.data", **asked)["trials"]["rowData"]
    assert [row["trial"] for row in shown] == [3, 4, 5]
    states = {"mark_data": "1", "scheme_data": "dark", **asked}

    def figure(kind: str) -> Any:
        own = {'{"kind":["MATCH"],"part":"fresh"}_id': {"part": "fresh", "kind": kind}}
        drawn = pages.ask('"part":"fresh"', "brush.data", kind=kind, **states, **own)
        return next(value["data"] for name, value in drawn.items() if "fresh" in name)

    bars = figure("timeline")["data"]
    assert {trace["type"] for trace in bars} == {"bar"}
    assert sum(len(trace["x"]) for trace in bars) < 10
    assert len(figure("parallel")["data"][0]["customdata"]) > 20
    finals = next(trace for trace in figure("tradeoff")["data"] if trace["name"].endswith(" trials"))
    chosen = [finals["customdata"][index] for index in finals["selectedpoints"]]
    assert set(chosen) <= {3, 4, 5} != set()


@pytest.mark.parametrize("large", [40, 1000])
def test_trials_that_are_not_there_are_not_chosen(
    database: Database, monkeypatch: pytest.MonkeyPatch, large: int
) -> None:
    write_study(database, "a", 60)
    monkeypatch.setattr("dashboards.pages.reading.LARGE", large)
    brush = Brush("address", frozenset({-1, 3, 4, 99, 10**30}))
    words, _, numbers = describe(Reader(database), "a", brush)
    assert (words.partition(":")[0], numbers) == ("2 trials are chosen", "3-4")
    assert {3, 4} <= {trial.number for trial in Reader(database).chosen("a", brush).study.trials} <= {0, 3, 4}


def test_a_box_in_a_large_study_is_of_all_trials(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    write_study(database, "a", 60)
    box = Brush("tradeoff", area=Area("device_seconds", ((0.0, 90.0), (2.0, 100.0))))
    monkeypatch.setattr("dashboards.pages.reading.LARGE", 40)
    for room in ("reading", "brushing"):
        monkeypatch.setattr(f"dashboards.pages.{room}.MOST_CHOSEN", 5)
    reader = Reader(database)
    with reader.crowd("a") as crowd:
        found = box.find(crowd)
    words, _, numbers = describe(reader, "a", box)
    assert words == f"{len(found)} trials are chosen: figures below and the table show an even choice of 5 of these."
    assert describe(reader, "a", Brush("address", frozenset({1})))[0].endswith("the table show these alone.")
    assert numbers == range_words(found, ",")
    assert {trial.number for trial in reader.chosen("a", box).study.trials} < found
    assert len(reader.chosen("a", box).study.trials) == 5

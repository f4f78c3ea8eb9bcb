"""The page of a study that is too large to be held trial by trial."""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pages import Pages, add_trial, write_study

from dashboards.areas import Area
from dashboards.brushing import Brush
from dashboards.pages.choosing import AT_LEAST
from dashboards.pages.easel import Easel
from dashboards.pages.reading import Reader
from dashboards.summary import Summary
from storage.database import Database
from storage.reading import load_study


@pytest.fixture(autouse=True)
def _(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.pages.reading.LARGE", 40)
    monkeypatch.setattr("dashboards.pages.reading.MOST_CHOSEN", 20)


@pytest.fixture
def uuid(database: Database) -> str:
    return write_study(database, "a", 120)


def places(summary: Summary) -> list[tuple[int, int]]:
    return [(point.trial, point.epoch) for point in summary.front]


def test_the_page_tells_of_all_trials_and_reads_few(
    pages: Pages, database: Database, uuid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def noted(given: Database, name: str, numbers: Any = None) -> Any:
        study = load_study(given, name, numbers)
        read.append(len(study.trials))
        return study

    for room in ("dashboards.crowd", "dashboards.pages.reading"):
        monkeypatch.setattr(f"{room}.load_study", noted)
    asked = {"names_data": ["a"]}
    head = json.dumps(pages.ask("head.children", "mark.data", **asked))
    assert ("Of all 120 trials" in head, "trials 120 of 124" in head) == (True, True)
    limit = pages.ask("limit.min", "mark.data", **asked, wish_value=AT_LEAST)["limit"]
    answer = json.dumps(
        pages.ask("answer.children", "limit.value", **asked, wish_value=AT_LEAST, limit_value=limit["min"])
    )
    assert "Trial " in answer
    table = json.dumps(pages.ask("tab.children", "opened.data", opened_data="trials", **asked))
    assert table.count('"open":') < 60
    assert "trial 77" in json.dumps(pages.page("/study/a/trial/77"))
    assert max(read) < 60


def test_the_front_is_that_of_all_trials_and_follows_what_is_new(database: Database, uuid: str) -> None:
    reader = Reader(database)
    assert places(reader.chosen("a")) == places(reader.peak("a")[0]) == places(reader.summary("a"))
    add_trial(database, uuid)
    assert (120, 1) in places(reader.chosen("a"))
    assert places(reader.chosen("a")) == places(reader.peak("a")[0]) == places(reader.summary("a"))
    tally = reader.peak("a")[1]
    assert tally is not None
    assert (tally.num_trials, tally.num_ended) == (121, 120)
    assert [trial.number for trial in reader.of_trial("a", 77).study.trials] == [0, 77]


def test_a_study_with_several_seeds_of_each_setting_is_read_whole(database: Database) -> None:
    from sqlalchemy import update

    from storage import tables

    write_study(database, "b", 50)
    spec = load_study(database, "b", ()).spec
    with database.write() as connection:
        repeated = {**spec, "search": {**spec["search"], "repeats": 2}}
        connection.execute(update(tables.studies).values(spec=repeated))
    with Reader(database).crowd("b") as crowd:
        assert crowd is None
    assert len(Reader(database).chosen("b").study.trials) == 50


def test_the_trade_off_has_the_menus_of_any_study_and_goes_by_what_is_chosen(database: Database, uuid: str) -> None:
    reader = Reader(database)
    easel = Easel(reader)
    first = easel.draw("tradeoff", ["a"], [], "light")
    other = easel.draw("tradeoff", ["a"], ["training FLOPs", "x: linear", "y: everything"], "dark")
    begun = ["device time", "x: logarithmic", "y: the best", "solo cost"]
    assert [menu[0] for menu in first.menus] == first.choices == begun
    assert other.choices == ["training FLOPs", "x: linear", "y: everything", "solo cost"]
    assert other.figure["layout"]["xaxis"]["title"]["text"] == "training FLOPs (FLOP), solo"
    assert (first.figure["layout"]["xaxis"]["type"], other.figure["layout"]["xaxis"]["type"]) == ("log", "linear")
    grid = next(trace for trace in other.figure["data"] if trace["type"] == "heatmap")
    assert " checkpoints of " in grid["name"]
    assert len(json.dumps(first.figure)) < 200_000


def test_an_address_with_an_area_opens_at_what_it_was_drawn_over_and_shows_it(database: Database, uuid: str) -> None:
    easel = Easel(Reader(database))
    corners = ((1e-5, 90.0), (1e-4, 99.0), (1e-4, 91.0))
    box, lasso = Area("billed.money", corners[:2]), Area("money", corners, is_log=False)
    drawn = [easel.draw("tradeoff", ["a"], [], "light", Brush("address", area=area)) for area in (box, lasso)]
    labels = ["x: logarithmic", "y: the best", "billed"], ["x: linear", "y: the best", "solo cost"]
    assert [one.choices for one in drawn] == [["money", *own] for own in labels]
    metas = [one.figure["layout"]["meta"] for one in drawn]
    assert [(one["axis"], one["scale"]) for one in metas] == [("billed.money", "log"), ("money", "linear")]
    [rect], [path] = (one.figure["layout"]["selections"] for one in drawn)
    assert [rect[end] for end in ("x0", "x1", "y0", "y1")] == [1e-5, 1e-4, 90.0, 99.0]
    assert path["path"] == "M1e-05,90L0.0001,99L0.0001,91Z"
    for choices in (["money", "x: logarithmic"], ["device time", "x: linear"]):
        other = easel.draw("tradeoff", ["a"], choices, "light", Brush("tradeoff", area=lasso))
        assert "selections" not in other.figure["layout"]
        assert other.choices[:2] == choices


def test_viewers_at_once_get_one_figure_and_the_database_one_question(
    database: Database, uuid: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[str] = []
    draw = Easel._draw
    monkeypatch.setattr(Easel, "_draw", lambda self, kind, *rest: drawn.append(kind) or draw(self, kind, *rest))  # type: ignore[func-returns-value]
    looked: list[str] = []
    from storage.watching import glance

    monkeypatch.setattr("dashboards.pages.reading.glance", lambda *given: looked.append("") or glance(*given))  # type: ignore[func-returns-value]
    easel, start = Easel(Reader(database, rest=lambda: 60.0)), threading.Barrier(8)

    def look(_: int) -> object:
        start.wait()
        return easel.draw("tradeoff", ["a"], [], "light")

    with ThreadPoolExecutor(8) as pool:
        figures = list(pool.map(look, range(8)))
    assert all(figure is figures[0] for figure in figures)
    assert drawn == ["tradeoff"]
    assert len(looked) <= 3

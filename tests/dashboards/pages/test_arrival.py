"""The picture that the address of a study answers with."""

from __future__ import annotations

import re
import time
from typing import Any
from xml.etree import ElementTree

import pytest
from browser import needs_chromium
from pages import HOSTILE, Pages, add_epoch, write_study
from playwright.sync_api import Page, Response, Route, expect
from sqlalchemy import update

from dashboards.brushing import Brush
from dashboards.pages import arrival
from dashboards.pages.drawing import DARK_TEXT
from dashboards.pages.easel import Easel
from dashboards.pages.reading import Reader
from dashboards.pages.shared import CALL
from dashboards.pages.study import about_words
from storage import tables
from storage.database import Database
from storage.studies import delete_study


@pytest.fixture(autouse=True)
def waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """However busy the machine is, the picture is waited for."""
    monkeypatch.setattr(arrival, "PATIENCE_SECONDS", 30.0)


def picture(pages: Pages, path: str = "/study/a") -> str | None:
    answer = pages.client.get(path)
    assert answer.status_code == 200
    found = re.search('<div id="arrival">.*</div></div>', answer.text, re.DOTALL)
    return None if found is None else found[0]


def test_a_study_is_seen_before_any_script_runs(pages: Pages, database: Database) -> None:
    write_study(database, "a", 8)
    found = picture(pages)
    assert found is not None
    reader = Reader(database)
    drawn = Easel(reader).draw("tradeoff", ["a"], [], "light")
    assert about_words(reader.summary("a").study) in found
    assert [choice for choice in drawn.choices if f"<li>{choice}</li>" not in found] == []
    assert drawn.figure["layout"]["xaxis"]["title"]["text"] in found
    front = next(trace for trace in drawn.figure["data"] if trace["name"].startswith("front"))
    svg = ElementTree.fromstring(found[found.index("<svg") : found.index("</svg>") + 6])
    dots = [path.get("d", "") for path in svg.iter("{http://www.w3.org/2000/svg}path") if "h0" in path.get("d", "")]
    assert len(front["x"]) in [path.count("h0") for path in dots]
    assert [picture(pages, path) for path in ("/", "/study/a/trial/0")] == [None, None]


def test_an_address_with_an_area_shows_what_it_was_drawn_over(
    pages: Pages, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dashboards.pages.reading.LARGE", 8)
    write_study(database, "a", 8)
    words = "device time (s), billed"
    assert words not in (picture(pages) or "")
    assert words in (picture(pages, "/study/a?box=billed.device_seconds:1:2:90:99") or "")
    assert picture(pages, "/study/a?box=%ff&lasso=%00") is not None


def test_what_cannot_be_shown_leaves_the_page_as_it_is(pages: Pages, database: Database) -> None:
    assert picture(pages, "/study/gone") is None
    write_study(database, "empty", 0)
    assert picture(pages, "/study/empty") is None


def test_names_stay_text(pages: Pages, database: Database) -> None:
    uuid = write_study(database, "a", 4)
    name = HOSTILE.replace("/", "_")
    with database.write() as connection:
        connection.execute(update(tables.studies).where(tables.studies.c.uuid == uuid).values(name=name))
    found = picture(pages, "/study/" + "".join(f"%{byte:02x}" for byte in name.encode()))
    assert found is not None
    assert "&lt;img src=x" in found
    assert not re.search("<(img|script)", found)


def test_a_study_that_takes_long_to_read_is_not_waited_for(
    pages: Pages, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(database, "a", 4)
    monkeypatch.setattr(arrival, "PATIENCE_SECONDS", 0.05)
    real = arrival._picture

    def slow(*given: Any) -> str:
        time.sleep(0.5)
        return real(*given)

    monkeypatch.setattr(arrival, "_picture", slow)
    assert picture(pages) is None


@needs_chromium
def test_the_picture_gives_way_to_the_figure(page: Page, database: Database) -> None:
    write_study(database, "a", 8)
    page.route("**/plotly*.min.js", lambda route: (page.wait_for_timeout(1500), route.continue_()))
    page.goto("/study/a", wait_until="commit")
    expect(page.locator("#arrival svg")).to_be_visible()
    assert page.locator("#page .js-plotly-plot").count() == 0
    page.locator("#page .js-plotly-plot .main-svg").first.wait_for(state="attached")
    expect(page.locator("#arrival")).to_have_count(0)
    page.goto("/study/gone")
    expect(page.get_by_text("Nothing to show here")).to_be_visible()


FIGURE = "[id*=tradeoff] .js-plotly-plot"
LOOKS = """selector => {
  const {_fullLayout: {xaxis, font}, _fullData} = document.querySelector(selector);
  return {range: xaxis.range.map(end => +end.toFixed(6)), font: font.color, seen: _fullData.map(one => one.visible)};
}"""
"""How a figure stands: where its axis was zoomed to, its scheme, and which of its traces are to be seen."""


def hold(page: Page, pattern: str) -> list[Route]:
    """Holds back what a page asks for."""
    held = list[Route]()

    def keep(route: Route) -> None:
        held.append(route)

    page.route(pattern, keep)
    return held


def release(page: Page, held: list[Route]) -> None:
    while not held:
        page.wait_for_timeout(10)
    held.pop().continue_()


@needs_chromium
@pytest.mark.parametrize("toggled", [None, "light"])
def test_the_picture_is_a_figure_before_the_page_is_there_and_what_was_done_to_it_stays(
    page: Page, database: Database, toggled: str | None
) -> None:
    write_study(database, "a", 8)
    if toggled is not None:  # over what the browser prefers, which is dark here
        page.add_init_script(f"localStorage.setItem('mantine-color-scheme-value', '{toggled}')")
    held = hold(page, "**/dash_renderer*")
    page.goto("/study/a", wait_until="commit")
    early = page.locator("#arrival .js-plotly-plot")
    early.locator(".scatterlayer .trace").first.wait_for(state="attached")
    expect(page.locator("#arrival .figure > svg")).to_have_count(0)
    box = early.locator(".nsewdrag").first.bounding_box()
    assert box is not None
    before, place = page.evaluate(LOOKS, "#arrival .js-plotly-plot"), early.bounding_box()
    page.mouse.move(box["x"] + 0.3 * box["width"], box["y"] + 0.3 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.7 * box["width"], box["y"] + 0.7 * box["height"], steps=4)
    page.mouse.up()
    early.locator(".legendtoggle").last.click()
    page.wait_for_function(
        "() => document.querySelector('#arrival .js-plotly-plot')._fullData.some(one => one.visible !== true)"
    )
    done = page.evaluate(LOOKS, "#arrival .js-plotly-plot")
    assert done["range"] != before["range"]
    assert (done["font"] == DARK_TEXT) == (toggled is None)
    assert page.locator(FIGURE).count() == 0
    release(page, held)
    expect(page.locator("#arrival")).to_have_count(0)
    page.wait_for_function(
        "seen => document.querySelector(seen)._fullData.some(one => one.visible !== true)", arg=FIGURE
    )
    assert page.evaluate(LOOKS, FIGURE) == done
    assert page.locator(FIGURE).bounding_box() == place


@needs_chromium
@pytest.mark.parametrize(("search", "is_new"), [("", False), ("?trials=1-3", False), ("", True)])
def test_the_figure_is_sent_once_unless_there_is_something_new(
    page: Page, database: Database, search: str, *, is_new: bool
) -> None:
    uuid = write_study(database, "a", 8)
    answers = list[Response]()
    page.on("response", lambda one: answers.append(one))  # noqa: PLW0108  a builtin is not taken
    held = hold(page, "**/dash_renderer*")
    page.goto(f"/study/a{search}", wait_until="commit")
    page.locator("#arrival .js-plotly-plot .scatterlayer .trace").first.wait_for(state="attached")
    if is_new:
        add_epoch(database, uuid)  # the best: of 99.9 %
    release(page, held)
    expect(page.locator("#arrival")).to_have_count(0)
    expect(page.locator("[id*=tradeoff][id*=choice]")).to_have_count(4)
    page.wait_for_function(
        "([seen, best]) => document.querySelector(seen)._fullData.some(one => one.y.includes(99.9)) === best",
        arg=[FIGURE, is_new],
    )
    asked = [one for one in answers if CALL in one.url and one.status == 200]
    sent = [part for one in asked for part in one.json()["response"] if "tradeoff" in part and "fresh" in part]
    assert len(sent) == is_new


@needs_chromium
def test_a_figure_that_is_held_is_not_taken_away(page: Page, database: Database) -> None:
    write_study(database, "a", 8)
    held = hold(page, "**/dash_renderer*")
    page.goto("/study/a", wait_until="commit")
    page.locator("#arrival .js-plotly-plot .nsewdrag").first.hover()
    page.mouse.down()
    release(page, held)
    page.locator(f"{FIGURE} .scatterlayer .trace").first.wait_for(state="attached")
    page.wait_for_timeout(500)
    expect(page.locator("#arrival")).to_have_count(1)
    page.mouse.up()
    expect(page.locator("#arrival")).to_have_count(0)


@needs_chromium
def test_a_study_that_is_gone_meanwhile_is_said_to_be(page: Page, database: Database) -> None:
    write_study(database, "a", 8)
    held = hold(page, "**/dash_renderer*")
    page.goto("/study/a", wait_until="commit")
    page.locator("#arrival .js-plotly-plot .scatterlayer .trace").first.wait_for(state="attached")
    delete_study(database, "a")
    release(page, held)
    expect(page.get_by_text("Nothing to show here")).to_be_visible()
    expect(page.locator("#arrival")).to_have_count(0)


@needs_chromium
def test_a_page_whose_figure_does_not_come_early_comes_all_the_same(page: Page, database: Database) -> None:
    write_study(database, "a", 8)
    page.route("**/study/a/tradeoff*", lambda route: route.fulfill(status=200, body="no figure"))
    page.goto("/study/a")
    page.locator(f"{FIGURE} .scatterlayer .trace").first.wait_for(state="attached")
    expect(page.locator("#arrival")).to_have_count(0)


def test_the_figure_is_that_of_the_page(pages: Pages, database: Database) -> None:
    write_study(database, "a", 8)
    for search, scheme, chosen in (("", "light", None), ("?trials=1-3&scheme=dark", "dark", {1, 2, 3})):
        answer = pages.client.get(f"/study/a/tradeoff{search}").json()
        brush = None if chosen is None else Brush("address", frozenset(chosen))
        assert (
            answer["parts"]["fresh"]["data"]
            == Easel(Reader(database)).draw("tradeoff", ["a"], [], scheme, brush).figure
        )
    gone = pages.client.get("/study/gone/tradeoff")
    assert (gone.status_code, "gone" in gone.text, gone.text.count("\n")) == (404, True, 0)


@needs_chromium
def test_a_picture_of_a_page_that_is_left_does_not_stay(page: Page, database: Database) -> None:
    write_study(database, "a", 8)
    page.goto("/study/a", wait_until="commit")
    expect(page.locator("#arrival .figure")).to_be_visible()
    page.get_by_role("link", name="Machines").click(force=True)
    expect(page.get_by_role("heading", name="Machines")).to_be_visible()
    expect(page.locator("#arrival")).to_have_count(0)


FRAMES = """(() => {
  const real = window.setTimeout;
  window.setTimeout = (then, wait, ...rest) => real(then, wait === 200 ? 10000 : wait, ...rest);
  let frames = 0;
  const count = () => {
    if (document.querySelector('#arrival svg')) frames++;
    requestAnimationFrame(count);
  };
  requestAnimationFrame(count);
  const note = ({target}) => { if (target.tagName === 'SCRIPT') window.framesBefore ??= frames; };
  document.addEventListener('load', note, true);
})()"""
"""Lets a page wait for its first frame, however busy the machine is; counts those with the picture before a script."""


@needs_chromium
def test_the_picture_does_not_wait_for_scripts_that_the_browser_has(page: Page, database: Database) -> None:
    write_study(database, "a", 8)
    page.add_init_script(FRAMES)
    for _ in range(3):
        page.goto("/study/a")
        page.locator("#page .js-plotly-plot .main-svg").first.wait_for(state="attached")
        assert page.evaluate("window.framesBefore") > 0


@needs_chromium
def test_a_tab_that_nobody_sees_begins_too(page: Page, database: Database) -> None:
    write_study(database, "a", 8)
    page.add_init_script("window.requestAnimationFrame = () => 0")
    page.goto("/study/a")
    page.wait_for_function("() => typeof window.DashRenderer === 'function'", polling=50)

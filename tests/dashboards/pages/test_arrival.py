"""The picture that the address of a study answers with."""

from __future__ import annotations

import re
import time
from typing import Any
from xml.etree import ElementTree

import pytest
from browser import needs_chromium
from pages import HOSTILE, Pages, write_study
from playwright.sync_api import Page, expect
from sqlalchemy import update

from dashboards.pages import arrival
from dashboards.pages.easel import Easel
from dashboards.pages.reading import Reader
from storage import tables
from storage.database import Database


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
    summary, drawn = reader.summary("a"), Easel(reader).draw("tradeoff", ["a"], [], "light")
    assert summary.best is not None
    assert f"Most accurate {100 * summary.best.accuracy:.1f} %" in found
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
    assert page.locator(".js-plotly-plot").count() == 0
    page.locator(".js-plotly-plot .main-svg").first.wait_for(state="attached")
    expect(page.locator("#arrival")).to_have_count(0)
    page.goto("/study/gone")
    expect(page.get_by_text("Nothing to show here")).to_be_visible()


@needs_chromium
def test_a_picture_of_a_page_that_is_left_does_not_stay(page: Page, database: Database) -> None:
    write_study(database, "a", 8)
    page.goto("/study/a", wait_until="commit")
    expect(page.locator("#arrival svg")).to_be_visible()
    page.get_by_role("link", name="Machines").click(force=True)
    expect(page.get_by_role("heading", name="Machines")).to_be_visible()
    expect(page.locator("#arrival")).to_have_count(0)


RUNS = """(() => {
  let own;
  Object.defineProperty(window, 'DashRenderer', {
    configurable: true,
    get: () => own,
    set: value => { window.scriptsAt ??= performance.now(); own = value; },
  });
})()"""
"""Notes when those of the page's scripts have run without which nothing is shown."""


@needs_chromium
def test_the_picture_does_not_wait_for_scripts_that_the_browser_has(page: Page, database: Database) -> None:
    write_study(database, "a", 8)
    page.add_init_script(RUNS)
    for _ in range(3):
        page.goto("/study/a")
        page.locator(".js-plotly-plot .main-svg").first.wait_for(state="attached")
        painted, ran = page.evaluate(
            "() => [performance.getEntriesByName('first-contentful-paint')[0].startTime, window.scriptsAt]"
        )
        assert 0 < painted < ran


@needs_chromium
def test_a_tab_that_nobody_sees_begins_too(page: Page, database: Database) -> None:
    write_study(database, "a", 8)
    page.add_init_script("window.requestAnimationFrame = () => 0")
    page.goto("/study/a")
    page.wait_for_function("() => typeof window.DashRenderer === 'function'", polling=50)

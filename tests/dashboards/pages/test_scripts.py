"""Scripts come once, however late, and are compressed once for all browsers."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import brotli
import httpx
import pytest
from browser import needs_chromium, opening
from pages import Pages, write_study
from playwright.sync_api import Page
from plotly.offline import get_plotlyjs_version
from starlette.middleware.gzip import GZipResponder
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from dashboards.pages.scripts import list_drawing
from dashboards.pages.shared import SharedAnswers
from dashboards.plotting import find_version
from storage.database import Database
from storage.studies import delete_study

PLOTLY = list_drawing()[-1]["src"]
LATE_MILLISECONDS = 1000
LATER = r"plotly\..*min\.js|ag_grid.*\.js"
"""The whole of plotly, which no page needs, and what draws tables."""


@needs_chromium
@pytest.mark.parametrize("path", ["/", "/study/a", "/study/a/trial/0", "/compare?study=a"])
def test_a_figure_waits_for_plotly_and_fetches_it_no_second_time(page: Page, database: Database, path: str) -> None:
    write_study(database, "a", 8)
    asked = list[str]()
    page.on("request", lambda one: asked.append(one.url) if re.search(r"plotly|async-graph", one.url) else None)
    page.route(f"**{PLOTLY}", lambda route: (page.wait_for_timeout(LATE_MILLISECONDS), route.continue_()))
    page.goto(path, wait_until="commit")
    page.locator("#page .js-plotly-plot .main-svg").first.wait_for(state="attached")
    assert len(asked) == len(set(asked)) == 2


@needs_chromium
def test_plotly_is_asked_for_again_where_it_did_not_come(address: str, database: Database) -> None:
    write_study(database, "a", 8)
    with opening(base_url=address) as window:
        window.page.route(f"**{PLOTLY}", lambda route: route.abort())
        window.page.goto("/study/a")
        window.page.locator("#page .js-plotly-plot .main-svg").first.wait_for(state="attached")
        assert [fault for fault in window.faults if "ERR_FAILED" not in fault] == []


@needs_chromium
def test_what_few_look_at_is_fetched_once_somebody_does(page: Page, database: Database) -> None:
    write_study(database, "a", 8)
    asked = list[str]()
    page.on("request", lambda one: asked.append(one.url) if re.search(LATER, one.url) else None)
    page.goto("/study/a")
    page.locator("#page .js-plotly-plot .main-svg").first.wait_for(state="attached")
    page.wait_for_load_state("networkidle")
    assert asked == []
    for tab, shown in (("Trials", ".ag-row"), ("Slices", ".scatterlayer"), ("Trials", ".ag-row")):
        page.get_by_role("tab", name=tab).click()
        page.locator(f"#tab {shown}").first.wait_for(state="attached")
    assert len(asked) == len(set(asked)) == 2
    assert page.locator("script[src*=dash_ag_grid]").count() == 1


@needs_chromium
def test_a_tab_is_read_once_it_is_about_to_be_in_sight(page: Page, database: Database) -> None:
    write_study(database, "a", 8)
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto("/study/a")
    page.locator("#page .js-plotly-plot .main-svg").first.wait_for(state="attached")
    page.wait_for_load_state("networkidle")
    assert page.locator("#tab").inner_text() == ""
    page.locator("#facts").scroll_into_view_if_needed()
    page.mouse.wheel(0, 600)
    page.locator("#tab [id*=curves] .js-plotly-plot .main-svg").first.wait_for(state="attached")
    page.goto("/study/a?tab=slices")
    page.locator("#tab [id*=slices] .js-plotly-plot .main-svg").first.wait_for(state="attached")


def test_the_part_of_plotly_goes_with_the_whole() -> None:
    assert find_version().partition(".")[0] == get_plotlyjs_version().partition(".")[0]


def test_a_study_whose_name_looks_like_a_version_is_shown_as_it_is(pages: Pages, database: Database) -> None:
    write_study(database, "a.v1m2.b", 8)
    assert 'id="arrival"' in ask(pages, "/study/a.v1m2.b", "gzip").text
    delete_study(database, "a.v1m2.b")
    assert 'id="arrival"' not in ask(pages, "/study/a.v1m2.b", "gzip").text


def test_a_file_is_compressed_once_for_all_that_take_it_so(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    made, real = list[int](), GZipResponder.apply_compression

    def compress(self: GZipResponder, body: bytes, *, more_body: bool) -> bytes:
        made.append(len(body))
        return real(self, body, more_body=more_body)

    monkeypatch.setattr(GZipResponder, "apply_compression", compress)
    packed = [ask(pages, PLOTLY, "gzip") for _ in range(3)]
    assert (len(made) > 0, len({one.content for one in packed})) == (True, 1)
    before = len(made)
    plain = ask(pages, PLOTLY, "identity")
    assert (plain.content, ask(pages, PLOTLY, "zstd, gzip").content) == (packed[0].content, packed[0].content)
    assert len(made) == before
    assert [one.headers.get("content-encoding") for one in (packed[2], plain)] == ["gzip", None]
    assert int(packed[2].headers["content-length"]) < int(plain.headers["content-length"])
    assert "max-age=31536000" in packed[2].headers["cache-control"]


@pytest.mark.parametrize(("name", "times"), [("plotly-pages", 0), ("dash_renderer", 1)])
def test_a_browser_that_takes_brotli_gets_fewer_bytes(
    pages: Pages, monkeypatch: pytest.MonkeyPatch, name: str, times: int
) -> None:
    [path] = re.findall(f'src="([^"]*{name}[^"]*)"', pages.client.get("/").text)
    made, real = list[int](), brotli.compress

    def compress(body: bytes, **options: Any) -> bytes:
        made.append(len(body))
        return real(body, **options)

    monkeypatch.setattr(brotli, "compress", compress)
    packed, plain = [ask(pages, path, "gzip, deflate, br, zstd") for _ in range(2)], ask(pages, path, "gzip")
    assert len(made) == times
    assert [one.headers["content-encoding"] for one in packed] == ["br", "br"]
    assert [one.headers["vary"] for one in (*packed, plain)] == ["Accept-Encoding"] * 3
    assert packed[0].content == packed[1].content == plain.content  # as the client unpacks them
    assert int(packed[0].headers["content-length"]) < 0.95 * int(plain.headers["content-length"])
    gone = ask(pages, PLOTLY.replace("plotly-pages", "gone"), "br")
    assert (gone.status_code, gone.headers.get("content-encoding")) == (404, None)


def test_a_fault_is_not_kept() -> None:
    answers = iter([503, 200, 500])

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        await Response(status_code=next(answers))(scope, receive, send)

    async def ask_all() -> list[int]:
        transport = httpx.ASGITransport(SharedAnswers(serve, lambda: True))
        async with httpx.AsyncClient(transport=transport, base_url="http://here") as client:
            return [(await client.get(PLOTLY)).status_code for _ in range(3)]

    assert asyncio.run(ask_all()) == [503, 200, 200]


def ask(pages: Pages, path: str, encoding: str) -> httpx.Response:
    return pages.client.get(path, headers={"accept-encoding": encoding})

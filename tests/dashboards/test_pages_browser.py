"""The pages as a person uses them: a real browser, a real server, a real database."""

from __future__ import annotations

import pytest
from browser import needs_chromium
from pages import add_epoch, write_study
from playwright.sync_api import Page, expect

from dashboards.pages.study import DRAWN_TABS, TABS
from storage.database import Database

FIGURE = "#page .js-plotly-plot .main-svg .scatterlayer .trace"
HOVER = """() => {
  const graph = document.querySelector('[id*=tradeoff] .js-plotly-plot');
  const curveNumber = graph ? graph.data.findIndex(trace => trace.name === 'baseline') : 0;
  if (graph) Plotly.Fx.hover(graph, [{curveNumber, pointNumber: 0}]);
  return document.querySelectorAll('.hoverlayer .hovertext').length;
}"""
RANGE = "document.querySelector('#page .js-plotly-plot')._fullLayout.xaxis.range"

pytestmark = needs_chromium


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_from_the_form_to_a_trial(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_text("There is no study yet")).to_be_visible()
    page.get_by_role("button", name="Launch a sweep").click()
    page.locator("#spec").fill("trials =")
    page.get_by_role("button", name="Launch", exact=True).click()
    expect(page.get_by_text("spec: a second fault")).to_be_visible()
    page.locator("#spec").fill('name = "mine"')
    page.get_by_role("button", name="Launch", exact=True).click()
    page.locator("#launched a").click()
    expect(page).to_have_title("mine - Paretune")
    page.locator(FIGURE).first.wait_for(state="attached")
    answer = page.locator("#answer")
    expect(answer).to_contain_text("at least")
    before = answer.inner_text()
    page.locator("#limit [role=slider]").focus()
    page.keyboard.press("Home")
    page.wait_for_function("before => document.querySelector('#answer').innerText !== before", arg=before)
    page.get_by_text("at most this cost").click()
    expect(answer).to_contain_text("at most")
    page.get_by_role("tab", name="Trials").click()
    page.locator(".ag-cell a").first.click()
    expect(page).to_have_title("mine trial 0 - Paretune")
    expect(page.get_by_text("Bill", exact=True)).to_be_visible()
    assert fits(page)


def test_a_live_page_shows_what_is_new_and_keeps_zoom_choice_and_address(page: Page, database: Database) -> None:
    uuid = write_study(database, "a", 6)
    page.goto("/study/a?tab=spending")
    expect(page.get_by_text("Where the compute went")).to_be_visible()
    page.get_by_role("tab", name="Curves").click()
    expect(page.get_by_text("How the trials got there")).to_be_visible()
    assert page.url.endswith("tab=curves")
    page.locator(FIGURE).first.wait_for(state="attached")
    page.get_by_role("combobox").nth(1).or_(page.locator("input[aria-label*='x: logarithmic']")).first.click()
    page.get_by_role("option", name="x: linear").click()
    page.wait_for_function("() => document.querySelector('#page .js-plotly-plot')._fullLayout.xaxis.type === 'linear'")
    box = page.locator("#page .js-plotly-plot .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + 60, box["y"] + 60)
    page.mouse.down()
    page.mouse.move(box["x"] + 260, box["y"] + 220, steps=5)
    page.mouse.up()
    page.wait_for_function(
        "() => document.querySelector('#page .js-plotly-plot')._fullLayout.xaxis.autorange === false"
    )
    page.wait_for_timeout(800)
    zoom = page.evaluate(RANGE)
    add_epoch(database, uuid)
    expect(page.locator("#facts")).to_contain_text("99.9 %")
    page.wait_for_function(
        "() => document.querySelector('#page .js-plotly-plot').data.some(trace => trace.y && trace.y.includes(99.9))"
    )
    assert page.evaluate(RANGE) == zoom
    assert page.evaluate("document.querySelector('#page .js-plotly-plot')._fullLayout.xaxis.type") == "linear"


@pytest.mark.parametrize("page", [400], indirect=True)
@pytest.mark.slow
def test_hostile_text_stays_text_and_a_phone_shows_all(page: Page, database: Database) -> None:
    write_study(database, "hostile", 8, hostile=True)
    for path in ("/", "/study/hostile?tab=trials", "/study/hostile?tab=optimizers", "/study/hostile?tab=parallel",
                 "/study/hostile/trial/1", "/compare?study=hostile"):  # fmt: skip
        page.goto(path)
        page.locator("#page .js-plotly-plot .main-svg").first.wait_for(state="attached")
        page.wait_for_timeout(1200)
        assert page.evaluate(HOVER) == ("tab" in path)
        assert page.evaluate("[...document.querySelectorAll('img')].length") == 0
        assert "taken" not in page.title()
        assert fits(page), path


def test_the_figures_follow_dark_and_light(page: Page, database: Database) -> None:
    write_study(database, "a", 4)
    page.goto("/study/a?tab=trials")
    page.locator(FIGURE).first.wait_for(state="attached")
    colour = "document.querySelector('#page .js-plotly-plot')._fullLayout.font.color"
    assert page.evaluate(colour) == "#D5D9DD"
    page.get_by_label("dark or light").click()
    page.wait_for_function(f"() => {colour} === '#222222'")
    assert page.evaluate("document.body.dataset.agThemeMode") == "light"


@pytest.mark.slow
def test_every_tab_opens_in_the_dark(page: Page, database: Database) -> None:
    write_study(database, "a", 12)
    page.goto("/study/a?tab=answers")
    expect(page.get_by_text("Which optimizer?")).to_be_visible()
    for tab in DRAWN_TABS:
        page.get_by_role("tab", name=TABS[tab]).click()
        page.locator(f"#tab [id*='{tab}'] .js-plotly-plot .main-svg").first.wait_for(state="attached")
        page.wait_for_function("() => document.querySelector('#tab .js-plotly-plot').data?.length > 0")


INK = """() => [...document.querySelectorAll('#tab .gl-canvas')].some(own => {
  const context = own.getContext('webgl'), here = new Uint8Array(4 * own.width * own.height);
  context.readPixels(0, 0, own.width, own.height, context.RGBA, context.UNSIGNED_BYTE, here);
  return here.some(value => value > 0);
})"""
"""Whether anything is drawn by WebGL."""


def test_parallel_coordinates_are_drawn_within_the_security_policy(page: Page, database: Database) -> None:
    write_study(database, "a", 12)
    page.goto("/study/a?tab=parallel")
    page.locator("#tab .js-plotly-plot .main-svg").first.wait_for(state="attached")
    expect(page.locator("#tab .no-webgl")).to_have_count(0)
    page.wait_for_function(INK)


def test_figures_come_where_a_browser_does_not_tell_when_it_rests(page: Page, database: Database) -> None:
    write_study(database, "a", 8)
    page.add_init_script("delete window.requestIdleCallback")
    page.goto("/study/a?tab=curves")
    page.locator("#tab .js-plotly-plot").wait_for(state="attached")


def test_deleting_asks_once_more(page: Page, database: Database) -> None:
    write_study(database, "a", 4)
    page.goto("/study/a")
    page.get_by_label("delete a").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("cannot be undone")
    dialog.get_by_role("button", name="Delete").click()
    expect(page.locator("#outcome")).to_contain_text("stop it first")

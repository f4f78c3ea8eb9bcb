"""Choosing trials, bills and several studies, as a person does it in a browser."""

from __future__ import annotations

import math
from urllib.parse import parse_qs, urlsplit

import pytest
from browser import needs_chromium
from pages import add_epoch, add_trial, write_study
from playwright.sync_api import Page, expect

from dashboards.areas import MOST_CORNERS
from dashboards.brushing import parse_search, read_brush
from dashboards.pages.reading import Reader
from storage.database import Database

POINTS = "#page [id*=tradeoff] .js-plotly-plot .scatterlayer .trace"
OUTLINE = "[id*=tradeoff] .js-plotly-plot .selectionlayer path"
TITLE = "document.querySelector('[id*=tradeoff] .js-plotly-plot')._fullLayout.xaxis.title.text"
FADED = """() => {
  const graph = document.querySelector('[id*=tradeoff] .js-plotly-plot');
  return graph && graph.data.some(trace => trace.selectedpoints && trace.selectedpoints.length < trace.x.length);
}"""

pytestmark = needs_chromium


def open_study(page: Page, search: str) -> None:
    page.goto(f"/study/a?{search}")
    page.locator(POINTS).first.wait_for(state="attached")
    expect(page.locator("#facts")).to_contain_text("Most accurate")


def draw_box(page: Page) -> None:
    """Draws a box over the upper left of the trade-off."""
    drag(page, "Box Select", (100, 10), (330, 160))


def draw_lasso(page: Page) -> None:
    """Draws a lasso of many corners over the upper left of the trade-off."""
    turns = [2 * math.pi * step / 200 for step in range(200)]
    drag(page, "Lasso Select", *[(240 + 120 * math.cos(turn), 90 + 70 * math.sin(turn)) for turn in turns])


def drag(page: Page, tool: str, *corners: tuple[float, float]) -> None:
    page.locator("[id*=tradeoff] .js-plotly-plot").hover()
    page.locator(f'[id*=tradeoff] [data-title="{tool}"]').click()
    box = page.locator("[id*=tradeoff] .nsewdrag").first.bounding_box()
    assert box is not None
    for number, (x, y) in enumerate(corners):
        page.mouse.move(box["x"] + x, box["y"] + y, steps=6 if len(corners) == 2 else 1)
        if number == 0:
            page.mouse.down()
    page.mouse.up()


def num_chosen(page: Page) -> int:
    expect(page.locator("#brushed")).to_contain_text("chosen")
    return int(page.locator("#brushed").inner_text().split()[0])


def find(page: Page, database: Database) -> set[int]:
    """The trials of the large study `a` that lie in what the address says."""
    brush = read_brush(parse_search(urlsplit(page.url).query))
    assert brush is not None
    with Reader(database).crowd("a") as crowd:
        return set(brush.find(crowd))


@pytest.fixture
def large(page: Page, database: Database, monkeypatch: pytest.MonkeyPatch) -> str:
    """UUID of a study that counts as a large one, whose page is open."""
    monkeypatch.setattr("dashboards.pages.reading.LARGE", 40)
    uuid = write_study(database, "a", 60)
    open_study(page, "tab=trials")
    return uuid


def test_a_box_filters_table_and_figures_stays_and_can_be_shared(page: Page, database: Database) -> None:
    uuid = write_study(database, "a", 30)
    open_study(page, "tab=trials")
    rows = page.locator(".ag-center-cols-container .ag-row")
    expect(rows).not_to_have_count(0)
    draw_box(page)
    expect(page.locator("#brushed")).to_contain_text("trials are chosen")
    count = int(page.locator("#brushed").inner_text().split()[0])
    assert 0 < count < 15
    expect(rows).to_have_count(count)
    page.wait_for_url("**/study/a?tab=trials&trials=*")
    add_epoch(database, uuid)
    expect(page.locator("#facts")).to_contain_text("99.9 %")
    expect(rows).to_have_count(count)
    page.wait_for_function(FADED)
    assert page.evaluate("document.querySelector('[id*=tradeoff] .js-plotly-plot').layout.dragmode") == "select"
    shared = page.url
    page.goto("about:blank")
    page.goto(shared)
    expect(rows).to_have_count(count)
    page.get_by_role("tab", name="Curves").click()
    page.locator("#tab .js-plotly-plot").wait_for(state="attached")
    page.wait_for_timeout(500)
    page.get_by_role("tab", name="Trials").click()
    expect(rows).to_have_count(count)
    page.wait_for_function(FADED)
    page.get_by_role("button", name="Show all again").click()
    expect(page.locator("#brush-box")).to_be_hidden()
    page.wait_for_function("() => !window.location.search.includes('trials=')")
    page.wait_for_function(f"() => !({FADED})()")
    page.wait_for_function("n => document.querySelectorAll('.ag-center-cols-container .ag-row').length > n", arg=count)


def test_a_double_click_takes_all_again(page: Page, database: Database) -> None:
    write_study(database, "a", 30)
    open_study(page, "tab=trials")
    draw_box(page)
    expect(page.locator("#brushed")).to_contain_text("trials are chosen")
    box = page.locator("[id*=tradeoff] .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.dblclick(box["x"] + 400, box["y"] + 300)
    expect(page.locator("#brush-box")).to_be_hidden()


def test_a_range_of_the_parallel_coordinates_chooses(page: Page, database: Database) -> None:
    write_study(database, "a", 30)
    open_study(page, "tab=parallel")
    axis = page.locator("#tab .axis-brush").first
    axis.wait_for(state="attached")
    page.wait_for_timeout(1000)  # until the page has its height
    axis.scroll_into_view_if_needed()
    box = axis.bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.2 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 0.5 * box["height"], steps=6)
    page.mouse.up()
    expect(page.locator("#brushed")).to_contain_text("trials are chosen")
    page.wait_for_function(FADED)
    page.get_by_role("button", name="Show all again").click()
    expect(page.locator("#brush-box")).to_be_hidden()


def test_the_trade_off_switches_between_solo_cost_and_bill(page: Page, database: Database) -> None:
    write_study(database, "a", 12)
    open_study(page, "tab=curves")
    assert page.evaluate(TITLE) == "device time (s), solo"
    page.locator("[id*=tradeoff] input[aria-label*='solo cost']").click()
    page.get_by_role("option", name="billed").click()
    page.wait_for_function(f"() => {TITLE} === 'device time (s), billed'")


def test_a_large_study_is_shown_brushed_and_followed(page: Page, database: Database, large: str) -> None:
    expect(page.get_by_text("Of all 60 trials")).to_be_visible()
    draw_box(page)
    count = num_chosen(page)
    page.wait_for_url("**box=device_seconds*")
    assert 0 < count == len(find(page, database)) < 15
    expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(count)
    add_trial(database, large)
    page.wait_for_function(
        "() => document.querySelector('#page .js-plotly-plot').data.some(trace => trace.y && trace.y.includes(99.9))"
    )


@pytest.mark.slow
def test_a_lasso_over_a_large_study_takes_the_place_of_a_box_stays_and_can_be_shared(
    page: Page, database: Database, large: str
) -> None:
    rows = page.locator(".ag-center-cols-container .ag-row")
    draw_box(page)
    page.wait_for_url("**box=device_seconds*")
    count = num_chosen(page)
    draw_lasso(page)
    page.wait_for_url("**lasso=device_seconds*")
    assert "box=" not in page.url
    page.wait_for_function("n => parseInt(document.querySelector('#brushed').innerText) !== n", arg=count)
    count = num_chosen(page)
    assert 0 < count == len(find(page, database)) < 15
    expect(rows).to_have_count(count)
    add_trial(database, large)
    expect(page.locator("#facts")).to_contain_text("99.9 %", timeout=15_000)
    assert len(find(page, database)) == count
    expect(rows).to_have_count(count)
    assert page.locator(OUTLINE).count() > 0
    shared = page.url
    page.goto("about:blank")
    page.goto(shared)
    expect(rows).to_have_count(count)
    page.locator(OUTLINE).first.wait_for(state="attached")
    page.wait_for_timeout(1000)
    assert page.url == shared
    page.get_by_role("button", name="Show all again").click()
    expect(page.locator("#brush-box")).to_be_hidden()
    expect(page.locator(OUTLINE)).to_have_count(0)
    page.wait_for_function("() => !window.location.search.includes('lasso=')")


@pytest.mark.slow
@pytest.mark.usefixtures("large")
def test_a_jagged_lasso_over_a_large_study_is_told_by_as_many_corners_as_an_address_holds(
    page: Page, database: Database
) -> None:
    turns = [(math.pi * step / 60, 1 - step % 2 / 4) for step in range(120)]
    star = [(240 + 120 * far * math.cos(turn), 110 + 90 * far * math.sin(turn)) for turn, far in turns]
    drag(page, "Lasso Select", *star)
    page.wait_for_url("**lasso=device_seconds*")
    [lasso] = parse_qs(urlsplit(page.url).query)["lasso"]
    assert len(lasso.split("_")) - 1 == 2 * MOST_CORNERS
    assert 0 < num_chosen(page) == len(find(page, database)) < 40


@pytest.mark.slow
@pytest.mark.usefixtures("large")
def test_a_box_over_a_large_study_can_be_moved_and_taken_away(page: Page, database: Database) -> None:
    draw_box(page)
    page.wait_for_url("**box=*")
    before = num_chosen(page)
    drag(page, "Box Select", (215, 85), (245, 115))  # from within the box: it is moved
    page.wait_for_function("n => parseInt(document.querySelector('#brushed').innerText) !== n", arg=before)
    page.wait_for_timeout(500)
    assert num_chosen(page) == len(find(page, database))
    page.keyboard.down("Shift")
    drag(page, "Box Select", (400, 200), (500, 300))
    page.keyboard.up("Shift")
    expect(page.locator(f"{OUTLINE}[data-index='1']")).to_have_count(0)
    page.wait_for_timeout(500)
    assert num_chosen(page) == len(find(page, database))
    assert page.evaluate("document.querySelector('[id*=tradeoff] .js-plotly-plot').layout.selections.length") == 1
    box = page.locator("[id*=tradeoff] .nsewdrag").first.bounding_box()
    assert box is not None
    page.mouse.dblclick(box["x"] + 20, box["y"] + 300)
    expect(page.locator("#brush-box")).to_be_hidden()
    page.wait_for_function("() => !window.location.search.includes('box=')")


@pytest.mark.usefixtures("large")
def test_a_box_over_the_bills_of_a_large_study_chooses_by_bill(page: Page, database: Database) -> None:
    page.locator("[id*=tradeoff] input[aria-label*='solo cost']").click()
    page.get_by_role("option", name="billed").click()
    page.wait_for_function(f"() => {TITLE} === 'device time (s), billed'")
    draw_box(page)
    count = num_chosen(page)
    page.wait_for_url("**box=billed.device_seconds*")
    expect(page.locator(".ag-center-cols-container .ag-row")).to_have_count(count)


def test_compare_shows_bands_and_progress(page: Page, database: Database) -> None:
    for seed, name in enumerate("abc"):
        write_study(database, name, 10, seed)
    page.goto("/compare?study=a&study=b&study=c")
    for kind in ("compare", "attainment", "progress"):
        page.locator(f"[id*={kind}] .js-plotly-plot .scatterlayer .trace").first.wait_for(state="attached")
    expect(page.get_by_text("a, b, c: 3 runs, median")).to_be_visible()
    expect(page.get_by_text("What several runs attain")).to_be_visible()

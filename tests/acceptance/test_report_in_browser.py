"""The report as a person sees it: a real browser, offline."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import pytest
from browser import needs_chromium, opening
from playwright.sync_api import FloatRect
from synthetic import synthetic_summary

from dashboards.report import write_report


@pytest.mark.slow
@needs_chromium
def test_the_report_opens_offline_and_fits_the_window(
    paretune: Callable[..., subprocess.CompletedProcess[str]], quick_spec: Path, tmp_path: Path
) -> None:
    paretune("launch", str(quick_spec), "--set", "compute.engine=inline", check=True)
    paretune("report", "quick", check=True)
    with opening() as window:
        page = window.page
        page.goto(f"file://{tmp_path}/report.html")
        page.wait_for_selector(".plotly-graph-div .main-svg")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        assert "training FLOPs (FLOP), solo" in page.inner_text(".plotly-graph-div >> nth=0")
        page.locator(".updatemenu-header").first.click()
        page.locator(".updatemenu-dropdown-button", has_text="device time").click()
        page.wait_for_function(
            "document.querySelector('.plotly-graph-div').innerText.includes('device time (s), solo')"
        )
        for index in range(page.locator(".plotly-graph-div").count()):
            figure = page.locator(".plotly-graph-div").nth(index)
            figure.scroll_into_view_if_needed()
            figure.locator(".main-svg").first.wait_for(state="attached")
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert (window.faults, window.fetched_elsewhere("file:", "blob:", "data:")) == ([], [])


@needs_chromium
@pytest.mark.parametrize("width", [400, 720, 1300])
def test_menus_do_not_hide_each_other_and_wide_figures_scroll(width: int, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(synthetic_summary(20), path)
    with opening(width) as window:
        page = window.page
        page.goto(f"file://{path}")
        num_menus = []
        for name in ("tradeoff", "curves", "optimizers", "hypervolume"):
            figure = page.locator(f"#{name} ~ .scroll .plotly-graph-div").first
            figure.scroll_into_view_if_needed()
            figure.locator(".updatemenu-header").first.wait_for()
            boxes = [box for menu in figure.locator(".updatemenu-header").all() if (box := menu.bounding_box())]
            assert not any(overlap(*pair) for pair in combinations(boxes, 2))
            assert all(box["x"] + box["width"] <= width for box in boxes)
            num_menus.append(len(boxes))
        assert num_menus == [3, 2, 2, 2]
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        wide = page.locator("#parallel ~ .scroll").first
        assert wide.evaluate("own => own.scrollWidth > own.clientWidth") == (width < 1000)


def overlap(one: FloatRect, other: FloatRect) -> bool:
    return all(
        max(one[start], other[start]) < min(one[start] + one[size], other[start] + other[size])
        for start, size in (("x", "width"), ("y", "height"))
    )


@needs_chromium
def test_the_pointer_is_told_a_cost_with_its_unit(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(synthetic_summary(20), path)
    with opening() as window:
        page = window.page
        page.goto(f"file://{path}")
        page.wait_for_selector(".plotly-graph-div .main-svg")
        ask = """(trace) => {
            const figure = document.querySelector(".plotly-graph-div");
            Plotly.Fx.hover(figure, [{curveNumber: trace, pointNumber: 0}]);
            return [...figure.querySelectorAll(".hoverlayer .hovertext tspan")].at(-1).textContent;
        }"""
        assert re.fullmatch(r"[\d.]+m?s", page.evaluate(ask, 1))
        page.locator(".updatemenu-header").first.click()
        page.locator(".updatemenu-dropdown-button", has_text="training FLOPs").click()
        page.wait_for_function(
            "document.querySelector('.plotly-graph-div').innerText.includes('training FLOPs (FLOP), solo')"
        )
        assert re.fullmatch(r"[\d.]+[MGTP]FLOP", page.evaluate(ask, 0).split(", ")[-1])

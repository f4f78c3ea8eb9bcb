"""The report as a person sees it: a real browser, offline."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from browser import needs_chromium, opening
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
def test_in_a_narrow_window_menus_do_not_hide_each_other_and_wide_figures_scroll(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    write_report(synthetic_summary(20), path)
    with opening(400) as window:
        page = window.page
        page.goto(f"file://{path}")
        figure = page.locator("#tradeoff ~ .scroll .plotly-graph-div").first
        figure.scroll_into_view_if_needed()
        figure.locator(".updatemenu-header").first.wait_for()
        boxes = [menu.bounding_box() for menu in figure.locator(".updatemenu-header").all()]
        tops = [(box["y"], box["y"] + box["height"]) for box in boxes if box]
        assert len(tops) == 3
        assert all(end <= start for (_, end), (start, _) in pairwise(tops))
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        wide = page.locator("#parallel ~ .scroll").first
        assert wide.evaluate("own => own.scrollWidth > own.clientWidth")

"""Figures as files: pages that open offline, images, and their data."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from browser import needs_chromium, opening
from synthetic import summary_of, synthetic_summary

from dashboards.exports import NoImages, as_still, write_figure
from dashboards.figures import FIGURES
from dashboards.figures.compare import draw_compare, trace_compare
from dashboards.figures.spending import draw_spending, trace_spending
from dashboards.figures.tradeoff import draw_tradeoff, trace_tradeoff
from dashboards.palette import LAYOUT
from dashboards.summary import Summary


def test_the_data_is_written_as_it_is(summary: Summary, tmp_path: Path) -> None:
    figure = FIGURES["spending"]
    write_figure(figure, figure.trace([summary]), tmp_path / "spending.json")
    read = json.loads((tmp_path / "spending.json").read_text())
    assert read["lines"]["setup"] == 6.0
    assert read["divisions"][0]["parts"][1] == {
        "label": "failed",
        "num_trials": 1,
        "lines": {"training": 0.1, "setup": 1.0},
    }


@needs_chromium
def test_a_page_of_each_figure_opens_offline_and_draws_it(tmp_path: Path) -> None:
    hostile = synthetic_summary(20)
    hostile = replace(hostile, study=replace(hostile.study, name="</title><script>alert(1)</script>"))
    with opening() as window:
        for kind, figure in FIGURES.items():
            path = tmp_path / f"{kind}.html"
            write_figure(figure, figure.trace([hostile]), path)
            window.page.goto(f"file://{path}")
            window.page.locator(".plotly-graph-div .main-svg").first.wait_for(state="attached")
            assert window.page.title().endswith(figure.title)
            assert path.stat().st_size < 3e6
    assert (window.faults, window.fetched_elsewhere("file:", "blob:", "data:")) == ([], [])


def test_an_image_has_a_heading_and_no_menus(summary: Summary) -> None:
    menus, bars = draw_tradeoff(trace_tradeoff(summary)), draw_spending(trace_spending(summary))
    height = bars.layout.height
    assert as_still(menus, "study: heading").layout.updatemenus == ()
    assert (menus.layout.title.text, menus.layout.height) == ("<b>study: heading</b>", LAYOUT["height"])
    assert as_still(bars, "x").layout.height > height
    warned = draw_compare(trace_compare([summary, summary_of(name="empty")]))
    assert "left out" in as_still(warned, "x").layout.title.text


@needs_chromium
@pytest.mark.parametrize("ending", ["png", "svg"])
def test_images_are_drawn(ending: str, summary: Summary, tmp_path: Path) -> None:
    pytest.importorskip("kaleido")
    figure = FIGURES["tradeoff"]
    path = tmp_path / f"tradeoff.{ending}"
    write_figure(figure, figure.trace([summary]), path)
    assert path.read_bytes().startswith(b"\x89PNG" if ending == "png" else b"<svg")


def test_without_kaleido_an_image_says_what_is_missing(
    summary: Summary, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("plotly.io._kaleido.kaleido_available", lambda: False)
    figure = FIGURES["tradeoff"]
    with pytest.raises(NoImages, match=r"^tradeoff.png: an image needs kaleido .*\.html and \.json need neither"):
        write_figure(figure, figure.trace([summary]), tmp_path / "tradeoff.png")
    assert list(tmp_path.iterdir()) == []

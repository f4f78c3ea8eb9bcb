"""Figures as plain pictures."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import pytest

from dashboards.pages.sketch import Axis, sketch

SVG = "{http://www.w3.org/2000/svg}"
LAYOUT: dict[str, Any] = {
    "height": 520,
    "xaxis": {"type": "log", "title": {"text": "time <s>"}},
    "yaxis": {"range": [0.0, 100.0], "title": {"text": "accuracy & more"}},
}


def paths(figure: dict[str, Any]) -> list[str]:
    picture = ElementTree.fromstring(sketch(figure))
    return [path.get("d", "") for path in picture.iter(f"{SVG}path")][1:]  # the first is the grid


def scatter(**more: Any) -> dict[str, Any]:
    return {"type": "scatter", "mode": "markers", "x": [1.0, 10.0, 100.0], "y": [0.0, 50.0, 100.0], **more}


def test_points_lie_where_they_belong() -> None:
    [dots] = paths({"layout": LAYOUT, "data": [scatter()]})
    places = [tuple(map(float, dot[:-2].split())) for dot in dots.split("M")[1:]]
    (left, bottom), middle, (right, top) = places
    assert middle == (pytest.approx((left + right) / 2, abs=0.1), pytest.approx((top + bottom) / 2, abs=0.1))
    assert (bottom, top) == (460.0, 20.0)
    assert 70 < left < right < 806


def test_what_has_no_place_is_left_out() -> None:
    trace = scatter(x=[0.0, None, 10.0, 20.0], y=[1.0, 2.0, None, 4.0])
    [dots] = paths({"layout": LAYOUT, "data": [trace]})
    assert dots.count("M") == 1
    assert paths({"layout": LAYOUT, "data": [scatter(x=[], y=[])]}) == []


def test_lines_are_steps_and_bars_have_their_length() -> None:
    bars = {"array": [0.0, 10.0, 0.0], "arrayminus": [0.0, 20.0, 0.0]}
    line = {"shape": "hv", "color": "#123456", "width": 2}
    lengths, steps, _ = paths({"layout": LAYOUT, "data": [scatter(mode="lines+markers", line=line, error_y=bars)]})
    low, high = lengths.split("M")[2].split()[1].split("V")
    assert (float(low), float(high)) == (pytest.approx(460 - 4.4 * 30), pytest.approx(460 - 4.4 * 60))
    assert (steps.count("H"), steps.count("V")) == (2, 2)


def test_each_place_of_a_density_is_drawn_once_and_the_stronger_the_more_it_counts() -> None:
    z = [[None, 0.1, 8.0], [8.0, None, None]]
    trace = {"type": "heatmap", "x": [1.0, 2.0, 4.0, 8.0], "y": [0.0, 10.0, 20.0], "z": z}
    picture = ElementTree.fromstring(sketch({"layout": LAYOUT, "data": [trace]}))
    weak, strong = [path for path in picture.iter(f"{SVG}path") if path.get("fill-opacity")]
    assert (weak.get("d", "").count("z"), strong.get("d", "").count("z")) == (1, 2)
    assert float(weak.get("fill-opacity", "")) < float(strong.get("fill-opacity", "")) == 1.0


def test_places_of_one_shade_side_by_side_are_one_piece() -> None:
    z = [[8.0, 8.0, None, 8.0], [8.0, 0.1, 0.1, 0.1]]
    trace = {"type": "heatmap", "x": [1.0, 2.0, 4.0, 8.0, 16.0], "y": [0.0, 10.0, 20.0], "z": z}
    picture = ElementTree.fromstring(sketch({"layout": LAYOUT, "data": [trace]}))
    weak, strong = [path.get("d", "") for path in picture.iter(f"{SVG}path") if path.get("fill-opacity")]
    pieces = [re.findall(r"M(\S+) \S+h(\S+?)v", told) for told in (weak, strong)]
    [[(start, wide)], [first, *rest]] = pieces
    place = float(first[1]) / 2
    assert float(wide) == pytest.approx(3 * place, abs=0.2)
    assert float(start) == pytest.approx(float(first[0]) + place, abs=0.2)
    assert [float(width) for _, width in rest] == pytest.approx([place, place], abs=0.2)


def test_titles_and_colours_are_text() -> None:
    trace = scatter(marker={"color": '"><script>', "symbol": "star", "size": 9})
    text = sketch({"layout": LAYOUT, "data": [trace]})
    assert "<script>" not in text
    assert "time &lt;s&gt;" in text
    assert "accuracy &amp; more" in text


@pytest.mark.parametrize(
    ("low", "high", "is_log", "words"),
    [
        (0.0, 100.0, False, ["0", "20", "40", "60", "80", "100"]),
        (62.0, 100.5, False, ["70", "80", "90", "100"]),
        (0.5, 0.5004, False, ["500m", "500.1m", "500.2m", "500.3m", "500.4m"]),
        (-1.0, 1.0, True, ["100m", "200m", "500m", "1", "2", "5", "10"]),
        (6.0, 12.0, True, ["1M", "10M", "100M", "1G", "10G", "100G", "1T"]),
    ],
)
def test_ticks_are_round_and_few(low: float, high: float, is_log: bool, words: list[str]) -> None:
    ticks = list(Axis(low, high, 0.0, 100.0, is_log).ticks())
    assert [told for _, told in ticks] == words
    assert all(0.0 <= at <= 100.0 for at, _ in ticks)

"""A figure as a plain picture: what a page shows until its scripts, which take a second or two, draw it themselves."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from operator import itemgetter
from typing import Any

from dashboards.pages.drawing import find_height
from dashboards.palette import GREY

MARGIN_LEFT, MARGIN_RIGHT, MARGIN_TOP, MARGIN_BOTTOM = 70, 20, 20, 60
ROOM = 0.03
"""Of the range of x, left free on both sides."""

LEVELS = 8
"""Shades of a density."""

CORNERS = {
    "diamond": [(0.0, -0.65), (0.65, 0.0), (0.0, 0.65), (-0.65, 0.0)],
    "square": [(-0.45, -0.45), (0.45, -0.45), (0.45, 0.45), (-0.45, 0.45)],
    "star": [
        (radius * math.sin(math.pi * corner / 5), -radius * math.cos(math.pi * corner / 5))
        for corner, radius in enumerate([0.7, 0.27] * 5)
    ],
}
"""Of markers that are no circles, in parts of their size."""

PREFIXES = {-3: "n", -2: "\N{MICRO SIGN}", -1: "m", 0: "", 1: "k", 2: "M", 3: "G", 4: "T", 5: "P"}


@dataclass(frozen=True)
class Axis:
    """An axis from data to pixels.

    Attributes:
        low: Where it begins, as its logarithm where it is logarithmic.
        high: Where it ends.
        start: Pixel of `low`.
        end: Pixel of `high`.
        is_log: Whether it is logarithmic.
    """

    low: float
    high: float
    start: float
    end: float
    is_log: bool

    def place(self, value: float) -> float | None:
        """Returns the pixel of a value, None where it has none."""
        if self.is_log and value <= 0:
            return None
        at = math.log10(value) if self.is_log else value
        return round(self.start + (at - self.low) / (self.high - self.low) * (self.end - self.start), 1)

    def ticks(self) -> Iterator[tuple[float, str]]:
        """Yields the pixels of the ticks, and what they are labelled with."""
        values = _decades(self.low, self.high) if self.is_log else _steps(self.low, self.high)
        for value in values:
            at = self.place(value)
            if at is not None:
                yield at, tick_words(value)


def sketch(figure: Mapping[str, Any], width: int = 826) -> str:
    """Returns a figure of scatter and heatmap traces as SVG, without menus, legend or what is told under the pointer.

    Args:
        figure: Plotly's, as plain values.
        width: Of the picture in pixels.
    """
    layout = figure["layout"]
    height = find_height(figure)
    x, y = _axes(figure, width, height)
    parts = [*_frame_parts(layout, x, y), '<g clip-path="url(#plot)">']
    for trace in figure["data"]:
        parts += _density(trace, x, y) if trace["type"] == "heatmap" else _scatter(trace, x, y)
    box = f'x="{x.start}" y="{y.end}" width="{x.end - x.start}" height="{y.start - y.end}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(_title(layout, "yaxis"))} by {escape(_title(layout, "xaxis"))}">'
        f'<clipPath id="plot"><rect {box}/></clipPath>{"".join(parts)}</g></svg>'
    )


def tick_words(value: float) -> str:
    """Returns a number with the prefix of its thousands.

    >>> tick_words(0.0), tick_words(0.02), tick_words(95.0), tick_words(3e10), tick_words(2e-7)
    ('0', '20m', '95', '30G', '200n')
    """
    power = 0 if value == 0 else math.floor(math.log10(abs(value)) / 3 + 1e-9)
    if power not in PREFIXES:
        return f"{value:g}"
    return f"{value / 1000.0**power:g}{PREFIXES[power]}"


def _axes(figure: Mapping[str, Any], width: int, height: int) -> tuple[Axis, Axis]:
    layout = figure["layout"]
    is_log = layout.get("xaxis", {}).get("type") == "log"
    xs = [float(value) for trace in figure["data"] for value in trace["x"] or [] if value is not None]
    known = [math.log10(value) if is_log else value for value in xs if value > 0 or not is_log]
    low, high = (min(known), max(known)) if known else (0.0, 1.0)
    room = ROOM * (high - low) or 0.5
    bottom, top = layout.get("yaxis", {}).get("range") or (0.0, 100.0)
    x = Axis(low - room, high + room, MARGIN_LEFT, width - MARGIN_RIGHT, is_log)
    return x, Axis(bottom, top, height - MARGIN_BOTTOM, MARGIN_TOP, is_log=False)


def _decades(low: float, high: float) -> Iterator[float]:
    """Yields what a logarithmic axis is labelled with, between these powers of ten: few enough to be read."""
    few = [1, 2, 5] if high - low < 3 else [1]  # noqa: PLR2004  decades
    for power in range(math.floor(low), math.ceil(high) + 1):
        for step in few:
            if low <= power + math.log10(step) <= high:
                yield step * 10.0**power


def _steps(low: float, high: float) -> Iterator[float]:
    """Yields what a linear axis is labelled with: about six round numbers."""
    rough = (high - low) / 6
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(step * size for step in (1, 2, 5, 10) if step * size >= rough)
    for number in range(math.ceil(low / step - 1e-6), math.floor(high / step + 1e-6) + 1):
        yield round(number * step, 12)


def _frame_parts(layout: Mapping[str, Any], x: Axis, y: Axis) -> Iterator[str]:
    ticks_x, ticks_y = list(x.ticks()), list(y.ticks())
    grid = [f"M{at} {y.start}V{y.end}" for at, _ in ticks_x] + [f"M{x.start} {at}H{x.end}" for at, _ in ticks_y]
    yield f'<path d="{"".join(grid)}" stroke="currentColor" stroke-opacity=".1"/>'
    yield '<g fill="currentColor" font-size="14" text-anchor="middle">'
    yield from (f'<text x="{at}" y="{y.start + 20}">{words}</text>' for at, words in ticks_x)
    yield f'<text x="{(x.start + x.end) / 2}" y="{y.start + 46}">{escape(_title(layout, "xaxis"))}</text>'
    middle = (y.start + y.end) / 2
    yield f'<text transform="translate(20 {middle}) rotate(-90)">{escape(_title(layout, "yaxis"))}</text>'
    yield "</g>"
    yield '<g fill="currentColor" font-size="14" text-anchor="end">'
    yield from (f'<text x="{x.start - 8}" y="{at + 5}">{words}</text>' for at, words in ticks_y)
    yield "</g>"


def _title(layout: Mapping[str, Any], axis: str) -> str:
    return str(layout.get(axis, {}).get("title", {}).get("text", ""))


def _density(trace: Mapping[str, Any], x: Axis, y: Axis) -> Iterator[str]:
    """Yields the places of a heatmap: those of one shade together, and what lies side by side in one piece."""
    columns, rows = [x.place(end) for end in trace["x"]], [y.place(end) for end in trace["y"]]
    strongest = max((value for row in trace["z"] for value in row if value is not None), default=1.0) or 1.0
    shades: dict[int, list[str]] = {}
    for row, values in enumerate(trace["z"]):
        top, bottom = rows[row + 1], rows[row]
        shaded = [None if value is None else math.ceil(LEVELS * value / strongest) for value in values]
        ends = zip(shaded, columns, columns[1:], strict=False)
        for shade, pieces in itertools.groupby(ends, key=itemgetter(0)):
            [(_, left, right), *more] = pieces
            right = more[-1][2] if more else right
            if shade is None or left is None or right is None or top is None or bottom is None:
                continue
            wide, high = right - left, bottom - top
            shades.setdefault(shade, []).append(f"M{left} {top}h{wide:.1f}v{high:.1f}h{-wide:.1f}z")
    for shade, places in sorted(shades.items()):
        opacity = 0.25 + 0.75 * shade / LEVELS
        yield f'<path d="{"".join(places)}" fill="{GREY}" fill-opacity="{opacity:.2f}"/>'


def _scatter(trace: Mapping[str, Any], x: Axis, y: Axis) -> Iterator[str]:
    """Yields error bars, line and markers."""
    known = [
        (at, height, index)
        for index, (cost, accuracy) in enumerate(zip(trace["x"] or [], trace["y"] or [], strict=False))
        if cost is not None
        and accuracy is not None
        and (at := x.place(cost)) is not None
        and (height := y.place(accuracy)) is not None
    ]
    if not known:
        return
    yield from _bars(trace, known, y.place)
    if "lines" in trace.get("mode", ""):
        steps = "".join(f"H{at}V{height}" for at, height, _ in known[1:])
        line = trace.get("line", {})
        yield f'<path d="M{known[0][0]} {known[0][1]}{steps}" fill="none" {_stroke(line)}/>'
    if "markers" in trace.get("mode", ""):
        yield from _markers(trace.get("marker", {}), [(at, height) for at, height, _ in known])


def _bars(
    trace: Mapping[str, Any], known: Iterable[tuple[float, float, int]], place: Callable[[float], float | None]
) -> Iterator[str]:
    bars = trace.get("error_y") or {}
    if "array" in bars:
        ends = [
            (at, place(trace["y"][index] - bars["arrayminus"][index]), place(trace["y"][index] + bars["array"][index]))
            for at, _, index in known
        ]
        lines = "".join(f"M{at} {low}V{high}" for at, low, high in ends)
        yield f'<path d="{lines}" {_stroke({"color": bars.get("color")})}/>'


def _markers(marker: Mapping[str, Any], places: Sequence[tuple[float, float]]) -> Iterator[str]:
    """Yields markers: circles as the round ends of lines without length, which takes the fewest letters."""
    size, color = float(marker.get("size", 6)), escape(str(marker.get("color", GREY)))
    opacity = f'opacity="{float(marker.get("opacity", 1.0)):g}"'
    edge = marker.get("line", {}).get("width")
    if marker.get("symbol", "circle") not in CORNERS:
        dots = "".join(f"M{at} {height}h0" for at, height in places)
        if edge:
            yield f'<path d="{dots}" {_stroke({"width": size + edge})} stroke-linecap="round"/>'
        inner = {"color": color, "width": size - (edge or 0)}
        yield f'<path d="{dots}" {_stroke(inner)} stroke-linecap="round" {opacity}/>'
        return
    corners = [(size * right, size * down) for right, down in CORNERS[str(marker["symbol"])]]
    shapes = "".join(
        "M" + "L".join(f"{at + right:.1f} {height + down:.1f}" for right, down in corners) + "Z"
        for at, height in places
    )
    yield f'<path d="{shapes}" fill="{color}" {opacity} {_stroke({"width": edge or 0})}/>'


def _stroke(line: Mapping[str, Any]) -> str:
    color = escape(str(line.get("color") or "currentColor"))
    return f'stroke="{color}" stroke-width="{float(line.get("width", 1)):g}"'

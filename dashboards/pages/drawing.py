"""A figure made fit for a page: its menus become the page's own, its colours those of a dark or a light page.

Menus that plotly draws cannot be used by keyboard, hide each other in a narrow window, and forget what was chosen as
soon as a study that runs has something new.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence, Set
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.areas import AXES, MOST_CORNERS, Area
from dashboards.bills import BILLED
from dashboards.brushing import Brush
from dashboards.crowd import Crowd
from dashboards.figures import FIGURES
from dashboards.figures.billed import draw_billed, trace_billed, trace_crowd_billed
from dashboards.figures.crowd import chosen_trace, draw_crowd, trace_crowd
from dashboards.figures.parts import choose_cost, empty_figure, prefixed_unit
from dashboards.palette import BLACK, LAYOUT, PALE
from dashboards.summary import Summary
from dashboards.words import cost_title

if TYPE_CHECKING:
    import plotly.graph_objects as go

DARK = "dark"
DARK_TEXT, DARK_PALE, DARK_GRID = "#D5D9DD", "#3F464D", "#343A40"
CLEAR = "rgba(0,0,0,0)"
EMPTY = {
    "layout": {
        "paper_bgcolor": CLEAR,
        "plot_bgcolor": CLEAR,
        "xaxis": {"visible": False},
        "yaxis": {"visible": False},
    }
}
"""What stands where a figure is being drawn."""

DIM = 90
"""Mean of red, green and blue, 0 to 255, below which a colour is lost on a dark page."""

MENU_HEIGHT = 40
"""Pixels above a figure that its menus would take."""


SCALES = {"x: logarithmic": True, "x: linear": False}
"""Whether an axis of costs is logarithmic, by the label."""

RANGES = {"y: the best": False, "y: everything": True}
"""Whether checkpoints far below the best are in sight, by the label."""


BILLS = ("solo cost", "billed")
"""What the trade-off is of: the labels of its last menu."""


class Drawn(NamedTuple):
    """A figure for a page.

    Attributes:
        figure: As plain values.
        menus: The labels of each of its menus.
        choices: What is chosen of each.
        least_width: Pixels below which it cannot be read.
    """

    figure: dict[str, Any]
    menus: list[list[str]]
    choices: list[str]
    least_width: int


def draw(
    kind: str,
    summaries: Sequence[Summary],
    choices: Sequence[str | None],
    scheme: str,
    brushed: Set[int] | None = None,
) -> Drawn:
    """Returns a figure of `FIGURES` with what is chosen of its menus; of a menu that lacks a choice the first.

    Args:
        kind: Its name.
        summaries: The studies that it is of.
        choices: A label for each menu, or fewer.
        scheme: dark or light.
        brushed: The trials that stand out; None for all.
    """
    own, labels = FIGURES[kind], list[str]()
    info = own.trace(summaries)
    if own.narrow is not None:
        labels, info = own.narrow(info, choices[0] if choices else None)
    figure = own.draw(info)
    menus = [[str(button.label) for button in menu.buttons] for menu in figure.layout.updatemenus]
    wanted = [*choices, *([None] * len(menus))]
    chosen = [choice if choice in labels else labels[0] for choice, labels in zip(wanted, menus, strict=False)]
    _choose(figure, chosen)
    if menus and labels:
        menus[0] = labels
    if kind == "tradeoff" and menus:
        menus, chosen = (
            [*menus, list(BILLS)],
            [*chosen, choices[3] if choices[3:] and choices[3] in BILLS else BILLS[0]],
        )
        if chosen[3] != BILLS[0]:
            figure = _draw_billed(summaries[0], figure, chosen)
    _stand_out(figure, brushed)
    figure.update_layout(uirevision=" ".join([kind, *chosen]))
    return Drawn(colour(figure, scheme), menus, chosen, (figure.layout.meta or {}).get("least_width", 0))


def _draw_billed(summary: Summary, solo: go.Figure, chosen: Sequence[str]) -> go.Figure:
    """Returns the trade-off by bill, or by solo cost with a word on why where nothing is billed in the cost."""
    cost = next((name for name in BILLED if cost_title(name) == chosen[0]), None)
    if cost is None:
        return _say_unbilled(solo)
    figure = draw_billed(trace_billed(summary, cost), is_log=SCALES[chosen[1]], sees_all=RANGES[chosen[2]])
    return figure.update_layout(margin_t=LAYOUT["margin"]["t"] - MENU_HEIGHT)


def _say_unbilled(solo: go.Figure) -> go.Figure:
    """Returns the trade-off by solo cost with a word on why it is not by bill."""
    why = "not billed: bills are in device time and money"
    return solo.update_xaxes(title_text=f"{solo.layout.xaxis.title.text} ({why})")


def _stand_out(figure: go.Figure, brushed: Set[int] | None) -> None:
    """Lets the points of some trials stand out, as plotly does with what is chosen by hand."""
    if brushed is None:
        return
    for trace in figure.data:
        if trace.type == "scatter" and trace.customdata is not None:
            trace.selectedpoints = [index for index, number in enumerate(trace.customdata) if int(number) in brushed]


def draw_large(crowd: Crowd, choices: Sequence[str | None], scheme: str, brush: Brush | None = None) -> Drawn:
    """Returns the trade-off of a large study, with the menus that that of any study has.

    Args:
        crowd: Its checkpoints.
        choices: A label for each menu, or fewer; without any it shows what an area was drawn over.
        scheme: dark or light.
        brush: What was drawn over it, or the trials that stand out; None for nothing.
    """
    costs, area = crowd.costs(), None if brush is None else brush.area
    choices = choices or ([] if area is None else _choose_for(area))
    cost = choose_cost(costs, choices)
    if cost is None:
        return Drawn(colour(empty_figure("no epoch was recorded yet"), scheme), [], [], 0)
    menus = [[cost_title(one) for one in costs], list(SCALES), list(RANGES), list(BILLS)]
    chosen = [cost_title(cost), *(next((one for one in choices if one in menu), menu[0]) for menu in menus[1:])]
    is_log, sees_all = SCALES[str(chosen[1])], RANGES[str(chosen[2])]
    is_billed = chosen[3] != BILLS[0] and cost in BILLED
    if is_billed:
        billed = trace_crowd_billed(crowd, cost, is_log=is_log, sees_all=sees_all)
        figure = draw_billed(billed, is_log=is_log, sees_all=sees_all)
    else:
        info = trace_crowd(crowd, cost, is_log=is_log, sees_all=sees_all)
        figure = draw_crowd(info, is_log=is_log, sees_all=sees_all)
        figure = figure if chosen[3] == BILLS[0] else _say_unbilled(figure)
    figure.update_layout(
        uirevision=" ".join(["tradeoff", *map(str, chosen)]), margin_t=LAYOUT["margin"]["t"] - MENU_HEIGHT
    )
    if brush is not None and area is None:
        points, unit = crowd.points(cost, is_billed=is_billed), prefixed_unit(cost, crowd.currency)
        figure.add_trace(chosen_trace(points, brush.find(crowd), unit, is_log=is_log))
    _prepare_areas(figure, next(axis for axis, shown in AXES.items() if shown == (cost, is_billed)), area)
    return Drawn(colour(figure, scheme), menus, [str(label) for label in chosen], 0)


def _choose_for(area: Area) -> list[str]:
    """Returns the labels of what an area was drawn over."""
    cost, is_billed = AXES[area.axis]
    is_log = area.is_box or area.is_log
    return [cost_title(cost), next(label for label, value in SCALES.items() if value == is_log), BILLS[is_billed]]


def _prepare_areas(figure: go.Figure, axis: str, area: Area | None) -> None:
    """Tells the browser over what an area is drawn, and shows the one that was drawn over the same."""
    figure.update_layout(meta={"axis": axis, "scale": figure.layout.xaxis.type, "most": MOST_CORNERS})
    if area is None or area.axis != axis:
        return
    xs, ys = zip(*area.corners, strict=True)
    if area.is_box:
        figure.update_layout(selections=[{"type": "rect", "x0": xs[0], "x1": xs[1], "y0": ys[0], "y1": ys[1]}])
    elif area.is_log == (figure.layout.xaxis.type == "log"):
        path = "L".join(f"{x:.6g},{y:.6g}" for x, y in area.corners)
        figure.update_layout(selections=[{"type": "path", "path": f"M{path}Z"}])


def find_height(figure: Mapping[str, Any]) -> int:
    """Returns the pixels of a figure, which plotly draws 450 high where it says nothing."""
    return int(figure["layout"].get("height", 450))


def colour(figure: go.Figure, scheme: str) -> dict[str, Any]:
    """Returns a figure as plain values, in the colours of a dark or a light page."""
    figure.update_layout(paper_bgcolor=CLEAR, plot_bgcolor=CLEAR, modebar_bgcolor=CLEAR)
    if scheme != DARK:
        return dict(json.loads(figure.to_json()))
    figure.update_layout(template="plotly_dark", font_color=DARK_TEXT)
    figure.update_xaxes(gridcolor=DARK_GRID)
    for axis in figure.select_xaxes():
        if axis.minor.showgrid:  # else plotly would lay out a finer grid than a browser can hold
            axis.minor.gridcolor = DARK_GRID
    figure.update_yaxes(gridcolor=DARK_GRID)
    text = figure.to_json().replace(f'"{BLACK}"', f'"{DARK_TEXT}"').replace(f'"{PALE}"', f'"{DARK_PALE}"')
    return dict(json.loads(re.sub(r'"rgb\((\d+), (\d+), (\d+)\)"', _brighten, text)))


def _choose(figure: go.Figure, chosen: Sequence[str]) -> None:
    """Does what plotly would do on a click at these labels, and takes the menus and what is not to be seen away."""
    for menu, label in zip(figure.layout.updatemenus, chosen, strict=True):
        button = next(button for button in menu.buttons if button.label == label)
        if button.method == "relayout":
            figure.plotly_relayout(dict(button.args[0]))
        elif button.method == "restyle":
            figure.plotly_restyle(*button.args)
        else:
            figure.plotly_update(*button.args)
    if chosen:
        figure.layout.updatemenus = ()
        figure.update_layout(margin_t=figure.layout.margin.t - MENU_HEIGHT)
    figure.data = [trace for trace in figure.data if trace.visible is not False]


def _brighten(match: re.Match[str]) -> str:
    parts = [int(part) for part in match.groups()]
    if sum(parts) / 3 >= DIM:
        return match[0]
    red, green, blue = (round(part + 0.45 * (255 - part)) for part in parts)
    return f'"rgb({red}, {green}, {blue})"'

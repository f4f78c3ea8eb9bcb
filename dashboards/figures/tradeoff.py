"""Accuracy against any recorded cost: trials, checkpoints, front, knee, baseline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.palette import BLACK, BLUE, GREY, LAYOUT, ORANGE, RED
from dashboards.summary import Checkpoint, Summary
from dashboards.words import accuracy_words, cost_words, params_words
from objectives.costs import COSTS
from objectives.front import front, knee

if TYPE_CHECKING:
    import plotly.graph_objects as go

POINTS_BELOW_BEST = 0.35
"""How far below the best accuracy the figure reaches when it opens; trials further down come into sight by a click."""


class Tradeoff(NamedTuple):
    """One cost's trade-off.

    Attributes:
        cost: Its name in `COSTS`.
        checkpoints: Every candidate with that cost.
        finals: The last one of each trial.
        front: Those that nothing beats in accuracy and this cost, the cheapest first.
        knee: The point of this front after which accuracy gets expensive.
        baseline: The baseline's last checkpoint.
    """

    cost: str
    checkpoints: list[Checkpoint]
    finals: list[Checkpoint]
    front: list[Checkpoint]
    knee: Checkpoint | None
    baseline: Checkpoint | None


class TradeoffInfo(NamedTuple):
    """What the figure shows: one trade-off for each cost that was recorded, the sweep's own objectives first."""

    study: str
    tradeoffs: list[Tradeoff]


def trace_tradeoff(summary: Summary) -> TradeoffInfo:
    """Returns what the trade-off figure shows."""
    names = [*summary.minimize, *(name for name in COSTS if name not in summary.minimize)]
    traced = [_trace_cost(summary, name) for name in names]
    return TradeoffInfo(summary.study.name, [tradeoff for tradeoff in traced if tradeoff.checkpoints])


def draw_tradeoff(info: TradeoffInfo) -> go.Figure:
    """Draws the trade-off, with a choice of the cost and of the axis."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=LAYOUT)
    starts: list[int] = []
    for index, tradeoff in enumerate(info.tradeoffs):
        starts.append(len(figure.data))
        figure.add_traces([trace.update(visible=index == 0) for trace in _traces(tradeoff)])
    if not info.tradeoffs:
        return figure.update_layout(title="no epoch was recorded yet")
    ends = [*starts[1:], len(figure.data)]
    choices = [
        {
            "label": COSTS[tradeoff.cost].title,
            "method": "update",
            "args": [
                {"visible": [start <= number < end for number in range(len(figure.data))]},
                {"xaxis.title.text": axis_title(tradeoff.cost), "xaxis.autorange": True},
            ],
        }
        for tradeoff, start, end in zip(info.tradeoffs, starts, ends, strict=True)
    ]
    best = max(point.accuracy for point in info.tradeoffs[0].finals)
    figure.update_xaxes(title=axis_title(info.tradeoffs[0].cost), type="log", exponentformat="SI", minor_showgrid=True)
    figure.update_yaxes(title="validation accuracy (%)", range=[max(0, 100 * (best - POINTS_BELOW_BEST)), 100.5])
    return figure.update_layout(
        legend={"orientation": "h", "y": -0.16, "x": 0},
        updatemenus=[
            _menu(0, choices),
            _menu(0.24, [_axis("x: logarithmic", "xaxis", "log"), _axis("x: linear", "xaxis", "linear")]),
            _menu(0.45, [_range("y: the best", best - POINTS_BELOW_BEST), _range("y: everything", 0.0)]),
        ],
    )


def axis_title(cost: str) -> str:
    """Returns a cost's axis title, with its unit."""
    return f"{COSTS[cost].title} ({COSTS[cost].unit}), solo"


def _trace_cost(summary: Summary, cost: str) -> Tradeoff:
    points = [point for curve in summary.curves.values() for point in curve if _known(point, cost)]
    losses = [(-point.accuracy, point.value(cost) or 0.0) for point in points]
    on_front = sorted((points[index] for index in front(losses)), key=lambda point: point.value(cost) or 0.0)
    at = knee([point.accuracy for point in on_front], [point.value(cost) or 0.0 for point in on_front])
    baseline = summary.baseline if summary.baseline and _known(summary.baseline, cost) else None
    finals = [point for point in points if point.is_last]
    return Tradeoff(cost, points, finals, on_front, None if at is None else on_front[at], baseline)


def _known(point: Checkpoint, cost: str) -> bool:
    return cost in point.costs and point.value(cost) is not None


def _traces(tradeoff: Tradeoff) -> Iterable[Any]:
    import plotly.graph_objects as go

    cost = tradeoff.cost
    earlier = [point for point in tradeoff.checkpoints if not point.is_last]
    marks: list[tuple[str, Sequence[Checkpoint], dict[str, Any], bool]] = [
        ("earlier epochs", earlier, {"size": 4, "color": GREY, "opacity": 0.5}, False),
        ("trials", tradeoff.finals, {"size": 9, "color": GREY, "line": {"width": 1, "color": BLACK}}, True),
        ("front (95 % intervals)", tradeoff.front, {"size": 9, "color": BLUE}, True),
        ("knee", [tradeoff.knee] if tradeoff.knee else [], {"size": 18, "color": RED, "symbol": "star"}, False),
        (
            "baseline",
            [tradeoff.baseline] if tradeoff.baseline else [],
            {"size": 13, "color": ORANGE, "symbol": "diamond", "line": {"width": 1, "color": BLACK}},
            True,
        ),
    ]
    for name, points, marker, has_bars in marks:
        is_front = name.startswith("front")
        yield go.Scatter(
            name=name,
            x=[point.value(cost) for point in points],
            y=[100 * point.accuracy for point in points],
            error_y=_bars(points, marker["color"]) if has_bars else None,
            mode="lines+markers" if is_front else "markers",
            line={"shape": "hv", "color": BLUE, "width": 2} if is_front else None,
            marker=marker,
            text=[_hover(point, cost) for point in points],
            hoverinfo="text",
        )


def _bars(points: Sequence[Checkpoint], color: str) -> dict[str, Any]:
    return {
        "type": "data",
        "array": [100 * (point.interval[1] - point.accuracy) for point in points],
        "arrayminus": [100 * (point.accuracy - point.interval[0]) for point in points],
        "thickness": 1,
        "width": 0,
        "color": color,
    }


def _hover(point: Checkpoint, cost: str) -> str:
    setting = params_words(point.params).replace(" ", "<br>")
    accuracy = accuracy_words(point.accuracy, point.interval)
    spent = cost_words(cost, point.value(cost))
    return f"<b>trial {point.trial}, epoch {point.epoch}</b><br>{accuracy}<br>{spent}<br>{setting}"


def _menu(x: float, buttons: list[dict[str, Any]]) -> dict[str, Any]:
    return {"buttons": buttons, "x": x, "xanchor": "left", "y": 1.13, "yanchor": "top", "showactive": True}


def _axis(label: str, axis: str, kind: str) -> dict[str, Any]:
    return {"label": label, "method": "relayout", "args": [{f"{axis}.type": kind, f"{axis}.autorange": True}]}


def _range(label: str, low: float) -> dict[str, Any]:
    return {"label": label, "method": "relayout", "args": [{"yaxis.range": [max(0.0, 100 * low), 100.5]}]}

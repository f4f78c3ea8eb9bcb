"""Accuracy against any recorded cost, or money: trials, checkpoints, front, knee, baseline."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.figures.parts import (
    ACCURACY,
    POINTS_BELOW_BEST,
    SHOWN_COST,
    accuracy_range,
    axis_title,
    choose_range,
    choose_scale,
    empty_figure,
    hover,
    known,
    menus,
    percent,
    prefixed_unit,
    price,
    short,
    thin,
)
from dashboards.palette import BLACK, BLUE, GREEN, GREY, LAYOUT, ORANGE, RED
from dashboards.remeasured import Remeasured
from dashboards.summary import Checkpoint, Summary, front_at, nouns
from dashboards.terminal import Marks, plot
from dashboards.words import accuracy_words, cost_title, cost_words
from objectives.costs import MINIMIZABLE
from objectives.front import knee

if TYPE_CHECKING:
    import plotly.graph_objects as go

MONEY = "money"

MOST_EARLIER = 4000
"""Checkpoints before the last that are shown; of more an even choice."""

MOST_BARS = 200
"""Trials that are shown with their intervals; the bars of more would hide each other."""


class Tradeoff(NamedTuple):
    """One cost's trade-off.

    Attributes:
        cost: Its name in `COSTS`, or `money`.
        front: The checkpoints that nothing beats in accuracy and this cost, the cheapest first.
        knee: The point of this front after which accuracy gets expensive.
    """

    cost: str
    front: list[Checkpoint]
    knee: Checkpoint | None


class TradeoffInfo(NamedTuple):
    """What the figure shows.

    Attributes:
        study: The study's name.
        tradeoffs: One for each cost that was recorded, the sweep's own objectives first, and money where it is known.
        finals: The last checkpoint of each trial.
        earlier: Checkpoints before the last, at most `MOST_EARLIER`.
        num_earlier: How many there are.
        baseline: The baseline's last checkpoint.
        currency: Of money.
        remeasured: What was trained again with new seeds.
    """

    study: str
    tradeoffs: list[Tradeoff]
    finals: list[Checkpoint]
    earlier: list[Checkpoint]
    num_earlier: int
    baseline: Checkpoint | None
    currency: str
    remeasured: list[Remeasured]


def trace_tradeoff(summary: Summary) -> TradeoffInfo:
    """Returns what the trade-off figure shows."""
    points = [point for curve in summary.curves.values() for point in curve]
    traced = [trace_cost(points, name) for name in dict.fromkeys([*summary.minimize, *MINIMIZABLE, MONEY])]
    earlier = [point for point in points if not point.is_last]
    return TradeoffInfo(
        summary.study.name,
        [tradeoff for tradeoff in traced if tradeoff.front],
        summary.finals,
        thin(earlier, MOST_EARLIER),
        len(earlier),
        summary.baseline,
        summary.book.currency,
        list(summary.remeasurement.points) if summary.remeasurement else [],
    )


def narrow_tradeoff(info: TradeoffInfo, label: str | None) -> tuple[list[str], TradeoffInfo]:
    """Returns the titles of all costs, and what the figure shows with one of them alone; the first where none is so.

    A figure holds what each choice of its menus would show: of one alone it is made in a fraction of the time.
    """
    titles = [cost_title(one.cost) for one in info.tradeoffs]
    at = titles.index(label) if label in titles else 0
    return titles, info._replace(tradeoffs=info.tradeoffs[at : at + 1])


def draw_tradeoff(info: TradeoffInfo) -> go.Figure:
    """Draws the trade-off, with a choice of the cost and of the axis."""
    import plotly.graph_objects as go

    if not info.tradeoffs:
        return empty_figure("no epoch was recorded yet")
    # The greater part, the grey points, is there once and gets other prices; front and knee are other points each time.
    shared = [*_grey_traces(info), baseline_trace(info.baseline)]
    own = [[*own_traces(one, info.currency), *remeasured_traces(info.remeasured, one.cost)] for one in info.tradeoffs]
    figure = go.Figure([*shared, *(trace for traces in own for trace in traces)], layout=LAYOUT)
    for number, trace in enumerate(figure.data[len(shared) :]):
        trace.visible = number < len(own[0])
    figure.update_xaxes(
        title=axis_title(info.tradeoffs[0].cost, info.currency), type="log", exponentformat="SI", minor_showgrid=True
    )
    best = max(point.accuracy for point in info.finals)
    figure.update_yaxes(title=ACCURACY, range=accuracy_range(best - POINTS_BELOW_BEST))
    for trace, xs in zip(figure.data, _prices(info, info.tradeoffs[0].cost), strict=False):
        trace.x = xs
    figure.update_traces(meta=prefixed_unit(info.tradeoffs[0].cost, info.currency))
    return figure.update_layout(
        updatemenus=menus(
            [_choose_cost(info, index, own) for index in range(len(info.tradeoffs))],
            [choose_scale("x: logarithmic", "log"), choose_scale("x: linear", "linear")],
            [choose_range("y: the best", best - POINTS_BELOW_BEST), choose_range("y: everything", 0.0)],
        ),
    )


def tell_tradeoff(info: TradeoffInfo, width: int) -> str:
    """Draws the first cost's trade-off in characters."""
    if not info.tradeoffs:
        return "no epoch was recorded yet"
    first = info.tradeoffs[0]
    groups = [
        ("·", nouns(info.finals), info.finals),
        ("●", "front", first.front),
        ("◆", "baseline", [info.baseline] if info.baseline else []),
        ("★", "knee", [first.knee] if first.knee else []),
    ]
    marks = [
        Marks(
            mark,
            name,
            [(point.value(first.cost) or 0.0, 100 * point.accuracy) for point in points if known(point, first.cost)],
        )
        for mark, name, points in groups
    ]
    least = 100 * (max(point.accuracy for point in first.front) - POINTS_BELOW_BEST)
    heading = f"{info.study}: {ACCURACY} over {axis_title(first.cost)}"
    return f"{heading}\n{plot(marks, width, lambda value: cost_words(first.cost, value), least)}"


def trace_cost(checkpoints: Sequence[Checkpoint], cost: str) -> Tradeoff:
    """Returns the front of checkpoints in accuracy and one cost, and its knee."""
    on_front = front_at(checkpoints, cost)
    at = knee([point.accuracy for point in on_front], [point.value(cost) or 0.0 for point in on_front])
    return Tradeoff(cost, on_front, None if at is None else on_front[at])


def _grey_traces(info: TradeoffInfo) -> list[Any]:
    import plotly.graph_objects as go

    is_crowded = len(info.finals) > MOST_BARS
    of = f", {len(info.earlier):,} of {info.num_earlier:,}" if len(info.earlier) < info.num_earlier else ""
    return [
        go.Scatter(
            name=f"earlier epochs{of}",
            y=[percent(point.accuracy) for point in info.earlier],
            mode="markers",
            marker={"size": 3 if is_crowded else 4, "color": GREY, "opacity": 0.3 if is_crowded else 0.5},
            text=[f"trial {point.numbers}, epoch {point.epoch}" for point in info.earlier],
            customdata=[point.trial for point in info.earlier],
            hovertemplate=f"%{{text}}<br>%{{y:.1f}} %, {SHOWN_COST}<extra></extra>",
        ),
        go.Scatter(
            name=f"{len(info.finals):,} {nouns(info.finals)}",
            y=[percent(point.accuracy) for point in info.finals],
            error_y=None if is_crowded else _bars(info.finals, GREY),
            mode="markers",
            marker={"size": 5, "color": GREY} if is_crowded else _edged(9, GREY),
            text=[hover(point) for point in info.finals],
            customdata=[point.trial for point in info.finals],
            hovertemplate=f"%{{text}}<br>{SHOWN_COST}<extra></extra>",
        ),
    ]


def baseline_trace(baseline: Checkpoint | None) -> Any:
    """Returns the trace of the baseline, whose costs come later."""
    import plotly.graph_objects as go

    points = [baseline] if baseline else []
    return go.Scatter(
        name="baseline",
        y=[percent(point.accuracy) for point in points],
        error_y=_bars(points, ORANGE),
        mode="markers",
        marker={**_edged(13, ORANGE), "symbol": "diamond"},
        text=[hover(point) for point in points],
        customdata=[point.trial for point in points],
        hovertemplate=f"%{{text}}<br>{SHOWN_COST}<extra></extra>",
        showlegend=bool(points),
    )


def own_traces(tradeoff: Tradeoff, currency: str) -> list[Any]:
    """Returns the traces of a front and its knee."""
    import plotly.graph_objects as go

    top = [tradeoff.knee] if tradeoff.knee else []
    marks: list[tuple[str, list[Checkpoint], dict[str, Any]]] = [
        ("front (95 % intervals)", tradeoff.front, {"size": 9, "color": BLUE}),
        ("knee", top, {"size": 18, "color": RED, "symbol": "star"}),
    ]
    return [
        go.Scatter(
            name=name,
            x=[price(point, tradeoff.cost) for point in points],
            y=[percent(point.accuracy) for point in points],
            error_y=_bars(points, BLUE) if name != "knee" else None,
            mode="lines+markers" if name != "knee" else "markers",
            line={"shape": "hv", "color": BLUE, "width": 2},
            marker=marker,
            text=[hover(point, tradeoff.cost, currency=currency) for point in points],
            customdata=[point.trial for point in points],
            hoverinfo="text",
            showlegend=bool(points),
        )
        for name, points, marker in marks
    ]


def remeasured_traces(points: Sequence[Remeasured], cost: str) -> list[Any]:
    """Returns what was trained again, with the intervals of both means; no trace where nothing was."""
    import plotly.graph_objects as go

    if not points:
        return []
    priced = [point for point in points if cost in point.costs]
    costs = [point.costs[cost] for point in priced]
    accuracies = [point.accuracy for point in priced]
    look = {"type": "data", "thickness": 1.5, "width": 3, "color": GREEN}
    return [
        go.Scatter(
            name="trained again (means, 95 %)",
            x=[short(estimate.mean) for estimate in costs],
            y=[percent(estimate.mean) for estimate in accuracies],
            error_x={
                **look,
                "array": [short(estimate.interval[1] - estimate.mean) for estimate in costs],
                "arrayminus": [short(estimate.mean - estimate.interval[0]) for estimate in costs],
            },
            error_y={
                **look,
                "array": [percent(estimate.interval[1] - estimate.mean) for estimate in accuracies],
                "arrayminus": [percent(estimate.mean - estimate.interval[0]) for estimate in accuracies],
            },
            mode="markers",
            marker={**_edged(9, GREEN), "symbol": "square"},
            text=[_hover_again(point, cost) for point in priced],
            hoverinfo="text",
            showlegend=bool(priced),
        )
    ]


def _hover_again(point: Remeasured, cost: str) -> str:
    again = accuracy_words(point.accuracy.mean, point.accuracy.interval)
    means = f"again with {len(point.seeds)} seeds: {again}, {cost_words(cost, point.costs[cost].mean)}"
    return f"{hover(point.seen, cost)}<br>{means}"


def _prices(info: TradeoffInfo, cost: str) -> list[list[float | None]]:
    """Returns the x of the traces that all costs share."""
    groups = [info.earlier, info.finals, [info.baseline] if info.baseline else []]
    return [[price(point, cost) for point in points] for points in groups]


def _choose_cost(info: TradeoffInfo, index: int, own: Sequence[Sequence[Any]]) -> dict[str, Any]:
    cost = info.tradeoffs[index].cost
    shared = _prices(info, cost)
    visible = [True] * len(shared) + [number == index for number, traces in enumerate(own) for _ in traces]
    xs = [*shared, *(list(trace.x) for traces in own for trace in traces)]
    return {
        "label": cost_title(cost),
        "method": "update",
        "args": [
            {"visible": visible, "x": xs, "meta": prefixed_unit(cost, info.currency)},
            {"xaxis.title.text": axis_title(cost, info.currency), "xaxis.autorange": True},
        ],
    }


def _edged(size: int, color: str) -> dict[str, Any]:
    return {"size": size, "color": color, "line": {"width": 1, "color": BLACK}}


def _bars(points: Sequence[Checkpoint], color: str) -> dict[str, Any]:
    return {
        "type": "data",
        "array": [percent(point.interval[1] - point.accuracy) for point in points],
        "arrayminus": [percent(point.accuracy - point.interval[0]) for point in points],
        "thickness": 1,
        "width": 0,
        "color": color,
    }

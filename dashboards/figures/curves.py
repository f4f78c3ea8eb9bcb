"""Learning curves: validation accuracy over what had been spent by then."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from dashboards.figures.tradeoff import POINTS_BELOW_BEST, axis_title
from dashboards.palette import CYCLE, GREY, LAYOUT, ORANGE
from dashboards.summary import Checkpoint, Summary
from dashboards.words import accuracy_words, cost_words, params_words

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Curve(NamedTuple):
    """One trial's accuracy over its cumulative cost; `role` is front, baseline or other."""

    trial: int
    role: str
    label: str
    points: list[Checkpoint]


class CurvesInfo(NamedTuple):
    """What the figure shows: all curves over one cost, those of the front last so that they lie on top."""

    cost: str
    curves: list[Curve]


def trace_curves(summary: Summary) -> CurvesInfo:
    """Returns what the learning-curve figure shows, over the first cost to minimise."""
    cost = summary.cost
    on_front = {point.trial for point in summary.front}
    baseline = summary.baseline.trial if summary.baseline else None
    curves = []
    for number, points in summary.curves.items():
        role = "baseline" if number == baseline else "front" if number in on_front else "other"
        known = [point for point in points if point.value(cost) is not None]
        curves.append(Curve(number, role, params_words(points[-1].params), known))
    order = ("other", "baseline", "front")
    return CurvesInfo(cost, sorted(curves, key=lambda curve: order.index(curve.role)))


def draw_curves(info: CurvesInfo) -> go.Figure:
    """Draws the curves: the front's trials in colour, the baseline in orange, the others grey."""
    import plotly.graph_objects as go

    figure = go.Figure(layout=LAYOUT)
    front = [curve.trial for curve in info.curves if curve.role == "front"]
    for curve in info.curves:
        is_other = curve.role == "other"
        color = {"other": GREY, "baseline": ORANGE}.get(curve.role) or CYCLE[front.index(curve.trial) % len(CYCLE)]
        figure.add_scatter(
            name=f"trial {curve.trial}" + (" (baseline)" if curve.role == "baseline" else ""),
            x=[point.value(info.cost) for point in curve.points],
            y=[100 * point.accuracy for point in curve.points],
            mode="lines" if is_other else "lines+markers",
            line={"color": color, "width": 1 if is_other else 2.5, "dash": "dash" if color == ORANGE else "solid"},
            opacity=0.5 if is_other else 1,
            showlegend=not is_other,
            text=[
                f"<b>trial {point.trial}, epoch {point.epoch}</b><br>{accuracy_words(point.accuracy, point.interval)}"
                f"<br>{cost_words(info.cost, point.value(info.cost))}<br>{curve.label.replace(' ', '<br>')}"
                for point in curve.points
            ],
            hoverinfo="text",
        )
    best = max((point.accuracy for curve in info.curves for point in curve.points), default=1.0)
    figure.update_xaxes(title=axis_title(info.cost), type="log", exponentformat="SI", minor_showgrid=True)
    figure.update_yaxes(title="validation accuracy (%)", range=[max(0, 100 * (best - POINTS_BELOW_BEST)), 100.5])
    return figure.update_layout(legend={"orientation": "h", "y": -0.16, "x": 0})

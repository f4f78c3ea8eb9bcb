"""Learning curves: validation accuracy over epochs, or over what had been spent by then."""

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
    empty_figure,
    hover,
    known,
    menus,
    percent,
    prefixed_unit,
    price,
    thin,
)
from dashboards.palette import GREY, LAYOUT, ORANGE, SCALE
from dashboards.summary import Checkpoint, Summary, nouns
from dashboards.terminal import Marks, plot
from dashboards.words import cost_words
from objectives.costs import COSTS, MINIMIZABLE, ONCE

if TYPE_CHECKING:
    import plotly.graph_objects as go

EPOCH = "epoch"

MOST_OTHERS = 300
"""Curves of no special role that are shown; of more an even choice."""

MOST_NAMED = 10
"""Curves of the front that the legend names; of more an even choice."""


class Curve(NamedTuple):
    """One trial's checkpoints; `role` is front, baseline or other."""

    trial: int
    role: str
    points: list[Checkpoint]


class CurvesInfo(NamedTuple):
    """What the figure shows.

    Attributes:
        study: The study's name.
        axes: What accuracy can be shown over: the costs to minimise, the other times and the energy that were
            recorded, and `epoch`.
        curves: Those of the front last so that they lie on top, in the order of the front.
        num_others: How many trials are neither baseline nor on the front; at most `MOST_OTHERS` of them are in
            `curves`.
    """

    study: str
    axes: list[str]
    curves: list[Curve]
    num_others: int


def trace_curves(summary: Summary) -> CurvesInfo:
    """Returns what the learning-curve figure shows."""
    times = [name for name in MINIMIZABLE if COSTS[name].unit in ("s", "J") and name not in ONCE]
    recorded = [
        name
        for name in dict.fromkeys([*summary.minimize, *times])
        if any(known(point, name) for point in summary.finals)
    ]
    baseline = [summary.baseline.trial] if summary.baseline else []
    on_front = [number for number in dict.fromkeys(point.trial for point in summary.front) if number not in baseline]
    others = [number for number in summary.curves if number not in {*baseline, *on_front}]
    shown = [(number, "other") for number in thin(others, MOST_OTHERS)]
    shown += [(number, "baseline") for number in baseline] + [(number, "front") for number in on_front]
    curves = [Curve(number, role, list(summary.curves[number])) for number, role in shown]
    return CurvesInfo(summary.study.name, [*recorded, EPOCH], curves, len(others))


def narrow_curves(info: CurvesInfo, label: str | None) -> tuple[list[str], CurvesInfo]:
    """Returns the labels of all axes, and what the figure shows over one of them; the first where none is so."""
    labels = [_label(axis) for axis in info.axes]
    at = labels.index(label) if label in labels else 0
    return labels, info._replace(axes=info.axes[at : at + 1])


def draw_curves(info: CurvesInfo) -> go.Figure:
    """Draws the curves: the front's from dark, cheap, to light, accurate; the baseline orange; the others grey."""
    import plotly.graph_objects as go

    if not info.curves:
        return empty_figure("no epoch was recorded yet")
    others = [curve for curve in info.curves if curve.role == "other"]
    named = [curve for curve in info.curves if curve.role != "other"]
    front = [curve.trial for curve in named if curve.role == "front"]
    groups = [*([others] if others else []), *([curve] for curve in named)]
    traces = [_grey_trace(others, info.num_others)] if others else []
    traces += [_named_trace(curve, front) for curve in named]
    figure = go.Figure(traces, layout=LAYOUT)
    for trace, group in zip(figure.data, groups, strict=True):
        trace.x = _places(group, info.axes[0])
    figure.update_traces(meta=_unit(info.axes[0]))
    best = max(point.accuracy for curve in info.curves for point in curve.points)
    figure.update_xaxes(title=_title(info.axes[0]), type=_scale(info.axes[0]), exponentformat="SI", minor_showgrid=True)
    figure.update_yaxes(title=ACCURACY, range=accuracy_range(best - POINTS_BELOW_BEST))
    return figure.update_layout(
        updatemenus=menus(
            [_choose_axis(axis, groups) for axis in info.axes],
            [choose_range("y: the best", best - POINTS_BELOW_BEST), choose_range("y: everything", 0.0)],
        ),
    )


def tell_curves(info: CurvesInfo, width: int) -> str:
    """Draws the curves over the first axis in characters, a letter for each of a few of the front's."""
    axis = info.axes[0]
    front = thin([curve for curve in info.curves if curve.role == "front"], 6)
    groups = [("·", "others", [curve for curve in info.curves if curve.role == "other"])]
    groups += [("◆", "baseline", [curve for curve in info.curves if curve.role == "baseline"])]
    groups += [
        (letter, f"trial {curve.points[0].numbers}", [curve]) for letter, curve in zip("abcdef", front, strict=False)
    ]
    marks = [
        Marks(
            mark,
            name,
            [
                (place, 100 * point.accuracy)
                for curve in curves
                for point in curve.points
                if (place := _place(point, axis)) is not None
            ],
        )
        for mark, name, curves in groups
    ]
    best = max((point.accuracy for curve in info.curves for point in curve.points), default=1.0)
    drawn = plot(
        marks,
        width,
        lambda value: f"epoch {value:.0f}" if axis == EPOCH else cost_words(axis, value),
        100 * (best - POINTS_BELOW_BEST),
    )
    return f"{info.study}: {ACCURACY} over {_title(axis)}\n{drawn}"


def _grey_trace(curves: Sequence[Curve], num_others: int) -> Any:
    """One trace however many curves, since each trace costs the browser time; a gap parts them."""
    import plotly.graph_objects as go

    of = f" of {num_others:,}" if len(curves) < num_others else ""
    return go.Scatter(
        name=f"{len(curves):,}{of} other {nouns(point for curve in curves for point in curve.points)}",
        y=[value for curve in curves for value in (*(percent(point.accuracy) for point in curve.points), None)],
        mode="lines",
        line={"color": GREY, "width": 1},
        opacity=0.5,
        text=[words for curve in curves for words in (*(hover(point) for point in curve.points), "")],
        hovertemplate=f"%{{text}}<br>{SHOWN_COST}<extra></extra>",
        connectgaps=False,
    )


def _named_trace(curve: Curve, front: Sequence[int]) -> Any:
    import plotly.graph_objects as go
    from plotly.colors import sample_colorscale

    is_front = curve.role == "front"
    place = front.index(curve.trial) / max(1, len(front) - 1) if is_front else 0.0
    return go.Scatter(
        name=f"trial {curve.points[0].numbers}" + ("" if is_front else " (baseline)"),
        y=[percent(point.accuracy) for point in curve.points],
        mode="lines+markers",
        line={
            "color": sample_colorscale(SCALE, [0.9 * place])[0] if is_front else ORANGE,
            "width": 2.5 if len(front) <= MOST_NAMED else 1.5,
            "dash": "solid" if is_front else "dash",
        },
        marker={"size": 6 if len(front) <= MOST_NAMED else 4},
        text=[hover(point) for point in curve.points],
        hovertemplate=f"%{{text}}<br>{SHOWN_COST}<extra></extra>",
        showlegend=not is_front or curve.trial in thin(front, MOST_NAMED),
    )


def _place(point: Checkpoint, axis: str) -> float | None:
    return point.epoch if axis == EPOCH else price(point, axis)


def _places(curves: Sequence[Curve], axis: str) -> list[float | None]:
    """Returns the x of a trace: a gap after each curve where there are several."""
    gap = [None] if len(curves) > 1 or curves[0].role == "other" else []
    return [place for curve in curves for place in (*(_place(point, axis) for point in curve.points), *gap)]


def _choose_axis(axis: str, groups: Sequence[Sequence[Curve]]) -> dict[str, Any]:
    return {
        "label": _label(axis),
        "method": "update",
        "args": [
            {"x": [_places(group, axis) for group in groups], "meta": _unit(axis)},
            {"xaxis.title.text": _title(axis), "xaxis.type": _scale(axis), "xaxis.autorange": True},
        ],
    }


def _label(axis: str) -> str:
    return EPOCH if axis == EPOCH else COSTS[axis].title


def _title(axis: str) -> str:
    return EPOCH if axis == EPOCH else axis_title(axis)


def _unit(axis: str) -> str:
    return " epochs" if axis == EPOCH else prefixed_unit(axis)


def _scale(axis: str) -> str:
    return "linear" if axis == EPOCH else "log"

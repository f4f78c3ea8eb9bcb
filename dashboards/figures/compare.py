"""Several studies on one trade-off. Costs of different devices are not mixed without saying so."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.devices import name_devices
from dashboards.figures.parts import (
    ACCURACY,
    POINTS_BELOW_BEST,
    accuracy_range,
    axis_title,
    choose_range,
    choose_scale,
    empty_figure,
    hover,
    menus,
    percent,
    price,
)
from dashboards.palette import CYCLE, LAYOUT, SYMBOLS
from dashboards.summary import Checkpoint, Summary, front_at
from dashboards.words import task_words
from objectives.costs import COSTS

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Compared(NamedTuple):
    """One study.

    Attributes:
        study: Its name.
        task: The model and the data set.
        num_trials: How many of its trials have a checkpoint.
        devices: What they ran on.
        front: The checkpoints that no other of the study beats in accuracy and this cost, the cheapest first.
    """

    study: str
    task: str
    num_trials: int
    devices: list[str]
    front: list[Checkpoint]


class CompareInfo(NamedTuple):
    """What the figure shows.

    Attributes:
        cost: The first study's first cost to minimise.
        studies: Those that recorded it.
        left_out: The names of those that did not.
        warnings: What keeps the studies from being comparable, in words.
    """

    cost: str
    studies: list[Compared]
    left_out: list[str]
    warnings: list[str]


def trace_compare(summaries: Sequence[Summary]) -> CompareInfo:
    """Returns what the comparison of studies shows."""
    cost = summaries[0].cost
    compared = [_trace_study(summary, cost) for summary in summaries]
    shown = [study for study in compared if study.front]
    left_out = [study.study for study in compared if not study.front]
    methods = {point.costs[cost].method for study in shown for point in study.front}
    warnings = []
    if len({tuple(study.devices) for study in shown}) > 1 and methods != {"counted"}:
        warnings.append(f"the devices differ, so {COSTS[cost].title} compares machines as well as settings")
    if len({study.task for study in shown}) > 1:
        warnings.append("the studies differ in model or data set, so the accuracies are of different tasks")
    return CompareInfo(cost, shown, left_out, warnings)


def draw_compare(info: CompareInfo) -> go.Figure:
    """Draws the front of each study, with 95 % intervals; a warning stands in the title."""
    import plotly.graph_objects as go

    if not info.studies:
        return empty_figure(f"no study recorded {COSTS[info.cost].title}")
    notes = [f"Careful: {warning}" for warning in info.warnings]
    notes += [f"left out, without this cost: {', '.join(info.left_out)}"] if info.left_out else []
    figure = go.Figure(layout={**LAYOUT, "margin": {**LAYOUT["margin"], "t": 80 + 20 * len(notes)}})
    for index, study in enumerate(info.studies):
        figure.add_trace(_trace(study, info.cost, CYCLE[index % len(CYCLE)], SYMBOLS[index % len(SYMBOLS)]))
    best = max(study.front[-1].accuracy for study in info.studies)
    figure.update_xaxes(title=axis_title(info.cost), type="log", exponentformat="SI", minor_showgrid=True)
    figure.update_yaxes(title=ACCURACY, range=accuracy_range(best - POINTS_BELOW_BEST))
    return figure.update_layout(
        title={"text": "<br>".join(notes), "font": {"size": 14}, "y": 0.97, "yanchor": "top", "x": 0.01},
        showlegend=True,
        updatemenus=menus(
            [choose_scale("x: logarithmic", "log"), choose_scale("x: linear", "linear")],
            [choose_range("y: the best", best - POINTS_BELOW_BEST), choose_range("y: everything", 0.0)],
        ),
    )


def _trace_study(summary: Summary, cost: str) -> Compared:
    return Compared(
        summary.study.name,
        task_words(summary.study.spec["objective"]),
        len(summary.curves),
        name_devices(summary.study),
        front_at((point for curve in summary.curves.values() for point in curve), cost),
    )


def _trace(study: Compared, cost: str, color: str, symbol: str) -> Any:
    import plotly.graph_objects as go

    devices = "; ".join(study.devices) or "device not recorded"
    return go.Scatter(
        name=f"{study.study} ({study.num_trials:,} trials, {study.task}, {devices})",
        x=[price(point, cost) for point in study.front],
        y=[percent(point.accuracy) for point in study.front],
        error_y={
            "type": "data",
            "array": [percent(point.interval[1] - point.accuracy) for point in study.front],
            "arrayminus": [percent(point.accuracy - point.interval[0]) for point in study.front],
            "thickness": 1,
            "width": 0,
        },
        mode="lines+markers",
        line={"shape": "hv", "color": color, "width": 2},
        marker={"size": 9, "symbol": symbol},
        text=[f"<b>{study.study}</b><br>{hover(point, cost)}<br>{devices}" for point in study.front],
        hoverinfo="text",
    )

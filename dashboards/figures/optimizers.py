"""Optimizers side by side: the best accuracy that each reached at each price."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

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
from dashboards.seeds import stand_ins
from dashboards.summary import Checkpoint, Summary, front_at, nouns
from storage.rows import TrialRow

if TYPE_CHECKING:
    import plotly.graph_objects as go

APART = 1 / 90
"""Intervals at the right end stand side by side, each further right by this part of the (logarithmic) axis."""


class OptimizerLine(NamedTuple):
    """One optimizer.

    Attributes:
        optimizer: Its name.
        num_trials: How many trials ended with it, infeasible ones included, the baseline left out.
        num_infeasible: How many of them could not be trained.
        front: Its checkpoints that no other of its own beats in accuracy and cost, the cheapest first.
    """

    optimizer: str
    num_trials: int
    num_infeasible: int
    front: list[Checkpoint]


class OptimizersInfo(NamedTuple):
    """What the figure shows, the most accurate optimizer first; `most` is the highest price that any trial paid."""

    study: str
    cost: str
    most: float
    lines: list[OptimizerLine]


def trace_optimizers(summary: Summary) -> OptimizersInfo:
    """Returns what the figure shows, at the first cost to minimise."""
    cost = summary.cost
    members: dict[str, list[TrialRow]] = {}
    for trial in stand_ins(summary.study):
        if "optimizer" in trial.params and not trial.is_baseline:
            members.setdefault(str(trial.params["optimizer"]), []).append(trial)
    lines = [
        OptimizerLine(
            name,
            len(trials),
            sum(trial.state == "infeasible" for trial in trials),
            front_at((point for trial in trials for point in summary.curves.get(trial.number, ())), cost),
        )
        for name, trials in sorted(members.items())
    ]
    lines.sort(key=lambda line: -line.front[-1].accuracy if line.front else 0.0)
    most = max((value for point in summary.finals if (value := point.value(cost)) is not None), default=0.0)
    return OptimizersInfo(summary.study.name, cost, most, lines)


def draw_optimizers(info: OptimizersInfo) -> go.Figure:
    """Draws a step line for each optimizer, with the 95 % interval of its best at the right end."""
    import plotly.graph_objects as go

    lines = [line for line in info.lines if line.front]
    if not lines:
        return empty_figure("no trial with an optimizer has an epoch yet")
    figure = go.Figure(layout=LAYOUT)
    least = min(line.front[0].value(info.cost) or info.most for line in lines)
    apart = (info.most / least) ** APART
    for index, line in enumerate(lines):
        color = CYCLE[index % len(CYCLE)]
        figure.add_traces(_traces(line, info, color, SYMBOLS[index % len(SYMBOLS)], info.most * apart ** (index + 1)))
    best = lines[0].front[-1].accuracy
    figure.update_xaxes(title=axis_title(info.cost), type="log", exponentformat="SI", minor_showgrid=True)
    figure.update_yaxes(title=ACCURACY, range=accuracy_range(best - POINTS_BELOW_BEST))
    return figure.update_layout(
        updatemenus=menus(
            [choose_scale("x: logarithmic", "log"), choose_scale("x: linear", "linear")],
            [choose_range("y: the best", best - POINTS_BELOW_BEST), choose_range("y: everything", 0.0)],
        ),
    )


def _traces(line: OptimizerLine, info: OptimizersInfo, color: str, symbol: str, end: float) -> list[Any]:
    import plotly.graph_objects as go

    best, several = line.front[-1], nouns(line.front)
    lost = f", {line.num_infeasible} infeasible" if line.num_infeasible else ""
    steps = go.Scatter(
        name=f"{line.optimizer} ({line.num_trials:,} {several if line.num_trials != 1 else several[:-1]}{lost})",
        x=[*(price(point, info.cost) for point in line.front), end],
        y=[percent(point.accuracy) for point in (*line.front, best)],
        mode="lines+markers",
        line={"shape": "hv", "color": color, "width": 2},
        marker={"size": 7, "symbol": symbol},
        text=[f"<b>{line.optimizer}</b><br>{hover(point, info.cost)}" for point in (*line.front, best)],
        hoverinfo="text",
        legendgroup=line.optimizer,
    )
    interval = go.Scatter(
        x=[end],
        y=[percent(best.accuracy)],
        error_y={
            "type": "data",
            "array": [percent(best.interval[1] - best.accuracy)],
            "arrayminus": [percent(best.accuracy - best.interval[0])],
            "color": color,
            "thickness": 2,
            "width": 3,
        },
        mode="markers",
        marker={"size": 7, "color": color, "symbol": symbol},
        text=[f"<b>{line.optimizer}</b>, its best<br>{hover(best, info.cost)}"],
        hoverinfo="text",
        showlegend=False,
        legendgroup=line.optimizer,
    )
    return [steps, interval]

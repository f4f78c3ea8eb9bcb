"""What several runs of a search attain: the median front and its spread, rather than one front for each."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.figures.parts import (
    ACCURACY,
    POINTS_BELOW_BEST,
    accuracy_range,
    axis_title,
    choose_range,
    choose_scale,
    empty_figure,
    menus,
    percent,
    short,
)
from dashboards.palette import CYCLE, LAYOUT
from dashboards.seeds import num_seeds
from dashboards.summary import Checkpoint, Summary, front_at, trace_curve
from dashboards.words import cost_title, cost_words
from objectives.front import front

if TYPE_CHECKING:
    import plotly.graph_objects as go

Steps = list[tuple[float, float]]
"""(cost, accuracy) of the corners of a front, the cheapest first."""

SHARES = (25, 50, 75)
"""Percent of the runs that attain a curve: the upper edge of the band, the median, the lower edge."""


class Band(NamedTuple):
    """What some runs attain.

    Attributes:
        title: Which runs these are.
        num_runs: How many.
        curves: For each of `SHARES` the steps that this share of the runs attains: at this cost or less, this accuracy
            or more.
    """

    title: str
    num_runs: int
    curves: tuple[Steps, Steps, Steps]


class AttainmentInfo(NamedTuple):
    """What the figure shows.

    Attributes:
        cost: The first study's first cost to minimise.
        bands: One for each group of runs.
        alone: Studies that have no second run, each with its front.
    """

    cost: str
    bands: list[Band]
    alone: list[Band]


def trace_attainment(summaries: Sequence[Summary]) -> AttainmentInfo:
    """Returns what several studies, or the seeds of one, attain.

    Runs belong together where their specs differ in name and seed alone; where no two do, all of them are one group.
    A study that trains each setting with several seeds is as many runs.
    """
    cost = summaries[0].cost
    groups: dict[str, list[tuple[str, Steps]]] = defaultdict(list)
    for summary in summaries:
        runs = [(summary.study.name, steps) for steps in _run_fronts(summary, cost) if steps]
        groups[_without_seed(summary)] += runs
    found = [group for group in groups.values() if group]
    if len(found) > 1 and all(len(group) == 1 for group in found):
        found = [[run for group in found for run in group]]
    bands = [_band(_title(group), [steps for _, steps in group]) for group in found]
    return AttainmentInfo(cost, [band for band in bands if band.num_runs > 1], [b for b in bands if b.num_runs == 1])


def attain(runs: Sequence[Steps], shares: Sequence[int] = SHARES) -> list[Steps]:
    """Returns the steps that at least each share of the runs attains: quantiles of the empirical attainment function.

    Args:
        runs: Fronts, each as (cost, accuracy).
        shares: In percent of the runs.

    Source: V. Grunert da Fonseca, C. Fonseca and A. Hall, "Inferential performance assessment of stochastic optimisers
    and the attainment function", EMO (2001); computed by moocore's `eaf` after C. Fonseca, A. Guerreiro, M.
    Lopez-Ibanez and L. Paquete, "On the computation of the empirical attainment function", EMO (2011).

    >>> attain([[(1.0, 0.8), (2.0, 0.9)], [(1.5, 0.85)]], [50, 100])
    [[(1.0, 0.8), (1.5, 0.85), (2.0, 0.9)], [(1.5, 0.8), (2.0, 0.85)]]
    """
    import numpy as np
    from moocore import eaf

    points = np.array([(cost, -accuracy) for run in runs for cost, accuracy in run])
    sets = np.repeat(np.arange(1, len(runs) + 1), [len(run) for run in runs])
    levels = [-(-share * len(runs) // 100) for share in shares]
    rows = eaf(points, sets)
    # Every level there is has its own rows, told in percent of the runs.
    by_level: dict[int, Steps] = defaultdict(list)
    for cost, loss, share in rows.tolist():
        by_level[round(share * len(runs) / 100)].append((cost, -loss))
    return [sorted(by_level[max(level, 1)]) for level in levels]


def draw_attainment(info: AttainmentInfo) -> go.Figure:
    """Draws each group's median as a line in its band, and the front of what has no second run."""
    import plotly.graph_objects as go

    if not info.bands and not info.alone:
        return empty_figure(f"no study recorded {cost_title(info.cost)}")
    figure = go.Figure(layout=LAYOUT)
    curves = [curve for band in (*info.bands, *info.alone) for curve in band.curves]
    most = max(curve[-1][0] for curve in curves if curve)
    for index, band in enumerate([*info.bands, *info.alone]):
        color = CYCLE[index % len(CYCLE)]
        if band.num_runs > 1:
            figure.add_trace(_band_trace(band, most, color))
        figure.add_trace(_median_trace(band, info.cost, most, color))
    best = max(curve[-1][1] for curve in curves if curve)
    figure.update_xaxes(title=axis_title(info.cost), type="log", exponentformat="SI", minor_showgrid=True)
    figure.update_yaxes(title=ACCURACY, range=accuracy_range(best - POINTS_BELOW_BEST))
    return figure.update_layout(
        showlegend=True,
        updatemenus=menus(
            [choose_scale("x: logarithmic", "log"), choose_scale("x: linear", "linear")],
            [choose_range("y: the best", best - POINTS_BELOW_BEST), choose_range("y: everything", 0.0)],
        ),
    )


def _band(title: str, runs: Sequence[Steps]) -> Band:
    upper, median, lower = attain(runs)
    return Band(title, len(runs), (upper, median, lower))


def _run_fronts(summary: Summary, cost: str) -> list[Steps]:
    """Returns the front of each run of a study: one, or one for each seed."""
    count = num_seeds(summary.study)
    if count == 1:
        return [_steps((point for curve in summary.curves.values() for point in curve), cost)]
    runs: list[list[Checkpoint]] = [[] for _ in range(count)]
    for trial in summary.study.trials:
        if trial.number in summary.lasts:
            runs[trial.number % count] += trace_curve(trial, summary.book)
    return [_steps(points, cost) for points in runs]


def _steps(points: Iterable[Checkpoint], cost: str) -> Steps:
    """Returns the corners of a front; of a cost of nothing there is no logarithm."""
    kept = [(point.value(cost) or 0.0, point.accuracy) for point in front_at(points, cost)]
    return [kept[index] for index in front([(price, -accuracy) for price, accuracy in kept]) if kept[index][0] > 0]


def _without_seed(summary: Summary) -> str:
    """Returns the spec without what differs between runs of one search."""
    spec = dict(summary.study.spec)
    spec.pop("name", None)
    spec["search"] = {key: value for key, value in spec.get("search", {}).items() if key != "seed"}
    return json.dumps(spec, sort_keys=True, default=str)


def _title(group: Sequence[tuple[str, Steps]]) -> str:
    names = list(dict.fromkeys(name for name, _ in group))
    most = 3
    told = ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
    return told if len(group) == 1 else f"{told}: {len(group)} runs"


def _corners(steps: Steps, start: float, end: float) -> Steps:
    """Returns the corners of a line that is flat between steps, from below its first step to a cost."""
    if not steps:
        return [(start, 0.0), (end, 0.0)]
    line = [(start, 0.0), (steps[0][0], 0.0), steps[0]]
    for (_, before), (price, accuracy) in pairwise(steps):
        line += [(price, before), (price, accuracy)]
    return [*line, (end, steps[-1][1])]


def _band_trace(band: Band, end: float, color: str) -> Any:
    import plotly.graph_objects as go

    upper, _, lower = band.curves
    start = upper[0][0]
    around = [*_corners(upper, start, end), *reversed(_corners(lower, start, end))]
    return go.Scatter(
        name=f"{band.title}, 25 to 75 % of them",
        x=[short(price) for price, _ in around],
        y=[percent(accuracy) for _, accuracy in around],
        mode="lines",
        line={"width": 0, "color": color},
        fill="toself",
        opacity=0.7,
        hoverinfo="skip",
    )


def _median_trace(band: Band, cost: str, end: float, color: str) -> Any:
    import plotly.graph_objects as go

    steps = band.curves[1]
    line = [*steps, *([(end, steps[-1][1])] if steps else [])]
    half = "at least half of the runs" if band.num_runs > 1 else "the run"
    return go.Scatter(
        name=f"{band.title}, median" if band.num_runs > 1 else f"{band.title}, its front (there is no second run)",
        x=[short(price) for price, _ in line],
        y=[percent(accuracy) for _, accuracy in line],
        mode="lines",
        line={"shape": "hv", "color": color, "width": 2.5},
        text=[
            f"<b>{band.title}</b><br>{half} reached {percent(accuracy)} % for {cost_words(cost, price)} or less"
            for price, accuracy in line
        ],
        hoverinfo="text",
    )

"""The trade-off of a large study: front, knee and baseline as they are, of the rest one checkpoint in each place."""

from __future__ import annotations

import math
from collections.abc import Set
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.crowd import Crowd, Points
from dashboards.figures.parts import (
    ACCURACY,
    POINTS_BELOW_BEST,
    SHOWN_COST,
    accuracy_range,
    axis_title,
    percent,
    prefixed_unit,
    price,
    short,
)
from dashboards.figures.tradeoff import Tradeoff, baseline_trace, own_traces, remeasured_traces, trace_cost
from dashboards.palette import GREY, LAYOUT, PALE, PURPLE
from dashboards.remeasured import Remeasured
from dashboards.summary import Checkpoint

if TYPE_CHECKING:
    import plotly.graph_objects as go

COLUMNS, ROWS = 120, 70
"""Places beside and above each other in which checkpoints are gathered."""

MOST_CHOSEN = 1000
"""Trials that stand out as points of their own."""


class Place(NamedTuple):
    """Checkpoints that a figure could not show apart.

    Attributes:
        column: Where it is along the costs, from 0.
        row: Where it is along the accuracies, from 0.
        trial: Of the most accurate of them.
        epoch: Of this one.
        accuracy: Of this one, 0 to 1.
        cost: Of this one, in its unit.
        num_here: How many there are.
    """

    column: int
    row: int
    trial: int
    epoch: int
    accuracy: float
    cost: float
    num_here: int


class Grid(NamedTuple):
    """Checkpoints gathered by place.

    Attributes:
        columns: Ends of the places along the costs, in the cost's unit; one more than there are places.
        rows: Ends of the places along the accuracies, 0 to 1.
        places: Those where a checkpoint is.
    """

    columns: list[float]
    rows: list[float]
    places: list[Place]


class CrowdInfo(NamedTuple):
    """What the figure shows.

    Attributes:
        study: The study's name.
        tradeoff: The front of all checkpoints at a cost, and its knee.
        grid: Of the checkpoints in sight.
        num_checkpoints: How many the study has at this cost.
        num_trials: Of which they are.
        baseline: The baseline's last checkpoint.
        currency: Of money.
        remeasured: What was trained again with new seeds.
    """

    study: str
    tradeoff: Tradeoff
    grid: Grid
    num_checkpoints: int
    num_trials: int
    baseline: Checkpoint | None
    currency: str
    remeasured: list[Remeasured]


def trace_crowd(crowd: Crowd, cost: str, *, is_log: bool, sees_all: bool) -> CrowdInfo:
    """Returns what the figure shows.

    Args:
        crowd: The study.
        cost: The cost that accuracy is shown over.
        is_log: Whether places are equally wide in the cost's logarithm, else in the cost.
        sees_all: Whether checkpoints far below the best are in sight.
    """
    import numpy as np

    summary, tradeoff = crowd.peak(cost), crowd_tradeoff(crowd, cost)
    points = crowd.points(cost)
    known = find_known(points, is_log=is_log)
    return CrowdInfo(
        summary.study.name,
        tradeoff,
        gather(points, is_log=is_log, sees_all=sees_all),
        len(known),
        len(np.unique(points.trial[known])),
        summary.baseline,
        summary.book.currency,
        list(summary.remeasurement.points) if summary.remeasurement else [],
    )


def crowd_tradeoff(crowd: Crowd, cost: str) -> Tradeoff:
    """Returns the front of all checkpoints at a cost, and its knee."""
    return trace_cost([point for curve in crowd.peak(cost).curves.values() for point in curve], cost)


def draw_crowd(info: CrowdInfo, *, is_log: bool, sees_all: bool) -> go.Figure:
    """Draws the trade-off of a large study at one cost."""
    import plotly.graph_objects as go

    cost = info.tradeoff.cost
    baseline = baseline_trace(info.baseline)
    baseline.x = [price(info.baseline, cost)] if info.baseline else []
    own = own_traces(info.tradeoff, info.currency)
    name = f"{info.num_checkpoints:,} checkpoints of {info.num_trials:,} trials, stronger where there are more"
    rest = grid_trace(info.grid, name)
    figure = go.Figure([rest, baseline, *own, *remeasured_traces(info.remeasured, cost)], layout=LAYOUT)
    figure.update_xaxes(
        title=axis_title(cost, info.currency), type="log" if is_log else "linear", exponentformat="SI",
        minor_showgrid=is_log,
    )  # fmt: skip
    figure.update_traces(meta=prefixed_unit(cost, info.currency))
    best = max((point.accuracy for point in info.tradeoff.front), default=1.0)
    figure.update_yaxes(title=ACCURACY, range=accuracy_range(0.0 if sees_all else best - POINTS_BELOW_BEST))
    return figure


def chosen_trace(points: Points, trials: Set[int], unit: str, *, is_log: bool) -> Any:
    """Returns the trace of trials that stand out, each at its last checkpoint; of very many an even choice.

    Args:
        points: The checkpoints.
        trials: Numbers of those that were chosen.
        unit: Of the cost, behind an SI prefix.
        is_log: Whether costs are shown by their logarithm, so that those of 0 have no place.
    """
    import numpy as np
    import plotly.graph_objects as go

    known = find_known(points, is_log=is_log)
    known = known[np.isin(points.trial[known], list(trials))]
    ends = np.flatnonzero(np.diff(points.trial[known], append=-1))  # checkpoints stand in order of trial and epoch
    shown = known[ends[:: max(1, -(-len(ends) // MOST_CHOSEN))]]
    name = f"{len(ends):,} chosen" if len(shown) == len(ends) else f"{len(shown):,} of {len(ends):,} chosen"
    columns = (values[shown].tolist() for values in (points.trial, points.epoch, points.accuracy, points.cost))
    found = list(zip(*columns, strict=True))
    return go.Scatter(
        name=name,
        x=[short(cost) for *_, cost in found],
        y=[percent(accuracy) for *_, accuracy, _ in found],
        mode="markers",
        marker={"size": 5, "color": PURPLE},
        text=[f"trial {trial}, epoch {epoch}" for trial, epoch, *_ in found],
        meta=unit,
        customdata=[trial for trial, *_ in found],
        hovertemplate=f"%{{text}}<br>%{{y:.1f}} %, {SHOWN_COST}<extra></extra>",
    )


def find_known(points: Points, *, is_log: bool) -> Any:
    """Returns the indices of the checkpoints that have a place along the costs."""
    import numpy as np

    return np.flatnonzero(~np.isnan(points.cost) & ((points.cost > 0) if is_log else True))


def gather(points: Points, *, is_log: bool, sees_all: bool) -> Grid:
    """Returns the places of checkpoints, the best of each standing for all.

    Args:
        points: The checkpoints.
        is_log: Whether places are equally wide in the cost's logarithm, else in the cost.
        sees_all: Whether checkpoints far below the best have a place too.
    """
    import numpy as np

    seen = find_known(points, is_log=is_log)
    if len(seen) and not sees_all:
        best = points.accuracy[~np.isnan(points.cost)].max()
        seen = seen[points.accuracy[seen] >= best - POINTS_BELOW_BEST]
    if not len(seen):
        return Grid([], [], [])
    costs = points.cost
    x, y = np.log10(costs[seen]) if is_log else costs[seen], points.accuracy[seen]
    (column, columns), (row, rows) = _number(x, COLUMNS), _number(y, ROWS)
    cell = column * ROWS + row
    order = np.lexsort((-y, cell))
    cells, first, counts = np.unique(cell[order], return_index=True, return_counts=True)
    at = seen[order[first]]
    found = (cells // ROWS, cells % ROWS, points.trial[at], points.epoch[at], points.accuracy[at], costs[at], counts)
    places = [Place(*place) for place in zip(*(values.tolist() for values in found), strict=True)]
    return Grid((10**columns if is_log else columns).tolist(), rows.tolist(), places)


def _number(values: Any, count: int) -> tuple[Any, Any]:
    """Returns in which of so many equal parts of their range each value lies, from 0, and the ends of the parts."""
    import numpy as np

    low, high = values.min(), values.max()
    high = high if high > low else low + max(abs(low), 1.0) / 100
    return np.minimum((values - low) / (high - low) * count, count - 1).astype(np.int64), np.linspace(
        low, high, count + 1
    )


def grid_trace(grid: Grid, name: str) -> Any:
    """Returns the trace of the places, stronger where more checkpoints are."""
    import plotly.graph_objects as go

    strength: list[list[float | None]] = [[None] * COLUMNS for _ in range(ROWS)]
    told: list[list[list[float] | None]] = [[None] * COLUMNS for _ in range(ROWS)]
    for place in grid.places:
        strength[place.row][place.column] = round(math.log1p(place.num_here), 2)
        accuracy, cost = round(100 * place.accuracy, 1), short(place.cost, 3)  # as they are read: most of the bytes
        told[place.row][place.column] = [place.trial, place.epoch, accuracy, cost, place.num_here]
    return go.Heatmap(
        name=name,
        x=[short(end, 5) for end in grid.columns],
        y=[percent(end) for end in grid.rows],
        z=strength,
        customdata=told,
        colorscale=[[0, PALE], [1, GREY]],
        showscale=False,
        showlegend=True,
        hoverongaps=False,
        hovertemplate="trial %{customdata[0]}, epoch %{customdata[1]}<br>"
        "%{customdata[2]:.1f} %, %{customdata[3]:.3s}%{meta}<br>"
        "the most accurate of %{customdata[4]:,} here<extra></extra>",
    )

"""Accuracy over what a trial was billed: all the time that its attempts held slots, what was lost included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.crowd import Crowd
from dashboards.figures.crowd import Grid, find_known, gather, grid_trace
from dashboards.figures.parts import (
    ACCURACY,
    POINTS_BELOW_BEST,
    accuracy_range,
    axis_title,
    empty_figure,
    hover,
    percent,
    prefixed_unit,
    short,
)
from dashboards.palette import BLACK, BLUE, GREY, LAYOUT, ORANGE, RED
from dashboards.prices import price_trial
from dashboards.summary import Checkpoint, Summary
from dashboards.words import cost_words
from objectives.front import front, knee
from storage.rows import TrialRow

if TYPE_CHECKING:
    import plotly.graph_objects as go


class BilledTrial(NamedTuple):
    """A trial at its last checkpoint, and what all its attempts were billed."""

    point: Checkpoint
    amount: float


class BilledInfo(NamedTuple):
    """What the figure shows.

    Attributes:
        study: The study's name.
        cost: One of `BILLED`.
        currency: Of money.
        num_trials: That have a checkpoint and were billed.
        trials: These, or of a large study those on the front and the baseline.
        front: Those that no other beats in accuracy and this bill, the cheapest first.
        knee: The one of the front after which accuracy gets expensive.
        baseline: The baseline.
        grid: Of all trials in sight where the study is large; None where each is shown.
    """

    study: str
    cost: str
    currency: str
    num_trials: int
    trials: list[BilledTrial]
    front: list[BilledTrial]
    knee: BilledTrial | None
    baseline: BilledTrial | None
    grid: Grid | None = None


def trace_billed(summary: Summary, cost: str) -> BilledInfo:
    """Returns what the figure shows of a study, by single trials."""
    numbered = {trial.number: trial for trial in summary.study.trials}
    amounts = [(point, _amount(summary, numbered[point.trial], cost)) for point in summary.lasts.values()]
    trials = [BilledTrial(point, amount) for point, amount in amounts if amount is not None]
    kept = [trials[index] for index in front([(-one.point.accuracy, one.amount) for one in trials])]
    kept.sort(key=lambda one: one.amount)
    at = knee([one.point.accuracy for one in kept], [one.amount for one in kept])
    baseline = next((one for one in trials if numbered[one.point.trial].is_baseline), None)
    top = None if at is None else kept[at]
    return BilledInfo(summary.study.name, cost, summary.book.currency, len(trials), trials, kept, top, baseline)


def trace_crowd_billed(crowd: Crowd, cost: str, *, is_log: bool, sees_all: bool) -> BilledInfo:
    """Returns what the figure shows of a large study.

    Args:
        crowd: The study.
        cost: One of `BILLED`.
        is_log: Whether places are equally wide in the bill's logarithm, else in the bill.
        sees_all: Whether trials far below the best are in sight.
    """
    points = crowd.points(cost, is_billed=True)
    return trace_billed(crowd.peak_billed(cost), cost)._replace(
        num_trials=len(find_known(points, is_log=False)),
        grid=gather(points, is_log=is_log, sees_all=sees_all),
    )


def draw_billed(info: BilledInfo, *, is_log: bool, sees_all: bool) -> go.Figure:
    """Draws the trade-off by bill."""
    import plotly.graph_objects as go

    if not info.trials:
        return empty_figure("no attempt was billed yet, or no price is known for where it ran")
    edge, words = {"width": 1, "color": BLACK}, f"{info.num_trials:,} trials"
    if info.grid is None:
        rest = _trace(info, words, info.trials, {"size": 8, "color": GREY, "line": edge})
    else:
        rest = grid_trace(info.grid, f"{words}, stronger where there are more")
    top, first = [info.knee] if info.knee else [], [info.baseline] if info.baseline else []
    figure = go.Figure(
        [
            rest,
            _trace(info, "baseline", first, {"size": 13, "color": ORANGE, "symbol": "diamond", "line": edge}),
            _trace(info, "front by bill (95 % intervals)", info.front, {"size": 9, "color": BLUE}, is_front=True),
            _trace(info, "knee", top, {"size": 18, "color": RED, "symbol": "star"}),
        ],
        layout=LAYOUT,
    )
    title = f"{axis_title(info.cost, info.currency).removesuffix(', solo')}, billed"
    figure.update_xaxes(title=title, type="log" if is_log else "linear", exponentformat="SI", minor_showgrid=is_log)
    figure.update_traces(meta=prefixed_unit(info.cost, info.currency))
    best = max(one.point.accuracy for one in info.trials)
    figure.update_yaxes(title=ACCURACY, range=accuracy_range(0.0 if sees_all else best - POINTS_BELOW_BEST))
    return figure


def _trace(
    info: BilledInfo, name: str, trials: list[BilledTrial], marker: dict[str, Any], *, is_front: bool = False
) -> Any:
    import plotly.graph_objects as go

    points = [one.point for one in trials]
    bars = {
        "type": "data", "thickness": 1, "width": 0, "color": BLUE,
        "array": [percent(point.interval[1] - point.accuracy) for point in points],
        "arrayminus": [percent(point.accuracy - point.interval[0]) for point in points],
    }  # fmt: skip
    return go.Scatter(
        name=name,
        x=[short(one.amount) for one in trials],
        y=[percent(point.accuracy) for point in points],
        error_y=bars if is_front else None,
        mode="lines+markers" if is_front else "markers",
        line={"shape": "hv", "color": BLUE, "width": 2},
        marker=marker,
        customdata=[point.trial for point in points],
        text=[f"{hover(one.point)}<br>billed {cost_words(info.cost, one.amount, info.currency)}" for one in trials],
        hoverinfo="text",
        showlegend=bool(trials),
    )


def _amount(summary: Summary, trial: TrialRow, cost: str) -> float | None:
    """Returns what a trial was billed, None where nothing is yet; one that was taken over was billed elsewhere."""
    seconds = [seconds for attempt in trial.attempts for seconds in attempt.bill.values()]
    if not seconds:
        return None
    return price_trial(summary.study, trial, summary.book)["money"].value if cost == "money" else sum(seconds)

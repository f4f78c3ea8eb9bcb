"""Accuracy over what a trial was billed: all the time that its attempts held slots, what was lost included."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.figures.parts import (
    ACCURACY,
    POINTS_BELOW_BEST,
    accuracy_range,
    axis_title,
    empty_figure,
    hover,
    percent,
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

BILLED = ("device_seconds", "money")
"""What attempts are billed in."""


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
        trials: Each trial with a checkpoint.
        front: Those that no other beats in accuracy and this bill, the cheapest first.
        knee: The one of the front after which accuracy gets expensive.
        baseline: The baseline.
    """

    study: str
    cost: str
    currency: str
    trials: list[BilledTrial]
    front: list[BilledTrial]
    knee: BilledTrial | None
    baseline: BilledTrial | None


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
    return BilledInfo(summary.study.name, cost, summary.book.currency, trials, kept, top, baseline)


def draw_billed(info: BilledInfo, *, is_log: bool, sees_all: bool) -> go.Figure:
    """Draws the trade-off by bill."""
    import plotly.graph_objects as go

    if not info.trials:
        return empty_figure("no attempt was billed yet, or no price is known for where it ran")
    edge = {"width": 1, "color": BLACK}
    top, first = [info.knee] if info.knee else [], [info.baseline] if info.baseline else []
    figure = go.Figure(
        [
            _trace(info, f"{len(info.trials):,} trials", info.trials, {"size": 8, "color": GREY, "line": edge}),
            _trace(info, "baseline", first, {"size": 13, "color": ORANGE, "symbol": "diamond", "line": edge}),
            _trace(info, "front by bill (95 % intervals)", info.front, {"size": 9, "color": BLUE}, is_front=True),
            _trace(info, "knee", top, {"size": 18, "color": RED, "symbol": "star"}),
        ],
        layout=LAYOUT,
    )
    title = f"{axis_title(info.cost, info.currency).removesuffix(', solo')}, billed"
    figure.update_xaxes(title=title, type="log" if is_log else "linear", exponentformat="SI", minor_showgrid=is_log)
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

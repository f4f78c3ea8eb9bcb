"""The dominated hypervolume over what was spent: how fast the search got better."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from operator import ge
from typing import TYPE_CHECKING, NamedTuple

from dashboards.figures.parts import choose_scale, empty_figure, menus, short
from dashboards.palette import BLUE, LAYOUT
from dashboards.summary import Checkpoint, Summary
from dashboards.words import cost_words
from objectives.costs import COSTS
from objectives.front import Reference, front, hypervolume_gain
from storage.rows import TrialRow

if TYPE_CHECKING:
    import plotly.graph_objects as go


class Step(NamedTuple):
    """Where the search stood when a trial had ended.

    Attributes:
        trial: The trial that ended.
        num_trials: How many had ended, this one included.
        spent_seconds: Slot seconds billed to all attempts that had ended by then: every line, of every trial, what
            failed, proved infeasible or was lost included. Attempts that were still under way count when they end.
        hypervolume: 0 to 1, of all checkpoints of the trials that had ended by then, in the study's fixed scales.
    """

    trial: int
    num_trials: int
    spent_seconds: float
    hypervolume: float


class HypervolumeInfo(NamedTuple):
    """What the figure shows: a step for each trial that ended, in the order in which they did."""

    study: str
    objectives: list[str]
    steps: list[Step]


def trace_hypervolume(summary: Summary) -> HypervolumeInfo:
    """Returns what the hypervolume figure shows; no step where the study has no scales yet."""
    objectives = ["accuracy", *summary.minimize]
    reference = summary.study.reference
    if reference is None:
        return HypervolumeInfo(summary.study.name, objectives, [])
    scales = Reference(reference["chance"], tuple(reference["worst"]))
    kept: list[tuple[float, ...]] = []
    steps: list[Step] = []
    volume, spent_seconds, ended = 0.0, 0.0, set[int]()
    by_seed = {number: curve for curve in summary.curves.values() for number in curve[-1].seeds}
    for trial, seconds in _ended(summary):
        spent_seconds += seconds
        if trial is None:
            continue
        ended.add(trial.number)
        curve = by_seed.get(trial.number, ())
        for score in _scores(curve, summary, scales) if curve and ended.issuperset(curve[-1].seeds) else ():
            if not any(all(map(ge, other, score)) for other in kept):
                volume += hypervolume_gain(score, kept)
                kept = _merge(kept, score)
        steps.append(Step(trial.number, len(steps) + 1, spent_seconds, volume))
    return HypervolumeInfo(summary.study.name, objectives, steps)


def draw_hypervolume(info: HypervolumeInfo) -> go.Figure:
    """Draws the hypervolume as steps, over seconds or over trials."""
    import plotly.graph_objects as go

    if not info.steps:
        return empty_figure("no trial has ended yet, or none that fixed the scales")
    steps = bends(info.steps)
    spent = [short(step.spent_seconds, 6) for step in steps]
    trials = [step.num_trials for step in steps]
    figure = go.Figure(layout={**LAYOUT, "height": 420, "margin": {**LAYOUT["margin"], "l": 100}})
    figure.add_scatter(
        x=spent,
        y=[round(step.hypervolume, 5) for step in steps],
        mode="lines",
        line={"shape": "hv", "color": BLUE, "width": 2.5},
        text=[
            f"trial {step.trial} ended, {step.num_trials:,} by then<br>"
            f"{cost_words('device_seconds', step.spent_seconds)} billed"
            for step in steps
        ],
        hovertemplate="%{text}<br>hypervolume %{y:.3f}<extra></extra>",
    )
    titles = {"seconds billed": "slot seconds billed (s)", "trials": "trials ended"}
    buttons = [
        {"label": f"x: {label}", "method": "update", "args": [{"x": [places]}, {"xaxis.title.text": titles[label]}]}
        for label, places in zip(titles, (spent, trials), strict=True)
    ]
    figure.update_xaxes(title=titles["seconds billed"])
    names = [COSTS[name].title if name in COSTS else name for name in info.objectives]
    figure.update_yaxes(title=f"hypervolume of<br>{' and '.join(names)}")
    return figure.update_layout(
        updatemenus=menus(
            buttons,
            [choose_scale("x: linear", "linear"), choose_scale("x: logarithmic", "log")],
        ),
    )


def bends(steps: Sequence[Step]) -> list[Step]:
    """Returns the first step, those that raise the line, and the last: between them it is flat."""
    raised = [after for before, after in pairwise(steps) if after.hypervolume > before.hypervolume]
    return list(dict.fromkeys([steps[0], *raised, steps[-1]]))


def _ended(summary: Summary) -> list[tuple[TrialRow | None, float]]:
    """Returns the bills of all attempts in the order in which they ended, each with the trial that it ended, if any."""
    attempts = [
        (attempt.ended_at, trial, attempt, attempt is trial.attempts[-1] and trial.state not in ("running", "waiting"))
        for trial in summary.study.trials
        for attempt in trial.attempts
        if attempt.ended_at is not None
    ]
    attempts.sort(key=lambda item: (item[0], item[1].number))
    return [(trial if is_last else None, sum(attempt.bill.values())) for _, trial, attempt, is_last in attempts]


def _scores(curve: Sequence[Checkpoint], summary: Summary, scales: Reference) -> list[tuple[float, ...]]:
    scores = []
    for point in curve:
        costs = [value for name in summary.minimize if (value := point.value(name)) is not None]
        if len(costs) == len(summary.minimize):
            scores.append(scales.scores(point.accuracy, tuple(costs)))
    return scores


def _merge(kept: list[tuple[float, ...]], score: tuple[float, ...]) -> list[tuple[float, ...]]:
    both = [*kept, score]
    return [both[index] for index in front([tuple(-value for value in own) for own in both])]

"""Which parameter matters, for accuracy and for cost: shares of variance, with what chance alone would give.

For each parameter the trials are grouped: names and few numbers as they are, many numbers in four bins of about equal
size. The share is the variance of the outcome between the groups over its whole variance: eta squared of a one-way
analysis of variance, 0 to 1. Few trials in many groups give a high share by chance alone; so the outcomes are dealt to
the trials anew, again and again, and the 95 % quantile of the shares that this gives is the *chance level*. A share not
above it is not told apart from chance; of twenty parameters that do not matter one is expected above it.

What this does not show: parameters that matter only together, and what a sampler that favours good regions did not try.

Source: R. A. Fisher, "Statistical methods for research workers" (1925); E. J. G. Pitman, "Significance tests which may
be applied to samples from any populations", JRSS supplement 4 (1937). Comparing distributions rather than fitting a
model that few trials cannot carry is the idea of S. Watanabe et al., "PED-ANOVA", IJCAI (2023).
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.figures.parts import empty_figure
from dashboards.palette import BLACK, BLUE, GREEN, GREY, LAYOUT
from dashboards.settings import Bin, bin_values, varied_parameters
from dashboards.summary import Checkpoint, Summary, nouns
from dashboards.terminal import Bar, draw_bars
from dashboards.words import share_words
from objectives.costs import COSTS

if TYPE_CHECKING:
    import plotly.graph_objects as go

NUM_DEALS = 200
LEAST_TRIALS = 8
"""Complete trials below which no share is given: four bins of two say nothing."""

BAR, BETWEEN = 40, 50
"""Height of a bar with its space, and of the space between two outcomes, in pixels."""

CHANCE = "not told apart from chance"


class Share(NamedTuple):
    """One parameter and one outcome.

    Attributes:
        parameter: Its name.
        share: Of the outcome's variance, 0 to 1.
        chance: The 95 % quantile of the shares that chance gives.
        groups: Each group's label, number of trials and mean outcome.
    """

    parameter: str
    share: float
    chance: float
    groups: list[tuple[str, int, float]]

    @property
    def is_told_apart(self) -> bool:
        """Whether the share is above what chance gives."""
        return self.share > self.chance


class Outcome(NamedTuple):
    """An outcome: `accuracy` (0 to 1), or a cost, whose logarithm to base 10 counts; its shares, largest first."""

    name: str
    shares: list[Share]


class ImportanceInfo(NamedTuple):
    """What the figure shows, of so many complete trials, or settings of several; no outcome where there are too few."""

    study: str
    num_trials: int
    nouns: str
    outcomes: list[Outcome]


def trace_importance(summary: Summary) -> ImportanceInfo:
    """Returns what the importance figure shows: of the trials that completed, at their last checkpoint."""
    complete = {trial.number for trial in summary.study.trials if trial.state == "complete"}
    costs = summary.minimize
    points = [
        point
        for point in summary.finals
        if point.trial in complete and all((point.value(name) or 0.0) > 0 for name in costs)
    ]
    parameters = varied_parameters(summary.study)
    groups = {name: bin_values([point.params.get(name) for point in points]) for name in parameters}
    groups = {name: bins for name, bins in groups.items() if len(bins) > 1}
    if len(points) < LEAST_TRIALS or not groups:
        return ImportanceInfo(summary.study.name, len(points), nouns(points), [])
    outcomes = {"accuracy": [point.accuracy for point in points], **{name: _logs(points, name) for name in costs}}
    return ImportanceInfo(summary.study.name, len(points), nouns(points), _trace_outcomes(outcomes, groups))


def draw_importance(info: ImportanceInfo) -> go.Figure:
    """Draws a bar for each parameter and outcome, with a mark at the chance level."""
    from plotly.subplots import make_subplots

    if not info.outcomes:
        return empty_figure(_too_few(info))
    titles = [f"for {_words(outcome.name)}" for outcome in info.outcomes]
    inner = len(info.outcomes) * BAR * max(len(outcome.shares) for outcome in info.outcomes)
    inner += BETWEEN * (len(info.outcomes) - 1)
    figure = make_subplots(
        rows=len(info.outcomes), cols=1, shared_xaxes=True, subplot_titles=titles, vertical_spacing=BETWEEN / inner
    )
    for row, outcome in enumerate(info.outcomes, start=1):
        traces = _traces(outcome)
        traces[1].showlegend = row == 1
        figure.add_traces(traces, rows=row, cols=1)
    figure.update_xaxes(range=[0, 132], tickvals=list(range(0, 101, 20)))
    figure.update_xaxes(title="variance explained (%)", row=len(info.outcomes))
    figure.update_yaxes(ticksuffix="  ")
    margin = {**LAYOUT["margin"], "l": 110, "b": 90}
    return figure.update_layout({**LAYOUT, "height": inner + margin["t"] + margin["b"], "margin": margin})


def tell_importance(info: ImportanceInfo, width: int) -> str:
    """Draws the shares in characters."""
    if not info.outcomes:
        return _too_few(info)
    blocks = []
    for outcome in info.outcomes:
        bars = [
            Bar(
                share.parameter,
                share.share,
                f"{share_words(share.share):>6}  chance up to {share_words(share.chance)}"
                + ("" if share.is_told_apart else f": {CHANCE}"),
            )
            for share in outcome.shares
        ]
        title = f"{info.study}: share of the variance of {_words(outcome.name)}, {info.num_trials} {info.nouns}"
        blocks.append(f"{title}\n{draw_bars(bars, width)}")
    return "\n\n".join(blocks)


def eta_squared(values: Sequence[float], groups: Sequence[Sequence[int]]) -> float:
    """Returns the share of the variance that lies between the groups, 0 to 1; 0 where nothing varies.

    Args:
        values: N outcomes.
        groups: Indices of them, each in one group.

    >>> eta_squared([1.0, 1.0, 3.0, 3.0], [[0, 1], [2, 3]]), eta_squared([1.0, 3.0, 1.0, 3.0], [[0, 1], [2, 3]])
    (1.0, 0.0)
    """
    mean = math.fsum(values) / len(values)
    total = math.fsum((value - mean) ** 2 for value in values)
    if total <= 1e-12 * max(1.0, mean * mean):
        return 0.0
    between = 0.0
    for members in groups:
        between += sum(values[index] - mean for index in members) ** 2 / len(members)
    return min(1.0, between / total)


def chance_levels(
    outcomes: Sequence[Sequence[float]], groupings: Sequence[Sequence[Sequence[int]]]
) -> list[list[float]]:
    """Returns for each outcome, for each grouping, the 95 % quantile of eta squared where chance alone decides.

    The outcomes are dealt to the trials anew, all of them in the same order, by a fixed seed.

    Args:
        outcomes: N values each.
        groupings: Of each grouping the groups, as indices.
    """
    means = [math.fsum(values) / len(values) for values in outcomes]
    apart = [[value - mean for value in values] for values, mean in zip(outcomes, means, strict=True)]
    totals = [math.fsum(value * value for value in own) or 1.0 for own in apart]
    draw = random.Random(0).random  # noqa: S311  # no secret: the same study must give the same figure
    found: list[list[list[float]]] = [[[] for _ in groupings] for _ in outcomes]
    for _ in range(NUM_DEALS):
        # Sorting by random numbers deals as `shuffle` does, in less time.
        keys = [draw() for _ in outcomes[0]]
        order = sorted(range(len(keys)), key=keys.__getitem__)
        for own, total, shares in zip(apart, totals, found, strict=True):
            dealt = [own[index] for index in order]
            for groups, into in zip(groupings, shares, strict=True):
                into.append(sum(sum(map(dealt.__getitem__, group)) ** 2 / len(group) for group in groups) / total)
    return [[sorted(own)[math.ceil(0.95 * NUM_DEALS) - 1] for own in shares] for shares in found]


def _trace_outcomes(outcomes: dict[str, list[float]], groups: dict[str, list[Bin]]) -> list[Outcome]:
    members = [[own.members for own in bins] for bins in groups.values()]
    traced = []
    for (name, values), chances in zip(outcomes.items(), chance_levels([*outcomes.values()], members), strict=True):
        shares = [
            Share(parameter, eta_squared(values, own), chance, _means(values, bins))
            for (parameter, bins), own, chance in zip(groups.items(), members, chances, strict=True)
        ]
        traced.append(Outcome(name, sorted(shares, key=lambda share: -share.share)))
    return traced


def _traces(outcome: Outcome) -> list[Any]:
    """Returns an outcome's bars, their marks at the chance level, and the words behind them."""
    import plotly.graph_objects as go

    shares = outcome.shares[::-1]
    names = [share.parameter for share in shares]
    color = BLUE if outcome.name == "accuracy" else GREEN
    return [
        go.Bar(
            x=[100 * share.share for share in shares],
            y=names,
            orientation="h",
            marker={"color": [color if share.is_told_apart else GREY for share in shares]},
            hovertext=[_hover(share, outcome.name) for share in shares],
            hoverinfo="text",
            showlegend=False,
        ),
        go.Scatter(
            name="95 % chance level",
            x=[100 * share.chance for share in shares],
            y=names,
            mode="markers",
            marker={"symbol": "line-ns", "size": 22, "line": {"width": 3, "color": BLACK}},
            hovertemplate="chance gives up to %{x:.2g} %<extra></extra>",
        ),
        go.Scatter(
            x=[100 * max(share.share, share.chance) + 2 for share in shares],
            y=names,
            mode="text",
            text=[share_words(share.share) + ("" if share.is_told_apart else ", within chance") for share in shares],
            textposition="middle right",
            hoverinfo="skip",
            showlegend=False,
            cliponaxis=False,
        ),
    ]


def _means(values: Sequence[float], bins: Sequence[Bin]) -> list[tuple[str, int, float]]:
    return [
        (label, len(members), math.fsum(values[index] for index in members) / len(members)) for label, members in bins
    ]


def _logs(points: Sequence[Checkpoint], cost: str) -> list[float]:
    return [math.log10(value) for point in points if (value := point.value(cost)) is not None]


def _words(outcome: str) -> str:
    return "accuracy" if outcome == "accuracy" else f"{COSTS[outcome].title} (logarithm)"


def _hover(share: Share, outcome: str) -> str:
    def tell(mean: float) -> str:
        return f"{100 * mean:.1f} %" if outcome == "accuracy" else f"{10**mean:.3g} {COSTS[outcome].unit}"

    lines: list[Any] = [f"{label}: mean {tell(mean)} of {count}" for label, count, mean in share.groups]
    return "<br>".join([f"<b>{share.parameter}</b>" + ("" if share.is_told_apart else f", {CHANCE}"), *lines])


def _too_few(info: ImportanceInfo) -> str:
    return (
        f"too little to tell: {LEAST_TRIALS} complete {info.nouns} that differ are needed, there are {info.num_trials}"
    )

"""Parallel coordinates: each trial a line through its parameters, cost and accuracy, coloured by front rank."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.figures.parts import empty_figure, least_width, short, thin, tick_logs
from dashboards.palette import LAYOUT, PALE, RED, SKY
from dashboards.settings import NOT_SET, are_words, is_log, varied_parameters
from dashboards.summary import Summary
from dashboards.words import cost_words, value_words
from objectives.costs import COSTS
from objectives.front import front_ranks
from objectives.parameters import Value

if TYPE_CHECKING:
    import plotly.graph_objects as go

HIGHEST_RANK = 10
"""Ranks from here on share one colour: what is that far behind the front need not be told apart."""

MOST_DEEP = 1000
"""Lines of these ranks that are drawn; of more an even choice, since a browser without a GPU is slow at many."""

BELOW = 0.08
"""How far below the lowest number, as a part of the axis, trials stand that have no value."""


class Axis(NamedTuple):
    """One axis.

    Attributes:
        title: Its words.
        places: Where each trial crosses it: the value, its logarithm to base 10, or the number of the word.
        ticks: Places with the words that stand there; empty where the plain numbers do.
    """

    title: str
    places: list[float]
    ticks: list[tuple[float, str]]


class ParallelInfo(NamedTuple):
    """What the figure shows.

    Attributes:
        study: The study's name.
        trials: The trials' numbers, those of high rank first; at most `MOST_DEEP` of rank `HIGHEST_RANK` or more.
        num_trials: How many there are.
        ranks: How deep each trial's last checkpoint lies under the front of all last checkpoints: 0 is on it.
        axes: The parameters that the study varied, the costs to minimise, the accuracy.
    """

    study: str
    trials: list[int]
    num_trials: int
    ranks: list[int]
    axes: list[Axis]


def trace_parallel(summary: Summary) -> ParallelInfo:
    """Returns what the parallel coordinates show: the trials that have all costs to minimise."""
    points = [point for point in summary.finals if all((point.value(name) or 0.0) > 0 for name in summary.minimize)]
    losses = [(-point.accuracy, *(point.value(name) or 0.0 for name in summary.minimize)) for point in points]
    order = sorted(zip(front_ranks(losses), points, strict=True), key=lambda item: (-item[0], item[1].trial))
    deep = [item for item in order if item[0] >= HIGHEST_RANK]
    order = thin(deep, MOST_DEEP) + order[len(deep) :]
    ordered = [point for _, point in order]
    axes = [
        _trace_axis(name, [point.params.get(name) for point in ordered], logarithmic=is_log(summary.study, name))
        for name in varied_parameters(summary.study)
    ]
    axes += [_trace_cost(name, [point.value(name) or 0.0 for point in ordered]) for name in summary.minimize]
    axes.append(Axis("accuracy (%)", [100 * point.accuracy for point in ordered], []))
    numbers, ranks = [point.trial for point in ordered], [rank for rank, _ in order]
    return ParallelInfo(summary.study.name, numbers, len(points), ranks, axes)


def draw_parallel(info: ParallelInfo) -> go.Figure:
    """Draws one trace of parallel coordinates, however many trials there are."""
    import plotly.graph_objects as go

    if not info.trials:
        return empty_figure("no trial has an epoch yet")
    deepest = max(2, min(HIGHEST_RANK, max(info.ranks)))
    shown = len(info.trials)
    of = f"<br>({shown:,} of<br>{info.num_trials:,} trials)" if shown < info.num_trials else ""
    lines = go.Parcoords(
        customdata=info.trials,
        dimensions=[_dimension(axis) for axis in info.axes],
        line={
            # Lines of a higher number lie on top, so the front is the highest.
            "color": [-min(rank, deepest) for rank in info.ranks],
            "colorscale": _bands(deepest),
            "cmin": -deepest - 0.5,
            "cmax": 0.5,
            "showscale": True,
            "colorbar": {
                "title": {"text": f"front rank{of}<br>&nbsp;"},
                "thickness": 14,
                "tickvals": [-rank for rank in range(deepest + 1)],
                "ticktext": [_rank_words(rank) for rank in range(deepest + 1)],
            },
        },
        labelfont={"size": 14},
    )
    figure = go.Figure(lines, layout={**LAYOUT, "margin": {"l": 80, "r": 40, "t": 70, "b": 30}})
    return figure.update_layout(meta=least_width(len(info.axes) + 1))


def _dimension(axis: Axis) -> dict[str, Any]:
    ticks = {"tickvals": [at for at, _ in axis.ticks], "ticktext": [words for _, words in axis.ticks]}
    return {"label": axis.title, "values": [short(at, 5) for at in axis.places], **(ticks if axis.ticks else {})}


def _bands(deepest: int) -> list[tuple[float, str]]:
    """Returns a colour scale in which each rank has one colour: the front red, the others from blue to pale."""
    from plotly.colors import sample_colorscale

    under = sample_colorscale([[0, SKY], [1, PALE]], [rank / (deepest - 1) for rank in range(deepest)])
    bands = [RED, *under][::-1]
    return [(place / len(bands), color) for number, color in enumerate(bands) for place in (number, number + 1)]


def _rank_words(rank: int) -> str:
    return "0: the front" if rank == 0 else f"{rank}" if rank < HIGHEST_RANK else f"{rank} or more"


def _trace_axis(title: str, values: Sequence[Value | None], *, logarithmic: bool) -> Axis:
    known = [value for value in values if value is not None]
    if are_words(known):
        words = sorted({value_words(value) for value in known}) + [NOT_SET] * (len(known) < len(values))
        places = [float(words.index(NOT_SET if value is None else value_words(value))) for value in values]
        return Axis(title, places, list(enumerate(words)))
    numbers = [float(value) for value in known if not isinstance(value, str)]
    if not numbers:
        return Axis(title, [0.0 for _ in values], [(0.0, NOT_SET)])
    places, ticks = _place_numbers(numbers, logarithmic=logarithmic)
    if len(known) == len(values):
        return Axis(title, places, ticks)
    below = min(places) - BELOW * ((max(places) - min(places)) or 1.0)
    ends = [(min(places), value_words(min(numbers))), (max(places), value_words(max(numbers)))]
    at = iter(places)
    return Axis(title, [below if value is None else next(at) for value in values], [(below, NOT_SET), *(ticks or ends)])


def _trace_cost(name: str, values: Sequence[float]) -> Axis:
    places, ticks = _place_numbers(values, logarithmic=True)
    return Axis(COSTS[name].title, places, [(at, cost_words(name, 10**at)) for at, _ in ticks])


def _place_numbers(numbers: Sequence[float], *, logarithmic: bool) -> tuple[list[float], list[tuple[float, str]]]:
    if not logarithmic or not numbers or min(numbers) <= 0:
        return list(numbers), []
    ticks = tick_logs(min(numbers), max(numbers)) or [min(numbers), max(numbers)]
    return [math.log10(number) for number in numbers], [(math.log10(tick), value_words(tick)) for tick in ticks]

"""Slices: accuracy and cost against each parameter that the study varied."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.figures.parts import (
    POINTS_BELOW_BEST,
    accuracy_range,
    choose_range,
    empty_figure,
    hover,
    least_width,
    menus,
    percent,
    prefixed_unit,
    price,
    thin,
    tick_logs,
)
from dashboards.launches import launch_lines
from dashboards.palette import BLUE, GREY, LAYOUT
from dashboards.settings import NOT_SET, are_words, is_log, varied_parameters
from dashboards.summary import Checkpoint, Summary, nouns
from dashboards.words import cost_words, value_words
from objectives.costs import COSTS

if TYPE_CHECKING:
    import plotly.graph_objects as go

MOST_POINTS = 1000
"""Trials that are not on the front and are shown; of more an even choice."""

PAD = 0.08
"""Space below the lowest and above the highest cost, in powers of ten."""

NOTE_WIDTH, NOTE_HEIGHT = 24, 20
"""Letters of a note's line for each column of the figure, and the height of a line in pixels."""

LABEL_HEIGHT, LEGEND_HEIGHT = 70, 40
"""Of the words below an axis that stand aslant, and of the legend, in pixels."""

GOLDEN = 0.6180339887498949
SPREAD = 0.5
"""How wide the trials of one word are spread, in the distance between two words."""


class Slice(NamedTuple):
    """One parameter.

    Attributes:
        parameter: Its name.
        is_log: Whether it is searched on a logarithmic scale.
        words: Its values where they are names, in the order in which they are shown; else empty.
    """

    parameter: str
    is_log: bool
    words: list[str]


class SlicesInfo(NamedTuple):
    """What the figure shows.

    Attributes:
        study: The study's name.
        cost: The first cost to minimise.
        slices: The parameters.
        points: The trials' last checkpoints, at most `MOST_POINTS` beside the front's.
        num_trials: How many there are.
        front: The trials with a checkpoint on the front.
        notes: Where width is nearly free in seconds, and why.
    """

    study: str
    cost: str
    slices: list[Slice]
    points: list[Checkpoint]
    num_trials: int
    front: list[int]
    notes: list[str]


def trace_slices(summary: Summary) -> SlicesInfo:
    """Returns what the slices show."""
    front = list(dict.fromkeys(point.trial for point in summary.front))
    others = [point for point in summary.finals if point.trial not in front]
    points = thin(others, MOST_POINTS) + [summary.curves[number][-1] for number in front]
    slices = []
    for name in varied_parameters(summary.study):
        values = [point.params.get(name) for point in summary.finals]
        named = sorted({NOT_SET if value is None else value_words(value) for value in values})
        slices.append(Slice(name, is_log(summary.study, name), named if are_words(values) else []))
    cost = summary.cost
    return SlicesInfo(summary.study.name, cost, slices, points, len(summary.finals), front, launch_lines(summary.study))


def draw_slices(info: SlicesInfo) -> go.Figure:
    """Draws small multiples: a column for each parameter, accuracy above, cost below."""
    from plotly.subplots import make_subplots

    if not info.points or not info.slices:
        return empty_figure("no trial has an epoch yet, or no parameter was varied")
    figure = make_subplots(
        rows=2,
        cols=len(info.slices),
        shared_yaxes=True,
        column_titles=[part.parameter for part in info.slices],
        horizontal_spacing=0.02,
        vertical_spacing=0.05,
    )
    front = set(info.front)
    groups = [
        (_count_others(info), [point for point in info.points if point.trial not in front]),
        ("with a checkpoint on the front", [point for point in info.points if point.trial in front]),
    ]
    best = max(point.accuracy for point in info.points)
    for column, part in enumerate(info.slices, start=1):
        for (name, points), color in zip(groups, (GREY, BLUE), strict=True):
            figure.add_traces(
                [
                    trace.update(showlegend=row == 0 and column == 1)
                    for row, trace in enumerate(_pair(part, name, points, color, info.cost))
                ],
                rows=[1, 2],
                cols=[column, column],
            )
        figure.update_xaxes(**_axis(part, info.points), col=column)
        figure.update_xaxes(showticklabels=False, row=1, col=column)
    figure.update_yaxes(title="accuracy (%)", range=accuracy_range(best - POINTS_BELOW_BEST), row=1, col=1)
    prices = [value for point in info.points if (value := point.value(info.cost)) is not None and value > 0]
    ticks = tick_logs(min(prices), max(prices)) if prices else []
    words = [cost_words(info.cost, tick) for tick in ticks]
    ends = [math.log10(min(prices)) - PAD, math.log10(max(prices)) + PAD] if prices else None
    figure.update_yaxes(type="log", range=ends, tickvals=ticks, ticktext=words, row=2)
    figure.update_yaxes(title=COSTS[info.cost].title, row=2, col=1)
    notes = [line for note in info.notes for line in textwrap.wrap(note, NOTE_WIDTH * (len(info.slices) + 1))]
    if notes:
        place = {"x": 0, "y": 0, "xref": "paper", "yref": "paper", "xanchor": "left", "yanchor": "top"}
        figure.add_annotation(
            text="<br>".join(notes),
            **place,
            yshift=-LABEL_HEIGHT,
            align="left",
            showarrow=False,
        )
    ranges = [choose_range("y: the best", best - POINTS_BELOW_BEST), choose_range("y: everything", 0.0)]
    below = LABEL_HEIGHT + NOTE_HEIGHT * len(notes) + LEGEND_HEIGHT if notes else LAYOUT["margin"]["b"]
    return figure.update_layout(
        {**LAYOUT, "height": 540 + below, "margin": {**LAYOUT["margin"], "t": 90, "b": below}},
        updatemenus=[{**menus(ranges)[0], "y": 1.2}],
        meta=least_width(len(info.slices) + 1),
    )


def _count_others(info: SlicesInfo) -> str:
    shown, there = len(info.points) - len(info.front), info.num_trials - len(info.front)
    return f"{shown:,}{f' of {there:,}' if shown < there else ''} other {nouns(info.points)}"


def _pair(part: Slice, name: str, points: list[Checkpoint], color: str, cost: str) -> list[Any]:
    import plotly.graph_objects as go

    shared = {
        "name": name,
        "x": [_place(part, point) for point in points],
        "mode": "markers",
        "marker": {"size": 5 if len(points) > 200 else 7, "color": color, "opacity": 0.45 if color == GREY else 0.9},  # noqa: PLR2004
        "legendgroup": name,
    }
    accuracies = [percent(point.accuracy) for point in points]
    own = [{part.parameter: point.params.get(part.parameter, NOT_SET)} for point in points]
    words = [hover(point, cost, params) for point, params in zip(points, own, strict=True)]
    return [
        go.Scatter(**shared, y=accuracies, text=words, hoverinfo="text"),
        go.Scatter(
            **shared,
            y=[price(point, cost) for point in points],
            hovertemplate=f"%{{y:.3s}}{prefixed_unit(cost)}<extra></extra>",
        ),
    ]


def _place(part: Slice, point: Checkpoint) -> float | None:
    """Returns the value; of a word its number, spread a little and always alike, so that points do not hide."""
    value = point.params.get(part.parameter)
    if not part.words:
        return None if value is None else float(f"{value:.4g}")
    number = part.words.index(NOT_SET if value is None else value_words(value))
    return round(number + SPREAD * (point.trial * GOLDEN % 1 - 0.5), 3)


def _axis(part: Slice, points: Sequence[Checkpoint]) -> dict[str, Any]:
    if part.words:
        places = list(range(len(part.words)))
        return {"tickvals": places, "ticktext": part.words, "range": [-0.6, len(places) - 0.4], "showgrid": False}
    numbers = [value for point in points if isinstance(value := point.params.get(part.parameter), int | float)]
    if not part.is_log or not numbers or min(numbers) <= 0:
        return {"nticks": 5}
    ticks = tick_logs(min(numbers), max(numbers))
    return {"type": "log", "tickvals": ticks, "ticktext": [value_words(tick) for tick in ticks]}

"""What several figures are made of."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from dashboards.palette import LAYOUT
from dashboards.summary import Checkpoint
from dashboards.words import accuracy_words, cost_title, cost_words, params_words, share_words
from objectives.costs import COSTS, NOTABLE
from objectives.prices import DERIVED

if TYPE_CHECKING:
    import plotly.graph_objects as go

POINTS_BELOW_BEST = 0.35
"""How far below the best accuracy a figure reaches when it opens; trials further down come into sight by a click."""

ACCURACY = "validation accuracy (%)"

SHOWN_COST = "%{x:.3s}%{meta}"
"""Template of the cost under the pointer: with an SI prefix, before its trace's `meta`, which is the unit."""

PREFIXED = ("s", "J", "B", "FLOP", "g")
"""Units that an SI prefix is written before."""

MENU_ARROW, MENU_LETTER = 50, 7
"""Pixels that a menu is wide: for its margins and its arrow, and at most for each letter of its longest label."""

Item = TypeVar("Item")


def axis_title(cost: str, currency: str = "") -> str:
    """Returns the axis title of a cost or of money, with its unit."""
    if cost in DERIVED:
        return f"{DERIVED[cost].title} ({DERIVED[cost].unit or currency}), solo"
    return f"{COSTS[cost].title} ({COSTS[cost].unit}), solo"


def prefixed_unit(cost: str, currency: str = "") -> str:
    """Returns the unit of a cost or of money as it stands behind a number with an SI prefix.

    >>> [f"974m{prefixed_unit(cost, 'USD')}" for cost in ("device_seconds", "money", "gco2e")]
    ['974ms', '974m USD', '974mg CO2e']
    """
    unit = (DERIVED[cost].unit if cost in DERIVED else COSTS[cost].unit) or currency
    return unit if unit.split(" ")[0] in PREFIXED else f" {unit}"


def choose_cost(costs: Sequence[str], labels: Sequence[str | None]) -> str | None:
    """Returns the cost whose title the first of the labels is; the first cost where it is none of theirs.

    >>> choose_cost(["device_seconds", "train_flops"], ["training FLOPs", "x: linear"])
    'train_flops'
    """
    wanted = labels[0] if labels else None
    return next((cost for cost in costs if cost_title(cost) == wanted), costs[0] if costs else None)


def known(point: Checkpoint, cost: str) -> bool:
    """Says whether a checkpoint has a value of a cost."""
    return point.value(cost) is not None


def price(point: Checkpoint, cost: str) -> float | None:
    """Returns a cost in four digits, None where it is absent: more would only make the file larger."""
    value = point.value(cost)
    return None if value is None else short(value)


def short(value: float, digits: int = 4) -> float:
    """Returns a number in a few significant digits.

    >>> short(0.123456), short(68_123_456.0)
    (0.1235, 68120000.0)
    """
    return float(f"{value:.{digits}g}")


def percent(accuracy: float) -> float:
    """Returns an accuracy in percent, two decimals."""
    return round(100 * accuracy, 2)


def hover(
    point: Checkpoint, cost: str | None = None, params: Mapping[str, Any] | None = None, currency: str = ""
) -> str:
    """Returns what is shown of a checkpoint under the pointer.

    Args:
        point: The checkpoint.
        cost: One that is told.
        params: The parameters that are told; all without it.
        currency: Of money.
    """
    parts = [f"<b>trial {point.numbers}, epoch {point.epoch}</b>", accuracy_words(point.accuracy, point.interval)]
    if cost is not None:
        parts.append(cost_words(cost, point.value(cost), currency))
    waited, took = point.value("contention_seconds"), point.value("device_seconds")
    if waited and took and waited / took > NOTABLE:
        parts.append(f"waited for its cores for {share_words(waited / took)} of the training")
    throttled = point.value("throttled_seconds")
    if throttled and took and throttled / took > NOTABLE:
        parts.append(f"held back by heat or a power limit for {share_words(throttled / took)} of the training")
    if others := point.value("other_processes"):
        parts.append(f"{others:.0f} other processes were on its GPU")
    return "<br>".join([*parts, break_lines(params_words(point.params if params is None else params))])


def break_lines(setting: str) -> str:
    """Returns a setting in words with two parameters on each line.

    >>> break_lines("optimizer=adam lr=0.01 batch_size=64")
    'optimizer=adam, lr=0.01<br>batch_size=64'
    """
    words = setting.split(" ")
    return "<br>".join(", ".join(words[at : at + 2]) for at in range(0, len(words), 2))


def least_width(num_columns: int) -> dict[str, int]:
    """Returns the `meta` of a figure that cannot be read when narrower: the report lets it scroll sideways."""
    return {"least_width": 130 * num_columns}


def thin(items: Sequence[Item], most: int) -> list[Item]:
    """Returns at most so many of the items, evenly spread.

    >>> thin(range(10), 4)
    [0, 2, 5, 7]
    """
    if len(items) <= most:
        return list(items)
    return [items[index * len(items) // most] for index in range(most)]


def tick_logs(low: float, high: float) -> list[float]:
    """Returns round numbers within a range: powers of ten where it spans two or more, else 1, 2 and 5 of each.

    >>> tick_logs(0.0002, 1.0), tick_logs(16, 512)
    ([0.001, 0.01, 0.1, 1.0], [20.0, 50.0, 100.0, 200.0, 500.0])
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    powers = [float(f"1e{decade}") for decade in decades]
    inside = [power for power in powers if low <= power <= high]
    enough = 3
    if len(inside) >= enough:
        return inside
    steps = [float(f"{digit}e{decade}") for decade in decades for digit in (1, 2, 5)]
    return [step for step in steps if low <= step <= high]


NARROW = 44
"""Characters of a line that fit into the narrowest window."""


def empty_figure(words: str) -> go.Figure:
    """Returns a figure that says why there is nothing to see."""
    import plotly.graph_objects as go

    figure = go.Figure(layout={**LAYOUT, "height": 160})
    figure.update_xaxes(visible=False)
    figure.update_yaxes(visible=False)
    return figure.add_annotation(
        text="<br>".join(textwrap.wrap(words, NARROW)), showarrow=False, x=0.5, y=0.5, xref="paper", yref="paper"
    )


def menus(*choices: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns drop-down menus side by side above a figure, each as wide as its longest label needs.

    >>> short, long = [{"label": "x: log"}], [{"label": "device time"}, {"label": "energy"}]
    >>> [menu["pad"]["l"] for menu in menus(long, short, long)]
    [0, 127, 219]
    """
    made, left = [], 0
    for buttons in choices:
        place = {"x": 0, "xanchor": "left", "y": 1.13, "yanchor": "top", "pad": {"l": left}}
        made.append({"buttons": buttons, "showactive": True, **place})
        left += MENU_ARROW + MENU_LETTER * max(len(button["label"]) for button in buttons)
    return made


def choose_scale(label: str, kind: str) -> dict[str, Any]:
    """Returns a button that makes the x axis `log` or `linear`."""
    return {"label": label, "method": "relayout", "args": [{"xaxis.type": kind, "xaxis.autorange": True}]}


def choose_range(label: str, low: float) -> dict[str, Any]:
    """Returns a button that lets the accuracies begin at `low`, 0 to 1."""
    return {"label": label, "method": "relayout", "args": [{"yaxis.range": accuracy_range(low)}]}


def accuracy_range(low: float) -> list[float]:
    """Returns the ends of an accuracy axis that begins at `low`, 0 to 1, in percent."""
    return [max(0.0, 100 * low), 100.5]

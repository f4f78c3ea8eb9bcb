"""The slider beside the trade-off: what to pick where so much accuracy is wanted, or so little may be spent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, ctx, html, no_update

from dashboards.figures.crowd import crowd_tradeoff
from dashboards.figures.parts import choose_cost
from dashboards.figures.tradeoff import Tradeoff
from dashboards.marginal import best_within, cheapest, marginal_words
from dashboards.pages.parts import Component, aria, section, trial_path
from dashboards.pages.reading import Reader
from dashboards.pages.site import Site
from dashboards.summary import Checkpoint
from dashboards.words import accuracy_words, cost_words, params_words
from storage.faults import StorageFault

NO_BREAK = "\u00a0"
"""Between a number and its unit, which a line is not to part."""

AT_LEAST, AT_MOST = "at least this accuracy", "at most this cost"


@dataclass(frozen=True)
class Span:
    """What the slider can be set to.

    Attributes:
        low: Its left end: percent, or the logarithm to base 10 of a cost.
        high: Its right end.
        step: Between its values.
        start: Where it stands first: at the knee, or where there is none at the most accurate.
    """

    low: float
    high: float
    step: float
    start: float


@dataclass(frozen=True)
class Offer:
    """What the slider answers.

    Attributes:
        wish: In words.
        point: The checkpoint; None where none keeps the wish.
        found: What it is and costs, in words.
        more: What more accuracy would cost.
    """

    wish: str
    point: Checkpoint | None
    found: str
    more: str


def read_tradeoff(reader: Reader, name: str, labels: Sequence[str | None]) -> tuple[Tradeoff, str] | None:
    """Returns the trade-off whose cost the figure's first menu shows, and the currency; the first where it shows none.

    It is None where no epoch was recorded.

    Args:
        reader: Of the database.
        name: The study.
        labels: What the menus show.

    Raises:
        StorageFault: where the study cannot be read.
    """
    with reader.crowd(name) as crowd:
        if crowd is not None:
            cost = choose_cost(crowd.costs(), labels)
            return None if cost is None else (crowd_tradeoff(crowd, cost), crowd.currency)
    info = reader.tradeoff(name)
    cost = choose_cost([one.cost for one in info.tradeoffs], labels)
    return next(((one, info.currency) for one in info.tradeoffs if one.cost == cost), None)


def is_same_quantity(changed: Any) -> bool:
    """Says whether the slider is of what it was of before: not where the wish or the figure's cost was chosen anew.

    Args:
        changed: The id of what changed: `mark`, `wish`, or a menu of the figure, of which the first is the cost's.
    """
    return changed != "wish" and not (isinstance(changed, dict) and changed["menu"] == 0)


def wish_range(tradeoff: Tradeoff, kind: str) -> Span:
    """Returns what the slider can be set to, from the cheapest point of the front to the most accurate."""
    first, last = tradeoff.front[0], tradeoff.front[-1]
    start = tradeoff.knee or last
    if kind == AT_LEAST:
        low, high = math.floor(1000 * first.accuracy) / 10, math.floor(1000 * last.accuracy) / 10
        return Span(low, max(high, low + 0.1), 0.1, math.floor(1000 * start.accuracy) / 10)
    logs = [math.log10(max(point.value(tradeoff.cost) or 0.0, 1e-12)) for point in (first, last, start)]
    low, high, at = (math.ceil(100 * value) / 100 for value in logs)
    return Span(low, max(high, low + 0.01), 0.01, at)


def answer_wish(tradeoff: Tradeoff, kind: str, value: float, currency: str) -> Offer:
    """Returns the cheapest setting that is accurate enough, or the best that is cheap enough, and what more costs.

    Args:
        tradeoff: The front, and its cost.
        kind: `AT_LEAST` or `AT_MOST`.
        value: Of the slider: percent, or the logarithm to base 10 of the cost.
        currency: Of money.
    """
    cost = tradeoff.cost
    if kind == AT_LEAST:
        wish = f"at least {value:.1f} %"
        point = cheapest(tradeoff.front, value / 100 - 1e-9)
    else:
        wish = f"at most {cost_words(cost, 10**value, currency)}"
        point = best_within(tradeoff.front, cost, 10**value * (1 + 1e-9))
    if point is None:
        return Offer(wish, None, "No checkpoint of the front keeps this.", "")
    found = (
        f"Trial {point.numbers} after epoch {point.epoch}: {accuracy_words(point.accuracy, point.interval)} for "
        + cost_words(cost, point.value(cost), currency).replace(" ", NO_BREAK)
    )
    return Offer(wish, point, found, marginal_words(tradeoff.front, point, cost, currency))


def show_answer(study: str, offer: Offer) -> list[Component]:
    """Returns what the slider answers."""
    if offer.point is None:
        return [dmc.Text(offer.wish, size="sm", c="dimmed"), dmc.Text(offer.found)]
    return [
        dmc.Text(offer.wish, size="sm", c="dimmed"),
        dmc.Anchor(offer.found, href=trial_path(study, offer.point.trial), fw=600),
        dmc.Text(params_words(offer.point.params), size="sm", ff="monospace"),
        dmc.Text(offer.more, size="sm"),
    ]


def show_slider() -> Component:
    """Returns the slider, and the place for what it answers."""
    kinds = [{"value": kind, "label": kind} for kind in (AT_LEAST, AT_MOST)]
    return section(
        "What should I pick?",
        dmc.SegmentedControl(id="wish", data=kinds, value=AT_LEAST, fullWidth=True),
        dmc.Slider(
            id="limit", min=-100, max=-99, value=-100, label=None, thumbLabel="the limit", updatemode="drag", my="sm"
        ),
        html.Div(id="answer", **aria(live="polite")),
        quiet="Of the front's checkpoints, at the solo cost that the figure names.",
    )


def register(app: Dash, site: Site) -> None:
    """Makes the slider answer."""

    @app.callback(
        Output("limit", "min"),
        Output("limit", "max"),
        Output("limit", "step"),
        Output("limit", "value"),
        Input("mark", "data"),
        Input("wish", "value"),
        Input({"part": "choice", "kind": "tradeoff", "menu": ALL}, "value"),
        State("limit", "value"),
        State("names", "data"),
    )
    async def _(_mark: str | None, kind: str, labels: list[str], value: float | None, names: list[str]) -> Any:
        is_same = is_same_quantity(ctx.triggered_id)
        found = await _tradeoff(site, names, labels)
        if found is None:
            return (no_update,) * 4
        span = wish_range(found[0], kind)
        is_kept = is_same and value is not None and span.low <= value <= span.high
        return span.low, span.high, span.step, no_update if is_kept else span.start

    @app.callback(
        Output("answer", "children"),
        Input("limit", "value"),
        Input("limit", "max"),
        State("wish", "value"),
        State({"part": "choice", "kind": "tradeoff", "menu": ALL}, "value"),
        State("names", "data"),
        prevent_initial_call=True,
    )
    async def _(value: float, _most: float, kind: str, labels: list[str], names: list[str]) -> Any:
        found = await _tradeoff(site, names, labels)
        if found is None:
            return dmc.Text("No epoch was recorded yet.", size="sm", c="dimmed")
        return show_answer(names[0], answer_wish(found[0], kind, value, found[1]))


async def _tradeoff(site: Site, names: Sequence[str], labels: Sequence[str | None]) -> tuple[Tradeoff, str] | None:
    """Returns the trade-off of the first study that is shown, and the currency; None where it has none."""
    try:
        return await asyncio.to_thread(read_tradeoff, site.reader, names[0], labels)
    except StorageFault:
        return None

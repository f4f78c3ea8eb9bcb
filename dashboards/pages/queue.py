"""What waits for free slots, wherever a page shows it: a part that keeps itself up to date."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import dash_mantine_components as dmc
from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboards.pages import operating
from dashboards.pages.live import LIVE_MILLISECONDS
from dashboards.pages.parts import Component, link, section, study_path
from dashboards.pages.site import Site
from dashboards.queue import need_words, place_words
from storage.faults import StorageFault
from storage.queue import Waiting, list_queue


def queue(empty: str = "") -> list[Component]:
    """Returns the place of the queue; what is in it comes by the callback of `register`.

    Args:
        empty: What stands there while nothing waits; without it, it takes no room then.
    """
    return [
        dcc.Interval(id="queue-clock", interval=LIVE_MILLISECONDS),
        dcc.Store(id="queue-mark"),
        dcc.Store(id="queue-empty", data=empty),
        html.Div(id="queue"),
    ]


def show_queue(found: Sequence[Waiting], empty: str, *, may_operate: bool) -> Component | None:
    """Returns what waits, the first in line first; None where nothing does and nothing is to be said of it."""
    if not found:
        return section("Queue", dmc.Text(empty, size="sm")) if empty else None
    told = "A core or a GPU is one study's at a time, so that none slows another. Who came first goes first."
    rows = (_row(waiting, may_operate=may_operate) for waiting in found)
    return dmc.Box(section("Queue", *rows, quiet=told), mb=None if empty else "lg")


def _row(waiting: Waiting, *, may_operate: bool) -> Component:
    order, is_new = waiting.order, waiting.order.action != "resume"
    name = dmc.Text(order.study, fw=600) if is_new else link(order.study, study_path(order.study))
    badge = dmc.Badge(
        place_words(waiting.place), color="red" if waiting.place is None else "violet", variant="light", tt="none"
    )
    more = f", {order.num_more} more trials" if order.num_more else ""
    told = f"{order.action} asked by {order.token} at {waiting.asked_at:%Y-%m-%d %H:%M} UTC{more}"
    needs = f"needs {need_words(order)} of {waiting.host}"
    faults = [dmc.Text(line, size="sm", c="red") for line in (waiting.fault or "").splitlines()]
    buttons = [operating.button("cancel", order.study)] if may_operate else []
    head = dmc.Group([dmc.Group([name, badge], gap="sm"), *buttons], justify="space-between")
    return dmc.Card(
        [head, dmc.Text(f"{told}; {needs}", size="sm", c="dimmed"), *faults], withBorder=True, radius="md", p="sm"
    )


def register(app: Dash, site: Site) -> None:
    """Makes the queue come alive."""

    @app.callback(
        Output("queue", "children"),
        Output("queue-mark", "data"),
        Input("queue-clock", "n_intervals"),
        State("queue-mark", "data"),
        State("queue-empty", "data"),
    )
    async def _(_ticks: int | None, before: str | None, empty: str | None) -> Any:
        may_operate = site.may_operate()
        try:
            found = await asyncio.to_thread(list_queue, site.reader.database)
        except StorageFault:  # the page around it says so
            return no_update, no_update
        mark = f"{may_operate} {[(one.order.study, one.asked_at, one.place, one.fault) for one in found]}"
        if mark == before:
            return no_update, no_update
        return show_queue(found, empty or "", may_operate=may_operate), mark

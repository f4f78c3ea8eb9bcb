"""What keeps a page up to date: a clock asks for the mark of its studies, and all that shows them goes by it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from math import ceil
from typing import Any

from dash import Dash, Input, Output, State, dcc, html, no_update

from dashboards.pages.parts import Component, faults
from dashboards.pages.reading import Reader
from dashboards.pages.site import Site
from storage.faults import StorageFault

LIVE_MILLISECONDS = 2000
"""How often a page asks whether there is anything new, at most."""


def live(names: Sequence[str], mark: str, brush: dict[str, Any] | None = None) -> list[Component]:
    """Returns what keeps a page up to date: the studies that it is of, their mark, a clock, and a place for a fault.

    Args:
        names: The studies.
        mark: Of these.
        brush: The trials that are chosen, as `read_brush` knows them; None for all.
    """
    return [
        dcc.Store(id="names", data=list(names)),
        dcc.Store(id="mark", data=mark),
        dcc.Store(id="brush", data=brush),
        dcc.Interval(id="clock", interval=LIVE_MILLISECONDS),
        html.Div(id="away"),
    ]


def register(app: Dash, site: Site) -> None:
    """Makes the clock ask."""

    @app.callback(
        Output("mark", "data"),
        Output("away", "children"),
        Output("clock", "interval"),
        Input("clock", "n_intervals"),
        Input("names", "data"),
        State("mark", "data"),
        State("clock", "interval"),
        prevent_initial_call=True,  # what goes by a mark that this leaves alone would wait in vain
    )
    async def _(_ticks: int | None, names: list[str], before: str | None, waited: int | None) -> Any:
        try:
            mark, wait_seconds = await asyncio.to_thread(_look, site.reader, names)
        except StorageFault as fault:
            return no_update, faults("This is as it was last; it is tried again", [str(fault)]), no_update
        wait = max(LIVE_MILLISECONDS, 1000 * ceil(wait_seconds))
        return (no_update if mark == before else mark), None, (no_update if wait == waited else wait)


def _look(reader: Reader, names: Sequence[str]) -> tuple[str, float]:
    return reader.mark(names), reader.wait_seconds(names)

"""Choosing trials in a figure: a box or lasso in the trade-off, ranges of the parallel coordinates.

The browser tells which trials these are; where the trade-off does not show each trial it tells the box or the lasso, in
digits that the address has room for. The address holds the choice, so that it can be shared.
"""

from __future__ import annotations

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, Dash, Input, Output, State, html

from dashboards.brushing import LONGEST, Brush, read_brush
from dashboards.pages.parts import Component, aria
from dashboards.pages.reading import MOST_CHOSEN, Reader
from dashboards.pages.scripts import read_script
from dashboards.pages.site import Site
from dashboards.words import range_words
from storage.faults import StorageFault


def show_place() -> Component:
    """Returns the place for what is chosen, hidden as long as that is all."""
    hint = "To choose trials, draw a box or a lasso in the trade-off (its tools stand above it), or drag along an axis "
    return html.Div(
        [
            dmc.Text(f"{hint}of the parallel coordinates; a double click takes all again.", size="sm", c="dimmed"),
            html.Div(
                dmc.Group(
                    [
                        dmc.Text(id="brushed", size="sm", fw=600),
                        dmc.Button(
                            "Show all again",
                            id={"part": "clear", "kind": "brush"},
                            variant="default",
                            size="compact-sm",
                        ),
                    ]
                ),
                id="brush-box",
                style={"display": "none"},
                **aria(live="polite"),
            ),
            dmc.Text(id="brush-words", display="none"),
        ]
    )


def describe(reader: Reader, name: str, brush: Brush | None) -> tuple[str, dict[str, str], str]:
    """Returns what is chosen in words, how its place looks, and the numbers for the address."""
    if brush is None:
        return "", {"display": "none"}, ""
    with reader.crowd(name) as crowd:
        numbers = brush.find(crowd)
    if crowd is None:
        numbers = {trial.number for trial in reader.chosen(name, brush).study.trials}
    words = range_words(numbers, ",")
    trials = "1 trial is chosen" if len(numbers) == 1 else f"{len(numbers):,} trials are chosen"
    is_thin = crowd is not None and len(numbers) > MOST_CHOSEN
    alone = f"an even choice of {MOST_CHOSEN:,} of these" if is_thin else "these alone"
    return f"{trials}: figures below and the table show {alone}.", {}, words if len(words) <= LONGEST else ""


def register(app: Dash, site: Site) -> None:
    """Makes figures choose."""
    graph = {"part": "graph", "kind": ALL}
    app.clientside_callback(  # type: ignore[no-untyped-call]
        read_script("brush"),
        Output("brush", "data"),
        Input(graph, "selectedData"),
        Input(graph, "restyleData"),
        Input({"part": "clear", "kind": ALL}, "n_clicks"),
        State("brush", "data"),
        prevent_initial_call=True,
    )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        read_script("keep_brush"),
        Output("silent", "children", allow_duplicate=True),
        Input("brush-words", "children"),
        State("brush", "data"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output("brushed", "children"),
        Output("brush-box", "style"),
        Output("brush-words", "children"),
        Input("brush", "data"),
        State("names", "data"),
    )
    async def _(brush: dict[str, Any] | None, names: list[str]) -> Any:
        try:
            return await asyncio.to_thread(describe, site.reader, names[0], read_brush(brush))
        except StorageFault as fault:
            return str(fault), {}, ""

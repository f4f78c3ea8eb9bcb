"""A figure on a page, with menus of the page's own, redrawn when something is new; a zoom and what was chosen stay."""

from __future__ import annotations

import asyncio
from typing import Any

import dash_mantine_components as dmc
from dash import ALL, MATCH, Dash, Input, Output, State, dcc, html, no_update

from dashboards.brushing import read_brush
from dashboards.figures import FIGURES
from dashboards.pages.drawing import Drawn, find_height
from dashboards.pages.easel import Easel
from dashboards.pages.parts import GRAPH_CONFIG, Component, aria, faults, section, waiting
from dashboards.pages.scripts import read_script
from dashboards.pages.site import Site
from dashboards.palette import LAYOUT
from storage.faults import StorageFault

HEIGHT = LAYOUT["height"]
"""Pixels of most figures, which their place has from the beginning."""


def panel(kind: str, more: str = "") -> Component:
    """Returns the place of a figure of `FIGURES`; what is in it comes by a callback of `register`.

    Args:
        kind: Its name.
        more: Another line on how it is read.
    """
    figure = FIGURES[kind]
    return section(
        figure.title,
        dmc.Group(id=_part("menus", kind), gap="sm"),
        dcc.Store(id=_part("drawn", kind)),
        dcc.Store(id=_part("fresh", kind)),
        dcc.Store(id=_part("config", kind), data=GRAPH_CONFIG),
        html.Div(
            html.Div(waiting(HEIGHT), id=_part("inner", kind)),
            style={"overflowX": "auto"},
        ),
        html.Div(id=_part("fault", kind)),
        quiet=f"{figure.text} {more}".rstrip(),
    )


def menu_row(kind: str, drawn: Drawn) -> list[Component]:
    """Returns a figure's menus."""
    return [
        dmc.Select(
            id={"part": "choice", "kind": kind, "menu": number},
            data=labels,
            value=choice,
            allowDeselect=False,
            w=172,
            size="sm",
            **aria(label=f"{FIGURES[kind].title} ({labels[0]}, ...)"),
        )
        for number, (labels, choice) in enumerate(zip(drawn.menus, drawn.choices, strict=True))
    ]


def register(app: Dash, site: Site) -> None:
    """Makes the figures of all pages come alive."""
    app.clientside_callback(  # type: ignore[no-untyped-call]
        read_script("put_up"),
        Output({"part": "inner", "kind": MATCH}, "children"),
        Input({"part": "fresh", "kind": MATCH}, "data"),
        State({"part": "inner", "kind": MATCH}, "children"),
        State({"part": "fresh", "kind": MATCH}, "id"),
        State({"part": "config", "kind": MATCH}, "data"),
    )
    app.clientside_callback(  # type: ignore[no-untyped-call]
        read_script("keep_zoom"),
        Output({"part": "graph", "kind": MATCH}, "figure"),
        Input({"part": "fresh", "kind": MATCH}, "data"),
        State({"part": "graph", "kind": MATCH}, "figure"),
        prevent_initial_call=True,
    )

    @app.callback(
        Output({"part": "fresh", "kind": MATCH}, "data"),
        Output({"part": "inner", "kind": MATCH}, "style"),
        Output({"part": "menus", "kind": MATCH}, "children"),
        Output({"part": "drawn", "kind": MATCH}, "data"),
        Output({"part": "fault", "kind": MATCH}, "children"),
        Input("mark", "data"),
        Input("scheme", "data"),
        Input({"part": "choice", "kind": MATCH, "menu": ALL}, "value"),
        Input("brush", "data"),
        State({"part": "fresh", "kind": MATCH}, "id"),
        State({"part": "drawn", "kind": MATCH}, "data"),
        State("names", "data"),
    )
    async def _(
        mark: str | None,
        scheme: str | None,
        choices: list[str],
        brush: dict[str, Any] | None,
        own: dict[str, str],
        before: dict[str, Any] | None,
        names: list[str],
    ) -> Any:
        if not names or not mark or not scheme:
            return (no_update,) * 5
        return await asyncio.to_thread(redraw, site.easel, own["kind"], names, mark, scheme, choices, brush, before)


def redraw(
    easel: Easel,
    kind: str,
    names: list[str],
    mark: str,
    scheme: str,
    choices: list[str],
    brush: dict[str, Any] | None,
    before: dict[str, Any] | None,
) -> tuple[Any, ...]:
    """Returns a figure, the style of what holds it, its menus, what was drawn, and what is wrong.

    What is as it was before is left alone.

    Args:
        easel: What draws it.
        kind: One of `FIGURES`.
        names: The studies.
        mark: Of these studies.
        scheme: dark or light.
        choices: What is chosen of each menu that is there.
        brush: The trials that are chosen.
        before: What was drawn before, None where nothing was.
    """
    seen = None if kind == (brush or {}).get("origin") else brush  # there it is shown already, by the browser
    asked = [mark, scheme, names, choices, seen]
    if before is not None and before["asked"] == asked:
        return (no_update,) * 5
    try:
        drawn = easel.draw(kind, names, choices, scheme, read_brush(brush))
    except StorageFault as fault:
        return (*(no_update,) * 4, faults("The figure could not be drawn anew", [str(fault)]))
    now = {"asked": [mark, scheme, names, drawn.choices, seen], "menus": drawn.menus}
    has_figure = before is not None and before["asked"] == now["asked"]
    has_menus = before is not None and before["menus"] == drawn.menus
    return (
        no_update if has_figure else drawn.figure,
        _style(drawn),
        no_update if has_menus else menu_row(kind, drawn),
        now,
        None,
    )


def hand_over(
    drawn: Drawn, names: list[str], mark: str, scheme: str, brush: dict[str, Any] | None
) -> dict[str, dict[str, Any]]:
    """Returns the properties of a panel's parts by which it has a figure; its menus it asks for as ever.

    Args:
        drawn: The figure.
        names: The studies that it is of.
        mark: Of these studies, no later than the figure.
        scheme: dark or light.
        brush: The trials that are chosen.
    """
    asked = [mark, scheme, names, drawn.choices, brush]
    return {
        "inner": {"style": _style(drawn)},
        "drawn": {"data": {"asked": asked, "menus": []}},
        "fresh": {"data": drawn.figure},
    }


def _style(drawn: Drawn) -> dict[str, str]:
    return {"minWidth": f"{drawn.least_width}px", "height": f"{find_height(drawn.figure)}px"}


def _part(part: str, kind: str) -> dict[str, str]:
    return {"part": part, "kind": kind}

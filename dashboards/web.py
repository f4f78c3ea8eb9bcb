"""The pages on the service's own port: Dash on the FastAPI app that also answers the API.

Callbacks are coroutines whose work runs in threads: one that took its time on the event loop would hold up the API.
All scripts and styles come from installed packages, over the same port; nothing is fetched from elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple
from urllib.parse import unquote

import dash_mantine_components as dmc
from dash import Dash, Input, Output, dcc, html
from fastapi import FastAPI
from fastapi.middleware.gzip import GZipMiddleware

from dashboards.actions import Actions
from dashboards.machine import Machine
from dashboards.pages import (
    brushing,
    choosing,
    compare,
    launching,
    live,
    machines,
    operating,
    panels,
    queue,
    studies,
    study,
    trial,
    trials,
)
from dashboards.pages.ahead import read_ahead
from dashboards.pages.arrival import Arrival, add_figure
from dashboards.pages.easel import Easel
from dashboards.pages.pace import Pace
from dashboards.pages.parts import Component, faults, frame, link, waiting
from dashboards.pages.reading import Reader
from dashboards.pages.scripts import INDEX, add_part, leave_tables, list_drawing, list_hashes, read_script
from dashboards.pages.shared import SharedAnswers
from dashboards.pages.site import Site
from objectives.prices import PriceBook
from storage.database import Database
from storage.faults import StorageFault
from storage.studies import list_running_here

REST_SECONDS = 0.5
LEAST_BYTES, COMPRESSION = 500, 5
"""What is compressed, and how much: more takes longer for hardly fewer bytes."""

VIEWPORT = {"name": "viewport", "content": "width=device-width, initial-scale=1"}


class Pages(NamedTuple):
    """The pages on an app.

    Attributes:
        hashes: What a Content-Security-Policy allows the scripts by that stand in a document itself.
        read_ahead: Reads what is large until it is told that it is over; call it in a thread of its own.
    """

    hashes: list[str]
    read_ahead: Callable[[Callable[[], bool]], None]


def add_pages(
    server: FastAPI,
    database: Database,
    actions: Actions,
    may_operate: Callable[[], bool],
    look: Callable[[], Machine],
    book: PriceBook | None = None,
    rest_seconds: float = REST_SECONDS,
) -> Pages:
    """Mounts the pages on an app; call it last, since they answer every address that nothing else does.

    Args:
        server: The app.
        database: Where the studies are.
        actions: What a page may ask of the service.
        may_operate: Whether the request under way may ask for it; else the buttons are hidden, and what they would
            call refuses.
        look: Looks at the machine of the service.
        book: The prices that a study's own go before; None for those of the package.
        rest_seconds: How long what was read is shown as it was at least, however many ask.
    """
    pace = Pace(rest_seconds, partial(_is_shared, database))
    reader = Reader(database, book, pace.rest_seconds)
    site = Site(reader, actions, may_operate, look, Easel(reader))
    add_figure(server, site)
    add_part(server)
    server.add_middleware(Arrival, site=site)  # within the layer that compresses
    leave_tables()
    served: Any = server  # Dash's own types know Flask alone
    app = Dash(
        __name__,
        server=served,
        title="Paretune",
        update_title="",
        meta_tags=[VIEWPORT],
        suppress_callback_exceptions=True,
        serve_locally=True,
        compress=False,  # it would take longer, for the last hundredth
        external_scripts=list_drawing(),
        index_string=INDEX,
    )
    _without_websocket(app, server)
    server.add_middleware(GZipMiddleware, minimum_size=LEAST_BYTES, compresslevel=COMPRESSION)
    server.add_middleware(SharedAnswers, may_operate=may_operate)
    app.layout = dmc.MantineProvider(
        [dcc.Location(id="url"), html.Div(waiting(400), id="page"), html.Div(id="silent", hidden=True)],
        defaultColorScheme="auto",
    )
    rooms = (
        live,
        panels,
        operating,
        launching,
        queue,
        studies,
        study,
        brushing,
        choosing,
        trials,
        trial,
        compare,
        machines,
    )
    for room in rooms:
        room.register(app, site)
    _register_address(app, site)
    return Pages(list_hashes(app), partial(read_ahead, site))


def _is_shared(database: Database) -> bool:
    return bool(list_running_here(database))


def _without_websocket(app: Dash, server: FastAPI) -> None:
    """Takes Dash's second way in away: what is asked over HTTP alone is what the service checks."""
    app.backend.websocket_capability = False
    path = f"{app.config.routes_pathname_prefix}_dash-ws-callback"
    server.router.routes[:] = [route for route in server.router.routes if getattr(route, "path", None) != path]


async def find_page(site: Site, path: str, search: str) -> Component:
    """Returns the page at an address, or one that says what is wrong.

    Args:
        site: What the pages share.
        path: As the browser has it.
        search: What follows it, with its question mark.
    """
    match [unquote(part) for part in path.split("/") if part]:
        case []:
            return await studies.find_layout(site, search)
        case ["study", name]:
            return await _of_study(site, name, partial(study.layout, site, name, search))
        case ["study", name, "trial", number] if number.isdecimal():
            return await _of_study(site, name, partial(trial.layout, name, int(number)))
        case ["machines"]:
            return machines.layout(site)
        case ["compare"]:
            return await _compared(site, search)
        case _:
            return _lost(f"there is no page {path}")


def _register_address(app: Dash, site: Site) -> None:
    @app.callback(Output("page", "children"), Input("url", "pathname"), Input("url", "search"))
    async def _(path: str | None, search: str | None) -> Any:
        return await find_page(site, path or "/", search or "")

    title = Input("title", "data")
    app.clientside_callback(read_script("tell_page"), Output("scheme", "data"), title)  # type: ignore[no-untyped-call]
    for script, told in (
        ("lift", title),
        ("keep_tab", Input("tabs", "value")),
        ("keep_studies", Input("compared", "value")),
    ):
        silent = Output("silent", "children", allow_duplicate=True)
        app.clientside_callback(read_script(script), silent, told, prevent_initial_call=True)  # type: ignore[no-untyped-call]


async def _compared(site: Site, search: str) -> Component:
    try:
        return await asyncio.to_thread(compare.layout, site.reader, search)
    except StorageFault as fault:
        return _lost(str(fault))


async def _of_study(site: Site, name: str, layout: Callable[[str], Component]) -> Component:
    """Returns a page that is made of a study's mark, or what is wrong with the study."""
    try:
        mark = await asyncio.to_thread(site.reader.mark, [name])
    except StorageFault as fault:
        return _lost(str(fault))
    return layout(mark)


def _lost(why: str) -> Component:
    return frame("Paretune", faults("Nothing to show here", [why]), link("to all studies", "/"))

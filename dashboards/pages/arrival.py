"""What the address of a study answers with before any script of its page has come: its trade-off, as a picture.

It lies over the page that is being made beneath it. As soon as plotly has come it is the figure itself, and it is taken
away once the page has drawn its own.
"""

from __future__ import annotations

import asyncio
import re
from html import escape

from fastapi import FastAPI, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.brushing import parse_search, read_brush
from dashboards.figures import FIGURES
from dashboards.pages.drawing import DARK, Drawn, find_height
from dashboards.pages.panels import hand_over
from dashboards.pages.parts import GRAPH_CONFIG
from dashboards.pages.scripts import put_before
from dashboards.pages.site import Site
from dashboards.pages.sketch import sketch
from dashboards.pages.study import BILLED, about_words
from storage.faults import StorageFault
from storage.rows import StudyRow

ADDRESS = re.compile(r"/study/([^/]+)")

PATIENCE_SECONDS = 1.0
"""How long the picture is waited for: a large study that was not read yet is shown by its page alone."""

STYLE = """
#arrival, #arrival * { box-sizing: border-box }
#arrival { position: fixed; inset: 0; z-index: 1000; overflow: hidden; pointer-events: none; padding: 0 16px;
  font: 16px/1.55 -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, Helvetica, Arial, sans-serif;
  background: #fff; color: #000 }
#arrival[data-scheme=dark] { background: #242424; color: #c9c9c9 }
#arrival > div { max-width: 1288px; margin: auto }
#arrival b { display: block; height: 59px; line-height: 58px; color: #228be6; font-size: 20px;
  border-bottom: 1px solid #868e9640 }
#arrival h1 { font-size: 26px; line-height: 36px; margin: 16px 0 12px }
#arrival h2 { font-size: 22px; line-height: 1.4; margin: 20px 0 10px }
#arrival p { margin: 0; color: #868e96; font-size: 14px; line-height: 1.45 }
#arrival ul { display: flex; flex-wrap: wrap; gap: 12px; margin: 10px 0; padding: 0; list-style: none }
#arrival li { width: 172px; height: 36px; padding: 0 12px; line-height: 34px; font-size: 14px;
  border: 1px solid #868e9680; border-radius: 4px }
#arrival .figure { position: relative }
#arrival .figure > svg { display: block; width: 100%; height: 100% }
#arrival .figure > div { position: absolute; inset: 0; pointer-events: auto }
@media (width < 48em) { #arrival b { height: 106px } }
@media (width >= 62em) { #arrival section { width: calc((100% + 16px) * 2 / 3 - 16px) } }
"""
"""Lays it out as the page will be, so that the figure stays where it is."""

CONFIG = {**GRAPH_CONFIG, "modeBarButtonsToRemove": [*GRAPH_CONFIG["modeBarButtonsToRemove"], "select2d", "lasso2d"]}
"""Of the figure before the page's own: trials are chosen for what is below it, which is not there yet."""


class Arrival:
    """The layer that puts the picture into the document of a study's page, where it comes in time.

    Args:
        app: What answers.
        site: What the pages share.
    """

    def __init__(self, app: ASGIApp, site: Site) -> None:
        self._app, self._site = app, site

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, websocket or lifespan."""
        found = ADDRESS.fullmatch(scope["path"]) if scope["type"] == "http" and scope["method"] == "GET" else None
        if found is None:
            await self._app(scope, receive, send)
            return
        picture = (await self._make(found[1], scope["query_string"].decode("latin-1"))).encode()

        held: list[Message] = []

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                held.append(message)
                return
            body = message.get("body", b"")
            body = put_before(picture, body) if picture else body
            if held:  # Dash sends its document in one piece
                MutableHeaders(scope=held[0])["content-length"] = str(len(body))
                await send(held.pop())
            await send({**message, "body": body})

        await self._app(scope, receive, send_on)

    async def _make(self, name: str, search: str) -> str:
        """Returns the picture of a study, which need not be there; nothing where there is none in time."""
        made = asyncio.create_task(asyncio.to_thread(_picture, self._site, name, search))
        try:
            return await asyncio.wait_for(asyncio.shield(made), PATIENCE_SECONDS)
        except TimeoutError:
            made.add_done_callback(lambda late: late.exception())  # what it read is kept for what the page asks next
            return ""
        except StorageFault:  # the page itself says what is wrong
            return ""


def add_figure(server: FastAPI, site: Site) -> None:
    """Adds where a picture's script asks for the figure itself, by the same search as its page.

    It is answered as what the page's own place for it is given, which therefore need not ask.
    """

    @server.get("/study/{name}/tradeoff", include_in_schema=False)
    def _(name: str, request: Request, scheme: str = "") -> Response:
        scheme = DARK if scheme == DARK else "light"
        try:
            mark = site.reader.mark([name])
            drawn = _draw(site, name, request.url.query, scheme)
        except StorageFault as fault:
            return PlainTextResponse(str(fault), status_code=404)
        parts = hand_over(drawn, [name], mark, scheme, parse_search(request.url.query))
        return JSONResponse({"parts": parts, "config": CONFIG})


def _draw(site: Site, name: str, search: str, scheme: str) -> Drawn:
    return site.easel.draw("tradeoff", [name], [], scheme, read_brush(parse_search(search)))


def _picture(site: Site, name: str, search: str) -> str:
    drawn = _draw(site, name, search, "light")
    return show(site.reader.peak(name)[0].study, drawn) if drawn.menus else ""


def show(study: StudyRow, drawn: Drawn) -> str:
    """Returns the picture as HTML.

    Args:
        study: It is of this study.
        drawn: Its trade-off.
    """
    menus = "".join(f"<li>{escape(choice)}</li>" for choice in drawn.choices)
    return (
        f'<div id="arrival"><style>{STYLE}</style><div><b>Paretune</b><h1>{escape(study.name)}</h1>'
        f"<p>{escape(about_words(study))}</p><section><h2>{escape(FIGURES['tradeoff'].title)}</h2>"
        f"<p>{escape(FIGURES['tradeoff'].text)} {escape(BILLED)}</p><ul>{menus}</ul>"
        f'<div class="figure" style="height: {find_height(drawn.figure)}px">{sketch(drawn.figure)}</div>'
        "</section></div></div>"
    )

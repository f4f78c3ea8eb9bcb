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
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.brushing import parse_search, read_brush
from dashboards.pages.drawing import DARK, Drawn
from dashboards.pages.parts import GRAPH_CONFIG
from dashboards.pages.scripts import put_before
from dashboards.pages.site import Site
from dashboards.pages.sketch import sketch
from dashboards.summary import Summary
from dashboards.words import accuracy_words, cost_words
from storage.faults import StorageFault

ADDRESS = re.compile(r"/study/([^/]+)")

PATIENCE_SECONDS = 1.0
"""How long the picture is waited for: a large study that was not read yet is shown by its page alone."""

STYLE = """
#arrival { position: fixed; inset: 0; z-index: 1000; overflow: hidden; pointer-events: none; padding: 12px 16px;
  font: 16px/1.5 -apple-system, BlinkMacSystemFont, "Segoe UI", Roboto, Helvetica, Arial, sans-serif;
  background: #fff; color: #222 }
#arrival > div { max-width: 1288px; margin: auto }
#arrival b.brand { color: #228be6; font-size: 20px }
#arrival h1 { font-size: 26px; line-height: 1.35; margin: 30px 0 8px }
#arrival p { margin: 0; opacity: .75; font-size: 14px }
#arrival .figure { position: relative; max-width: 826px; margin-top: 12px }
#arrival .figure > svg { display: block; width: 100% }
#arrival .figure > div { position: absolute; inset: 0; pointer-events: auto }
#arrival[data-scheme=dark] { background: #242424; color: #c9c9c9 }
"""

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
    """Adds where a picture's script asks for the figure itself, by the same search as its page."""

    @server.get("/study/{name}/tradeoff", include_in_schema=False)
    def _(name: str, request: Request, scheme: str = "") -> Response:
        try:
            drawn = _draw(site, name, request.url.query, DARK if scheme == DARK else "light")
        except StorageFault:
            return Response(status_code=404)
        return JSONResponse({"figure": drawn.figure, "config": CONFIG})


def _draw(site: Site, name: str, search: str, scheme: str) -> Drawn:
    return site.easel.draw("tradeoff", [name], [], scheme, read_brush(parse_search(search)))


def _picture(site: Site, name: str, search: str) -> str:
    drawn = _draw(site, name, search, "light")
    return show(site.reader.peak(name)[0], drawn) if drawn.menus else ""


def show(summary: Summary, drawn: Drawn) -> str:
    """Returns the picture as HTML.

    Args:
        summary: Of the study.
        drawn: Its trade-off.
    """
    points = {"Most accurate": summary.best, "knee of the front": summary.knee, "baseline": summary.baseline}
    told = [
        f"{title} {accuracy_words(point.accuracy, point.interval)} for "
        f"{cost_words(summary.cost, point.value(summary.cost))}"
        for title, point in points.items()
        if point is not None
    ]
    study = summary.study
    return (
        f'<div id="arrival"><style>{STYLE}</style><div><b class="brand">Paretune</b>'
        f"<h1>{escape(study.name)}</h1><p>{escape(study.state)}</p>"
        f"<p>{escape('; '.join(told))}</p>"
        f'<div class="figure">{sketch(drawn.figure)}</div></div></div>'
    )

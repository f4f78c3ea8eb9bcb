"""The service as one ASGI app: API, login, pages, and the layers around them."""

from __future__ import annotations

from asyncio import to_thread
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version
from pathlib import Path
from threading import Event, Thread

from fastapi import FastAPI

from dashboards.pages.reading import Reader
from dashboards.web import add_pages
from search.pricing import find_book
from search.service.actions import build_actions, keep_queue
from search.service.api import build_router, describe
from search.service.auth import Gate, Guard, may_operate
from search.service.coordinators import Coordinators
from search.service.drafts import Drafts
from search.service.envelope import Envelope, security_policy
from search.service.events import Streams
from search.service.exports import Exports
from search.service.login import build_login
from search.service.machine import Lookout
from search.service.problems import add_handlers
from search.service.rules import Rules
from storage.database import Database

GRACE_SECONDS = 2.0
"""How long the end of the service waits for a sweep that begins at that moment; it goes on by itself."""


def build_app(database: Database, rules: Rules, templates: Path | None = None) -> FastAPI:
    """Returns the service of a database.

    Args:
        database: Where the studies, the tokens and the audit are.
        rules: What the operator allows.
        templates: A folder of specs to begin with; None for the built-in one alone.

    Its `state.end_streams` ends the streams of events: call it as soon as the server is asked to end.

    Raises:
        Faults: with every fault of the user's price book, a line each.
    """
    gate, coordinators, exports = Gate(database, rules), Coordinators(database, rules), Exports(database)

    @asynccontextmanager
    async def live(_app: FastAPI) -> AsyncIterator[None]:
        is_over = Event()
        keeper = Thread(target=keep_queue, args=(coordinators, is_over), daemon=True)
        keeper.start()
        Thread(target=pages.read_ahead, args=(is_over.is_set,), daemon=True).start()
        yield
        is_over.set()
        exports.close()
        await to_thread(keeper.join, GRACE_SECONDS)

    app = FastAPI(
        lifespan=live,
        title="Paretune",
        version=version("paretune"),
        description="Launch, watch, steer and compare sweeps. Send `Authorization: Bearer TOKEN`.",
        openapi_url="/api/openapi.json",
        docs_url=None,  # FastAPI's pages load their scripts from elsewhere
        redoc_url=None,
    )
    add_handlers(app)
    actions = build_actions(coordinators, Drafts(database, templates))
    _add_health(app, database)
    app.include_router(build_login(gate))
    book = find_book()
    lookout, streams = Lookout(coordinators.slots), Streams()
    app.state.end_streams = streams.are_over.set  # the server waits for them before it ends
    app.include_router(build_router(coordinators, actions, Reader(database, book), lookout, streams, exports, book))
    describe(app)
    pages = add_pages(
        app, database, actions, may_operate, lookout.look, book
    )  # last: it answers every address that is left
    # The layer that is added last is the outermost: nothing of Dash's reads a request before the guard has.
    app.add_middleware(Guard, gate=gate)
    app.add_middleware(Envelope, policy=security_policy(pages.hashes))
    return app


def _add_health(app: FastAPI, database: Database) -> None:
    @app.get("/healthz", include_in_schema=False)
    def healthy() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", include_in_schema=False)
    def ready() -> dict[str, str]:
        database.check()
        return {"status": "ok"}

"""What every request gets: an id, a line in the log, headers that keep browsers strict, and an answer in any case."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Sequence
from http import HTTPStatus
from urllib.parse import quote

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.pages.shared import CALL
from search.service.auth import VISITOR
from search.service.problems import REQUEST_ID, Problem, answer

log = logging.getLogger("paretune.service")

PRIVATE = ("/api", "/login", "/logout")
"""What no cache may keep."""


def security_policy(script_hashes: Sequence[str]) -> str:
    """Returns the Content-Security-Policy: scripts of ours alone, and those inline ones that Dash's page begins with.

    Args:
        script_hashes: Of the inline scripts, as `'sha256-...'`.
    """
    # Mantine and plotly write style elements; plotly draws what it downloads as a blob.
    return (
        f"default-src 'self'; script-src 'self' {' '.join(script_hashes)}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )


class Envelope:
    """The outermost layer.

    Args:
        app: What answers.
        policy: The Content-Security-Policy.
    """

    def __init__(self, app: ASGIApp, policy: str) -> None:
        self._app = app
        self._headers = {
            "content-security-policy": policy,
            "x-frame-options": "DENY",
            "x-content-type-options": "nosniff",
            # Other sites learn no address of ours. `no-referrer` would make browsers hide the Origin of our own forms.
            "referrer-policy": "same-origin",
            "cross-origin-opener-policy": "same-origin",
            "cross-origin-resource-policy": "same-origin",
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, websocket or lifespan."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        scope[REQUEST_ID] = secrets.token_hex(8)  # never the client's own: it would be forged in the log
        start, status = time.perf_counter(), 0

        async def send_on(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._add_headers(message, scope)
            elif message["type"] == "websocket.accept":
                status = 101
            elif message["type"] == "websocket.close" and not status:
                status = 403
            await send(message)

        try:
            await self._app(scope, receive, send_on)
        except Exception:
            log.exception("%s failed", scope[REQUEST_ID])
            if status or scope["type"] != "http":
                raise
            problem = Problem(500, "something went wrong here; the log has it under this request's id")
            await answer(problem, scope)(scope, receive, send_on)
        finally:
            _write_line(scope, status, time.perf_counter() - start)

    def _add_headers(self, message: Message, scope: Scope) -> None:
        headers = MutableHeaders(scope=message)
        headers.update(self._headers)
        headers["x-request-id"] = scope[REQUEST_ID]
        headers.setdefault("cache-control", "no-store" if scope["path"].startswith(PRIVATE) else "no-cache")


def _write_line(scope: Scope, status: int, seconds: float) -> None:
    method = scope.get("method", "WEBSOCKET")
    path = quote(scope["path"], safe="/")  # a name in it may hold line breaks
    who = scope.get(VISITOR) or "-"
    # Every open page asks every other second.
    level = logging.DEBUG if path == CALL and status and status < HTTPStatus.BAD_REQUEST else logging.INFO
    log.log(level, "%s %s %s %d %.0f ms %s", scope[REQUEST_ID], method, path, status, 1000 * seconds, who)

"""What many ask for is made once and answered to all: what open pages ask as something is new, and their scripts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, TypeAlias

import brotli
from dash.fingerprint import check_fingerprint
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from dashboards.pages.recent import Recent

CALL = "/_dash-update-component"
"""Where pages ask."""

SUITES = "/_dash-component-suites/"
"""Where scripts and styles of installed packages are."""

OWN = "/scripts/"
"""Where those are that come with our own pages."""

KEEP_SECONDS = 10.0
"""How long an answer is given again: all pages that are open ask for it within this."""

KEEP_FILES_SECONDS = 365 * 86_400.0
"""The same of scripts and styles: as long as browsers are told to keep them."""

MOST_KEPT = 64
"""Answers: some ten kilobytes each."""

MOST_FILES = 32
"""Scripts and styles: a page begins with some 12, of 0.9 megabytes together as they are sent."""

BROTLI = "br"
"""Its name among encodings."""

QUALITY = 9
"""Of Brotli: a fifth of a second for what a page has besides plotly, which is kept so; at 11 it would be over two."""

Ask: TypeAlias = Callable[[Scope, Receive], Awaitable[list[Message]]]


@dataclass
class _Answer:
    """An answer, when it was made, and the lock that it is made under."""

    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    made_at: float = float("-inf")
    messages: list[Message] = field(default_factory=list)


class SharedAnswers:
    """The layer, within the one that tells who asks.

    Of what pages ask only what they ask because their mark is new is shared: it depends on nothing but what is sent,
    which holds the mark, and on what the page may do. Of files only those of packages whose address tells their
    version: they would be compressed for every new browser. Faults of the server are not kept.

    Args:
        app: What answers.
        may_operate: Whether the request under way may change anything.
    """

    def __init__(self, app: ASGIApp, may_operate: Callable[[], bool]) -> None:
        self._app, self._may_operate = app, may_operate
        self._answers, self._files = Recent(_Answer, MOST_KEPT), Recent(_Answer, MOST_FILES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, websocket or lifespan."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] == CALL:
            await self._answer_call(scope, receive, send)
        elif scope["method"] == "GET" and _is_kept(scope["path"]):
            encoding = _choose_encoding(Headers(scope=scope))
            ask = self._ask_brotli if encoding == BROTLI else self._ask
            answer = self._files.find((scope["path"], encoding))
            await self._give(answer, KEEP_FILES_SECONDS, ask, scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer_call(self, scope: Scope, receive: Receive, send: Send) -> None:
        parts = [await receive()]
        while parts[-1].get("more_body", False):
            parts.append(await receive())
        body = b"".join(part.get("body", b"") for part in parts)

        async def again() -> Message:
            return parts.pop(0) if parts else await receive()

        if not _goes_by_mark(body):
            await self._app(scope, again, send)
            return
        answer = self._answers.find((body, Headers(scope=scope).get("accept-encoding"), self._may_operate()))
        await self._give(answer, KEEP_SECONDS, self._ask, scope, again, send)

    async def _give(
        self, answer: _Answer, keep_seconds: float, ask: Ask, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Sends an answer, made anew where it is older than so many seconds."""
        async with answer.lock:
            if time.monotonic() - answer.made_at > keep_seconds:
                answer.messages = await ask(scope, receive)
                if answer.messages[0]["status"] < 300:  # noqa: PLR2004
                    answer.made_at = time.monotonic()
        for message in answer.messages:
            await send({**message, "headers": [*message["headers"]]} if "headers" in message else message)

    async def _ask(self, scope: Scope, receive: Receive) -> list[Message]:
        messages: list[Message] = []

        async def keep(message: Message) -> None:
            messages.append(message)

        await self._app(scope, receive, keep)
        return messages

    async def _ask_brotli(self, scope: Scope, receive: Receive) -> list[Message]:
        """Returns an answer in a tenth fewer bytes than those of the layers within, unless it is so already."""
        asked = [(name, value) for name, value in scope["headers"] if name != b"accept-encoding"]
        asked.append((b"accept-encoding", BROTLI.encode()))
        start, *parts = await self._ask({**scope, "headers": asked}, receive)
        headers = MutableHeaders(raw=start["headers"])
        if start["status"] != HTTPStatus.OK or "content-encoding" in headers:
            return [start, *parts]
        body = await asyncio.to_thread(brotli.compress, b"".join(part["body"] for part in parts), quality=QUALITY)
        headers["content-encoding"], headers["content-length"] = BROTLI, str(len(body))
        return [start, {"type": "http.response.body", "body": body}]


def takes_brotli(headers: Headers) -> bool:
    """Says whether who asks takes an answer in Brotli, as browsers do over HTTPS and from their own machine."""
    return _choose_encoding(headers) == BROTLI


def _choose_encoding(headers: Headers) -> str:
    accepted = [one.split(";")[0].strip() for one in headers.get("accept-encoding", "").split(",")]
    return next((one for one in (BROTLI, "gzip") if one in accepted), "identity")


def _is_kept(path: str) -> bool:
    """Says whether an address is that of a file of one version; names of studies may look so."""
    return path.startswith((SUITES, OWN)) and bool(check_fingerprint(path)[1])  # type: ignore[no-untyped-call]


def _goes_by_mark(body: bytes) -> bool:
    """Says whether a page asks for something because there is a new mark, and tells which."""
    try:
        asked: Any = json.loads(body)
    except (ValueError, RecursionError):
        return False
    if not isinstance(asked, dict) or asked.get("changedPropIds") != ["mark.data"]:
        return False
    inputs = asked.get("inputs")
    marks = [
        one for one in (inputs if isinstance(inputs, list) else []) if isinstance(one, dict) and one.get("id") == "mark"
    ]
    return any(one.get("value") for one in marks)

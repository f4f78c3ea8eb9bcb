"""Who is asking: one layer before everything else, for HTTP and websocket alike."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from math import ceil

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from search.service.bodies import IMPORT_BYTES, MOST_BYTES, OPEN_BYTES, PAGE_BYTES, read_body, replay
from search.service.problems import Forbidden, Problem, answer, of_fault, of_refusal
from search.service.rules import Rules
from search.service.sessions import Sessions
from search.service.tries import Tries
from storage.database import Database
from storage.faults import StorageFault
from storage.tokens import OPERATE, Token, find_token, load_token, note_use

HEALTH = frozenset({"/healthz", "/readyz"})
"""Asked by machines that know no name of ours; they tell nothing."""

OPEN = HEALTH | {"/login", "/logout"}
"""What is answered without a token."""

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
VISITOR = "paretune.visitor"
"""Key of the name of the request's token in its ASGI scope."""

CHECK = "paretune.check"
"""Key of what asks again whose request it is, in its ASGI scope: it raises a `Problem` once its token does not hold."""

POLICY_VIOLATION = 1008
"""Close code of a websocket."""

_visitor: ContextVar[Token | None] = ContextVar("visitor", default=None)


def visitor() -> Token | None:
    """Returns the token of the request under way, None outside of one."""
    return _visitor.get()


def may_operate() -> bool:
    """Says whether the request under way comes from a token that may do all."""
    token = visitor()
    return token is not None and token.role == OPERATE


def check_operates(token: Token | None) -> Token:
    """Returns a token that may do all.

    Raises:
        Forbidden: where this one may not, or there is none.
    """
    if token is None or token.role != OPERATE:
        raise Forbidden("token: this one may only read; one with the role operate is needed")
    return token


@dataclass(frozen=True)
class Gate:
    """What tells tokens and sessions from others. Its methods read the database: call them in a thread."""

    database: Database
    rules: Rules
    sessions: Sessions = field(default_factory=Sessions)
    tries: Tries = field(default_factory=Tries)

    def admit(self, secret: str, address: str) -> Token:
        """Returns the token of a secret.

        Args:
            secret: As it was given.
            address: Of whoever gave it.

        Raises:
            Problem: where it is of none that holds; after several such the address must wait before its next wrong one.
        """
        token = find_token(self.database, secret)
        if token is None:
            raise self._count_wrong(address)
        self._note_use(token)
        return token

    def identify(self, connection: HTTPConnection) -> Token:
        """Returns the token that a request or websocket brings, itself or by its session.

        Raises:
            Problem: where it brings none that holds.
        """
        if (secret := bearer(connection)) is not None:
            return self.admit(secret, address(connection))
        key = self.sessions.find(connection.cookies.get(self.rules.cookie, ""))
        token = None if key is None else load_token(self.database, key)
        if token is None:
            raise _unknown()
        self._note_use(token)
        return token

    def _count_wrong(self, address: str) -> Problem:
        """Returns what whoever gave a wrong token is told.

        A right one is never kept waiting: there are too many to guess one, and behind a proxy all share an address.
        """
        if wait_seconds := self.tries.wait_seconds(address):
            retry = {"retry-after": str(ceil(wait_seconds))}
            return Problem(429, "token: too many wrong ones; try again later", headers=retry)
        self.tries.fail(address)
        return _unknown()

    def _note_use(self, token: Token) -> None:
        """Writes down that a token is used; a database that can be read alone still answers."""
        with suppress(StorageFault):
            note_use(self.database, token)


class Guard:
    """The layer: lets through what names this service, comes from no other site, and brings a token that may do it.

    Args:
        app: What is guarded.
        gate: Tells tokens.
    """

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app, self._gate = app, gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers a request, websocket or lifespan."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        try:
            token = await self._admit(connection)
            if scope["type"] == "http":
                most = body_limit(scope["path"], token)
                receive = replay(await read_body(connection, receive, most), receive)
            else:
                receive = self._watched(connection, receive, send)
        except (Problem, Forbidden) as reason:
            problem = reason if isinstance(reason, Problem) else of_refusal(reason)
            await _refuse(problem, connection, receive, send)
            return
        mark = _visitor.set(token)
        try:
            await self._app(scope, receive, send)
        finally:
            _visitor.reset(mark)

    async def _admit(self, connection: HTTPConnection) -> Token | None:
        """Returns whose request it is, None of what is open to all.

        Raises:
            Problem: where it may not pass.
            Forbidden: where its token may not do that.
        """
        path, is_safe = connection.scope["path"], connection.scope.get("method") in SAFE_METHODS
        if path in HEALTH and is_safe:
            return None
        self._gate.rules.check_host(connection)
        is_open = path in OPEN and connection.scope["type"] == "http"
        self._gate.rules.check_origin(connection, is_required=is_open and not is_safe)
        if is_open:
            return None
        token = await self._identify(connection)
        self._gate.rules.check_origin(connection, is_required=bearer(connection) is None and not is_safe)
        if path.startswith("/api") and not is_safe:
            check_operates(token)
        return token

    async def _identify(self, connection: HTTPConnection) -> Token:
        try:
            token = await run_in_threadpool(self._gate.identify, connection)
        except StorageFault as fault:
            raise of_fault(fault, connection.scope) from fault
        connection.scope[VISITOR] = token.name
        connection.scope[CHECK] = partial(self._gate.identify, connection)
        return token

    def _watched(self, connection: HTTPConnection, receive: Receive, send: Send) -> Receive:
        """Returns what gives a websocket's messages for as long as its token holds."""

        async def give() -> Message:
            message = await receive()
            if message["type"] == "websocket.receive":
                try:
                    await self._identify(connection)
                except Problem:
                    await send({"type": "websocket.close", "code": POLICY_VIOLATION})
                    return {"type": "websocket.disconnect", "code": POLICY_VIOLATION}
            return message

        return give


def bearer(connection: HTTPConnection) -> str | None:
    """Returns the secret of an `Authorization: Bearer` header, None where there is none."""
    kind, _, secret = connection.headers.get("authorization", "").partition(" ")
    return secret.strip() if kind.lower() == "bearer" else None


def address(connection: HTTPConnection) -> str:
    """Returns the address of whoever is asking; a header that tells another is not believed."""
    return connection.client.host if connection.client else "unknown"


def body_limit(path: str, token: Token | None) -> int:
    """Returns how many bytes a request may bring."""
    if token is None:
        return OPEN_BYTES
    if path == "/api/imports":
        return IMPORT_BYTES
    return PAGE_BYTES if path.startswith("/_dash-") else MOST_BYTES


async def _refuse(problem: Problem, connection: HTTPConnection, receive: Receive, send: Send) -> None:
    if connection.scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": POLICY_VIOLATION})
        return
    await _refusal(problem, connection)(connection.scope, receive, send)


def _refusal(problem: Problem, connection: HTTPConnection) -> Response:
    """Returns the problem, or to a person's browser that has no session the way to the login page."""
    is_page = connection.scope["method"] == "GET" and not connection.scope["path"].startswith("/api")
    headers: Mapping[str, str] = connection.headers
    if problem.status == 401 and is_page and "text/html" in headers.get("accept", ""):  # noqa: PLR2004
        return RedirectResponse("/login", 303)
    return answer(problem, connection.scope)


def _unknown() -> Problem:
    return Problem(
        401, "token: one that holds is needed: Authorization: Bearer TOKEN", headers={"www-authenticate": "Bearer"}
    )

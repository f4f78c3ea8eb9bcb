"""Errors as problem details (RFC 9457)."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.types import Scope

from dashboards.actions import Refused
from search.faults import Faults
from storage.faults import DatabaseFault, StorageFault

log = logging.getLogger("paretune.service")

REQUEST_ID = "paretune.request_id"
"""Key of the request's id in its ASGI scope."""

MEDIA_TYPE = "application/problem+json"
MOST_LINES = 100
"""Faults of a body that are told."""


class Problem(Exception):
    """Why a request is not answered.

    Args:
        status: HTTP status.
        detail: What is wrong, and what would do.
        faults: Where there are several, a line for each.
        headers: To send along.
    """

    def __init__(
        self, status: int, detail: str, faults: Sequence[str] = (), headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status, self.detail, self.faults, self.headers = status, detail, tuple(faults), dict(headers or {})


class ProblemDetails(BaseModel):
    """The body of every error."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    faults: list[str] = []
    request_id: str | None = None


class Unfit(Refused):
    """What was sent is not what is needed."""


class Missing(Refused):
    """There is no such thing."""


class Forbidden(Refused):
    """The bearer of this token may not do that."""


class NotReady(Refused):
    """Nothing can be done at this moment, and who asks is not told why: the log is."""


STATUSES: dict[type[Exception], int] = {
    Unfit: 422, Missing: 404, Forbidden: 403, NotReady: 503, Refused: 409, Faults: 422,
}  # fmt: skip
"""What a refusal means in HTTP; the nearest class counts."""


def answer(problem: Problem, scope: Scope) -> JSONResponse:
    """Returns the response that tells of a problem."""
    details = ProblemDetails(
        title=HTTPStatus(problem.status).phrase,
        status=problem.status,
        detail=problem.detail,
        faults=list(problem.faults),
        request_id=scope.get(REQUEST_ID),
    )
    return JSONResponse(details.model_dump(), problem.status, problem.headers, MEDIA_TYPE)


def of_refusal(refusal: Refused | Faults) -> Problem:
    """Returns the problem that a refusal is."""
    status = next(STATUSES[kind] for kind in type(refusal).__mro__ if kind in STATUSES)
    return Problem(status, refusal.lines[0] if refusal.lines else "", refusal.lines)


@contextmanager
def refusals() -> Iterator[None]:
    """Makes refusals of what can be mended."""
    try:
        yield
    except Faults as faults:
        raise Unfit(*faults.lines) from faults
    except DatabaseFault as fault:
        log.error("%s", fault)
        raise NotReady("the database cannot be used; the log has the reason") from fault
    except (StorageFault, OSError) as fault:
        raise Refused(str(fault)) from fault


def of_fault(fault: StorageFault, scope: Scope) -> Problem:
    """Returns the problem that a database is which cannot be used.

    What is wrong names its path, host and user: the log has that, whoever asks has not.
    """
    log.error("%s %s", scope.get(REQUEST_ID), fault)
    return Problem(503, "the database cannot be used; the log has the reason under this request's id")


def add_handlers(app: FastAPI) -> None:
    """Makes problem details of all that goes wrong in a route."""

    @app.exception_handler(Problem)
    async def _(request: Request, problem: Problem) -> Response:
        return answer(problem, request.scope)

    @app.exception_handler(Refused)
    @app.exception_handler(Faults)
    async def _(request: Request, refusal: Refused | Faults) -> Response:
        return answer(of_refusal(refusal), request.scope)

    @app.exception_handler(StorageFault)
    async def _(request: Request, fault: StorageFault) -> Response:
        return answer(of_fault(fault, request.scope), request.scope)

    @app.exception_handler(HTTPException)
    async def _(request: Request, error: HTTPException) -> Response:
        headers = {name.lower(): value for name, value in (error.headers or {}).items()}
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED and (methods := _methods(app, request.url.path)):
            headers["allow"] = ", ".join(methods)
        return answer(Problem(error.status_code, str(error.detail), headers=headers), request.scope)

    @app.exception_handler(RequestValidationError)
    async def _(request: Request, error: RequestValidationError) -> Response:
        faults = error.errors()
        lines = [_line(fault) for fault in faults[:MOST_LINES]]
        lines += [f"and {len(faults) - MOST_LINES:,} more"] if len(faults) > MOST_LINES else []
        return answer(Problem(422, lines[0], lines), request.scope)


def _methods(app: FastAPI, path: str) -> list[str]:
    """Returns what an address can be asked for; a route knows its own method alone, and several share an address."""
    return sorted(
        method.upper()
        for template, operations in app.openapi()["paths"].items()
        if re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path)
        for method in operations
    )


def _line(fault: Mapping[str, Any]) -> str:
    where = ".".join(str(part) for part in fault["loc"][1:]) or str(fault["loc"][0])
    if fault["type"] == "extra_forbidden":
        return f"{where}: there is no such key"
    if fault["type"] == "missing":
        return f"{where}: it is missing"
    if fault["type"] == "json_invalid":
        return f"body: it is no JSON: {fault['ctx']['error']}"
    if fault["type"] == "value_error":  # a law of ours, which says all
        return str(fault["msg"]).removeprefix("Value error, ")
    is_object = fault["type"] in ("model_attributes_type", "model_type", "dict_type")
    law = "a JSON object" if is_object else fault["msg"].removeprefix("Input should be ")
    return f"{where}: {law} is needed, but got {fault.get('input')!r:.100}"

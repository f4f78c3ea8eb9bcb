"""The login page: a plain form without a script."""

from __future__ import annotations

from html import escape
from urllib.parse import parse_qs

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response
from starlette.concurrency import run_in_threadpool

from dashboards.palette import ICON
from search.service.auth import Gate, address
from search.service.problems import Problem
from search.service.sessions import LIFE_SECONDS
from storage.audit import write_deed
from storage.tokens import Token

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Paretune: log in</title>
<link rel="icon" href="{icon}">
<style>
:root {{ color-scheme: light dark; }}
body {{ font: 1rem/1.5 system-ui, sans-serif; display: grid; place-content: center; min-height: 90vh; margin: 1rem; }}
form {{ display: grid; gap: 0.75rem; width: min(24rem, 90vw); }}
input, button {{ font: inherit; padding: 0.5rem; }}
p {{ margin: 0; }}
</style>
</head>
<body>
<form method="post" action="/login">
<h1>Paretune</h1>
<label for="token">Token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus{described}>
<button>Log in</button>
{fault}<p>The first start of the service printed one; <code>paretune token add</code> makes more.</p>
</form>
</body>
</html>
"""


def build_login(gate: Gate) -> APIRouter:
    """Returns the routes `/login` and `/logout`."""
    router = APIRouter(include_in_schema=False)

    @router.get("/login")
    def show() -> HTMLResponse:
        return _page()

    @router.post("/login")
    async def log_in(request: Request) -> Response:
        given = parse_qs((await request.body()).decode(errors="replace")).get("token", [""])[0].strip()
        try:
            token = await run_in_threadpool(_admit, gate, given, address(request))
        except Problem as problem:
            return _page("That token is not known." if problem.status == 401 else problem.detail, problem)  # noqa: PLR2004
        gate.sessions.end(request.cookies.get(gate.rules.cookie, ""))
        response = RedirectResponse("/", 303)
        response.set_cookie(
            gate.rules.cookie,
            gate.sessions.begin(token.id),
            max_age=LIFE_SECONDS,
            secure=_is_encrypted(request),
            httponly=True,
            samesite="strict",
        )
        return response

    @router.post("/logout")
    def log_out(request: Request) -> Response:
        gate.sessions.end(request.cookies.get(gate.rules.cookie, ""))
        response = RedirectResponse("/login", 303)
        response.delete_cookie(gate.rules.cookie, httponly=True, samesite="strict")
        return response

    return router


def _admit(gate: Gate, secret: str, sender: str) -> Token:
    token = gate.admit(secret, sender)
    write_deed(gate.database, token.name, "login", detail=f"from {sender}")
    return token


def _is_encrypted(request: Request) -> bool:
    """Says whether the browser came by https, perhaps to a proxy that took it off."""
    return request.url.scheme == "https" or request.headers.get("origin", "").startswith("https://")


def _page(fault: str = "", problem: Problem | None = None) -> HTMLResponse:
    told = f'<p id="fault" role="alert">{escape(fault)}</p>\n' if fault else ""
    described = ' aria-describedby="fault"' if fault else ""
    status, headers = (problem.status, problem.headers) if problem else (200, {})
    return HTMLResponse(PAGE.format(icon=ICON, fault=told, described=described), status, headers)

"""Who is asking: what is refused without a token, without its role, and over a websocket."""

from __future__ import annotations

import re
from contextlib import suppress

import httpx
import pytest
from fastapi import WebSocket, WebSocketDisconnect
from fastapi.routing import iter_route_contexts
from service import Service, cannot_be_written, talk
from sqlalchemy import update

from search.service import auth, tries
from search.service.app import build_app
from search.service.problems import Problem
from search.service.rules import make_rules
from search.service.tries import Tries
from storage import tables
from storage.database import Database
from storage.reading import load_study
from storage.tokens import revoke_token


def all_routes() -> list[tuple[str, str]]:
    """Every route of the service, as method and path, the websockets' method being WEBSOCKET."""
    app = build_app(Database("sqlite:///never-opened.db"), make_rules("127.0.0.1", 1))
    found = []
    for route in iter_route_contexts(app.routes):
        methods = getattr(route, "methods", None) or {"WEBSOCKET"}
        found += [(method, str(route.path)) for method in sorted(methods)]
    return found


ROUTES = all_routes()
CLOSED = [(method, path) for method, path in ROUTES if path not in auth.OPEN]
HEARTBEAT = '{"type": "heartbeat"}'
HTTP = [(method, path) for method, path in CLOSED if method != "WEBSOCKET"]
ACTING = [(method, path) for method, path in HTTP if method not in auth.SAFE_METHODS]


def filled(path: str) -> str:
    """A path with something in the place of its parameters."""
    return re.sub(r"{[^}]+}", "1", path)


def test_the_routes_that_are_tested_are_those_of_the_api() -> None:
    assert {("POST", "/api/studies"), ("DELETE", "/api/studies/{name}"), ("POST", "/_dash-update-component")} <= {
        *ACTING
    }
    assert {("GET", "/api/audit"), ("GET", "/api/openapi.json"), ("GET", "/")} <= {*HTTP}
    assert [path for method, path in ROUTES if method == "WEBSOCKET"] == []  # the pages do without
    assert {path for _, path in ROUTES} - {path for _, path in CLOSED} == auth.OPEN


@pytest.mark.parametrize(("method", "path"), HTTP)
@pytest.mark.parametrize("secret", [None, "wrong"])
def test_without_a_token_that_holds_nothing_is_answered(
    secret: str | None, method: str, path: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tries, "FREE", 10**6)
    monkeypatch.setattr(tries, "MOST_A_MINUTE", 10**6)
    with service.client(secret) as client:
        answer = client.request(method, filled(path))
    assert answer.status_code == 401
    if method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["title"] == "Unauthorized"
        assert answer.json()["request_id"] == answer.headers["x-request-id"]


@pytest.mark.parametrize(("method", "path"), [route for route in ACTING if route[1].startswith("/api")])
@pytest.mark.parametrize("is_browser", [False, True])
def test_a_token_to_read_cannot_act(is_browser: bool, method: str, path: str, service: Service) -> None:
    before = load_study(service.database, "made")
    with service.browser(service.read) if is_browser else service.client(service.read) as client:
        answer = client.request(method, path.replace("{name}", "made"))
        assert client.get("/api/studies/made").status_code == 200
    assert answer.status_code == 403
    assert answer.json()["detail"] == "token: this one may only read; one with the role operate is needed"
    assert load_study(service.database, "made") == before


async def echo(socket: WebSocket) -> None:
    """Answers a websocket with what it is told."""
    await socket.accept()
    with suppress(WebSocketDisconnect):
        while True:
            await socket.send_text(await socket.receive_text())


@pytest.mark.parametrize(
    ("headers", "is_let_in"),
    [
        ({}, False),
        ({"origin": "http://127.0.0.1:{port}"}, False),
        ({"authorization": "Bearer wrong", "origin": "http://127.0.0.1:{port}"}, False),
        ({"authorization": "Bearer {operate}", "host": "evil.example"}, False),
        ({"authorization": "Bearer {operate}", "origin": "http://evil.example"}, False),
        ({"cookie": "{cookie}"}, False),
        ({"cookie": "{cookie}", "origin": "http://evil.example"}, False),
        ({"cookie": "{cookie}", "origin": "http://127.0.0.1:{port}"}, True),
        ({"authorization": "Bearer {operate}", "origin": "http://127.0.0.1:{port}"}, True),
    ],
)
def test_a_websocket_is_asked_as_a_request_is(headers: dict[str, str], is_let_in: bool, fresh: Service) -> None:
    fresh.app.add_api_websocket_route("/echo", echo)  # the guard is around whatever there is
    with fresh.browser(fresh.operate) as browser:
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    told = {"host": f"127.0.0.1:{fresh.port}"}
    told |= {key: value.format(**vars(fresh), cookie=cookie) for key, value in headers.items()}
    sent = talk(fresh.app, "/echo", told, [HEARTBEAT, lambda: revoke_token(fresh.database, "operate-token"), HEARTBEAT])
    closed = ("websocket.close", auth.POLICY_VIOLATION)
    if is_let_in:
        assert [message["type"] for message in sent[:2]] == ["websocket.accept", "websocket.send"]
        assert sent[1]["text"] == HEARTBEAT
        assert [(message["type"], message.get("code")) for message in sent[2:]] == [closed]
    else:
        assert [(message["type"], message.get("code")) for message in sent] == [closed]


def test_wrong_tokens_make_their_sender_wait_whatever_address_it_claims(fresh: Service) -> None:
    def attempt(number: int, secret: str) -> int:
        headers = {"x-forwarded-for": f"10.0.0.{number}", "authorization": f"Bearer {secret}"}
        answer = httpx.get(f"{fresh.url}/api/me", headers=headers)
        assert ("retry-after" in answer.headers) == (answer.status_code == 429)
        return answer.status_code

    with fresh.browser(fresh.operate) as browser:
        assert [attempt(number, f"wrong-{number}") for number in range(tries.FREE)] == [401] * tries.FREE
        assert attempt(9, "wrong") == 429
        assert browser.post("/login", data={"token": "wrong"}).status_code == 429
        assert browser.get("/api/me").status_code == 200
        assert attempt(9, fresh.operate) == 200  # behind a proxy the same address is everybody's
        assert browser.post("/login", data={"token": fresh.operate}).status_code == 303
        assert attempt(9, "wrong") == 429  # who shares it with them waits all the same


def test_a_flood_of_wrong_tokens_from_everywhere_keeps_no_right_one_out(fresh: Service) -> None:
    count = Tries()
    for number in range(tries.MOST_A_MINUTE):
        count.fail(f"10.0.0.{number}")
    gate = auth.Gate(fresh.database, make_rules("127.0.0.1", 1), tries=count)
    assert gate.admit(fresh.read, "10.9.9.9").name == "read-token"
    with pytest.raises(Problem) as refused:
        gate.admit("wrong", "10.9.9.9")
    assert refused.value.status == 429


def test_a_database_that_can_only_be_read_still_answers(fresh: Service) -> None:
    with fresh.browser(fresh.read) as browser:
        with fresh.database.write() as connection:
            connection.execute(update(tables.tokens).values(last_used_at=None))
        cannot_be_written(fresh.database)
        assert browser.get("/api/me").status_code == 200
    with fresh.client(fresh.operate) as client:
        assert client.get("/api/me").status_code == 200


def test_the_role_is_one_sentence_for_whoever_lacks_it(fresh: Service) -> None:
    law = "token: this one may only read; one with the role operate is needed"
    with fresh.client(fresh.read) as client:
        for method, path in [("GET", "/api/audit"), ("DELETE", "/api/studies/made"), ("POST", "/api/nothing")]:
            answer = client.request(method, path)
            assert (answer.status_code, answer.json()["detail"], answer.json()["faults"]) == (403, law, [law])

"""The service: who may do what, what is refused, and sweeps that go on without it."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from commands import COMMAND, wait_for
from fastapi import WebSocket, WebSocketDisconnect
from fastapi.routing import iter_route_contexts
from pages import add_epoch, write_study
from postgresql import new_database
from service import Service, serving, talk
from sqlalchemy import Table, event, null, update
from starlette.requests import HTTPConnection

from dashboards.actions import Refused
from search.service import auth, bodies, tries
from search.service.app import build_app
from search.service.coordinators import Coordinators
from search.service.problems import Missing, Problem
from search.service.reach import check_reach
from search.service.rules import make_rules
from search.service.sessions import LIFE_SECONDS, Sessions
from search.service.toml import write_toml
from search.service.tries import Tries
from storage import tables
from storage.audit import list_deeds
from storage.database import Database
from storage.leases import Holding, find_holding
from storage.studies import create_study, delete_study, load_study
from storage.tokens import find_token, make_token, revoke_token

HERE = Path(__file__).parent
HOSTILE = "<script>alert(1)</script>\r\nX-Evil: 1 '\"; DROP TABLE studies; ../../etc/passwd \x1b[31m"
SPEC = {"objective": {"minimize": ["device_seconds"], "model": "cnn", "dataset": "digits"}, "space": {}, "search": {}}
HEARTBEAT = '{"type": "heartbeat"}'
INSTANT = {
    "name": "tiny",
    "objective": {"train": "instant:train", "epochs": 1, "minimize": ["train_flops"]},
    "space": {"lr": {"low": 0.001, "high": 0.1, "log": True}, "width": {"low": 0.5, "high": 2.0}, "batch_size": 64},
    "search": {"trials": 3, "sampler": "random", "baseline": False},
    "compute": {"engine": "process", "slots": 1, "threads": 1, "device": "cpu"},
}


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
HTTP = [(method, path) for method, path in CLOSED if method != "WEBSOCKET"]
ACTING = [(method, path) for method, path in HTTP if method not in auth.SAFE_METHODS]


def filled(path: str) -> str:
    """A path with something in the place of its parameters."""
    return re.sub(r"{[^}]+}", "1", path)


def raw_request(client: httpx.Client, method: str, path: str) -> httpx.Request:
    """A request whose path is sent as it is written."""
    request = client.build_request(method, "/")
    request.url = request.url.copy_with(raw_path=path.encode())
    return request


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('service')}/test.db")
    database.create()
    create_study(database, "made", SPEC, 1, {}, state="stopped")
    with serving(database) as served:
        yield served


@pytest.fixture
def fresh(database: Database) -> Iterator[Service]:
    """A service of this test's own."""
    create_study(database, "made", SPEC, 1, {}, state="stopped")
    with serving(database) as served:
        yield served


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


def test_what_a_page_does_asks_for_the_role_too(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callbacks of pages come by addresses that a token to read may use as well."""
    kept: list[Any] = []
    monkeypatch.setattr("search.service.app.add_pages", lambda *given: kept.append(given) or _Pages())
    build_app(service.database, make_rules("127.0.0.1", 1))
    _server, _database, actions, may_operate, _book = kept[0]
    secrets = {"read": service.read, "operate": service.operate}
    for role, secret in [("none", ""), *secrets.items()]:
        token = find_token(service.database, secret)
        mark = auth._visitor.set(token)
        try:
            assert may_operate() == (role == "operate")
            law = "there is no 'nothing'" if role == "operate" else "may only read"
            for act in (actions.stop, actions.delete, lambda name: actions.resume(name, 1)):
                with pytest.raises(Refused, match=law):
                    act("nothing")
            with pytest.raises(Refused, match="not TOML" if role == "operate" else "may only read"):
                actions.launch("=")
        finally:
            auth._visitor.reset(mark)


class _Pages:
    def csp_hashes(self) -> list[str]:
        return []


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


@pytest.mark.parametrize("path", ["/api/me", "/", "/login"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "", "localhost/x", "127.0.0.1:x", "[::1"],
)
def test_only_names_of_this_service_are_answered(host: str, path: str, service: Service) -> None:
    with service.client(service.operate) as client:
        answer = client.get(path, headers={"host": host})
        assert answer.status_code in (400, 421)  # uvicorn itself refuses what is no host at all
        for ours in ("127.0.0.1", f"LOCALHOST:{service.port}", "[::1]:80"):
            assert client.get(path, headers={"host": ours}).status_code == 200


def test_a_name_that_the_operator_allows_is_one_of_ours() -> None:
    rules = make_rules("0.0.0.0", 8000, ["GPU1.example.org"])
    assert rules.hosts == {"127.0.0.1", "localhost", "::1", "0.0.0.0", "gpu1.example.org"}


@pytest.mark.parametrize("path", ["/api/studies/made/stop", "/login", "/logout"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "null"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
        {"origin": "file://{host}"},
        {"origin": ""},
        {},
    ],
)
def test_what_changes_something_must_come_from_a_page_of_ours(
    headers: dict[str, str], path: str, service: Service
) -> None:
    host = f"127.0.0.1:{service.port}"
    told = {key: value.format(host=host) for key, value in headers.items()}
    with service.browser(service.operate) as browser:
        ours = browser.post(path, data={"token": service.operate}, headers={"origin": f"http://{host}"})
        assert ours.status_code in (303, 409)
    with service.browser(service.operate) as browser:
        del browser.headers["origin"]
        answer = browser.post(path, data={"token": service.operate}, headers=told)
        assert (answer.status_code, answer.json()["detail"].partition(":")[0]) == (403, "origin")
        assert "set-cookie" not in answer.headers
        assert browser.get("/api/me").status_code == 200


def test_a_browser_that_hides_its_origin_says_that_the_site_is_the_same(service: Service) -> None:
    with service.browser(service.operate) as browser:
        told = {"origin": "null", "sec-fetch-site": "same-origin"}
        assert browser.post("/api/studies/made/stop", headers=told).status_code == 409


def test_a_program_with_a_token_needs_no_origin_but_has_no_foreign_one(service: Service) -> None:
    with service.client(service.operate) as client:
        assert client.post("/api/studies/made/stop").status_code == 409
        answer = client.post("/api/studies/made/stop", headers={"origin": "http://evil.example"})
        assert answer.status_code == 403


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


def test_the_wait_doubles_and_a_long_time_without_a_wrong_token_ends_it() -> None:
    now = [0.0]
    count = Tries(lambda: now[0])
    waits = []
    for _ in range(tries.FREE + 12):
        count.fail("10.0.0.1")
        waits.append(count.wait_seconds("10.0.0.1"))
        now[0] += waits[-1]
    assert waits[: tries.FREE + 2] == [0.0] * (tries.FREE - 1) + [1.0, 2.0, 4.0]
    assert waits[-1] == tries.LONGEST_SECONDS
    count.fail("10.0.0.1")
    assert count.wait_seconds("10.0.0.2") == 0
    now[0] += 2 * tries.LONGEST_SECONDS
    count.fail("10.0.0.1")
    assert count.wait_seconds("10.0.0.1") == 0


def test_many_addresses_together_wait_too() -> None:
    now = [0.0]
    count = Tries(lambda: now[0])
    for number in range(tries.MOST_A_MINUTE):
        count.fail(f"2001:db8:0:{number:x}::1")
    assert count.wait_seconds("10.0.0.3") == 60
    now[0] += 61
    assert count.wait_seconds("10.0.0.3") == 0
    for number in range(tries.FREE):
        count.fail(f"2001:db8:1:1::{number}")
    assert count.wait_seconds("2001:db8:1:1:ffff::") == 1  # one network is one sender


def test_a_session_is_a_cookie_that_no_script_reads_and_no_other_site_sends(service: Service) -> None:
    with service.client() as client:
        answer = client.post("/login", data={"token": service.operate}, headers={"origin": service.url})
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        cookie = answer.headers["set-cookie"]
        assert {"httponly", "samesite=strict", "path=/"} <= {part.strip().lower() for part in cookie.split(";")}
        assert "secure" not in cookie.lower()
        assert cookie.startswith(f"paretune_{service.port}=")
        assert service.operate not in cookie
        behind_tls = {"origin": "https://127.0.0.1:" + str(service.port)}
        assert (
            "secure"
            in client.post("/login", data={"token": service.operate}, headers=behind_tls).headers["set-cookie"].lower()
        )


def test_a_session_ends_with_logout_with_its_token_and_with_time(fresh: Service) -> None:
    with fresh.browser(fresh.operate) as browser:
        before = dict(browser.cookies)
        assert browser.get("/api/me").json() == {"name": "operate-token", "role": "operate", "may_operate": True}
        assert browser.post("/logout").headers["location"] == "/login"
        browser.cookies.update(before)  # a copy that somebody kept
        assert browser.get("/api/me").status_code == 401
    with fresh.browser(fresh.read) as browser:
        revoke_token(fresh.database, "read-token")
        assert browser.get("/api/me").status_code == 401
        assert browser.post("/login", data={"token": fresh.read}).status_code == 401
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    session = sessions.begin(7)
    assert sessions.find(session) == 7
    now[0] += LIFE_SECONDS
    assert sessions.find(session) is None


def test_a_person_is_sent_to_a_login_page_without_scripts(service: Service) -> None:
    with service.client() as client:
        sent = client.get("/studies/made", headers={"accept": "text/html"})
        assert (sent.status_code, sent.headers["location"]) == (303, "/login")
        assert client.get("/api/me", headers={"accept": "text/html"}).status_code == 401
        page = client.get("/login")
        assert "<form" in page.text
        assert "<script" not in page.text
        wrong = client.post("/login", data={"token": "<script>"}, headers={"origin": service.url})
        assert (wrong.status_code, "That token is not known." in wrong.text, "<script" in wrong.text) == (
            401,
            True,
            False,
        )


@pytest.mark.parametrize("path", ["/api/me", "/login", "/healthz", "/", "/api/nothing"])
def test_every_answer_keeps_browsers_strict(path: str, service: Service) -> None:
    with service.client(service.read) as client:
        headers = client.get(path, headers={"x-request-id": "forged"}).headers
    policy = headers["content-security-policy"]
    scripts = policy.partition("script-src ")[2].partition(";")[0]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in scripts
    assert "http" not in policy
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    assert headers["referrer-policy"] == "same-origin"
    assert re.fullmatch("[0-9a-f]{16}", headers["x-request-id"])
    assert ("no-store" in headers["cache-control"]) == path.startswith(("/api", "/login"))


def logged(caplog: pytest.LogCaptureFixture, words: str) -> str:
    """What the log says of a request, which it does once the answer is sent."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for record in caplog.records:
            if words in record.getMessage():
                return record.getMessage()
        time.sleep(0.01)
    raise AssertionError(f"the log says nothing of {words}")


def test_the_log_names_each_request_on_one_line(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "paretune.service"), service.client(service.read) as client:
        answer = client.get("/api/studies/a%0Ab%1b[31m", headers={"x-request-id": "forged"})
        line = logged(caplog, "/api/studies")
    assert line.startswith(f"{answer.headers['x-request-id']} GET /api/studies/a%0Ab%1B%5B31m 404 ")
    assert line.endswith(" read-token")


def test_the_log_leaves_out_what_an_open_page_asks_again_and_again(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    output = {"id": "page", "property": "children"}
    inputs = [{"id": "url", "property": name, "value": value} for name, value in [("pathname", "/"), ("search", "")]]
    body = {"output": "page.children", "outputs": output, "inputs": inputs, "changedPropIds": ["url.pathname"]}
    call = " POST /_dash-update-component "
    with caplog.at_level(logging.DEBUG, "paretune.service"), service.client(service.read) as client:
        assert client.post("/_dash-update-component", json=body).status_code == 200
        assert client.get("/_dash-layout").status_code == 200
        logged(caplog, f"{call}200 ")
        logged(caplog, " GET /_dash-layout 200 ")
    with caplog.at_level(logging.DEBUG, "paretune.service"), service.client() as client:
        assert client.post("/_dash-update-component", json=body).status_code == 401
        logged(caplog, f"{call}401 ")
    records = [record for record in caplog.records if record.name == "paretune.service"]
    assert {" ".join(record.getMessage().split()[1:4]): record.levelname for record in records} == {
        "POST /_dash-update-component 200": "DEBUG",
        "GET /_dash-layout 200": "INFO",
        "POST /_dash-update-component 401": "INFO",
    }


def test_the_log_names_who_was_refused_what(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "paretune.service"), service.client(service.read) as client:
        client.delete("/api/studies/made")
        assert logged(caplog, " DELETE /api/studies/made 403 ").endswith(" read-token")


def test_health_is_told_without_a_token_and_tells_nothing(service: Service) -> None:
    with service.client() as client:
        for path in ("/healthz", "/readyz"):
            assert client.get(path, headers={"host": "10.1.2.3:8000"}).json() == {"status": "ok"}
            assert client.post(path, headers={"origin": service.url}).status_code == 405


def test_a_database_that_is_gone_is_told_to_whoever_asks_if_the_service_is_ready(fresh: Service) -> None:
    fresh.database.file.rename(fresh.database.file.with_name("moved.db"))
    with fresh.client() as client:
        assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 503)


@pytest.mark.parametrize(("method", "path"), [("GET", "/readyz"), ("POST", "/login"), ("GET", "/api/studies")])
def test_what_is_wrong_with_the_database_is_told_to_the_log_alone(
    method: str, path: str, fresh: Service, caplog: pytest.LogCaptureFixture
) -> None:
    fresh.database.engine.dispose()
    fresh.database.file.write_bytes(b"no database " * 1000)
    with fresh.client(fresh.read) as client:
        answer = client.request(method, path, headers={"origin": fresh.url})
    law = "the database cannot be used; the log has the reason under this request's id"
    assert (answer.status_code, answer.json()["detail"], answer.json()["faults"]) == (503, law, [])
    assert str(fresh.database.file) in logged(caplog, f"{answer.headers['x-request-id']} storage: ")


def test_an_error_of_ours_is_a_problem_that_tells_nothing(
    service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(_database: Database) -> None:
        raise RuntimeError("a secret")

    monkeypatch.setattr("search.service.api.list_studies", fail)
    with service.client(service.read) as client:
        answer = client.get("/api/studies")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert "secret" not in answer.text
    assert f"{answer.headers['x-request-id']} failed" in caplog.text
    assert "a secret" in caplog.text


def test_the_api_describes_itself(service: Service) -> None:
    with service.client(service.read) as client:
        described = client.get("/api/openapi.json").json()
    parts = described["components"]["schemas"]
    refs = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(described)))
    assert refs <= {*parts}
    assert {"SweepSpec", "ProblemDetails"} <= refs
    assert {"objective", "space", "search", "budget"} <= {*parts["SweepSpec"]["properties"]}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            errors = {status: told for status, told in operation["responses"].items() if status >= "400"}
            assert {"401", "422", "429"} <= {*errors}, (method, path)
            assert all([*told["content"]] == ["application/problem+json"] for told in errors.values())
            assert operation["description"]


def test_what_is_not_there_is_told_as_a_problem_and_not_as_a_page(service: Service) -> None:
    with service.client(service.operate) as client:
        for method, path, status in [
            ("GET", "/api", 404),
            ("GET", "/api/nothing", 404),
            ("GET", "/api/studies/", 404),
            ("GET", "/api/studies/nothing", 404),
            ("GET", "/api/studies/made/trials/7", 404),
            ("GET", "/api/studies/made/trials/x", 422),
            ("GET", "/api/studies/made/trials?limit=0", 422),
            ("POST", "/api/nothing", 405),
            ("PUT", "/api/studies", 405),
            ("POST", "/api/studies/nothing/stop", 404),
            ("POST", "/api/studies/nothing/resume", 404),
            ("DELETE", "/api/studies/nothing", 404),
            ("POST", "/api/studies/made/stop", 409),
        ]:
            answer = client.request(method, path)
            assert (path, answer.status_code) == (path, status)
            assert answer.headers["content-type"] == "application/problem+json"
            assert {"type", "title", "status", "detail", "request_id"} <= {*answer.json()}
            assert answer.json()["status"] == status


def test_a_study_is_read_whole_only_where_something_of_it_is_new(
    fresh: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[str] = []
    monkeypatch.setattr(
        "dashboards.pages.reading.load_study", lambda given, name: whole.append(name) or load_study(given, name)
    )
    monkeypatch.setattr("search.service.coordinators.list_studies", lambda _: pytest.fail("all studies are listed"))
    uuid = write_study(fresh.database, "full", 4)
    with fresh.client(fresh.read) as client:
        shown = client.get("/api/studies/full").json()
        assert client.get("/api/studies/full/trials").json() == {"trials": shown["trials"], "next": None}
        page = client.get("/api/studies/full/trials?after=0&limit=2").json()
        assert page == {"trials": shown["trials"][1:3], "next": 2}
        assert client.get("/api/studies/full/trials?after=3").json() == {"trials": [], "next": None}
        for path in ("/front", "/trials/1"):
            assert client.get(f"/api/studies/full{path}").status_code == 200
        assert whole == ["full"]
        add_epoch(fresh.database, uuid)
        assert client.get("/api/studies/full").json()["trials"] != shown["trials"]
    assert whole == ["full", "full"]


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (tables.attempts, {"device": {"kind": "cpu", "name": "another", "threads": 1}}),
        (tables.trials, {"reason": "another"}),
        (tables.studies, {"environments": [{"torch": "another"}]}),
    ],
)
def test_what_comes_between_two_epochs_is_told_at_once(table: Table, values: dict[str, Any], fresh: Service) -> None:
    write_study(fresh.database, "full", 4)
    with fresh.database.write() as connection:
        connection.execute(update(tables.attempts).values(device=null()))
    with fresh.client(fresh.read) as client:

        def told() -> str:
            return client.get("/api/studies/full").text + client.get("/api/studies/full/trials/0").text

        assert "another" not in told()
        with fresh.database.write() as connection:
            connection.execute(update(table).values(**values))
        assert "another" in told()


def test_the_prices_are_those_that_held_as_the_service_began(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = tmp_path / "prices.toml"
    monkeypatch.setenv("PARETUNE_PRICES", str(book))
    book.write_text('title = "ours"\ndate = 2026-01-31\ncurrency = "XYZ"\nsource = "our contracts"\n')
    write_study(database, "full", 4)
    with serving(database) as service, service.client(service.read) as client:
        assert client.get("/api/studies/full").json()["prices"]["currency"] == "XYZ"
        book.write_text("nothing")
        write_study(database, "other", 4)
        assert client.get("/api/studies/other").json()["prices"]["currency"] == "XYZ"


def test_a_database_server_is_asked_for_no_name_that_it_cannot_hold(server: str, tmp_path: Path) -> None:
    database = Database(new_database(server))
    database.create()
    with serving(database) as service, service.client(service.read) as client:
        for path in ("", "/trials", "/front", "/trials/1"):
            answer = client.get(f"/api/studies/a%00{path}")
            assert (answer.status_code, answer.json()["detail"]) == (404, "study: there is no 'a\\x00'")


@pytest.mark.parametrize(
    "name", ["..", "../made", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/made", "made%00", "..\\made", "--help", "%ff%fe"]
)
def test_no_name_leads_out_of_its_place(name: str, service: Service) -> None:
    with service.client(service.operate) as client:
        for method, path in [("GET", ""), ("GET", "/trials/0"), ("POST", "/resume"), ("DELETE", "")]:
            answer = client.send(raw_request(client, method, f"/api/studies/{name}{path}"))
            assert answer.status_code in (404, 405)
    assert load_study(service.database, "made").state == "stopped"
    assert not list(service.database.file.parent.rglob("*.log"))


def test_assets_lie_within_their_packages(service: Service) -> None:
    with service.client(service.operate) as client:
        for path in ("/_dash-component-suites/dash/../../../etc/passwd", "/assets/..%2f..%2fpyproject.toml"):
            text = client.send(raw_request(client, "GET", path)).text
            assert "root:" not in text
            assert "[project]" not in text


def test_hostile_names_and_reasons_stay_text(fresh: Service) -> None:
    name = HOSTILE.replace("/", "_")[:100]
    quoted = "".join(f"%{byte:02x}" for byte in name.encode())
    with fresh.database.write() as connection:
        connection.execute(update(tables.studies).values(name=name, reason=HOSTILE))
    with fresh.client(fresh.operate) as client:

        def ask(method: str, path: str) -> httpx.Response:
            answer = client.send(raw_request(client, method, f"/api/studies/{quoted}{path}"))
            assert answer.headers["content-type"] in ("application/json", "application/problem+json")
            assert "x-evil" not in answer.headers
            return answer

        shown = ask("GET", "").json()
        assert (shown["study"], shown["reason"]) == (name, HOSTILE)
        resumed = ask("POST", "/resume")
        assert (resumed.status_code, resumed.json()["detail"]) == (409, f"study: {name!r} is no name of ours")
        assert ask("POST", "/stop").status_code == 409
        assert ask("DELETE", "").json() == {"study": name, "action": "delete"}
    assert not list(fresh.database.file.parent.rglob("*.log"))  # no coordinator was started under such a name
    assert [
        (deed.action, deed.study, (deed.detail or "").partition(";")[0]) for deed in list_deeds(fresh.database, 9)
    ] == [
        ("delete", name, "done"), ("delete", name, "asked"),
        ("stop", name, "refused"), ("stop", name, "asked"),
        ("resume", name, "refused"), ("resume", name, "asked"),
    ]  # fmt: skip


def cannot_be_written(database: Database) -> None:
    """From now on a database can only be read."""
    event.listen(database.engine, "checkout", lambda raw, *_: raw.execute("PRAGMA query_only=ON"))


def test_nothing_is_done_that_cannot_be_written_down_first(fresh: Service) -> None:
    with fresh.client(fresh.operate) as client:
        with fresh.database.write() as connection:
            tables.audit.drop(connection)
        answer = client.delete("/api/studies/made")
        assert (answer.status_code, "cannot be used" in answer.json()["detail"]) == (409, True)
        assert client.get("/api/studies/made").status_code == 200


@pytest.mark.parametrize(("name", "status", "outcome"), [("made", 200, "done"), ("nothing", 404, "refused")])
def test_what_is_done_is_told_as_done_where_the_audit_cannot_say_so(
    name: str,
    status: int,
    outcome: str,
    fresh: Service,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    act = Coordinators.delete

    def delete(coordinators: Coordinators, name: str) -> None:
        try:
            act(coordinators, name)
        finally:
            cannot_be_written(coordinators.database)

    monkeypatch.setattr(Coordinators, "delete", delete)
    with fresh.client(fresh.operate) as client:
        assert client.delete(f"/api/studies/{name}").status_code == status
    assert [(deed.action, deed.study, deed.detail) for deed in list_deeds(fresh.database, 9)] == [
        ("delete", name, "asked")
    ]
    assert f"operate-token's delete of {name!r} was {outcome}: storage: " in caplog.text


def test_the_role_is_one_sentence_for_whoever_lacks_it(fresh: Service) -> None:
    law = "token: this one may only read; one with the role operate is needed"
    with fresh.client(fresh.read) as client:
        for method, path in [("GET", "/api/audit"), ("DELETE", "/api/studies/made"), ("POST", "/api/nothing")]:
            answer = client.request(method, path)
            assert (answer.status_code, answer.json()["detail"], answer.json()["faults"]) == (403, law, [law])


@pytest.mark.parametrize(
    ("body", "kind", "status", "law"),
    [
        (b"", "application/json", 422, "no JSON"),
        (b"{", "application/json", 422, "no JSON"),
        (b"[]", "application/json", 422, "a spec is a JSON object, but got list"),
        (b"\xff\xfe", "application/json", 422, "no JSON"),
        (b'{"name": NaN}', "application/json", 422, "no JSON"),
        (b'{"space": {"lr": [0.1, null]}}', "application/json", 422, "a list holds null"),
        (b'{"name": "\\ud800"}', "application/json", 422, "no JSON"),
        (b'{"search": {"seed": 1' + b"0" * 5000 + b"}}", "application/json", 422, "no JSON"),
        (b'{"space": ' + b"[" * 100_000, "application/json", 422, "no JSON"),
        (b'{"space": {"a": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}}", "application/json", 422, ""),
        (b"{}", "text/plain", 415, "application/json"),
        (b"name=a", "application/x-www-form-urlencoded", 415, "application/json"),
        (b'{"name": "' + b"a" * bodies.MOST_BYTES + b'"}', "application/json", 413, "at most"),
    ],
)
def test_a_body_that_is_none_is_refused(body: bytes, kind: str, status: int, law: str, service: Service) -> None:
    with service.client(service.operate) as client:
        answer = client.post("/api/studies", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert law in answer.json()["detail"]


def test_a_body_whose_size_is_not_told_is_cut_off(service: Service) -> None:
    sent: list[int] = []

    def stream() -> Iterator[bytes]:
        for _ in range(64):
            sent.append(2**16)
            yield b" " * 2**16

    with service.client(service.operate) as client:
        assert client.post("/api/studies", content=stream()).status_code == 413
    with service.client() as client:
        big = {"origin": service.url}
        assert client.post("/login", content=b"token=" + b"a" * bodies.OPEN_BYTES, headers=big).status_code == 413


def test_a_body_in_many_pieces_takes_no_longer_than_its_size() -> None:
    class Piece(bytes):
        num_counted = 0

        def __len__(self) -> int:
            Piece.num_counted += 1
            return super().__len__()

    left = [Piece(b"ab") for _ in range(300)]

    async def receive() -> Any:
        return {"type": "http.request", "body": left.pop(), "more_body": bool(left)}

    def read(most: int) -> bytes:
        return asyncio.run(bodies.read_body(HTTPConnection({"type": "http", "headers": []}), receive, most))

    assert read(600) == b"ab" * 300
    assert Piece.num_counted <= 300
    left += [Piece(b"ab") for _ in range(300)]
    with pytest.raises(Problem, match="at most 100 bytes"):
        read(100)
    assert len(left) == 249  # what is behind the limit is not waited for


@pytest.mark.parametrize(
    ("path", "who", "size", "status"),
    [
        ("/_dash-update-component", "", 100, 401),
        ("/api/studies", "", 100, 401),
        ("/api/studies", "Authorization: Bearer {operate}\r\n", 10**12, 413),
        ("/login", "Origin: http://127.0.0.1\r\n", 10**12, 413),
    ],
)
def test_who_is_refused_is_refused_before_a_body_is_read(
    path: str, who: str, size: int, status: int, service: Service
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        connection.sendall(f"{head}{who.format(operate=service.operate)}\r\n".encode())
        assert connection.recv(2**16).startswith(f"HTTP/1.1 {status} ".encode())


def test_every_fault_of_a_spec_has_a_line(service: Service) -> None:
    spec = {"name": "a b", "objective": {"epochs": 0, "model": "cmm"}, "nothing": 1}
    with service.client(service.operate) as client:
        answer = client.post("/api/studies", json=spec)
    assert answer.status_code == 422
    assert [line.partition(":")[0] for line in answer.json()["faults"]] == [
        "name", "objective.model", "objective.epochs", "nothing",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("objective", "lines"),
    [
        ({"train": "spy:train"}, ["objective.train: import paths"]),
        ({"train": "spy"}, ["objective.train: import paths"]),
        ({"model": "spy:Model"}, ["objective.model: import paths"]),
        ({"dataset": "spy:images"}, ["objective.dataset: import paths"]),
        ({"dataset": "folder:/etc"}, ["objective.dataset: folders"]),
        ({"data_root": "/etc"}, ["objective.data_root: folders"]),
        (
            {"model": "spy:Model", "dataset": "folder:~"},
            ["objective.model: import paths", "objective.dataset: folders"],
        ),
    ],
)
def test_a_spec_reaches_no_code_and_no_folder(
    objective: dict[str, Any], lines: list[str], fresh: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spy.py").write_text("open('imported', 'w').close()\n")
    with fresh.client(fresh.operate) as client:
        answer = client.post("/api/studies", json={"name": "spied", "objective": objective})
    assert answer.status_code == 403
    assert [line[: len(law)] for line, law in zip(answer.json()["faults"], lines, strict=True)] == lines
    assert not (tmp_path / "imported").exists()
    assert not list(tmp_path.rglob("*.log"))


def test_a_spec_reaches_what_the_operator_allows() -> None:
    raw = {"objective": {"train": "spy:train", "dataset": "folder:/x", "data_root": "/y"}}
    check_reach(raw, make_rules("127.0.0.1", 1, allow_import=True, allow_folders=True))
    for rules, keys in [
        (make_rules("127.0.0.1", 1, allow_import=True), ["objective.dataset", "objective.data_root"]),
        (make_rules("127.0.0.1", 1, allow_folders=True), ["objective.train"]),
    ]:
        with pytest.raises(Refused) as refused:
            check_reach(raw, rules)
        assert [line.partition(":")[0] for line in refused.value.lines] == keys


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training functions in the working directory of the service."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(HERE.parent / "instant.py", tmp_path)
    shutil.copy(HERE / "sleepers.py", tmp_path)


def slow_spec(num_trials: int) -> dict[str, Any]:
    return {
        **INSTANT,
        "name": "slow",
        "objective": {"train": "sleepers:sleep", "epochs": 2, "minimize": ["wall_seconds"]},
        "space": {"pause": {"low": 0.2, "high": 0.4}},
        "search": {"trials": num_trials, "sampler": "random", "baseline": False},
    }


@pytest.mark.usefixtures("own_code")
def test_a_sweep_is_launched_watched_resumed_and_deleted_over_rest(database: Database) -> None:
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:

        def ended() -> bool:
            return bool(client.get("/api/studies/tiny").json()["state"] == "complete")

        launched = client.post("/api/studies", json=INSTANT)
        assert (launched.status_code, launched.headers["location"]) == (201, "/api/studies/tiny")
        wait_for(ended)
        again = client.post("/api/studies", json=INSTANT)
        assert (again.status_code, again.json()["detail"]) == (
            409,
            "name: 'tiny' is there already; resume it, or give another name",
        )
        assert (
            client.post("/api/studies/tiny/resume").json()["detail"] == "study: 'tiny' is complete; ask for more trials"
        )
        assert client.post("/api/studies/tiny/resume", json={"trials": -1}).status_code == 422
        assert client.post("/api/studies/tiny/resume", json={"trials": 2}).status_code == 202
        wait_for(ended)
        shown = client.get("/api/studies/tiny").json()
        pages = [client.get("/api/studies/tiny/trials?limit=3").json()]
        pages += [client.get(f"/api/studies/tiny/trials?limit=3&after={pages[0]['next']}").json()]
        assert [trial for page in pages for trial in page["trials"]] == shown["trials"]
        assert [len(shown["trials"]), pages[1]["next"]] == [5, None]
        front = client.get("/api/studies/tiny/front").json()["front"]
        assert [{key: point[key] for key in ("trial", "epoch")} for point in front] == shown["front"]
        assert client.get("/api/studies/tiny/trials/4").json()["number"] == 4
        assert client.delete("/api/studies/tiny").status_code == 200
        assert client.get("/api/studies/tiny").status_code == 404
        deeds = client.get("/api/audit").json()["deeds"]
        told = [(deed["action"], deed["study"], deed["detail"]) for deed in deeds]
        assert told[-2:] == [("launch", "tiny", "done"), ("launch", None, "asked")]
        assert told[:2] == [("delete", "tiny", "done"), ("delete", "tiny", "asked")]
        assert ("resume", "tiny", "asked; 2 more trials") in told
        assert {deed["token"] for deed in deeds} == {"operate-token"}
        assert client.get("/api/audit", headers={"authorization": f"Bearer {service.read}"}).status_code == 403


@pytest.mark.usefixtures("own_code")
def test_a_coordinator_that_cannot_begin_says_why(database: Database) -> None:
    spec = {**INSTANT, "objective": {"train": "instant:nothing", "epochs": 1, "minimize": ["train_flops"]}}
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:
        answer = client.post("/api/studies", json=spec)
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("objective.train: instant:nothing: instant (")


@contextmanager
def started(folder: Path, *flags: str) -> Iterator[tuple[str, str | None]]:
    """Runs the command; yields where it serves, and the token that it prints where it is the first start; kills it."""
    command = [COMMAND, "serve", "--port", "0", "--storage", "sqlite:///test.db", *flags]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[3].rstrip("/;")
            wait_for(lambda: is_up(url), 20)
            os.set_blocking(process.stdout.fileno(), False)
            told = process.stdout.readline().split()
            yield url, told[-1] if told else None
        finally:
            process.kill()


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


@pytest.mark.usefixtures("own_code")
def test_a_coordinator_outlives_the_service_and_is_found_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/test.db")

    def is_(state: str) -> bool:
        return load_study(database, "slow").state == state

    try:
        with started(tmp_path, "--allow-import") as (url, token):
            headers = {"authorization": f"Bearer {token}"}
            assert httpx.post(f"{url}/api/studies", json=slow_spec(200), headers=headers, timeout=60).status_code == 201
            before = find_holding(database, "slow")
            assert before is not None
        num_trials = len(load_study(database, "slow").trials)
        wait_for(lambda: len(load_study(database, "slow").trials) > num_trials)
        with started(tmp_path) as (url, no_token), httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            assert no_token is None  # it is printed once
            shown = client.get("/api/studies/slow").json()
            assert (shown["state"], shown["coordinator"]["pid"]) == ("running", before.pid)
            assert client.delete("/api/studies/slow").status_code == 409
            assert client.post("/api/studies/slow/resume").status_code == 409
            assert client.post("/api/studies/slow/stop").status_code == 202
            wait_for(lambda: is_("stopped"))
            wait_for(lambda: not psutil.pid_exists(before.pid))
            assert client.post("/api/studies/slow/resume").status_code == 202
            assert client.post("/api/studies/slow/stop").status_code == 202
            wait_for(lambda: is_("stopped"))
            assert client.get("/api/studies/slow").json()["coordinator"] is None
    finally:
        if (holding := find_holding(database, "slow")) is not None:
            os.kill(holding.pid, signal.SIGKILL)


@pytest.mark.usefixtures("own_code")
def test_one_name_is_launched_once_however_often_it_is_asked_for_at_once(database: Database) -> None:
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:
        with ThreadPoolExecutor() as pool:
            answers = list(pool.map(lambda _: client.post("/api/studies", json=INSTANT), range(3)))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
        wait_for(lambda: load_study(database, "tiny").state == "complete")
        log = database.artifacts / "coordinators" / "tiny.log"
        assert "is there already" not in log.read_text()  # no second process was begun


@pytest.mark.usefixtures("own_code")
def test_what_a_coordinator_is_given_is_for_its_user_alone(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    popen = subprocess.Popen

    def look(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        path = next((Path(word) for word in command if word.endswith(".toml")), None)
        if path is not None:
            seen.extend([path, path.stat().st_mode & 0o777, options["start_new_session"], str(database.url) in command])
        return popen(command, **options)

    monkeypatch.setattr("search.service.coordinators.subprocess.Popen", look)
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:
        assert client.post("/api/studies", json=INSTANT).status_code == 201
    assert seen[1:] == [0o600, True, False]
    assert not seen[0].exists()


class Meanwhile:
    """A lock that is taken only after something else has come to pass."""

    def __init__(self, happens: Callable[[], object]) -> None:
        self._happens: Callable[[], object] | None = happens

    def __enter__(self) -> None:
        if self._happens is not None:
            self._happens()
        self._happens = None

    def __exit__(self, *_: object) -> None: ...


def test_a_study_is_looked_at_only_once_nobody_else_starts_it(database: Database) -> None:
    create_study(database, "made", SPEC, 1, {}, state="stopped")

    def end() -> None:
        with database.write() as connection:
            connection.execute(update(tables.studies).values(state="complete"))

    lock: Any = Meanwhile(end)
    coordinators = Coordinators(database, make_rules("127.0.0.1", 1), _lock=lock)
    with pytest.raises(Refused, match="'made' is complete; ask for more trials"):
        coordinators.resume("made", 0)
    lock = Meanwhile(lambda: delete_study(database, "made"))
    with pytest.raises(Missing, match="there is no 'made'"):
        Coordinators(database, make_rules("127.0.0.1", 1), _lock=lock).delete("made")


@pytest.mark.usefixtures("own_code")
@pytest.mark.parametrize("fault", ["folder", "file", "program"])
def test_no_spec_is_left_behind_where_its_coordinator_cannot_be_started(
    fault: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = tmp_path / "specs"
    specs.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(specs))
    if fault == "folder":
        database.artifacts.write_text("in the way")
    elif fault == "file":
        (database.artifacts / "coordinators" / "tiny.log").mkdir(parents=True)
    else:
        monkeypatch.setattr("search.service.coordinators.COMMAND", ("/nowhere/python",))
    coordinators = Coordinators(database, make_rules("127.0.0.1", 1, allow_import=True))
    with pytest.raises(Refused):
        coordinators.launch(write_toml(INSTANT))
    assert list(specs.glob("*.toml")) == []


@pytest.mark.usefixtures("own_code")
def test_a_coordinator_that_runs_is_not_told_as_refused_where_the_database_cannot_be_asked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def find(given: Database, name: str) -> Holding | None:
        asked.append(name)
        return find_holding(given if len(asked) > 1 else Database("sqlite:////nowhere/none.db"), name)

    monkeypatch.setattr("search.service.coordinators.find_holding", find)
    coordinators = Coordinators(database, make_rules("127.0.0.1", 1, allow_import=True))
    assert coordinators.launch(write_toml(INSTANT)) == "tiny"
    assert len(asked) > 1
    wait_for(lambda: load_study(database, "tiny").state == "complete")


@pytest.mark.parametrize(
    ("flags", "law"),
    [
        (["--port", "70000"], "less than or equal to 65535"),
        (["--host", "203.0.113.1"], "--host, --port: 203.0.113.1:8000 cannot be used"),
        (["--storage", "mysql://x"], "storage: "),
    ],
)
def test_a_mistake_of_the_operator_is_one_line(flags: list[str], law: str, tmp_path: Path) -> None:
    done = subprocess.run([COMMAND, "serve", *flags], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert law in done.stderr


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['dash'] = None; sys.argv = ['paretune', 'serve']\nfrom search.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "serve: dash not installed: pip install 'paretune[service]'\n"


@pytest.mark.parametrize(
    ("flags", "law"),
    [
        (["--host", "0.0.0.0"], "0.0.0.0 can be reached by other machines, and what goes there is not encrypted"),
        ([], "no token may operate: `paretune token add --role operate` makes one"),
    ],
)
def test_the_operator_is_warned(flags: list[str], law: str, tmp_path: Path, database: Database) -> None:
    make_token(database, "read", "wall")
    command = [COMMAND, "serve", "--port", "0", "--storage", str(database.url), *flags]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        assert process.stderr.readline().startswith(law)
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_the_service_without_a_traceback(tmp_path: Path) -> None:
    command = [COMMAND, "serve", "--port", "0"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().split()[3].rstrip("/;")
    wait_for(lambda: is_up(url), 20)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in told

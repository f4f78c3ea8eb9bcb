"""Errors: what they tell, and what they keep to the log."""

from __future__ import annotations

from pathlib import Path

import pytest
from service import Service, logged

from storage.database import Database


@pytest.mark.parametrize(("method", "path"), [("GET", "/readyz"), ("POST", "/login"), ("GET", "/api/studies")])
def test_what_is_wrong_with_the_database_is_told_to_the_log_alone(
    method: str, path: str, fresh: Service, caplog: pytest.LogCaptureFixture
) -> None:
    fresh.database.engine.dispose()
    for end in ("", "-wal"):  # which is there while a thread of the service has the database open
        Path(f"{fresh.database.file}{end}").write_bytes(b"no database " * 10_000)
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


@pytest.mark.parametrize(
    ("body", "law"),
    [
        ({"dry": 1}, "dry: there is no such key"),
        ({"dry_run": "x"}, "dry_run: a valid boolean is needed, but got 'x'"),
        (b"{", "body: it is no JSON: Expecting property name enclosed in double quotes"),
        ([1], "body: a JSON object is needed, but got [1]"),
    ],
)
def test_a_body_that_is_wrong_gets_one_line_for_each_fault(body: object, law: str, service: Service) -> None:
    with service.client(service.operate) as client:
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = client.post("/api/artifacts/clear", headers={"content-type": "application/json"}, **sent)
    assert (answer.status_code, answer.json()["faults"]) == (422, [law])

"""Actions: who may do them, and what the audit has of them."""

from __future__ import annotations

from threading import Event
from typing import Any

import pytest
from service import Service, cannot_be_written

from dashboards.actions import Refused
from dashboards.web import Pages
from search.service import auth
from search.service.actions import keep_queue
from search.service.app import build_app
from search.service.coordinators import Coordinators
from search.service.rules import make_rules
from storage import tables
from storage.audit import list_deeds
from storage.database import Database
from storage.tokens import find_token


def test_what_a_page_does_asks_for_the_role_too(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Callbacks of pages come by addresses that a token to read may use as well."""
    kept: list[Any] = []
    monkeypatch.setattr(
        "search.service.app.add_pages", lambda *given: kept.append(given) or Pages([], lambda _is_over: None)
    )
    build_app(service.database, make_rules("127.0.0.1", 1))
    _server, _database, actions, may_operate, _look, _book = kept[0]
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


def test_nothing_is_done_that_cannot_be_written_down_first(fresh: Service, caplog: pytest.LogCaptureFixture) -> None:
    with fresh.client(fresh.operate) as client:
        with fresh.database.write() as connection:
            tables.audit.drop(connection)
        answer = client.delete("/api/studies/made")
        assert (answer.status_code, answer.json()["detail"]) == (
            503, "the database cannot be used; the log has the reason",
        )  # fmt: skip
        assert f"{fresh.database} cannot be used: no such table" in caplog.text
        assert client.get("/api/studies/made/trials").status_code == 200


def test_the_queue_is_kept_on_after_a_fault_of_ours(
    database: Database, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    is_over, asked = Event(), []

    def advance(*_arguments: object) -> None:
        asked.append(1)
        if len(asked) == 1:
            raise RuntimeError("a fault of ours")
        is_over.set()

    monkeypatch.setattr(Coordinators, "advance", advance)
    monkeypatch.setattr("search.service.actions.GLANCE_SECONDS", 0)
    monkeypatch.setattr("search.service.actions.PAUSE_SECONDS", 0)
    keep_queue(Coordinators(database, make_rules("127.0.0.1", 1)), is_over)
    assert (len(asked), "a fault of ours" in caplog.text) == (2, True)


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

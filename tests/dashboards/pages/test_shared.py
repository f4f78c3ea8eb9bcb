"""What several open pages ask for is made once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from pages import Pages, add_epoch, write_study

from dashboards.pages import shared, study
from storage.database import Database

CALL = "/_dash-update-component"


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Which heads of a page were made: for whom who may operate, or not."""
    found: list[bool] = []
    real = study.show_head

    def show_head(*given: Any, may_operate: bool) -> Any:
        found.append(may_operate)
        return real(*given, may_operate=may_operate)

    monkeypatch.setattr(study, "show_head", show_head)
    return found


def head(pages: Pages, mark: str | None) -> dict[str, Any]:
    return pages.body("head.children", "mark.data", names_data=["a"], mark_data=mark)


def test_what_pages_ask_at_a_mark_is_made_once(pages: Pages, database: Database, made: list[bool]) -> None:
    write_study(database, "a", 4)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: pages.client.post(CALL, json=head(pages, "m")), range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert made == [True]
    assert "head" in answers[0].json()["response"]


def test_another_mark_role_or_encoding_gets_an_answer_of_its_own(
    pages: Pages, database: Database, made: list[bool]
) -> None:
    write_study(database, "a", 4)
    first = pages.client.post(CALL, json=head(pages, "m"))
    pages.operates = False
    assert pages.client.post(CALL, json=head(pages, "m")).content != first.content
    assert made == [True, False]
    pages.operates = True
    pages.client.post(CALL, json=head(pages, "n"))
    plain = pages.client.post(CALL, json=head(pages, "m"), headers={"accept-encoding": "identity"})
    assert made == [True, False, True, True]
    assert plain.json() == first.json()


def test_what_a_person_does_is_answered_anew(pages: Pages, database: Database, made: list[bool]) -> None:
    uuid = write_study(database, "a", 4)
    before = pages.client.post(CALL, json={**head(pages, "m"), "changedPropIds": []}).json()
    add_epoch(database, uuid)
    assert pages.client.post(CALL, json={**head(pages, "m"), "changedPropIds": []}).json() != before
    pages.client.post(CALL, json=head(pages, None))
    pages.client.post(CALL, json=head(pages, None))
    assert len(made) == 4


def test_an_answer_is_not_kept_for_long_and_a_fault_not_at_all(
    pages: Pages, database: Database, made: list[bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(database, "a", 4)
    real, left = study.show_head, [RuntimeError("one fault")]

    def fails_once(*given: Any, may_operate: bool) -> Any:
        if left:
            raise left.pop()
        return real(*given, may_operate=may_operate)

    monkeypatch.setattr(study, "show_head", fails_once)
    assert [pages.client.post(CALL, json=head(pages, "m")).status_code for _ in range(2)] == [500, 200]
    assert len(made) == 1
    monkeypatch.setattr(shared, "KEEP_SECONDS", -1.0)
    pages.client.post(CALL, json=head(pages, "m"))
    assert len(made) == 2

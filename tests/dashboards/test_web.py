"""The pages on a server: their addresses, what they fetch, and where their work runs."""

from __future__ import annotations

import asyncio
import re
from importlib import import_module
from typing import Any

import pytest
from pages import Pages, write_study

from dashboards.palette import ICON
from storage.database import Database

NOT_FOUND = "Nothing to show here"


def test_each_address_has_its_page(pages: Pages, database: Database) -> None:
    write_study(database, "a b", 4)
    assert '"Studies - Paretune"' in pages.page("/")
    assert '"a b - Paretune"' in pages.page("/study/a%20b")
    assert '"value": "spending"' in pages.page("/study/a%20b", "?tab=spending")
    assert '"a b trial 3 - Paretune"' in pages.page("/study/a%20b/trial/3")
    compared = pages.page("/compare", "?study=a%20b&study=gone")
    assert ('"value": ["a b"]' in compared, "there is no study 'gone'" in compared) == (True, True)
    assert "there is no study" not in pages.page("/compare", "?study=a%20b")
    for path in ("/nowhere", "/study/gone", "/study/gone/trial/0", "/study/a%20b/trial/x"):
        assert NOT_FOUND in pages.page(path)
    assert "did you mean" in pages.page("/study/a%20bc")


def test_nothing_is_fetched_from_another_host_and_the_second_way_in_is_shut(pages: Pages) -> None:
    for path in ("/", "/study/any"):
        html = pages.client.get(path).text
        found = re.findall(r"""(?:src|href)=["']([^"']+)""", html)
        assert len(found) > 5
        assert [url for url in found if not url.startswith(("/_", "/scripts/"))] == [ICON]
        assert '"websocket"' not in html
        for url in (one for one in found if one.endswith(".js")):
            assert pages.client.get(url).status_code == 200
    assert not any("_dash-ws" in str(getattr(route, "path", "")) for route in pages.server.router.routes)


WORK = {
    "study.show_head": ("head.children", "mark.data", {"names_data": ["a"]}),
    "study.show_answers": ('live":"answers', "mark.data", {"names_data": ["a"]}),
    "studies.show_studies": ("studies.children", "studies-clock.n_intervals", {"scheme_data": "light"}),
    "compare.compare_rows": ("compare-table.children", "mark.data", {"names_data": ["a"]}),
}


@pytest.mark.parametrize("work", WORK)
def test_work_runs_beside_the_event_loop(
    work: str, pages: Pages, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(database, "a", 4)
    room, _, name = work.rpartition(".")
    real, loops = getattr(import_module(f"dashboards.pages.{room}"), name), []

    def noted(*arguments: Any, **options: Any) -> Any:
        loops.append(is_on_loop())
        return real(*arguments, **options)

    monkeypatch.setattr(f"dashboards.pages.{work}", noted)
    output, changed, values = WORK[work]
    assert pages.ask(output, changed, **values) is not None
    assert loops == [False]


def is_on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True

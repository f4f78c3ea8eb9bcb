"""The clock of a page that is open."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from pages import Pages, add_epoch, write_study

from storage.database import Database


def test_a_page_that_is_open_asks_cheaply_and_tells_what_is_wrong(pages: Pages, database: Database) -> None:
    uuid = write_study(database, "a", 4)
    first = pages.ask("mark.data", "clock.n_intervals", names_data=["a"])
    mark = first["mark"]["data"]
    assert "mark" not in pages.ask("mark.data", "clock.n_intervals", names_data=["a"], mark_data=mark)
    add_epoch(database, uuid)
    assert pages.ask("mark.data", "clock.n_intervals", names_data=["a"], mark_data=mark)["mark"]["data"] != mark
    gone = pages.ask("mark.data", "clock.n_intervals", names_data=["gone"], mark_data=mark)
    assert "there is no 'gone'" in json.dumps(gone["away"])
    assert "mark" not in gone


def test_a_slow_action_does_not_hold_up_the_rest(pages: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dashboards.pages.reading.Reader.mark", lambda *_: str(time.sleep(1.0)))
    body = pages.body("mark.data", "clock.n_intervals", names_data=["a"])
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(pages.client.post, "/_dash-update-component", json=body)
        time.sleep(0.2)
        began = time.monotonic()
        assert pages.client.get("/api/now").json() == "now"
        assert time.monotonic() - began < 0.5
        assert slow.result().json()["response"]["mark"]["data"] == "None"


def test_a_page_waits_as_long_as_it_is_told(pages: Pages, database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    write_study(database, "a", 4)
    clock = {"names_data": ["a"], "clock_interval": 2000}
    assert "clock" not in pages.ask("mark.data", "clock.n_intervals", **clock)
    monkeypatch.setattr("dashboards.pages.reading.Reader.wait_seconds", lambda *_: 4.5)
    assert pages.ask("mark.data", "clock.n_intervals", **clock)["clock"] == {"interval": 5000}
    assert "clock" not in pages.ask("mark.data", "clock.n_intervals", **{**clock, "clock_interval": 5000})

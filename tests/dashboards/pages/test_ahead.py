"""What is read before anybody asks."""

from __future__ import annotations

from typing import Any

import pytest
from commands import wait_for
from pages import write_study
from service import serving

from dashboards import crowd
from dashboards.actions import Refused
from dashboards.pages.ahead import read_ahead
from dashboards.pages.easel import Easel
from dashboards.pages.reading import Reader
from dashboards.pages.site import Site
from storage.columns import read_epochs
from storage.database import Database
from storage.leases import acquire
from storage.reading import load_study
from storage.studies import create_study


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The keys of the studies whose epochs are read as columns, from 40 trials on."""
    seen: list[str] = []

    def noted(connection: Any, uuid: str, since: Any) -> Any:
        seen.append(uuid)
        return read_epochs(connection, uuid, since)

    monkeypatch.setattr("dashboards.pages.reading.LARGE", 40)
    monkeypatch.setattr(crowd, "read_epochs", noted)
    return seen


def site_of(database: Database) -> Site:
    def refuse(*_: Any) -> Any:
        raise Refused("nothing is asked for here")

    reader = Reader(database)
    return Site(reader, refuse, lambda: False, refuse, Easel(reader))  # type: ignore[arg-type]  # neither is asked


def test_large_studies_are_read_the_newest_first_and_not_again_as_they_are_opened(
    database: Database, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded: list[str] = []

    def noted(given: Database, name: str, numbers: Any = None) -> Any:
        loaded.append(name)
        return load_study(given, name, numbers)

    monkeypatch.setattr("dashboards.pages.reading.load_study", noted)
    older, newer = write_study(database, "older", 60), write_study(database, "newer", 50)
    write_study(database, "small", 20)
    site = site_of(database)
    read_ahead(site, lambda: False)
    assert read == [newer, older]
    assert set(loaded) == {"older", "newer"}
    assert len(site.easel.draw("tradeoff", ["older"], [], "light").menus) == 4
    assert read == [newer, older]


def test_no_more_is_read_than_is_kept_or_once_it_is_over(
    database: Database, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    uuids = [write_study(database, name, 40) for name in "abc"]
    monkeypatch.setattr("dashboards.pages.reading.MOST_KEPT", 2)
    read_ahead(site_of(database), lambda: False)
    assert read == uuids[:0:-1]
    read_ahead(site_of(database), lambda: len(read) > 2)
    assert read == [*uuids[:0:-1], uuids[2]]


def test_a_sweep_on_the_machine_keeps_its_cores(database: Database, read: list[str]) -> None:
    write_study(database, "large", 40)
    acquire(database, create_study(database, "running", {}, 1, {}))
    read_ahead(site_of(database), lambda: False)
    assert not read


def test_a_service_reads_ahead_as_it_begins(database: Database, read: list[str]) -> None:
    uuid = write_study(database, "large", 40)
    with serving(database):
        wait_for(lambda: read == [uuid])

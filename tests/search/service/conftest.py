"""A service that runs, for a room of tests and for one test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from service import SPEC, Service, serving

from storage.database import Database
from storage.studies import create_study


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

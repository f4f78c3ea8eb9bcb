"""A service that runs, for a room of tests and for one test."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from service import SPEC, Service, serving

from storage.database import Database
from storage.studies import create_study

TESTS = Path(__file__).parents[2]


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


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training functions in the working directory of the service."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(TESTS / "instant.py", tmp_path)
    shutil.copy(TESTS / "search" / "sleepers.py", tmp_path)

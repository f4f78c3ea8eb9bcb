from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from commands import INLINE, LONG, results, run_paretune, write_quick_spec
from postgresql import new_database

from storage.database import Database


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def home(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The database that commands use: each kind in turn."""
    if request.param == "sqlite":
        return Database(f"sqlite:///{tmp_path}/paretune.db")
    url = new_database(request.getfixturevalue("server"))
    monkeypatch.setenv("PARETUNE_STORAGE", url)
    monkeypatch.setenv("PARETUNE_ARTIFACTS", str(tmp_path / "paretune.db.artifacts"))
    return Database(url)


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """What the quick sweep with longer trials comes to when nobody kills anything."""
    folder = tmp_path_factory.mktemp("undisturbed")
    spec = write_quick_spec(folder)
    run_paretune(folder, "launch", str(spec), *LONG, *INLINE, check=True)
    return results(json.loads(run_paretune(folder, "show", "quick", "--json", check=True).stdout))

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from commands import Run, run_paretune, write_quick_spec
from postgresql import find_postgresql, running_postgresql

from storage.database import Database

TESTS = Path(__file__).parent
os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers share the cores
os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())  # where pytest's own folders stay

signal.signal(signal.SIGINT, signal.default_int_handler)  # else what a run in the background begins ignores Ctrl-C

_litter = tempfile.TemporaryDirectory(prefix="paretune-tests-", ignore_cleanup_errors=True)
os.environ["TMPDIR"] = tempfile.tempdir = _litter.name  # a lock file for each database would stay there for ever
Path(_litter.name).chmod(0o755)  # PostgreSQL runs as another user


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path}/test.db")
    made.create()
    return made


@pytest.fixture(scope="session")
def server() -> Iterator[str]:
    """URL of a PostgreSQL server of our own; `new_database` makes a database there."""
    if find_postgresql() is None:
        pytest.skip("there is no PostgreSQL here")
    with running_postgresql() as url:
        yield url


@pytest.fixture
def paretune(tmp_path: Path) -> Run:
    """Runs the command in a folder of its own; gives exit code, standard output and standard error."""

    return partial(run_paretune, tmp_path)


@pytest.fixture
def quick_spec(tmp_path: Path) -> Path:
    return write_quick_spec(tmp_path)


@pytest.fixture
def saves_always(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trial in this process saves whenever it may, as if saving took no time."""
    monkeypatch.setattr("objectives.pace.LEAST_SECONDS", 0.0)
    monkeypatch.setattr("objectives.pace.SHARE", 1e9)


@pytest.fixture
def own_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Training functions in the working directory of the service."""
    monkeypatch.chdir(tmp_path)
    shutil.copy(TESTS / "instant.py", tmp_path)
    shutil.copy(TESTS / "search" / "sleepers.py", tmp_path)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if any("gpu" in item.keywords for item in items):
        from search.compute import find_gpus

        if not find_gpus():
            for item in items:
                if "gpu" in item.keywords:
                    item.add_marker(pytest.mark.skip(reason="there is no GPU here"))

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from storage.database import Database

Run = Callable[..., "subprocess.CompletedProcess[str]"]
COMMAND = str(Path(sys.executable).with_name("paretune"))

QUICK = """
name = "quick"
[objective]
dataset = "digits"
epochs = 2
minimize = ["train_flops"]
[space]
lr = { low = 1e-3, high = 0.1, log = true }
optimizer = ["sgd", "adam"]
batch_size = { low = 32, high = 128, log = true }
width = { low = 0.25, high = 0.5 }
[search]
trials = 4
[compute]
slots = 1
threads = 1
"""


@pytest.fixture
def database(tmp_path: Path) -> Database:
    made = Database(f"sqlite:///{tmp_path}/test.db")
    made.create()
    return made


@pytest.fixture
def paretune(tmp_path: Path) -> Run:
    """Runs the command in a folder of its own; gives exit code, standard output and standard error."""

    def run(*arguments: str, check: bool = False) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [COMMAND, *arguments], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=300
        )
        if check and done.returncode:
            raise AssertionError(f"exit {done.returncode}: {done.stderr}")
        return done

    return run


@pytest.fixture
def quick_spec(tmp_path: Path) -> Path:
    path = tmp_path / "quick.toml"
    path.write_text(QUICK)
    return path


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if any("gpu" in item.keywords for item in items):
        from search.compute import find_gpus

        if not find_gpus():
            for item in items:
                if "gpu" in item.keywords:
                    item.add_marker(pytest.mark.skip(reason="there is no GPU here"))

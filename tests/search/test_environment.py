from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
from commands import Run
from sqlalchemy import select, update

from search.environment import digest_code, observe
from storage import tables
from storage.database import Database
from storage.reading import load_study

MODEL = """
from torch import nn
def net(num_channels, num_classes, width=1.0):
    return nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(64 * num_channels, num_classes))
"""
INLINE = ("--set", "compute.engine=inline")


def test_an_environment_says_what_is_installed_and_where() -> None:
    seen = observe({"model": "cnn", "dataset": "digits"})
    assert seen["versions"]["torch"] == metadata.version("torch")
    assert seen["versions"]["python"] == platform.python_version()
    assert {"paretune", "torchvision", "optuna", "numpy", "sqlalchemy"} <= set(seen["versions"])
    assert seen["host"] == platform.node()
    assert seen["code"] == {}
    json.dumps(seen)


def test_code_is_found_without_importing_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "deep_nets" / "wide").mkdir(parents=True)
    for folder in ("deep_nets", "deep_nets/wide"):
        (tmp_path / folder / "__init__.py").write_text("raise RuntimeError('it was imported')")
    source = tmp_path / "deep_nets" / "wide" / "net.py"
    source.write_text("x = 1")
    first = digest_code("deep_nets.wide.net:build")
    assert first is not None
    source.write_text("x = 2")
    assert digest_code("deep_nets.wide.net:build") not in (None, first)
    assert digest_code("deep_nets.wide.other:build") is None
    assert not any(name.startswith("deep_nets") for name in sys.modules)


@pytest.mark.parametrize(
    ("file", "path"),
    [
        ("alone.py", "alone:net"),
        ("of_spaces/inner/net.py", "of_spaces.inner.net:build"),
        ("package/__init__.py", "package:net"),
        ("package/inner/__init__.py", "package.inner:net"),
    ],
)
def test_code_is_found_where_it_may_lie(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, path: str) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "package").mkdir(exist_ok=True)
    (tmp_path / "package" / "__init__.py").touch()
    (tmp_path / file).write_text("x = 1")
    assert digest_code(path) == sha256(b"x = 1").hexdigest()


def test_looking_imports_nothing_heavy() -> None:
    code = (
        "import sys; from search.environment import observe; observe({'model': 'torchvision.models:resnet18'});"
        "sys.exit('torchvision' in sys.modules or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def launched(paretune: Run, quick_spec: Path, tmp_path: Path) -> Database:
    """A study of two trials whose model is the user's own."""
    (tmp_path / "mine.py").write_text(MODEL)
    paretune("launch", str(quick_spec), "--set", "objective.model=mine:net", "--trials", "2", *INLINE, check=True)
    return Database(f"sqlite:///{tmp_path}/paretune.db")


def environments(paretune: Run) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(paretune("show", "quick", "--json", check=True).stdout)["environments"]
    return found


@pytest.mark.slow
def test_what_changed_is_told_at_resume_kept_once_and_shown(paretune: Run, tmp_path: Path, launched: Database) -> None:
    (first,) = environments(paretune)
    assert first["code"].keys() == {"mine:net"}
    same = paretune("resume", "quick", "--trials", "1", check=True)
    assert "then" not in same.stderr
    assert "has changed" not in same.stderr
    assert environments(paretune) == [first]
    assert "environment changed" not in paretune("show", "quick", check=True).stdout

    with launched.engine.begin() as connection:  # as if it was launched by another torch on another machine
        kept = connection.scalar(select(tables.studies.c.environments))
        kept[0]["versions"]["torch"], kept[0]["host"] = "1.0.0", "elsewhere"
        connection.execute(update(tables.studies).values(environments=kept))
    with (tmp_path / "mine.py").open("a") as source:
        source.write("# a fix\n")
    shutil.rmtree(tmp_path / "__pycache__", ignore_errors=True)
    told = paretune("resume", "quick", "--trials", "1", check=True).stderr
    assert f"torch 1.0.0 then, {metadata.version('torch')} now: accuracies and costs may differ" in told
    assert f"host elsewhere then, {platform.node()} now: costs in time and energy may differ" in told
    assert "the code of mine:net has changed since the study last ran" in told
    assert "numpy" not in told

    before, now = environments(paretune)
    assert before["versions"]["torch"] == "1.0.0"
    assert now["versions"]["torch"] == metadata.version("torch")
    assert before["since"] < now["since"]
    assert "then" not in paretune("resume", "quick", "--trials", "1", check=True).stderr
    assert len(environments(paretune)) == 2

    shown = paretune("show", "quick", check=True).stdout
    assert f"environment changed since {now['since'][:10]}" in shown
    assert f"torch 1.0.0 to {metadata.version('torch')}" in shown
    assert "other code of mine:net" in shown
    paretune("report", "quick", "-o", "r.html", check=True)
    assert "other code of mine:net" in (tmp_path / "r.html").read_text()


def test_a_study_of_before_that_was_kept_is_continued_in_silence(paretune: Run, launched: Database) -> None:
    with launched.engine.begin() as connection:
        connection.execute(update(tables.studies).values(environments=[]))
    assert "then" not in paretune("resume", "quick", "--trials", "1", check=True).stderr
    assert len(load_study(launched, "quick").environments) == 1

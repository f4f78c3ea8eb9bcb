"""A study that was trained once, and the command line in its folder."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest
from exported import DIGITS, Command, Done

import search
from search.cli import main


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs the command line in this process, in a folder of its own: torch is loaded once."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["paretune", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that nobody changes."""
    folder = tmp_path_factory.mktemp("trained")
    search.launch(DIGITS, storage=f"sqlite:///{folder}/paretune.db", quiet=True)
    return folder


@pytest.fixture
def study(trained: Path, tmp_path: Path) -> search.Study:
    """A copy of it, in the folder where the command runs."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return search.load("quick", storage=f"sqlite:///{tmp_path}/paretune.db")

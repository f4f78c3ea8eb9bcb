from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from commands import COMMAND

from storage.database import Database
from storage.studies import create_study


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A working directory with a default database and another one."""
    for file, names in (("paretune", ("apple", "pear")), ("other", ("apricot", "plum"))):
        for name in names:
            create_study(Database(f"sqlite:///{tmp_path}/{file}.db"), name, {}, 1, {})
    return tmp_path


def complete(folder: Path, words: str, at: int, **environment: str) -> list[str]:
    asked = {"_PARETUNE_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(at), **environment}
    done = subprocess.run(
        [COMMAND], cwd=folder, env={**os.environ, **asked}, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.split()


OTHER = "sqlite:///other.db"


@pytest.mark.parametrize(
    ("words", "at", "found"),
    [
        ("paretune show ap", 2, ["apple"]),
        ("paretune resume ", 2, ["pear", "apple"]),
        (f"paretune show --storage {OTHER} ap", 4, ["apricot"]),
        (f"paretune show --storage={OTHER} ", 3, ["plum", "apricot"]),
        ("paretune\nshow\n--storage\nsqlite\n:\n///other.db\nap", 6, ["apricot"]),
        ("paretune\nshow\n--storage\n=\nsqlite\n:\n///other.db\n", 7, ["plum", "apricot"]),
        (f"paretune show apricot --figure compare --storage {OTHER} --with pl", 8, ["plum"]),
        ("paretune show --storage sqlite:///none.db ap", 4, []),
        ("paretune show --storage nonsense ap", 4, []),
    ],
)
def test_names_are_those_of_the_database_of_the_line(folder: Path, words: str, at: int, found: list[str]) -> None:
    assert complete(folder, words, at) == found


def test_the_environment_names_the_database_where_the_line_does_not(folder: Path) -> None:
    assert complete(folder, "paretune delete p", 2, PARETUNE_STORAGE=OTHER) == ["plum"]
    words = "paretune delete --storage sqlite:///paretune.db p"
    assert complete(folder, words, 4, PARETUNE_STORAGE=OTHER) == ["pear"]


def test_bash_itself_completes_after_a_url(folder: Path) -> None:
    bash = shutil.which("bash")
    if bash is None:
        pytest.skip("there is no bash here")
    script = f"""
    PATH={Path(COMMAND).parent}:$PATH
    eval "$(_PARETUNE_COMPLETE=source_bash paretune)"
    COMP_WORDS=(paretune show --storage sqlite : ///other.db ap) COMP_CWORD=6
    $(complete -p paretune | sed 's/.*-F \\([^ ]*\\) .*/\\1/') paretune
    echo "${{COMPREPLY[@]}}"
    """
    done = subprocess.run([bash, "-c", script], cwd=folder, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("apricot\n", "")

"""The command: what it warns of, what it refuses, and how it ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from commands import COMMAND, wait_for
from service import is_up

from storage.database import Database
from storage.leases import acquire
from storage.studies import create_study
from storage.tokens import make_token


@pytest.mark.parametrize(
    ("flags", "law"),
    [
        (["--port", "70000"], "less than or equal to 65535"),
        (["--host", "203.0.113.1"], "--host, --port: 203.0.113.1:8000 cannot be used"),
        (["--storage", "mysql://x"], "storage: "),
        (["--templates", "nowhere"], "--templates: a folder is needed, but got 'nowhere'"),
    ],
)
def test_a_mistake_of_the_operator_is_one_line(flags: list[str], law: str, tmp_path: Path) -> None:
    done = subprocess.run([COMMAND, "serve", *flags], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert law in done.stderr


def test_without_the_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['dash'] = None; sys.argv = ['paretune', 'serve']\nfrom search.cli import main; main()"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "serve: dash not installed: pip install 'paretune[service]'\n"


@pytest.mark.parametrize(
    ("flags", "law"),
    [
        (["--host", "0.0.0.0"], "0.0.0.0 can be reached by other machines, and what goes there is not encrypted"),
        ([], "no token may operate: `paretune token add --role operate` makes one"),
    ],
)
def test_the_operator_is_warned(flags: list[str], law: str, tmp_path: Path, database: Database) -> None:
    make_token(database, "read", "wall")
    command = [COMMAND, "serve", "--port", "0", "--storage", str(database.url), *flags]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    try:
        assert process.stderr.readline().startswith(law)
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_ends_the_service_without_a_traceback_and_its_streams_too(tmp_path: Path, database: Database) -> None:
    acquire(database, create_study(database, "runs", {"objective": {"minimize": ["train_flops"]}}, 1, {}))
    command = [COMMAND, "serve", "--port", "0", "--storage", str(database.url)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().split()[3].rstrip("/;")
    wait_for(lambda: is_up(url), 20)
    headers = {"authorization": f"Bearer {make_token(database, 'read', 'wall')}"}
    with httpx.stream("GET", f"{url}/api/studies/runs/events", headers=headers, timeout=20) as events:
        lines = events.iter_lines()
        assert "event: study" in [next(lines) for _ in range(4)]
        process.send_signal(signal.SIGINT)
        assert "event: end" not in list(lines)  # whoever listens goes on once the service is there again
    _, told = process.communicate(timeout=20)
    assert process.returncode == 130
    assert "Traceback" not in told

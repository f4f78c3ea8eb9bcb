"""The process of a coordinator: how it is started, watched until it runs, and what it writes."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Thread

from dashboards.actions import Refused
from search.spec import NAME
from storage.database import Database
from storage.faults import StorageFault
from storage.leases import find_holding
from storage.studies import list_studies

START_SECONDS = 60.0
"""How long a coordinator is watched for a fault before it is left to itself."""

GLANCE_SECONDS = 0.1
END_CODES = (0, 3)
"""Exit codes of a coordinator that came to its end: all trials done, or some failed."""

MOST_LOG_BYTES, MOST_LOG_LINES = 2**14, 20
OF_CLIENTS = ("PARETUNE_SERVER", "PARETUNE_TOKEN", "PARETUNE_TOKEN_FILE")
"""Variables that would make a coordinator ask this service."""

COMMAND = (sys.executable, "-P", "-c", "from search.cli import main; main()")
"""The command line, wherever it is installed; a file in the working directory shadows none of its modules."""


def start_coordinator(
    database: Database,
    name: str,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    at_end: Callable[[], None],
) -> None:
    """Starts a coordinator and waits until it runs its study.

    Args:
        database: Where the study is, or will be.
        name: The study.
        arguments: Of the command line.
        environment: Variables that it has besides this process's own.
        at_end: Called when its process has ended, in a thread of its own, if it was started at all.

    Raises:
        Refused: with what it said where it ends before that.
        OSError: where it cannot be started.
    """
    check_name(name)
    log = _log_file(database, name)
    begin = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(  # noqa: S603  its own command line; what users wrote is in a file or after `--`
            [*COMMAND, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**own_environment(database), **environment},
            start_new_session=True,
        )

    def wait() -> None:  # else it would stay behind as a zombie
        process.wait()
        at_end()

    Thread(target=wait, daemon=True).start()
    _watch(database, name, process, log, begin)


def own_environment(database: Database) -> dict[str, str]:
    """Returns the variables with which the command line works on a database.

    Among its arguments all users would see a password.
    """
    own = {key: value for key, value in os.environ.items() if key not in OF_CLIENTS}
    return {**own, "PARETUNE_STORAGE": database.url.render_as_string(hide_password=False)}


def check_name(name: str) -> None:
    """Makes sure that a name may become a part of a path: it may come from the database, whoever wrote that.

    Raises:
        Refused: where it may not.
    """
    if not NAME.fullmatch(name):
        raise Refused(f"study: {name!r} is no name of ours")


@contextmanager
def private_file(text: str) -> Iterator[Path]:
    """Gives a file that only this user may read, and removes it."""
    descriptor, name = tempfile.mkstemp(prefix="paretune-", suffix=".toml")
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _watch(database: Database, name: str, process: subprocess.Popen[bytes], log: Path, begin: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        code = process.poll()
        if code in END_CODES:
            return
        if code is not None:
            raise Refused(*(_last_lines(log, begin) or [f"study: its coordinator ended with {code} and said nothing"]))
        with suppress(StorageFault):  # it runs on, whether or not the database can be asked at this moment
            holding = find_holding(database, name)
            if holding is not None and holding.pid == process.pid and _is_running(database, name):
                return
        time.sleep(GLANCE_SECONDS)


def _is_running(database: Database, name: str) -> bool:
    return any(line.name == name and line.state == "running" for line in list_studies(database))


def _log_file(database: Database, name: str) -> Path:
    """Returns the file that a study's coordinators write to."""
    folder = database.artifacts / "coordinators"
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{name}.log"


def _last_lines(log: Path, begin: int) -> list[str]:
    """Returns what a coordinator wrote since it began, the last lines of it."""
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(begin, end - MOST_LOG_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()][-MOST_LOG_LINES:]

"""Coordinators: processes of their own, which outlive the service and are found again by their lease."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock, Thread

from dashboards.actions import Refused
from search import sweeps
from search.service.problems import Missing, Unfit, refusals
from search.service.reach import read_sent_spec
from search.service.rules import Rules
from search.spec import NAME
from storage.database import Database
from storage.faults import StorageFault
from storage.leases import find_holding
from storage.studies import StudyLine, list_studies, load_study, request_stop

START_SECONDS = 60.0
"""How long a coordinator is watched for a fault before it is left to itself."""

GLANCE_SECONDS = 0.1
ENDED = (0, 3)
"""Exit codes of a coordinator that came to its end: all trials done, or some failed."""

MOST_TRIALS = 1_000_000
MOST_LOG_BYTES, MOST_LOG_LINES = 2**14, 20
COMMAND = (sys.executable, "-P", "-c", "from search.cli import main; main()")
"""The command line, wherever it is installed; a file in the working directory shadows none of its modules."""


@dataclass(frozen=True)
class Coordinators:
    """The coordinators of a database's studies on this machine.

    Attributes:
        database: Where the studies are.
        rules: What a spec that is sent here may reach.
    """

    database: Database
    rules: Rules
    _starting: set[str] = field(default_factory=set)
    _lock: Lock = field(default_factory=Lock)

    def launch(self, text: str) -> str:
        """Starts the sweep of a spec and returns the study's name.

        Args:
            text: The spec, TOML.

        Raises:
            Refused: where it cannot be, a line for each reason.
        """
        with refusals():
            spec = read_sent_spec(text, self.rules)
            with self._alone(spec.name):
                if any(line.name == spec.name for line in list_studies(self.database)):
                    raise Refused(f"name: {spec.name!r} is there already; resume it, or give another name")
                with _private_file(text) as path:
                    self._start(spec.name, ("launch", str(path)))
        return spec.name

    def resume(self, name: str, num_more: int) -> None:
        """Continues a study.

        Args:
            name: The study. What it trains was chosen when it was launched, and `Rules` do not ask again.
            num_more: Trials to add to its target.

        Raises:
            Refused: where it cannot be, a line for each reason.
        """
        if not 0 <= num_more <= MOST_TRIALS:
            raise Unfit(f"trials: 0 to {MOST_TRIALS} more are needed, but got {num_more}")
        with refusals(), self._alone(name):
            line = self.find(name)
            if line.state == "running":
                raise Refused(f"study: {name!r} is running already")
            if line.state == "complete" and not num_more:
                raise Refused(f"study: {name!r} is complete; ask for more trials")
            sweeps.check_can_run(load_study(self.database, name))
            self._start(name, ("resume", "--trials", str(num_more), "--", name))

    def stop(self, name: str) -> None:
        """Asks a study's coordinator to stop, and does not wait for it.

        Raises:
            Refused: where there is none.
        """
        with refusals():
            line = self.find(name)
            if not request_stop(self.database, name):
                raise Refused(f"study: {name!r} is not running: it is {line.state}")

    def delete(self, name: str) -> None:
        """Removes a study and its weights.

        Raises:
            Refused: where it is running, or there is none.
        """
        with refusals(), self._alone(name):
            self.find(name)
            sweeps.delete(name, self.database)

    def find(self, name: str) -> StudyLine:
        """Returns a study's line.

        Raises:
            Missing: where there is none of that name.
        """
        line = next((line for line in list_studies(self.database) if line.name == name), None)
        if line is None:
            raise Missing(f"study: there is no {name!r}")
        return line

    @contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Keeps a second request from starting or removing the same study meanwhile."""
        with self._lock:
            if name in self._starting:
                raise Refused(f"study: {name!r} is being started or removed at this moment")
            self._starting.add(name)
        try:
            yield
        finally:
            with self._lock:
                self._starting.discard(name)

    def _start(self, name: str, arguments: Sequence[str]) -> None:
        """Starts a coordinator and waits until it runs its study.

        Args:
            name: The study.
            arguments: Of the command line.

        Raises:
            Refused: with what it said where it ends before that.
        """
        log = self._log_file(name)
        begin = log.stat().st_size if log.exists() else 0
        storage = self.database.url.render_as_string(hide_password=False)
        with log.open("ab") as output:
            process = subprocess.Popen(  # noqa: S603  its own command line; what users wrote is in a file or after `--`
                [*COMMAND, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PARETUNE_STORAGE": storage},  # among the arguments all users would see a password
                start_new_session=True,
            )
        Thread(target=process.wait, daemon=True).start()  # else it would stay behind as a zombie
        self._watch(name, process, log, begin)

    def _watch(self, name: str, process: subprocess.Popen[bytes], log: Path, begin: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            code = process.poll()
            if code in ENDED:
                return
            if code is not None:
                raise Refused(
                    *(_last_lines(log, begin) or [f"study: its coordinator ended with {code} and said nothing"])
                )
            with suppress(StorageFault):  # it runs on, whether or not the database can be asked at this moment
                holding = find_holding(self.database, name)
                if holding is not None and holding.pid == process.pid and self.find(name).state == "running":
                    return
            time.sleep(GLANCE_SECONDS)

    def _log_file(self, name: str) -> Path:
        """Returns the file that a study's coordinators write to."""
        if not NAME.fullmatch(name):  # it comes from the database, and becomes a part of a path
            raise Refused(f"study: {name!r} is no name of ours")
        folder = self.database.artifacts / "coordinators"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{name}.log"


@contextmanager
def _private_file(text: str) -> Iterator[Path]:
    """Gives a file that only this user may read, and removes it."""
    descriptor, name = tempfile.mkstemp(prefix="paretune-", suffix=".toml")
    path = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
        yield path
    finally:
        path.unlink(missing_ok=True)


def _last_lines(log: Path, begin: int) -> list[str]:
    """Returns what a coordinator wrote since it began, the last lines of it."""
    with log.open("rb") as file:
        end = file.seek(0, os.SEEK_END)
        file.seek(max(begin, end - MOST_LOG_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()][-MOST_LOG_LINES:]

"""Models that are exported for whoever asks: each is made by a process of its own, kept for a while, and sent.

A file is made in a folder of this service's own, under a name of its own: no request says where anything is written.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

from dashboards.actions import Refused
from dashboards.summary import Summary
from search.exporting import Wanted, check_kept, choose_checkpoint
from search.faults import Faults
from search.service.problems import Missing
from search.service.processes import COMMAND, own_environment
from storage.database import Database
from storage.faults import NoTrial
from storage.rows import find_trial

MOST_KEPT, KEPT_SECONDS = 4, 600.0
"""How many files are kept to be fetched, the newest, and for how long."""

PATIENCE_SECONDS = 600.0
PIECE_BYTES = 2**18
LEAST_URGENT = 19
"""Nice value of who makes a file: a sweep goes before it."""


@dataclass(frozen=True)
class Made:
    """A file that can be fetched.

    Attributes:
        key: What it is fetched by; nobody guesses it.
        path: The file.
        sha256: Of its content, hexadecimal.
        told: What `paretune export --json` told of it, without where it is.
        made_at: By `time.monotonic`.
    """

    key: str
    path: Path
    sha256: str
    told: dict[str, Any]
    made_at: float


@dataclass
class Exports:
    """Makes files of models, one at a time, and keeps them for a while. May be asked from several threads.

    Attributes:
        database: Where the studies are.
    """

    database: Database
    _making: Lock = field(default_factory=Lock)
    _lock: Lock = field(default_factory=Lock)
    _made: list[Made] = field(default_factory=list)
    _folder: Path | None = None
    _process: subprocess.Popen[str] | None = None

    def make(self, summary: Summary, wanted: Wanted) -> Made:
        """Exports a model.

        Args:
            summary: Of the study.
            wanted: What of it; of its output the ending counts alone.

        Raises:
            Faults: where the wish cannot be, with a line for each reason.
            Missing: where there is no such trial.
            Refused: where the model cannot be exported, or another is being exported.
            OSError: where there is no room for it.
        """
        wanted.check()
        self._check_kept(summary, wanted)
        if not self._making.acquire(blocking=False):
            raise Refused("export: another model is being exported at this moment; ask again in a while")
        try:
            self._forget()
            key = secrets.token_hex(16)
            path = self._own_folder() / f"{key}{wanted.output.suffix}"
            told = self._run(path, _arguments(summary.study.name, wanted))
            with path.open("rb") as file:
                digest = _digest(file)
            made = Made(key, path, digest, told, time.monotonic())
            with self._lock:
                self._made.append(made)
            return made
        finally:
            self._making.release()

    def open(self, key: str) -> tuple[Made, BinaryIO]:
        """Returns a file that was made, open to be read.

        Raises:
            Missing: where there is none of that key (any more).
        """
        self._forget()
        with self._lock:
            made = next((made for made in self._made if secrets.compare_digest(made.key.encode(), key.encode())), None)
            if made is not None:
                with suppress(FileNotFoundError):
                    return made, made.path.open("rb")
        raise Missing(f"export: there is no {key!r} any more; export it again")

    def close(self) -> None:
        """Ends what is being made, and removes all files."""
        if self._process is not None:
            self._process.kill()
        with self._lock:
            self._made.clear()
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)

    def _check_kept(self, summary: Summary, wanted: Wanted) -> None:
        """Makes sure that a model can be exported, as far as that is quickly told."""
        try:
            if wanted.trial is not None:
                find_trial(summary.study, wanted.trial)
            check_kept(self.database, summary.study, choose_checkpoint(summary, wanted))
        except NoTrial as fault:
            raise Missing(str(fault)) from fault
        except Faults as faults:
            raise Refused(*faults.lines) from faults

    def _own_folder(self) -> Path:
        if self._folder is None or not self._folder.is_dir():
            self._folder = Path(tempfile.mkdtemp(prefix="paretune-exports-"))
        return self._folder

    def _forget(self) -> None:
        """Removes files that were kept for long enough, and leaves room for one."""
        now = time.monotonic()
        with self._lock:
            old = [made for made in self._made[: 1 - MOST_KEPT] if len(self._made) >= MOST_KEPT]
            old += [made for made in self._made if made not in old and now - made.made_at > KEPT_SECONDS]
            for made in old:
                made.path.unlink(missing_ok=True)
                self._made.remove(made)

    def _run(self, path: Path, arguments: Sequence[str]) -> dict[str, Any]:
        """Runs the command line, and returns what it tells."""
        self._process = subprocess.Popen(  # noqa: S603  its own command line
            [*COMMAND, "export", "--json", f"--output={path}", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=own_environment(self.database),
            text=True,
        )
        with suppress(OSError, AttributeError):  # another system, or it has ended
            os.setpriority(os.PRIO_PROCESS, self._process.pid, LEAST_URGENT)
        try:
            out, err = self._process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            self._process.communicate()
            raise Refused(f"export: it was not made within {PATIENCE_SECONDS:.0f} s") from error
        finally:
            self._process = None
        try:
            return {key: value for key, value in json.loads(out).items() if key != "file"}
        except ValueError as error:
            lines = [line.replace(str(path), path.suffix) for line in err.splitlines() if line.strip()]
            raise Refused(*(lines[-20:] or ["export: its process ended and said nothing"])) from error


def read_pieces(file: BinaryIO) -> Iterator[bytes]:
    """Yields the content of a file, and closes it."""
    with file:
        while piece := file.read(PIECE_BYTES):
            yield piece


def _digest(file: BinaryIO) -> str:
    digest = sha256()
    for piece in read_pieces(file):
        digest.update(piece)
    return digest.hexdigest()


def _arguments(name: str, wanted: Wanted) -> list[str]:
    flags = ["--knee"] if wanted.at_knee else []
    flags += [] if wanted.epoch is None else [f"--epoch={wanted.epoch}"]
    return [*flags, "--", name, *([] if wanted.trial is None else [str(wanted.trial)])]

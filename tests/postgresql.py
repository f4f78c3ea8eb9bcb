"""A throw-away PostgreSQL for tests and benchmarks: a cluster of its own in a temporary folder."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

START_SECONDS = 30


def find_postgresql() -> Path | None:
    """Returns the folder of `initdb` and `postgres`: on PATH, in $PG_BINDIR, or where Debian's package puts them."""
    places = [Path(found).parent for name in ("initdb",) if (found := shutil.which(name))]
    if "PG_BINDIR" in os.environ:
        places.append(Path(os.environ["PG_BINDIR"]))
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((place for place in places if (place / "initdb").exists() and (place / "postgres").exists()), None)


class Server:
    """A cluster in a folder of its own, that can be stopped and started again on the same port.

    The server refuses root, so as root it runs as the user `postgres`.

    Attributes:
        url: Its URL without a database name: `new_database` makes one.
    """

    def __init__(self, folder: Path) -> None:
        binaries = find_postgresql()
        assert binaries is not None, "neither PATH, $PG_BINDIR nor /usr/lib/postgresql has PostgreSQL"
        self._folder, self._port = folder, _free_port()
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user is not None:
            shutil.chown(folder, self._user)
        data, owner = folder / "data", self._user or pwd.getpwuid(os.geteuid()).pw_name
        create = [binaries / "initdb", "-D", data, "-U", owner, "-A", "trust", "-E", "UTF8", "--no-sync"]
        subprocess.run(create, check=True, capture_output=True, user=self._user, cwd=folder)
        settings = ["-c", "fsync=off", "-c", "listen_addresses=127.0.0.1"]
        self._serve = [binaries / "postgres", "-D", data, "-p", str(self._port), "-k", folder, *settings]
        self.url = f"postgresql+psycopg://{owner}@127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        """Starts the server and waits until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(self._serve, stdout=log, stderr=log, user=self._user, cwd=self._folder)
        _wait_for(self._port, self._process, self._folder / "log")

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stops it: SIGINT ends every session in order (fast), SIGQUIT as a crash would (immediate)."""
        self._process.send_signal(how)
        self._process.wait(START_SECONDS)


@contextmanager
def running_server() -> Iterator[Server]:
    """Yields a server that is there until the end."""
    with tempfile.TemporaryDirectory(prefix="pg-", ignore_cleanup_errors=True) as name:
        server = Server(Path(name))
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def running_postgresql() -> Iterator[str]:
    """Yields the URL of a server without a database name: `new_database` makes one."""
    with running_server() as server:
        yield server.url


def new_database(server: str) -> str:
    """Creates an empty database and returns its URL."""
    from sqlalchemy import create_engine, text

    name = f"paretune_{uuid4().hex[:8]}"
    engine = create_engine(f"{server}/postgres", isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return f"{server}/{name}"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _wait_for(port: int, server: subprocess.Popen[bytes], log: Path) -> None:
    from psycopg import OperationalError, connect

    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            connect(host="127.0.0.1", port=port, user="nobody", dbname="postgres", connect_timeout=2).close()
        except OperationalError as error:
            if "does not exist" in str(error):  # it answers
                return
            assert server.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return

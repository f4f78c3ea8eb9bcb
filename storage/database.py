"""Opening the database: engines, schema, and what can be wrong with either."""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, column, create_engine, event, inspect, select, table, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from storage.faults import StorageFault
from storage.tables import PREFIX

VERSION_TABLE = f"{PREFIX}version"
HEAD = "0003"
"""The newest migration: the schema that this version of the code reads and writes."""

OPTUNA_TABLES = frozenset({"studies", "trials", "version_info", "alembic_version"})
DEFAULT_URL = "sqlite:///paretune.db"
LOCK_SECONDS = 30
READ_ONLY = {"paretune_read_only": True}


class Database:
    """A database behind a URL. Nothing is opened before it is asked for.

    Args:
        url: `sqlite:///FILE` or `postgresql+psycopg://USER@HOST/NAME`.

    Raises:
        StorageFault: for a URL that cannot be meant.
    """

    def __init__(self, url: str) -> None:
        try:
            self.url: URL = make_url(url)
            driver = self.url.get_dialect()
        except NoSuchModuleError as error:
            raise StorageFault(f"storage: sqlite or postgresql+psycopg is needed, but got {url!r}") from error
        except ArgumentError as error:
            raise StorageFault(f"storage: a URL such as {DEFAULT_URL} is needed, but got {url!r}") from error
        if driver.name not in ("sqlite", "postgresql"):
            raise StorageFault(f"storage: sqlite or postgresql is needed, but got {driver.name}")
        if driver.name == "sqlite" and self.url.database in (None, "", ":memory:"):
            raise StorageFault("storage: SQLite needs a file, since a study outlives its process: sqlite:///FILE")

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file."""
        return self.url.get_backend_name() == "sqlite"

    @property
    def file(self) -> Path:
        """The database file, absolute; SQLite only."""
        return Path(self.url.database or "").absolute()

    @property
    def artifacts(self) -> Path:
        """The folder beside the database for weights and checkpoints: `<database>.artifacts`.

        Raises:
            StorageFault: for a database server, beside which there is no folder.
        """
        root = os.environ.get("PARETUNE_ARTIFACTS")
        if root:
            return Path(root).absolute()
        if not self.is_sqlite:
            raise StorageFault("storage: with a database server, set PARETUNE_ARTIFACTS to a folder for weights")
        return self.file.with_name(f"{self.file.name}.artifacts")

    @property
    def owns_artifacts(self) -> bool:
        """Whether the folder of artifacts is this database's alone; one that was set may serve others too."""
        return not os.environ.get("PARETUNE_ARTIFACTS")

    @cached_property
    def engine(self) -> Engine:
        """Our engine for reading and for writing in short transactions."""
        return self.new_engine()

    def new_engine(self) -> Engine:
        """Returns an engine of its own: whoever fences writes does so without binding others."""
        arguments: dict[str, Any] = {"poolclass": NullPool}
        if self.is_sqlite:
            arguments = {"connect_args": {"timeout": LOCK_SECONDS}}
        try:
            engine = create_engine(self.url, **arguments)
        except ModuleNotFoundError as error:
            raise StorageFault(
                f"storage: the driver {error.name} is not installed: pip install 'paretune[postgresql]'"
            ) from error
        if self.is_sqlite:
            set_pragmas(engine)
            begin_explicitly(engine)
        return engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Opens a transaction that only reads: one moment of the database, whoever writes meanwhile."""
        with self._faults(), self.engine.connect().execution_options(**READ_ONLY) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Opens a transaction that may write; on SQLite nobody else writes meanwhile."""
        with self._faults(), self.engine.begin() as connection:
            yield connection

    def check(self) -> None:
        """Makes sure that the database is there, is ours, and has the schema that this code knows.

        Raises:
            StorageFault: saying what is wrong and what to do.
        """
        found = self._version()
        if found is None:
            raise StorageFault(f"storage: there is no Paretune database at {self} (yet): `paretune launch` makes one")
        if found < HEAD:
            self.create()
        elif found != HEAD:
            raise StorageFault(
                f"storage: {self} has schema {found}, this Paretune knows {HEAD}: it was written by a newer version"
            )

    def create(self) -> None:
        """Creates or upgrades our tables and Optuna's, once, under a lock. Does nothing where all is current.

        Raises:
            StorageFault: where the place cannot be written or belongs to something else.
        """
        if self._is_current():
            return
        if self.is_sqlite and not self.file.parent.is_dir():
            raise StorageFault(f"storage: the folder {self.file.parent} does not exist")
        with self._faults(), self._schema_lock():
            if self._version() != HEAD:
                from storage.migrations import upgrade
                from storage.projection import create_optuna_tables

                if self.is_sqlite:
                    with closing(self.engine.raw_connection()) as connection:  # it cannot be in a transaction
                        connection.cursor().execute("PRAGMA journal_mode=WAL")
                create_optuna_tables(self)
                upgrade(self.engine)
        self.check()

    def __str__(self) -> str:
        return self.url.render_as_string(hide_password=True)

    def _is_current(self) -> bool:
        """Says whether nothing is to be done. What seems another program's may be ours that a neighbour is making."""
        with suppress(StorageFault):
            return self._version() == HEAD
        return False

    def _version(self) -> str | None:
        """Returns the schema's version, or None where there is no database or an empty one."""
        if self.is_sqlite and (not self.file.exists() or self.file.stat().st_size == 0):
            return None
        with self.read() as connection:
            names = set(inspect(connection).get_table_names())
            if VERSION_TABLE in names:
                version = connection.execute(select(column("version_num")).select_from(table(VERSION_TABLE))).scalar()
                return None if version is None else str(version)
            if names and not names >= OPTUNA_TABLES:
                raise StorageFault(
                    f"storage: {self} is some other program's database (it holds {', '.join(sorted(names)[:3])}); "
                    "name another file"
                )
        return None

    @contextmanager
    def _faults(self) -> Iterator[None]:
        try:
            yield
        except DBAPIError as error:
            cause = str(error.orig).strip().splitlines()[0]
            raise StorageFault(f"storage: {self} cannot be used: {cause}") from error
        except (OSError, sqlite3.Error) as error:
            raise StorageFault(f"storage: {self} cannot be used: {error}") from error

    @contextmanager
    def _schema_lock(self) -> Iterator[None]:
        if not self.is_sqlite:
            with self.engine.connect() as connection:
                connection.execute(text("SELECT pg_advisory_lock(727369)"))
                yield
            return
        from filelock import FileLock

        place = sha256(str(self.file.resolve()).encode()).hexdigest()[:16]
        with FileLock(Path(tempfile.gettempdir()) / f"paretune-{os.getuid()}-{place}.lock"):
            yield


def set_pragmas(engine: Engine) -> None:
    """Makes each connection of a SQLite engine fit for several processes."""

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        for pragma in (
            f"busy_timeout={LOCK_SECONDS * 1000}",
            "synchronous=NORMAL",
            "foreign_keys=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")


def begin_explicitly(engine: Engine) -> None:
    """Makes a SQLite engine's transactions real ones: schema changes are in them, and a writer waits for its turn.

    Python's driver begins a transaction only before the first INSERT, and one that reads first and writes later fails
    at once where another wrote in between. Here a writer takes the lock at BEGIN; what only reads never takes it.
    """

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        connection.isolation_level = None

    @event.listens_for(engine, "begin")
    def _(connection: Connection) -> None:
        reads = connection.get_execution_options().get("paretune_read_only", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

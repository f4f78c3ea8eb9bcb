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

from sqlalchemy import Connection, Engine, Inspector, column, create_engine, event, inspect, select, table, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.pool import NullPool

from storage.faults import DatabaseFault, DiskFull, StorageFault
from storage.patience import cause_words
from storage.tables import PREFIX

VERSION_TABLE = f"{PREFIX}version"
HEAD = "0011"
"""The newest migration: the schema that this version of the code reads and writes."""

OPTUNA_TABLES = frozenset(
    {"alembic_version", "version_info", "studies", "study_directions", "study_system_attributes"}
    | {"study_user_attributes", "trials", "trial_heartbeats", "trial_intermediate_values", "trial_params"}
    | {"trial_system_attributes", "trial_user_attributes", "trial_values"}
)
DEFAULT_URL = "sqlite:///paretune.db"
LOCK_SECONDS = 30
REACH = {"connect_timeout": 10, "tcp_user_timeout": 30_000}
"""How long a database server may be silent, when a connection is made (seconds) and later (milliseconds)."""

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

    def new_engine(self, lock_seconds: int = LOCK_SECONDS, idle_seconds: int = 0) -> Engine:
        """Returns an engine of its own.

        Args:
            lock_seconds: How long a statement waits for another program's lock; SQLite only.
            idle_seconds: After so long without a word in the middle of a transaction, its locks are taken away; 0 never
                does that. SQLite has no such thing.
        """
        options = f"-c idle_in_transaction_session_timeout={idle_seconds * 1000}"
        arguments: dict[str, Any] = {"poolclass": NullPool, "connect_args": {**REACH, "options": options}}
        if self.is_sqlite:
            arguments = {"connect_args": {"timeout": lock_seconds}}
        try:
            engine = create_engine(self.url, **arguments)
        except ModuleNotFoundError as error:
            raise StorageFault(
                f"storage: the driver {error.name} is not installed: pip install 'paretune[postgresql]'"
            ) from error
        if self.is_sqlite:
            set_pragmas(engine, lock_seconds)
            begin_explicitly(engine)
        return engine

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Opens a transaction that only reads: one moment of the database, whoever writes meanwhile."""
        with self.faults(), self.engine.connect().execution_options(**READ_ONLY) as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """Opens a transaction that may write; on SQLite nobody else writes meanwhile."""
        with self.faults(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def faults(self) -> Iterator[None]:
        """Makes one clear line of what a driver raises; a row that breaks a law of the tables is for the caller."""
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            if _is_full(error.orig):
                raise DiskFull(f"storage: the disk of {self} is full: {cause_words(error)}") from error
            raise DatabaseFault(f"storage: {self} cannot be used: {cause_words(error)}") from error
        except (OSError, sqlite3.Error) as error:
            raise DatabaseFault(f"storage: {self} cannot be used: {error}") from error

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
        with self.faults(), self._schema_lock():
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
            if not _are_optunas(inspect(connection), names):
                raise StorageFault(
                    f"storage: {self} is some other program's database (it holds {', '.join(sorted(names)[:3])}); "
                    "name another file"
                )
        return None

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


def _are_optunas(schema: Inspector, names: set[str]) -> bool:
    """Says whether tables are Optuna's, perhaps only some of them: whoever made them may have been killed."""
    if names - OPTUNA_TABLES:
        return False
    columns = {column["name"] for column in schema.get_columns("studies")} if "studies" in names else {"study_id"}
    return "study_id" in columns


def _is_full(cause: BaseException | None) -> bool:
    """Says whether a driver's error means that the disk has no room; SQLite maps a file there before it writes."""
    if isinstance(cause, sqlite3.Error):
        return getattr(cause, "sqlite_errorcode", None) in (sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE)
    return getattr(cause, "sqlstate", None) == "53100"


def set_pragmas(engine: Engine, lock_seconds: int = LOCK_SECONDS) -> None:
    """Makes each connection of a SQLite engine fit for several processes."""

    @event.listens_for(engine, "connect")
    def _(connection: Any, _record: Any) -> None:
        for pragma in (
            f"busy_timeout={lock_seconds * 1000}",
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

"""The history of our schema, under a version table of our own beside Optuna's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import Connection, Engine


def upgrade(engine: Engine, revision: str = "head") -> None:
    """Brings our tables to a version, by default the newest; Optuna's are left alone."""
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    with engine.connect() as connection, _without_cascades(connection), connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@contextmanager
def _without_cascades(connection: Connection) -> Iterator[None]:
    """Keeps SQLite from deleting the rows that belong to a table while the table is made anew.

    SQLite changes a column by a copy of its table and a DROP of the old one, which deletes its rows first, and with
    `ON DELETE CASCADE` those of other tables too. The switch works only outside a transaction.
    """
    driver = connection.connection.driver_connection if connection.dialect.name == "sqlite" else None
    if driver is not None:
        driver.execute("PRAGMA foreign_keys=OFF")
    try:
        yield
    finally:
        if driver is not None:
            driver.execute("PRAGMA foreign_keys=ON")

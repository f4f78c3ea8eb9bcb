"""Optuna's storage in our database: the samplers' view of the ledger."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from storage.database import LOCK_SECONDS, Database, set_pragmas

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


def create_optuna_tables(database: Database) -> None:
    """Creates Optuna's tables where they are not there yet; call it under the schema's lock."""
    _open(database, skip_table_creation=False).engine.dispose()


def optuna_storage(database: Database) -> RDBStorage:
    """Returns Optuna's storage over tables that are there."""
    return _open(database, skip_table_creation=True)


def _open(database: Database, *, skip_table_creation: bool) -> RDBStorage:
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    arguments: dict[str, Any] = {}
    if database.is_sqlite:
        arguments["connect_args"] = {"timeout": LOCK_SECONDS}
    url = database.url.render_as_string(hide_password=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        storage = optuna.storages.RDBStorage(url, arguments, skip_table_creation=skip_table_creation)
    if database.is_sqlite:
        storage.engine.dispose()
        set_pragmas(storage.engine)
    return storage

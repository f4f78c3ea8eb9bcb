from __future__ import annotations

import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import optuna
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from storage.database import HEAD, VERSION_TABLE, Database
from storage.faults import StorageFault
from storage.projection import optuna_storage
from storage.tables import PREFIX, metadata


def test_the_migrated_schema_is_that_of_the_tables(database: Database) -> None:
    with database.engine.connect() as connection:
        context = MigrationContext.configure(
            connection,
            opts={
                "version_table": VERSION_TABLE,
                "include_name": lambda name, kind, _: kind != "table" or str(name).startswith(PREFIX),
            },
        )
        assert compare_metadata(context, metadata) == []


def test_optuna_opens_the_database_and_we_open_one_that_it_made(tmp_path: Path, database: Database) -> None:
    optuna.create_study(study_name="theirs", storage=str(database.url))
    assert optuna.load_study(study_name="theirs", storage=optuna_storage(database)).trials == []
    first = f"sqlite:///{tmp_path}/optuna_first.db"
    optuna.create_study(study_name="theirs", storage=first)
    Database(first).create()
    assert optuna.load_study(study_name="theirs", storage=first).trials == []


def test_several_processes_may_create_it_at_once(tmp_path: Path) -> None:
    code = f"from storage.database import Database; Database('sqlite:///{tmp_path}/new.db').create()"
    running = [subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE) for _ in range(4)]
    assert [(process.communicate()[1], process.returncode) for process in running] == [(b"", 0)] * 4
    Database(f"sqlite:///{tmp_path}/new.db").check()


def test_one_that_a_neighbour_is_making_is_waited_for(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/new.db")
    with ThreadPoolExecutor(1) as thread:
        with database._schema_lock(), closing(sqlite3.connect(tmp_path / "new.db")) as neighbour:
            neighbour.execute("CREATE TABLE studies (half_made TEXT)")
            created = thread.submit(Database(str(database.url)).create)
            with pytest.raises(TimeoutError):
                created.result(0.3)
            neighbour.execute("DROP TABLE studies")
        created.result()
    database.check()


@pytest.mark.parametrize("num_tables", [0, 1, 5, 12])
def test_one_whose_maker_was_killed_is_made_to_the_end(tmp_path: Path, num_tables: int) -> None:
    from optuna.storages._rdb import models

    database = Database(f"sqlite:///{tmp_path}/new.db")
    for table in models.BaseModel.metadata.sorted_tables[:num_tables]:
        table.create(database.engine)
    with pytest.raises(StorageFault, match=r"there is no Paretune database at .* \(yet\)"):
        database.check()
    database.create()
    database.check()
    optuna.create_study(study_name="theirs", storage=str(database.url))


@pytest.mark.parametrize("method", ["check", "create"])
def test_some_other_programs_database_is_left_alone(tmp_path: Path, method: str) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE cats (name TEXT)")
    before = path.read_bytes()
    with pytest.raises(StorageFault, match=r"some other program's database \(it holds cats\)"):
        getattr(Database(f"sqlite:///{path}"), method)()
    assert path.read_bytes() == before
    assert [child.name for child in tmp_path.iterdir()] == ["other.db"]


def test_a_file_that_is_no_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "letter.txt"
    path.write_text("Dear database, " * 100)
    with pytest.raises(StorageFault, match="file is not a database"):
        Database(f"sqlite:///{path}").create()
    assert path.read_text().startswith("Dear database")


def test_a_newer_schema_is_refused(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    with pytest.raises(StorageFault, match=f"schema 9999, this Paretune knows {HEAD}"):
        database.check()


def test_reading_makes_no_database(tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match="no Paretune database"):
        Database(f"sqlite:///{tmp_path}/none.db").check()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageFault, match=r"folder .*/nowhere does not exist"):
        Database(f"sqlite:///{tmp_path}/nowhere/a.db").create()


@pytest.mark.parametrize(
    ("url", "law"),
    [
        ("nonsense", "a URL such as"),
        ("oracle://x/y", "sqlite or postgresql"),
        ("quantum:///x", "sqlite or postgresql"),
        ("sqlite://", "needs a file"),
        ("sqlite:///:memory:", "needs a file"),
    ],
)
def test_urls_that_cannot_be_meant(url: str, law: str) -> None:
    with pytest.raises(StorageFault, match=law):
        Database(url)


def test_a_writer_waits_for_its_turn_and_a_reader_does_not(database: Database) -> None:
    with database.engine.begin() as writer:
        writer.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
        with database.read() as reader:
            assert reader.scalar(text(f"SELECT version_num FROM {VERSION_TABLE}")) == HEAD
        writer.rollback()

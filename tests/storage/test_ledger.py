"""What a ledger does when its database goes away."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest
from postgresql import new_database
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from storage import leases, ledger
from storage.database import Database
from storage.ledger import Ledger
from storage.patience import DatabaseAway, Patience
from storage.reading import load_study
from storage.studies import create_study


@pytest.fixture(params=["sqlite", "postgresql"])
def home(request: pytest.FixtureRequest, database: Database) -> Database:
    if request.param == "sqlite":
        return database
    made = Database(new_database(request.getfixturevalue("server")))
    made.create()
    return made


def open_ledger(database: Database, patience: Patience | None = None) -> Ledger:
    return Ledger(database, leases.acquire(database, create_study(database, "a", {}, 3, {})), patience)


@contextmanager
def locked(database: Database) -> Iterator[None]:
    with closing(sqlite3.connect(database.file, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "BUSY_SECONDS", 0)
    monkeypatch.setattr(ledger, "AWAY_SECONDS", 1.0)


def write_all(kept: Ledger) -> None:
    with kept.writing() as page:
        page.add_trial(0, {"lr": 0.1}, 7, is_baseline=False)
        page.start_attempt(0, 1, slot=0)
        page.charge(0, 1, {"training": 1.0})


def bills(database: Database) -> list[object]:
    return [attempt.bill for trial in load_study(database, "a").trials for attempt in trial.attempts]


def test_a_file_that_is_locked_is_waited_for(hasty: None, database: Database) -> None:
    told: list[str] = []
    kept = open_ledger(database, Patience(told.append))
    with locked(database):
        writer = threading.Thread(target=write_all, args=(kept,))
        writer.start()
        time.sleep(0.4)
        assert writer.is_alive()
    writer.join()
    assert told[0] == "the database is away (database is locked); trying again for up to 0 min"
    assert told[1].startswith("the database is back after ")
    assert bills(database) == [{"training": 1.0}]


def test_in_the_end_it_is_given_up_and_whoever_ends_in_order_does_not_wait_again(
    hasty: None, database: Database
) -> None:
    kept = open_ledger(database)
    with locked(database):
        start = time.monotonic()
        with pytest.raises(DatabaseAway, match=r"was away for \d s: database is locked"):
            write_all(kept)
        assert 0.9 < time.monotonic() - start < 4
        start = time.monotonic()
        with pytest.raises(DatabaseAway):
            write_all(kept)
        kept.close()
        assert time.monotonic() - start < 0.9
    assert bills(database) == []


def test_whoever_is_interrupted_does_not_wait(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "BUSY_SECONDS", 0)
    kept = open_ledger(database, Patience(is_over=lambda: True))
    with locked(database), pytest.raises(DatabaseAway):
        write_all(kept)


@pytest.mark.parametrize("is_kept", [True, False])
def test_an_answer_to_a_commit_that_got_lost(home: Database, monkeypatch: pytest.MonkeyPatch, is_kept: bool) -> None:
    told: list[str] = []
    kept = open_ledger(home, Patience(told.append))
    write_all(kept)
    dialect = kept._engine.dialect
    commit = dialect.do_commit
    lost = dialect.dbapi.OperationalError("the line is dead")  # type: ignore[union-attr]
    if home.is_sqlite:
        lost.sqlite_errorcode = sqlite3.SQLITE_BUSY

    def lose(connection: object) -> None:
        monkeypatch.setattr(dialect, "do_commit", commit)
        if is_kept:
            commit(connection)  # type: ignore[arg-type]
        raise lost

    monkeypatch.setattr(dialect, "do_commit", lose)
    with kept.writing() as page:
        page.charge(0, 1, {"training": 1.0})
        page.add_trial(1, {}, 0, is_baseline=False)
    assert len(told) == 2
    assert bills(home) == [{"training": 2.0}]
    assert len(load_study(home, "a").trials) == 2


def test_a_session_that_the_server_ends_in_mid_transaction(server: str) -> None:
    home = Database(new_database(server))
    home.create()
    told: list[str] = []
    kept = open_ledger(home, Patience(told.append))
    ended: list[int] = []

    def end_session(connection: Connection) -> None:
        if not ended:
            ended.append(connection.scalar(text("SELECT pg_backend_pid()")) or 0)
            with home.engine.begin() as other:
                other.execute(text(f"SELECT pg_terminate_backend({ended[0]})"))

    with kept.writing() as page:
        page.add_trial(0, {"lr": 0.1}, 7, is_baseline=False)
        page.add(end_session)
        page.start_attempt(0, 1, slot=0)
        page.charge(0, 1, {"training": 1.0})
    assert "terminating connection" in told[0]
    assert bills(home) == [{"training": 1.0}]


def test_a_session_that_falls_silent_in_mid_transaction_loses_its_locks(
    server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Database(new_database(server))
    home.create()
    monkeypatch.setattr(leases, "DURATION", leases.timedelta(seconds=1))
    told: list[str] = []
    kept = open_ledger(home, Patience(told.append))
    naps = iter([2.0])
    with kept.writing() as page:
        page.add_trial(0, {}, 7, is_baseline=False)
        page.add(lambda _connection: time.sleep(next(naps, 0.0)))
        page.start_attempt(0, 1, slot=0)
    assert len(told) == 2
    assert len(load_study(home, "a").trials) == 1


def test_what_waiting_does_not_cure_is_not_waited_for(home: Database) -> None:
    told: list[str] = []
    kept = open_ledger(home, Patience(told.append))
    write_all(kept)
    with pytest.raises(IntegrityError):
        write_all(kept)
    assert told == []


def test_a_page_that_was_begun_by_an_error_writes_nothing(home: Database) -> None:
    kept = open_ledger(home)
    with pytest.raises(RuntimeError, match="no"), kept.writing() as page:  # noqa: PT012
        page.add_trial(0, {}, 0, is_baseline=False)
        raise RuntimeError("no")
    assert load_study(home, "a").trials == ()


def test_a_request_that_comes_while_the_page_is_open_is_answered_by_the_next(home: Database) -> None:
    from storage.studies import request_stop

    kept = open_ledger(home)
    request_stop(home, "a")
    with kept.writing() as page:
        assert page.take_requests() == ["stop"]
        request_stop(home, "a")
    with kept.writing() as page:
        assert page.take_requests() == ["stop"]
    with kept.writing() as page:
        assert page.take_requests() == []


def test_a_read_that_is_cut_off_is_read_again(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    home = Database(new_database(server))
    home.create()
    told: list[str] = []
    kept = open_ledger(home, Patience(told.append))
    dialect = kept._engine.dialect
    execute = dialect.do_execute

    def cut_off(*_arguments: object, **_options: object) -> None:
        monkeypatch.setattr(dialect, "do_execute", execute)
        raise dialect.dbapi.OperationalError("the line is dead")  # type: ignore[union-attr]

    with kept.writing() as page:
        monkeypatch.setattr(dialect, "do_execute", cut_off)
        assert page.environments() == []
    assert len(told) == 2

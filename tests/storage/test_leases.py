from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import optuna
import pytest
from sqlalchemy import select, update

from storage import leases, tables
from storage.database import Database
from storage.faults import StorageFault
from storage.ledger import Ledger
from storage.projection import optuna_storage
from storage.studies import create_study, load_study

TAKE = """
import os, sys
from storage import leases
from storage.database import Database
leases.acquire(Database(sys.argv[1]), sys.argv[2])
print("held", flush=True)
if sys.argv[3] == "stay":
    sys.stdin.read()
os._exit(0)
"""


@pytest.fixture
def study(database: Database) -> str:
    return create_study(database, "a", {}, 3, {})


def hold_elsewhere(database: Database, study: str, how: str) -> subprocess.Popen[str]:
    url = database.url.render_as_string()
    command = [sys.executable, "-c", TAKE, url, study, how]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def test_a_lease_is_held_by_one(database: Database, study: str) -> None:
    with hold_elsewhere(database, study, "stay") as process:
        assert load_study(database, "a").state == "running"
        with pytest.raises(StorageFault, match=f"process {process.pid} on"):
            leases.acquire(database, study)
        assert process.stdin is not None
        process.stdin.close()


def test_a_dead_process_is_taken_over_at_once(database: Database, study: str) -> None:
    with hold_elsewhere(database, study, "die") as process:
        process.wait()
        assert load_study(database, "a").state == "interrupted"
        assert leases.acquire(database, study).token == 2


def test_another_host_is_taken_over_only_after_the_expiry(database: Database, study: str) -> None:
    leases.acquire(database, study)
    with database.engine.begin() as connection:
        connection.execute(update(tables.leases).values(host="elsewhere", pid=1))
    with pytest.raises(StorageFault, match="on elsewhere"):
        leases.acquire(database, study)
    with database.engine.begin() as connection:
        connection.execute(update(tables.leases).values(expires_at=datetime.now(UTC) - timedelta(seconds=1)))
    assert leases.acquire(database, study).token == 2


def take_away(database: Database) -> None:
    with database.engine.begin() as connection:
        connection.execute(update(tables.leases).values(token=tables.leases.c.token + 1))


def test_a_ledger_whose_lease_is_gone_writes_nothing(database: Database, study: str) -> None:
    ledger = Ledger(database, leases.acquire(database, study))
    with ledger.writing() as page:
        page.add_trial(0, {}, 0, is_baseline=False)
    take_away(database)
    with pytest.raises(leases.LeaseLost), ledger.writing() as page:
        page.add_trial(1, {}, 0, is_baseline=False)
    assert [trial.number for trial in load_study(database, "a").trials] == [0]


def test_nor_does_optuna_under_a_lease_that_is_gone(database: Database, study: str) -> None:
    storage = optuna_storage(database)
    theirs = optuna.create_study(study_name="a", storage=storage)
    leases.acquire(database, study).fence(storage.engine)
    theirs.ask()
    take_away(database)
    with pytest.raises(leases.LeaseLost):
        theirs.ask()
    again = optuna.load_study(study_name="a", storage=optuna_storage(database))
    assert len(again.trials) == 1


def test_a_lease_given_back_is_free(database: Database, study: str) -> None:
    Ledger(database, leases.acquire(database, study)).close()
    with database.read() as connection:
        assert connection.scalar(select(tables.leases.c.expires_at)) is None
    assert leases.acquire(database, study).token == 2


def test_a_lease_that_is_held_off_is_waited_for(database: Database, study: str) -> None:
    with ThreadPoolExecutor(1) as thread:
        with leases.held_off(database, study) as is_free:
            assert is_free
            taken = thread.submit(leases.acquire, database, study)
            with pytest.raises(TimeoutError):
                taken.result(0.5)
        assert taken.result().token == 1
    with leases.held_off(database, study) as is_free:
        assert not is_free

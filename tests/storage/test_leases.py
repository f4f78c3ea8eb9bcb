from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from storage import leases, tables
from storage.database import Database
from storage.faults import StorageFault
from storage.ledger import Ledger
from storage.machine import Holder
from storage.patience import Patience
from storage.reading import load_study
from storage.studies import create_study

TAKE = """
import os, sys
from storage import leases
from storage.database import Database
from storage.ledger import Ledger
database = Database(sys.argv[1])
ledger = Ledger(database, leases.acquire(database, sys.argv[2]))
print("held", flush=True)
if sys.argv[3] == "stay":
    with ledger.beating():
        sys.stdin.read()
os._exit(0)
"""


@pytest.fixture
def study(database: Database) -> str:
    return create_study(database, "a", {}, 3, {})


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes leases last a second."""
    monkeypatch.setattr(leases, "DURATION", timedelta(seconds=1))


def hold_elsewhere(database: Database, study: str, how: str) -> subprocess.Popen[str]:
    url = database.url.render_as_string()
    command = [sys.executable, "-c", TAKE, url, study, how]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def change(database: Database, **values: Any) -> None:
    with database.engine.begin() as connection:
        connection.execute(update(tables.leases).values(**values))


def test_a_lease_is_held_by_one(database: Database, study: str) -> None:
    with hold_elsewhere(database, study, "stay") as process:
        assert load_study(database, "a").state == "running"
        start = time.monotonic()
        with pytest.raises(
            StorageFault, match=rf"process {process.pid} on \S+ since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC"
        ):
            leases.acquire(database, study)
        assert time.monotonic() - start < 5
        assert process.stdin is not None
        process.stdin.close()


def test_a_dead_process_is_taken_over_at_once(database: Database, study: str) -> None:
    with hold_elsewhere(database, study, "die") as process:
        process.wait()
        assert load_study(database, "a").state == "interrupted"
        start = time.monotonic()
        assert leases.acquire(database, study).token == 2
        assert time.monotonic() - start < 1


@pytest.mark.parametrize("days", [-400, 0, 400])
def test_another_host_is_taken_over_only_after_it_was_silent_whatever_its_clock_says(
    short: None, database: Database, study: str, days: int
) -> None:
    leases.acquire(database, study)
    then = datetime.now(UTC) + timedelta(days=days)
    change(database, host="elsewhere", boot="b/b/b", pid=4711, renewed_at=then, expires_at=then + leases.DURATION)
    told: list[str] = []
    start = time.monotonic()
    assert leases.acquire(database, study, Patience(told.append)).token == 2
    assert 1.0 <= time.monotonic() - start < 4.0
    assert re.fullmatch(
        r"the study is held by process 4711 on elsewhere since .* UTC, silent for \d s; "
        r"taking over in \d s unless it is heard of",
        told[0],
    )


@pytest.mark.parametrize("days", [-400, 0, 400])
def test_another_host_that_is_heard_of_is_left_alone_whatever_its_clock_says(
    short: None, database: Database, study: str, days: int
) -> None:
    leases.acquire(database, study)
    then = datetime.now(UTC) + timedelta(days=days)
    change(database, host="elsewhere", boot="b/b/b", renewed_at=then, expires_at=then + leases.DURATION)
    with ThreadPoolExecutor(1) as thread:
        taken = thread.submit(leases.acquire, database, study)
        time.sleep(0.5)
        change(database, renewed_at=then + timedelta(seconds=1), expires_at=then + timedelta(seconds=2))
        with pytest.raises(StorageFault, match="on elsewhere since"):
            taken.result()
    with database.read() as connection:
        assert connection.scalar(select(tables.leases.c.token)) == 1


def test_a_lease_that_claims_to_last_for_years_is_not_believed(
    monkeypatch: pytest.MonkeyPatch, database: Database, study: str
) -> None:
    monkeypatch.setattr(leases, "LONGEST", timedelta(seconds=1))
    leases.acquire(database, study)
    change(database, host="elsewhere", expires_at=datetime.now(UTC) + timedelta(days=4000))
    assert leases.acquire(database, study).token == 2


def test_a_wait_can_be_given_up(database: Database, study: str) -> None:
    leases.acquire(database, study)
    change(database, host="elsewhere")
    with pytest.raises(StorageFault, match="on elsewhere since"):
        leases.acquire(database, study, Patience(is_over=lambda: True))


def machine_of(boot: str, *parts: str) -> str:
    """Returns the identity of a machine that differs from this one's in the parts that are given."""
    own = dict(zip(("machine", "boot", "numbers"), boot.split("/"), strict=True))
    return "/".join(f"other-{name}" if name in parts else own[name] for name in own)


@pytest.mark.parametrize(
    ("differs", "is_heard_before_boot", "is_dead"),
    [
        ((), False, True),  # the same place, and no such process
        (("machine", "boot", "numbers"), False, False),  # another machine with the same name
        (("boot",), False, False),  # a copy of this machine, with its name: it was heard of since this one started
        (("boot",), True, True),  # this machine before it was started anew
        (("machine", "boot"), True, False),  # another machine with the same name whose clock is behind
        (("numbers",), True, False),  # another container on this machine, with its name
    ],
)
def test_who_is_known_to_be_dead(differs: tuple[str, ...], is_heard_before_boot: bool, is_dead: bool) -> None:
    here = Holder.here()
    gone = Holder(here.host, machine_of(here.boot, *differs), 2**22 + 1, 1.0)
    heard_at = datetime(2000, 1, 1, tzinfo=UTC) if is_heard_before_boot else datetime.now(UTC)
    assert gone.is_dead(heard_at) is is_dead


def test_this_process_lives_and_an_earlier_one_with_its_number_does_not() -> None:
    here, now = Holder.here(), datetime.now(UTC)
    assert not here.is_dead(now)
    assert replace(here, pid_started=here.pid_started - 1).is_dead(now)
    assert not replace(here, boot="unknown", pid=2**22 + 1).is_dead(now)


def take_away(database: Database) -> None:
    change(database, token=tables.leases.c.token + 1)


def test_a_ledger_whose_lease_is_gone_writes_nothing(database: Database, study: str) -> None:
    ledger = Ledger(database, leases.acquire(database, study))
    with ledger.writing() as page:
        page.add_trial(0, {}, 0, is_baseline=False)
    take_away(database)
    with pytest.raises(leases.LeaseLost, match=f"process {os.getpid()} on .* took it over"), ledger.writing() as page:
        page.add_trial(1, {}, 0, is_baseline=False)
    assert [trial.number for trial in load_study(database, "a").trials] == [0]
    with pytest.raises(leases.LeaseLost):
        ledger.close()
    assert load_study(database, "a").state == "running"


def test_a_holder_with_nothing_to_write_finds_out_too(database: Database, study: str) -> None:
    ledger = Ledger(database, leases.acquire(database, study))
    with ledger.beating():
        take_away(database)
        deadline = time.monotonic() + 10
        with pytest.raises(leases.LeaseLost):  # noqa: PT012
            while time.monotonic() < deadline:
                with ledger.writing():
                    time.sleep(0.1)


def test_a_holder_who_is_busy_with_something_else_stays_the_holder(
    short: None, database: Database, study: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.ledger.HEARTBEAT_SECONDS", 0.1)
    ledger = Ledger(database, leases.acquire(database, study))
    with ledger.beating(), pytest.raises(StorageFault, match=f"process {os.getpid()}"):
        leases.acquire(database, study)
    ledger.close()


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

"""Databases that go away, coordinators that are suspended or killed, leases of machines that nobody sees."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
from commands import INLINE, LONG, Run, num_epochs, results, shown, start, trials_of, wait_for, workers_of
from postgresql import find_postgresql, new_database, running_server
from sqlalchemy import MetaData, create_engine, select, update
from sqlalchemy.exc import OperationalError

from storage import tables
from storage.database import Database

LEASE_SECONDS = 3

READ = """
import sys, time
from storage.database import Database
from storage.reading import load_study
from storage.studies import list_studies
database, end, count = Database(sys.argv[1]), time.monotonic() + float(sys.argv[2]), 0
while time.monotonic() < end:
    for line in list_studies(database):
        load_study(database, line.name)
        count += 1
print(count)
"""


@pytest.fixture
def short_leases(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARETUNE_LEASE_SECONDS", str(LEASE_SECONDS))


@contextmanager
def locked(home: Database) -> Iterator[None]:
    """Locks a SQLite file as another program might."""
    with closing(sqlite3.connect(home.file, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def rows(home: Database) -> dict[str, list[Any]]:
    """Returns all that is in the database, Optuna's tables too."""
    known = MetaData()
    with home.read() as connection:
        known.reflect(connection)
        return {name: sorted(map(str, connection.execute(select(table)).all())) for name, table in known.tables.items()}


def suspend(process: subprocess.Popen[str], home: Database) -> None:
    """Suspends a coordinator between two transactions; in mid-transaction it would hold the lock on a SQLite file."""
    probe = create_engine(home.url, connect_args={"timeout": 0.1}) if home.is_sqlite else None
    while True:
        process.send_signal(signal.SIGSTOP)
        if probe is None:
            return
        try:
            with probe.connect() as connection:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
        except OperationalError:
            process.send_signal(signal.SIGCONT)
            time.sleep(0.05)
        else:
            probe.dispose()
            return


@pytest.mark.parametrize(
    "how", [signal.SIGINT, pytest.param(signal.SIGQUIT, marks=pytest.mark.slow)], ids=["fast", "immediate"]
)
def test_postgresql_stopped_and_started_in_mid_sweep_loses_nothing(
    paretune: Run,
    quick_spec: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    undisturbed: list[Any],
    how: signal.Signals,
) -> None:
    if find_postgresql() is None:
        pytest.skip("there is no PostgreSQL here")
    with running_server() as server:
        url = new_database(server.url)
        monkeypatch.setenv("PARETUNE_STORAGE", url)
        monkeypatch.setenv("PARETUNE_ARTIFACTS", str(tmp_path / "artifacts"))
        running = start(tmp_path, "launch", str(quick_spec), *LONG)
        wait_for(lambda: num_epochs(Database(url)) >= 6)
        server.stop(how)
        reader = paretune("show", "quick")
        assert (reader.returncode, reader.stderr.count("\n")) == (2, 1)
        assert "cannot be used: " in reader.stderr
        time.sleep(1)
        assert running.poll() is None
        server.start()
        errors = running.communicate(timeout=120)[1]
        assert running.returncode == 0, errors
        assert errors.count("the database is away (") == errors.count("the database is back after ") == 1
        assert "trying again for up to 5 min" in errors
        answer = shown(paretune)
    assert results(answer) == undisturbed
    assert {trial["attempts"] for trial in answer["trials"]} == {1}
    assert answer["billed"]["lost"]["device_seconds"] == 0


@pytest.mark.slow
def test_a_file_that_another_program_locks_is_waited_for(
    paretune: Run, quick_spec: Path, tmp_path: Path, undisturbed: list[Any]
) -> None:
    home = Database(f"sqlite:///{tmp_path}/paretune.db")
    running = start(tmp_path, "launch", str(quick_spec), *LONG)
    wait_for(lambda: num_epochs(home) >= 6)
    with locked(home):
        time.sleep(6)
        assert num_epochs(home) < 48
    errors = running.communicate(timeout=120)[1]
    assert running.returncode == 0, errors
    assert errors.count("the database is away (database is locked); trying again for up to 5 min") == 1
    assert errors.count("the database is back after ") == 1
    answer = shown(paretune)
    assert results(answer) == undisturbed
    assert {trial["attempts"] for trial in answer["trials"]} == {1}


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_while_the_database_is_away_says_so_and_nothing_is_lost(
    paretune: Run, quick_spec: Path, tmp_path: Path, undisturbed: list[Any], sent: signal.Signals
) -> None:
    home = Database(f"sqlite:///{tmp_path}/paretune.db")
    running = start(tmp_path, "launch", str(quick_spec), *LONG)
    wait_for(lambda: num_epochs(home) >= 6)
    with locked(home):
        time.sleep(3)
        running.send_signal(sent)
        errors = running.communicate(timeout=20)[1]
    assert running.returncode == 130
    assert "interrupted; the database is away, checkpoints hold what it lacks" in errors
    assert "paretune resume quick" in errors
    assert "Traceback" not in errors
    paretune("resume", "quick", check=True)
    assert results(shown(paretune)) == undisturbed


@pytest.mark.parametrize(
    "revived", [pytest.param("while the other runs", marks=pytest.mark.slow), "after the other has ended"]
)
def test_a_coordinator_that_was_suspended_writes_nothing_once_another_holds_the_lease(
    short_leases: None,
    paretune: Run,
    quick_spec: Path,
    home: Database,
    tmp_path: Path,
    undisturbed: list[Any],
    revived: str,
) -> None:
    first = start(tmp_path, "launch", str(quick_spec), *LONG)
    wait_for(lambda: num_epochs(home) >= 5)
    slots = workers_of(first.pid)
    suspend(first, home)
    second = start(tmp_path, "resume", "quick")
    try:
        if revived == "while the other runs":
            wait_for(lambda: any(len(trial.attempts) > 1 for trial in trials_of(home)))
            before = None
        else:
            told = second.communicate(timeout=120)[1]
            before = rows(home)
    finally:
        first.send_signal(signal.SIGCONT)
    errors = first.communicate(timeout=30)[1]
    assert first.returncode == 2
    (line,) = [line for line in errors.splitlines() if "took it over" in line]
    assert line.startswith(f"study: process {second.pid} on ")
    assert line.endswith("this process wrote nothing more and ended its slots")
    assert "Traceback" not in errors
    assert psutil.wait_procs(slots, timeout=10)[1] == []
    if before is None:
        told = second.communicate(timeout=120)[1]
    else:
        assert rows(home) == before
    assert second.returncode == 0
    assert f"the study is held by process {first.pid} on " in told
    assert "unless it is heard of" in told
    assert results(shown(paretune)) == undisturbed
    assert [attempt.outcome for trial in trials_of(home) for attempt in trial.attempts if attempt.attempt == 1].count(
        "killed with its coordinator"
    ) == 1


@pytest.mark.slow
def test_a_lease_of_another_machine_is_waited_for_and_the_wait_can_be_interrupted(
    short_leases: None, paretune: Run, quick_spec: Path, home: Database, tmp_path: Path
) -> None:
    paretune("launch", str(quick_spec), "--trials", "1", *INLINE, check=True)
    then = datetime.now(UTC) - timedelta(days=40)
    elsewhere = {"host": "gpu2", "boot": "b/b/b", "pid": 4711, "acquired_at": then, "renewed_at": then}
    for seconds in (60, LEASE_SECONDS):
        with home.write() as connection:
            connection.execute(update(tables.studies).values(state="running"))
            values = {**elsewhere, "expires_at": then + timedelta(seconds=seconds)}
            connection.execute(update(tables.leases).values(values))
        resumed = start(tmp_path, "resume", "quick", "--trials", "1")
        if seconds == 60:
            time.sleep(8)
            before = rows(home)
            resumed.send_signal(signal.SIGINT)
        errors = resumed.communicate(timeout=60)[1]
        assert f"held by process 4711 on gpu2 since {then:%Y-%m-%d %H:%M:%S} UTC, silent for " in errors
        assert "unless it is heard of" in errors
        if seconds == 60:
            assert resumed.returncode == 130
            assert "interrupted before it began; nothing was changed" in errors
            assert rows(home) == before
    assert resumed.returncode == 0
    assert len(shown(paretune)["trials"]) == 2


@pytest.mark.parametrize("are_slots_killed", [pytest.param(False, marks=pytest.mark.slow), True])
def test_what_a_kill_of_everything_destroys_is_billed_to_the_moment(
    paretune: Run, quick_spec: Path, home: Database, tmp_path: Path, are_slots_killed: bool
) -> None:
    slow = ("--set", "space.width=8.0", "--set", "objective.epochs=200", "--set", "search.baseline=false")
    running = start(tmp_path, "launch", str(quick_spec), "--trials", "1", *slow)
    wait_for(lambda: num_epochs(home) >= 2)
    killed = [*workers_of(running.pid), psutil.Process(running.pid)] if are_slots_killed else [running]
    for process in killed:
        process.kill()
    killed_at = datetime.now(UTC)
    running.communicate()
    time.sleep(4)  # so that a bill up to the next coordinator would be far off
    resumed = start(tmp_path, "resume", "quick")
    wait_for(lambda: len(trials_of(home)[0].attempts) == 2)
    (trial,) = trials_of(home)
    first = trial.attempts[0]
    assert first.ended_at is not None
    assert abs((first.ended_at - killed_at).total_seconds()) < 2
    assert sum(first.bill.values()) == pytest.approx((first.ended_at - first.started_at).total_seconds(), abs=0.01)
    resumed.send_signal(signal.SIGINT)
    resumed.communicate(timeout=60)
    assert resumed.returncode == 130


@pytest.mark.slow
def test_a_stop_that_nobody_answered_does_not_stop_who_resumes(
    paretune: Run, quick_spec: Path, home: Database, tmp_path: Path
) -> None:
    running = start(tmp_path, "launch", str(quick_spec), *LONG)
    wait_for(lambda: num_epochs(home) >= 2)
    suspend(running, home)
    stop = start(tmp_path, "stop", "quick")
    wait_for(lambda: bool(rows(home)["paretune_requests"]))
    running.kill()
    running.communicate()
    told = stop.communicate(timeout=30)
    assert stop.returncode == 2
    assert "its coordinator is gone and has not answered" in told[1]
    paretune("resume", "quick", check=True)
    assert shown(paretune)["state"] == "complete"
    assert "quick is not running: it is complete" in paretune("stop", "quick", check=True).stdout


@pytest.mark.slow
@pytest.mark.parametrize("seconds", [60])
def test_two_sweeps_and_eight_readers_share_a_file_without_a_lock_error(
    paretune: Run, quick_spec: Path, tmp_path: Path, seconds: int
) -> None:
    names = ("first", "second")
    sweeps = [start(tmp_path, "launch", str(quick_spec), "--study", name, "--trials", "5000") for name in names]
    home = Database(f"sqlite:///{tmp_path}/paretune.db")
    wait_for(lambda: all(num_epochs(home, name) for name in names), seconds=120)
    command = [sys.executable, "-c", READ, str(home.url), str(seconds)]
    before = [num_epochs(home, name) for name in names]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)]
    for reader in readers:
        counted, errors = reader.communicate()
        assert (reader.returncode, errors) == (0, "")
        assert int(counted) > 0
    assert all(num_epochs(home, name) > count for name, count in zip(names, before, strict=True))
    for name in names:
        paretune("stop", name, check=True)
    for sweep in sweeps:
        errors = sweep.communicate(timeout=30)[1]
        assert sweep.returncode == 0
        assert "away" not in errors
        assert "locked" not in errors

"""Shares of the machine: whole cores and GPUs, each of one study."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from search.compute import CORES, place_slots
from search.faults import Faults
from search.sections import Compute
from search.service.slots import Need, Share, Slots, find_need
from storage.database import Database
from storage.rows import RunningStudy

MACHINE = Share((0, 1, 2, 3, 4, 5, 6, 7), ("0", "1", "2", "3"))
NOW = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch) -> list[RunningStudy]:
    """Studies that run on a machine of eight cores and four GPUs."""
    found: list[RunningStudy] = []
    monkeypatch.setattr("search.service.slots.find_machine", lambda: MACHINE)
    monkeypatch.setattr("search.service.slots.list_running_here", lambda _: found)
    return found


def study(name: str, pid: int | None = None, *, is_alone: bool = False, **compute: Any) -> RunningStudy:
    return RunningStudy(name, {"slots": 1, "threads": 2, "device": "cpu", **compute}, pid, NOW, is_alone)


@pytest.fixture
def held() -> Iterator[int]:
    """A process that is held to some cores and GPUs, as the service starts them."""
    environment = {**os.environ, **Share((4, 5), ("2",)).environment()}
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=environment) as process:
        yield process.pid
        process.kill()


def test_no_core_and_no_gpu_is_given_twice(database: Database, running: list[RunningStudy]) -> None:
    slots = Slots(database)
    first = slots.take("a", Need(4, 2))
    second = slots.take("b", Need(2, 1))
    assert (first, second) == (Share((0, 1, 2, 3), ("0", "1")), Share((4, 5), ("2",)))
    assert slots.take("c", Need(4, 1)) is None
    assert slots.take("c", Need(1, 2)) is None
    assert first is not None
    slots.give_back("a", Share())  # of an earlier process: it had its share before
    assert slots.take("c", Need(4, 1)) is None
    slots.give_back("a", first)
    assert slots.take("c", Need(4, 1)) == Share((0, 1, 2, 3), ("0",))


def test_what_runs_already_keeps_what_it_has(database: Database, running: list[RunningStudy], held: int) -> None:
    running += [study("told", held, device="cuda"), study("untold"), study("gone", 2**22 + 1, slots=2, threads=1)]
    slots = Slots(database)
    assert slots.taken() == {"told": Share((4, 5), ("2",)), "untold": Share((0, 1)), "gone": Share((0, 1))}
    assert slots.take("new", Need(4, 3)) == Share((2, 3, 6, 7), ("0", "1", "3"))


@pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="there is one core alone")
def test_a_sweep_that_was_begun_on_some_cores_has_those(database: Database, running: list[RunningStudy]) -> None:
    [*_, last] = sorted(os.sched_getaffinity(0))
    own = {key: value for key, value in os.environ.items() if key != CORES}
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, env=own) as process:
        os.sched_setaffinity(process.pid, {last})
        running.append(study("pinned", process.pid, threads=1))
        assert Slots(database).taken() == {"pinned": Share((last,))}
        process.kill()


def test_slots_that_share_a_device_have_it_together(database: Database, running: list[RunningStudy]) -> None:
    shared = {"slots": 4, "slots_per_device": 2}
    running += [study("on the CPU", **shared), study("on GPUs", threads=[1, 2], device="cuda", **shared)]
    assert Slots(database).taken() == {
        "on the CPU": Share((0, 1, 2, 3)),
        "on GPUs": Share(MACHINE.cores, ("0", "1")),
    }
    running[:] = [study("of another version", slots="many")]
    assert Slots(database).taken() == {"of another version": MACHINE}
    assert find_need(Compute(device="cpu", slots=2, slots_per_device=2, threads=1), 8, None) == Need(1, 0)


def test_what_asks_for_all_has_all(database: Database, running: list[RunningStudy]) -> None:
    running.append(study("auto", slots="auto"))
    assert Slots(database).take("new", Need(1, 0)) is None
    running[:] = [study("again", is_alone=True)]
    assert Slots(database).take("new", Need(1, 0)) is None


def test_a_coordinator_keeps_to_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    [*_, last] = sorted(os.sched_getaffinity(0))
    need = find_need(Compute(device="cpu", slots=1, threads=1), 8, None)
    assert need == Need(1, 0)
    monkeypatch.setenv(CORES, Share((last,)).environment()[CORES])
    [placement] = place_slots(Compute(device="cpu"), 8)
    assert placement.cores == (last,)
    monkeypatch.setenv(CORES, "9999")
    with pytest.raises(Faults, match=r"PARETUNE_CORES: some of the cores .* are needed, but got '9999'"):
        place_slots(Compute(device="cpu"), 8)

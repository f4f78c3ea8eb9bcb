"""Slots that share a device: real file locks, each `Sharing` as a slot of its own has it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from objectives.sharing import Sharing
from objectives.trial import Device

SHARED = Device("cpu", "EPYC", "here", 1, "2.14.1", slots=2)

HOLDS = """
import sys, time
from pathlib import Path
from objectives.sharing import Sharing
from objectives.trial import Device
sharing = Sharing(Device("cpu", "EPYC", "here", 1, "2.14.1", slots=2), Path(sys.argv[1]))
with sharing.together(), sharing.alone():
    print("alone", flush=True)
    time.sleep(60)
"""


def begin(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_nobody_is_on_the_device_while_one_has_it_alone(tmp_path: Path) -> None:
    told: list[str] = []

    def measure() -> None:
        with (other := Sharing(SHARED, tmp_path)).together(), other.alone():
            told.append("alone")
            time.sleep(0.3)
            told.append("done")

    with (sharing := Sharing(SHARED, tmp_path)).together():
        assert not sharing.is_wanted
        thread = begin(measure)
        deadline = time.monotonic() + 10
        while not sharing.is_wanted:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        assert told == []
        sharing.give_way()
        assert told == ["alone", "done"]
        thread.join(10)
        assert not thread.is_alive()
        assert not sharing.is_wanted


def test_who_wants_the_device_alone_goes_before_those_who_come_later(tmp_path: Path) -> None:
    order: list[str] = []
    first, third = Sharing(SHARED, tmp_path), Sharing(SHARED, tmp_path)

    def measure() -> None:
        with (second := Sharing(SHARED, tmp_path)).together(), second.alone():
            order.append("second")
            time.sleep(0.1)

    def join() -> None:
        with third.together():
            order.append("third")

    with first.together():
        threads = [begin(measure)]
        while not first.is_wanted:
            time.sleep(0.01)
        threads.append(begin(join))
        time.sleep(0.2)
        assert order == []
    for thread in threads:
        thread.join(10)
    assert order == ["second", "third"]


def test_a_slot_that_is_killed_holds_nobody_up(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)], stdout=subprocess.PIPE, text=True, env=dict(os.environ)
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "alone\n"
    threading.Timer(0.3, process.send_signal, [signal.SIGKILL]).start()
    start = time.monotonic()
    with Sharing(SHARED, tmp_path).together():
        assert 0.2 < time.monotonic() - start < 30
    process.communicate()


def test_a_device_of_ones_own_has_no_locks(tmp_path: Path) -> None:
    own = Device("cpu", "EPYC", "here", 1, "2.14.1")
    with (sharing := Sharing(own, tmp_path)).together(), sharing.alone():
        assert not sharing.is_wanted
    assert list(tmp_path.iterdir()) == []


def test_slots_of_one_gpu_share_its_locks_whatever_threads_their_trials_have(tmp_path: Path) -> None:
    gpu = Device("cuda", "H100", "a-b-c", 4, "2.14.1", slots=2)
    with Sharing(gpu, tmp_path).together(), Sharing(replace(gpu, threads=1, held_threads=4), tmp_path).together():
        assert len(list(tmp_path.iterdir())) == 2
    with Sharing(replace(gpu, identity="d-e-f"), tmp_path).together():
        assert len(list(tmp_path.iterdir())) == 4

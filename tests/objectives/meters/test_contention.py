from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from objectives.meters.contention import Contention
from objectives.trial import Device

CPU = Device("cpu", "a CPU", "here", 1, "2.11")
SPIN = "import os, sys\nos.sched_setaffinity(0, {int(sys.argv[1])})\nprint(flush=True)\nwhile True: pass"


@pytest.fixture
def core() -> Iterator[int]:
    """A core to which this thread is pinned meanwhile."""
    before = os.sched_getaffinity(0)
    chosen = min(before)
    os.sched_setaffinity(0, {chosen})
    yield chosen
    os.sched_setaffinity(0, before)


def spin(seconds: float) -> float:
    start, cpu = time.perf_counter(), time.thread_time()
    while time.thread_time() - cpu < seconds:
        pass
    return time.perf_counter() - start


@contextmanager
def other_work(core: int, num_processes: int) -> Iterator[None]:
    """Keeps a core busy meanwhile with so many processes, which end whatever happens."""
    with ExitStack() as stack:
        for _ in range(num_processes):
            other = stack.enter_context(
                subprocess.Popen([sys.executable, "-c", SPIN, str(core)], stdout=subprocess.PIPE)
            )
            stack.callback(other.kill)
            assert other.stdout is not None
            other.stdout.readline()
        yield


def test_other_work_on_the_core_is_told_in_seconds(core: int) -> None:
    with other_work(core, 1):
        meter = Contention(CPU)
        meter.start()
        seconds = spin(0.3)
        waited = meter.stop(seconds)
    assert waited.value == pytest.approx(seconds - 0.3, abs=0.05)
    assert waited.value > 0.2 * seconds


def test_a_thread_that_hardly_runs_for_other_work_is_told_of(core: int) -> None:
    with other_work(core, 15):
        meter = Contention(CPU)
        meter.start()
        seconds = spin(0.03)
        waited = meter.stop(seconds)
    assert waited.value is not None
    assert waited.value > 0.7 * seconds


def test_where_no_thread_was_busy_it_is_absent_not_zero() -> None:
    meter = Contention(CPU)
    meter.start()
    time.sleep(0.5)
    assert meter.stop(0.5).reason == "no thread of this process was busy with the training"


def test_the_shortest_stretch_is_told_of() -> None:
    meter = Contention(CPU)
    meter.start()
    assert meter.stop(spin(0.0005)).value is not None


def test_threads_that_come_and_go_disturb_nothing() -> None:
    is_over = threading.Event()

    def churn() -> None:
        while not is_over.is_set():
            threading.Thread(target=lambda: None).start()

    churning = [threading.Thread(target=churn) for _ in range(2)]
    for thread in churning:
        thread.start()
    try:
        meter = Contention(CPU)
        for _ in range(2000):
            meter.start()
            assert "busy" in (meter.stop(1.0).reason or "busy")
    finally:
        is_over.set()
        for thread in churning:
            thread.join()


def test_a_kernel_that_counts_nothing_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "schedstat").write_text("0 0 0\n")
    monkeypatch.setattr("objectives.meters.contention.TASKS", tmp_path)
    meter = Contention(CPU)
    meter.start()
    assert meter.stop(1.0).reason == "this system does not tell how long threads wait"


def test_it_is_absent_on_a_gpu() -> None:
    meter = Contention(Device("cuda", "a GPU", "0", 1, "2.11"))
    meter.start()
    assert meter.stop(1.0).reason == "waiting for cores is told of a CPU's slot alone"

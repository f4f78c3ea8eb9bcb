"""How long training waited for its cores because other work had them: what makes measured seconds too long."""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from pathlib import Path

from objectives.costs import Measurement, absent, measured
from objectives.meters.kernel import read_kernel
from objectives.trial import Device

TASKS = Path("/proc/self/task")

LEAST_SHARE = 0.1
"""Share of the busiest thread's run that a thread must have run to be one of those that train: others wait for these by
nature. The busiest must have run, or waited to, for such a share of the stretch."""


class Contention:
    """Reads from the kernel how long each thread was ready to run and did not (Linux, sched-stats.rst).

    The thread that waited longest counts, since the others wait for it. What a hypervisor takes away is not seen, nor
    what other processes wait that train in this one's place.
    """

    def __init__(self, device: Device) -> None:
        self._fault = None if device.kind == "cpu" else "waiting for cores is told of a CPU's slot alone"
        self._start: dict[str, tuple[int, int]] = {}

    def start(self) -> None:
        """Begins a stretch."""
        if self._fault is not None:
            return
        try:
            self._start = _read_threads()
        except (OSError, ValueError) as error:
            self._fault = f"this system does not tell how long threads wait: {error}"
        if self._fault is None and not any(ran for ran, _ in self._start.values()):
            self._fault = "this system does not tell how long threads wait"

    def stop(self, seconds: float) -> Measurement:
        """Returns for how long of a stretch of so many seconds it waited."""
        if self._fault is not None:
            return absent(self._fault)
        moved = []
        for thread, (ran, waited) in _read_threads().items():
            ran_before, waited_before = self._start.get(thread, (0, 0))
            moved.append(((ran - ran_before) / 1e9, (waited - waited_before) / 1e9))
        busiest = max(moved, default=(0.0, 0.0))
        if sum(busiest) < LEAST_SHARE * seconds:
            return absent("no thread of this process was busy with the training")
        return measured(min(seconds, max(waited for ran, waited in moved if ran >= LEAST_SHARE * busiest[0])))


def _read_threads() -> dict[str, tuple[int, int]]:
    """Returns for how many nanoseconds each thread of this process ran, and waited to run.

    The kernel counts the run of the thread that asks up to its last tick alone; its own clock is exact.
    """
    found, own = {}, str(threading.get_native_id())
    for task in os.listdir(TASKS):  # noqa: PTH208  paths would take as long again
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            ran, waited, _ = read_kernel(f"{TASKS}/{task}/schedstat").split()
            is_told = task == own and int(ran) > 0
            found[task] = time.thread_time_ns() if is_told else int(ran), int(waited)
    return found

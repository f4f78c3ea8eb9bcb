"""What can be measured on this machine, and how well.

Each check measures; of data sheets are only the peaks that a GPU's rates are shown beside.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from objectives.findings import Finding
from objectives.gpu_checks import check_gpu_at_work, check_gpus
from objectives.meters import own_cores
from objectives.meters.contention import Contention
from objectives.meters.memory import ResidentMemory
from objectives.meters.rapl import POWERCAP, find_counters, find_fault
from objectives.stretches import judge_stretches, time_stretches
from objectives.trial import Device

SHORT_STEPS = 24
"""Steps of the shorter stretch of training, about a tenth of a second."""

NOTABLE_CONTENTION = 0.05
"""Share of the cores' time that other work has, from which on it is told."""

BUSY_SECONDS = 0.05
"""How long it is busy to see whether waiting for cores can be told."""


def check_cores() -> Finding:
    """Tells how many cores there are for slots, and how much of them other work has now."""
    cores, total = own_cores(), os.cpu_count() or 1
    busy = _busy_share(cores)
    told = f"{len(cores)} of {total} cores are there for slots"
    if busy is None:
        return Finding("good", told, values={"cores": len(cores)})
    text, values = f"{told}; other work has {100 * busy:.0f} % of them now", {"cores": len(cores), "busy_share": busy}
    if busy > NOTABLE_CONTENTION:
        return Finding("poor", text, "let the other work end: seconds measured beside it are too long", values)
    return Finding("good", text, values=values)


def check_time() -> Finding:
    """Tells how much equal stretches of training differ, and whether twice the steps take twice the time."""
    with _one_thread():
        stretches = time_stretches("cpu", SHORT_STEPS)
    return judge_stretches(stretches, f"one core trains at {stretches.flop_per_second / 1e9:.3g} GFLOP/s")


def check_rate() -> Finding:
    """Tells how fast one core multiplies matrices: what training could reach at best."""
    import torch

    side = 1024
    with _one_thread():
        left_SS, right_SS = torch.randn(side, side), torch.randn(side, side)
        seconds = min(_time(lambda: left_SS @ right_SS) for _ in range(20))
    rate = 2 * side**3 / seconds / 1e9
    text = f"one core multiplies float32 matrices at {rate:.3g} GFLOP/s, the best of 20"
    return Finding("good", text, values={"gemm_gflop_per_second": rate})


def check_contention() -> Finding:
    """Tells whether waiting for cores can be told."""
    meter = Contention(_CPU)
    meter.start()
    start = time.perf_counter()
    while (seconds := time.perf_counter() - start) < BUSY_SECONDS:  # only a thread that is busy can wait
        pass
    found = meter.stop(seconds)
    if found.reason is None:
        return Finding("good", "the kernel tells how long training waited for its cores")
    return Finding("absent", found.reason, "seconds that other work made longer cannot be told from others")


def check_memory() -> Finding:
    """Tells whether the peak memory of an epoch can be measured."""
    meter = ResidentMemory()
    meter.start()
    found = meter.stop(0.0)
    if found.value is None:
        return Finding("absent", str(found.reason), "the process needs to write its own /proc/self/clear_refs (Linux)")
    text = f"peak resident memory can be reset and read; this process holds {found.value / 1e6:.0f} MB"
    return Finding("good", text, values={"resident_bytes": found.value})


def check_cpu_energy(root: Path = POWERCAP) -> Finding:
    """Tells whether the CPU's energy can be measured.

    Args:
        root: Where the kernel shows the counters.
    """
    if (fault := find_fault(range(os.cpu_count() or 1), root)) is None:
        names = ", ".join(counter.name for counter in find_counters(root))
        return Finding("good", f"counters of {names}, for sweeps of one slot that has all cores (--slots 1)")
    advice = "virtual machines and containers hide the counters (RAPL): run on the machine itself"
    if files := " ".join(str(path / "energy_uj") for path in sorted(root.glob("intel-rapl:*"))):
        advice = f"as root: chmod a+r {files} (until the next start; it lets all users see them)"
    return Finding("absent", fault, advice)


CHECKS: dict[str, Callable[[], Finding]] = {
    "cores": check_cores,
    "time": check_time,
    "matrix products": check_rate,
    "waiting for cores": check_contention,
    "memory": check_memory,
    "energy of the CPU": check_cpu_energy,
    "GPUs and their energy": check_gpus,
    "GPU at work": check_gpu_at_work,
}

_CPU = Device("cpu", "", "", 1, "")


@contextmanager
def _one_thread() -> Iterator[None]:
    """Computes with one thread, on one core, as a slot does."""
    import torch

    threads, cores = torch.get_num_threads(), own_cores()
    torch.set_num_threads(1)
    with suppress(AttributeError):
        os.sched_setaffinity(0, cores[:1])
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        with suppress(AttributeError):
            os.sched_setaffinity(0, cores)


def _time(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def _busy_share(cores: list[int]) -> float | None:
    """Returns the share of these cores' time that other work has at present; None where that is not told (Linux)."""
    try:
        before = _read_ticks(cores)
        time.sleep(0.5)
        after = _read_ticks(cores)
    except OSError:
        return None
    busy, whole = (now - then for now, then in zip(after, before, strict=True))
    return busy / whole if whole else None


def _read_ticks(cores: list[int]) -> tuple[int, int]:
    """Returns for how many ticks these cores were busy, and all ticks. Source: proc_stat(5)."""
    busy = whole = 0
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name.startswith("cpu") and name[3:].isdigit() and int(name[3:]) in cores:
            counts = [int(tick) for tick in ticks[:8]]
            whole += sum(counts)
            busy += sum(counts) - counts[3] - counts[4]  # idle, and waiting for disks
    return busy, whole

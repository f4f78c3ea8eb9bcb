"""What can be measured on this machine, and how well. Each check measures; nothing is taken from a data sheet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any, Literal

from objectives.intervals import student_interval
from objectives.meters import own_cores
from objectives.meters.contention import Contention
from objectives.meters.memory import ResidentMemory
from objectives.meters.rapl import POWERCAP, find_counters, find_fault
from objectives.trial import Device

Grade = Literal["good", "poor", "absent"]

NUM_PAIRS = 8
"""Pairs of stretches of training, one twice as long as the other."""

SHORT_STEPS = 24
"""Steps of the shorter stretch, about a tenth of a second."""

NOTABLE_NOISE, NOTABLE_BEND, NOTABLE_CONTENTION = 0.05, 0.05, 0.05
"""Shares from which on a measurement is called poor."""

NO_GPU = "a GPU needs its NVIDIA driver; slots are on the CPU without"

BUSY_SECONDS = 0.05
"""How long it is busy to see whether waiting for cores can be told."""

WATCH_SECONDS = 1.5
"""How long a GPU's energy counter is watched."""


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        grade: Whether it can be measured, and well.
        text: What was found, in words.
        advice: What to do about it; None where there is nothing to do.
        values: The figures, by names that end in their unit.
    """

    grade: Grade
    text: str
    advice: str | None = None
    values: Mapping[str, float] = field(default_factory=dict)


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
    pairs, flops = _time_training()
    longs = [long for _, long in pairs]
    noise = stdev(longs) / fmean(longs)
    ratios = [long / short for short, long in pairs]
    ratio, (low, high) = student_interval(ratios)
    half = (high - low) / 2
    rate = flops / median(longs) / 1e9
    text = (
        f"{len(longs)} equal stretches of {median(longs):.2g} s vary by {100 * noise:.1f} %; twice the steps take "
        f"{ratio:.3f} ({ratio - half:.3f}-{ratio + half:.3f}) times the time; one core trains at {rate:.3g} GFLOP/s"
    )
    values = {"noise_share": noise, "linearity": ratio, "linearity_error": half, "training_gflop_per_second": rate}
    if noise > NOTABLE_NOISE or abs(ratio - 2) - half > NOTABLE_BEND:
        return Finding("poor", text, "repeat it on a quiet machine; `paretune remeasure` averages over repeats", values)
    return Finding("good", text, values=values)


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


def check_gpus() -> Finding:
    """Tells what the GPUs are, how their energy counter moves, and how it agrees with the power that they tell."""
    import pynvml

    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(index) for index in range(pynvml.nvmlDeviceGetCount())]
    except pynvml.NVMLError as error:
        return Finding("absent", f"no GPU: {error}", NO_GPU)
    if not handles:
        return Finding("absent", "no GPU", NO_GPU)
    values: dict[str, float] = {}
    words = []
    for index, handle in enumerate(handles):
        read_joules, read_watts = partial(_read_joules, handle), partial(_read_watts, handle)
        try:
            found = watch_counter(read_joules, read_watts)
        except pynvml.NVMLError as error:
            words.append(f"{pynvml.nvmlDeviceGetName(handle)}: no energy counter ({error})")
            continue
        values |= {f"gpu{index}_{key}": value for key, value in found.items()}
        words.append(f"{pynvml.nvmlDeviceGetName(handle)}: {_counter_words(found)}")
    if values:
        return Finding("good", "; ".join(words), values=values)
    return Finding("absent", "; ".join(words), "energy needs a GPU of 2017 (Volta) or later")


def watch_counter(read_joules: Callable[[], float], read_watts: Callable[[], float]) -> dict[str, float]:
    """Watches an energy counter and returns its tick, and the mean power by counter and by sensor.

    Args:
        read_joules: Reads the counter.
        read_watts: Reads the power sensor.
    """
    moves: list[tuple[float, float]] = []
    watts = []
    start, last = time.perf_counter(), read_joules()
    while time.perf_counter() - start < WATCH_SECONDS:
        if (now := read_joules()) != last:
            moves.append((time.perf_counter(), now))
            last = now
            watts.append(read_watts())
        time.sleep(0.001)
    found = {"power_watts": fmean(watts) if watts else read_watts()}
    if len(moves) > 2:  # noqa: PLR2004  two moves make the first whole tick
        seconds = moves[-1][0] - moves[0][0]
        found["tick_seconds"] = median(after[0] - before[0] for before, after in pairwise(moves))
        found["counter_watts"] = (moves[-1][1] - moves[0][1]) / seconds
    return found


def _counter_words(found: Mapping[str, float]) -> str:
    power = f"the power sensor tells {found['power_watts']:.0f} W"
    if "tick_seconds" not in found:
        return f"the energy counter did not move within {WATCH_SECONDS} s; {power}"
    tick, watts = 1000 * found["tick_seconds"], found["counter_watts"]
    return f"the energy counter moves every {tick:.0f} ms and tells {watts:.0f} W now; {power}"


def _read_joules(handle: Any) -> float:
    import pynvml

    return int(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000


def _read_watts(handle: Any) -> float:
    import pynvml

    return int(pynvml.nvmlDeviceGetPowerUsage(handle)) / 1000


CHECKS: dict[str, Callable[[], Finding]] = {
    "cores": check_cores,
    "time": check_time,
    "matrix products": check_rate,
    "waiting for cores": check_contention,
    "memory": check_memory,
    "energy of the CPU": check_cpu_energy,
    "GPUs and their energy": check_gpus,
}

_CPU = Device("cpu", "", "", 1, "")


def _time_training() -> tuple[list[tuple[float, float]], float]:
    """Returns the seconds of short stretches of training and of ones twice as long, and the FLOPs of a long one."""
    import torch
    import torch.nn.functional as F

    from objectives.meters.flops import flops_per_image
    from objectives.models import build_model

    batch_size = 64
    with _one_thread(), torch.random.fork_rng(devices=[]):
        model = build_model("cnn", 1, 10, {"width": 1.0}).to(memory_format=torch.channels_last)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.001)
        images_BCHW, labels_B = torch.randn(batch_size, 1, 28, 28), torch.randint(0, 10, (batch_size,))

        def train(num_steps: int) -> None:
            for _ in range(num_steps):
                optimizer.zero_grad()
                torch.autograd.backward(F.cross_entropy(model(images_BCHW), labels_B))
                optimizer.step()

        train(SHORT_STEPS)
        pairs = [(_time(lambda: train(SHORT_STEPS)), _time(lambda: train(2 * SHORT_STEPS))) for _ in range(NUM_PAIRS)]
    return pairs, 2.0 * SHORT_STEPS * batch_size * flops_per_image("cnn", {"width": 1.0}, (1, 28, 28), 10).train


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

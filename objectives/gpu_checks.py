"""What can be measured on the GPUs of this machine, and how well."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import replace
from itertools import pairwise
from statistics import fmean, median

from objectives.findings import Finding
from objectives.meters.energy import EnergyCounter
from objectives.meters.nvml import TICK_SECONDS, NvmlCounter
from objectives.parameters import PRECISIONS
from objectives.stretches import judge_stretches, time_stretches

NO_GPU = "a GPU needs its NVIDIA driver; slots are on the CPU without"

WATCH_SECONDS = 1.5
"""How long a GPU's energy counter is watched."""

SHORT_STEPS = 400
"""Steps of the shorter stretch of training, about a tenth of a second."""

SIDE = 8192
"""Of the matrices that are multiplied."""

PEAKS: dict[str, tuple[float, float, float]] = {
    "H200": (67.0, 495.0, 989.0),
    "H100 PCIe": (51.0, 378.0, 756.0),
    "H100 NVL": (60.0, 418.0, 835.0),
    "H100": (67.0, 495.0, 989.0),
    "A100": (19.5, 156.0, 312.0),
    "L40S": (91.6, 183.0, 362.0),
    "L4": (30.3, 60.0, 121.0),
}
"""TFLOP/s of each of `PRECISIONS` without sparsity, by a part of the name, the longest first of those alike.

Source: NVIDIA's data sheets of these GPUs (2020 to 2024)."""


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
        try:
            counter = NvmlCounter(handle, TICK_SECONDS)
            found = watch_counter(counter)
        except OSError as error:
            words.append(f"{pynvml.nvmlDeviceGetName(handle)}: no energy counter ({error})")
            continue
        if (record := counter.record) is not None:
            found |= {"record_seconds": record.span_seconds, "record_error_seconds": record.late_seconds}
        values |= {f"gpu{index}_{key}": value for key, value in found.items()}
        words.append(f"{pynvml.nvmlDeviceGetName(handle)}: {_counter_words(found)}")
    if values:
        return Finding("good", "; ".join(words), values=values)
    return Finding("absent", "; ".join(words), "energy needs a GPU of 2017 (Volta) or later")


def watch_counter(counter: EnergyCounter) -> dict[str, float]:
    """Watches an energy counter and returns its tick, and the mean power by it and by the sensor, as far as they tell.

    Raises:
        OSError: where it cannot be read any more.
    """
    moves: list[tuple[float, float]] = []
    watts = [counter.read_watts()]
    start, last = time.perf_counter(), counter.read_joules()
    while time.perf_counter() - start < WATCH_SECONDS:
        if (now := counter.read_joules()) != last:
            moves.append((time.perf_counter(), now))
            last = now
            watts.append(counter.read_watts())
        time.sleep(0.001)
    sensed = [one for one in watts if one is not None]
    found = {"power_watts": fmean(sensed)} if sensed else {}
    if len(moves) > 2:  # noqa: PLR2004  two moves make the first whole tick
        seconds = moves[-1][0] - moves[0][0]
        found["tick_seconds"] = median(after[0] - before[0] for before, after in pairwise(moves))
        found["counter_watts"] = (moves[-1][1] - moves[0][1]) / seconds
    return found


def _counter_words(found: Mapping[str, float]) -> str:
    power = f"the power sensor tells {found['power_watts']:.0f} W" if "power_watts" in found else "no power sensor"
    if "record_seconds" in found:
        power += (
            f"; the driver remembers the power of {found['record_seconds']:.1f} s, "
            f"to {1000 * found['record_error_seconds']:.0f} ms"
        )
    if "tick_seconds" not in found:
        return f"the energy counter did not move within {WATCH_SECONDS} s; {power}"
    tick, watts = 1000 * found["tick_seconds"], found["counter_watts"]
    return f"the energy counter moves every {tick:.0f} ms and tells {watts:.0f} W now; {power}"


def check_gpu_at_work() -> Finding:
    """Tells how fast the first GPU multiplies matrices, how even its training is, and whether that is linear."""
    import torch

    if not torch.cuda.is_available():
        return Finding("absent", "torch sees no GPU", NO_GPU)
    name = torch.cuda.get_device_name()
    try:
        rates = {precision: measure_rate(precision) / 1e12 for precision in PRECISIONS}
        stretches = time_stretches("cuda", SHORT_STEPS)
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        words = str(error).partition("\n")[0]
        return Finding("absent", f"{name} could not compute: {words}", "repeat it once nobody else is on the GPU")
    training = f"training of the built-in network runs at {stretches.flop_per_second / 1e12:.3g} TFLOP/s"
    found = judge_stretches(stretches, training)
    values = {f"{precision}_tflop_per_second": rate for precision, rate in rates.items()}
    return replace(found, text=f"{name}: {rate_words(name, rates)}; {found.text}", values={**found.values, **values})


def measure_rate(precision: str) -> float:
    """Returns how fast the GPU multiplies square matrices of random numbers, in FLOP/s: the best of some products.

    Args:
        precision: One of `PRECISIONS`.
    """
    import torch

    from objectives.meters.latency import time_passes
    from objectives.precision import prepare

    prepare(precision, "cuda")
    kind = torch.bfloat16 if precision == "bf16" else torch.float32
    left_SS, right_SS = (torch.randn(SIDE, SIDE, device="cuda", dtype=kind) for _ in range(2))
    return 2 * SIDE**3 / min(time_passes(lambda: left_SS @ right_SS, "cuda", least=10))


def rate_words(name: str, rates: Mapping[str, float]) -> str:
    """Returns rates in words, each beside the maker's figure where that is known.

    Args:
        name: Of the GPU.
        rates: In TFLOP/s, by precision.

    >>> rate_words("NVIDIA A100-SXM4-80GB", {"fp32": 18.0, "bf16": 250.0})
    'it multiplies matrices at 18 TFLOP/s in fp32 (92 % of its peak), 250 in bf16 (80 %)'
    >>> rate_words("NVIDIA L40", {"fp32": 60.0})
    'it multiplies matrices at 60 TFLOP/s in fp32'
    """
    peaks = next((peaks for part, peaks in PEAKS.items() if re.search(rf"\b{part}\b", name)), None)
    words: list[str] = []
    for precision, rate in rates.items():
        unit, peak = ("", "") if words else (" TFLOP/s", " of its peak")
        share = "" if peaks is None else f" ({100 * rate / peaks[PRECISIONS.index(precision)]:.0f} %{peak})"
        words.append(f"{rate:.3g}{unit} in {precision}{share}")
    return f"it multiplies matrices at {', '.join(words)}"

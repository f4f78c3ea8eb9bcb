"""Whether measured costs can be trusted: repeatability, linearity, and how far each setting is from the roofline.

    python tests/benchmarks/costs.py [--device cpu|cuda] [--runs 10] [--widths 0.25,1,4] [--batch-sizes 16,256]

Repeatability: the same trial again and again; the coefficient of variation of its seconds and joules, aiming at 3 %
and 5 %. Linearity: trials of twice the epochs, each beside one of the single number; the ratio with its 95 % interval,
which should hold 2. Roofline: for each width and batch size the time of a step, its power, and its share of the rate
at which this device multiplies matrices, measured in the same run; then what the steps' times are made of, as the pages
say it (`dashboards/launches.py`). The counter: its tick, the power at rest, and under a load the energy beside the
integrated power sensor's and beside Zeus's (`pip install zeus`). What cannot be measured here is printed, and written,
with the reason.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from itertools import product
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests"), str(Path(__file__).parent)]

AIMS = {"device_seconds": 0.03, "energy_joules": 0.05}
"""Coefficients of variation that equal trials should stay within."""

TRIAL_SECONDS = {"cpu": 0.5, "cuda": 2.0}
"""How long a trial is to take at least: on a GPU many ticks of its counter."""

STEPS_AT_ONCE = {"cpu": 1, "cuda": 20}
"""Between two waits for the device: a trial on a GPU waits once an epoch."""


def run_once(config: Any, device: Any) -> dict[str, float]:
    """Returns a trial's costs, as far as they are measured."""
    from objectives.costs import accumulate
    from objectives.train import run_trial
    from objectives.trial import EpochEnded

    records = [event.record for event in run_trial(config, device) if isinstance(event, EpochEnded)]
    names = ("device_seconds", "energy_joules", "contention_seconds")
    totals = {name: accumulate(name, [record.costs[name] for record in records]).value for name in names}
    return {name: value for name, value in totals.items() if value is not None}


def lengthen(config: Any, device: Any) -> Any:
    """Returns the trial with as many epochs as it takes to last; the first run warms up."""
    run_once(config, device)
    each = run_once(config, device)["device_seconds"] / config.epochs
    return replace(config, epochs=max(config.epochs, math.ceil(TRIAL_SECONDS[device.kind] / each)))


def repeat(config: Any, device: Any, num_runs: int) -> dict[str, Any]:
    """Prints and returns how much equal trials differ."""
    runs = [run_once(config, device) for _ in range(num_runs)]
    found: dict[str, Any] = {"runs": runs}
    for name, aim in AIMS.items():
        values = [run[name] for run in runs if name in run]
        if len(values) > 1:
            variation = stdev(values) / fmean(values)
            found[name] = {"mean": fmean(values), "variation": variation, "aim": aim, "count": len(values)}
            print(
                f"{len(values)} equal trials: {name} {fmean(values):.4g}, vary by {100 * variation:.2f} % "
                f"({'within' if variation <= aim else 'beyond'} the {100 * aim:.0f} % aimed at)"
            )
    return found


def double(config: Any, device: Any, num_pairs: int) -> dict[str, Any]:
    """Prints and returns what twice the epochs cost, over the single number."""
    from objectives.intervals import student_interval

    pairs = [
        (run_once(config, device), run_once(replace(config, epochs=2 * config.epochs), device))
        for _ in range(num_pairs)
    ]
    found: dict[str, Any] = {}
    for name in AIMS:
        ratios = [twice[name] / once[name] for once, twice in pairs if name in once]
        if len(ratios) > 1:
            ratio, (low, high) = student_interval(ratios)
            half = (high - low) / 2
            found[name] = {"ratio": ratio, "error": half, "count": len(ratios), "ratios": ratios}
            print(f"{len(ratios)} pairs: twice the epochs take {ratio:.3f} +- {half:.3f} times the {name}")
    return found


def gemm_rate(device: str) -> float:
    """Returns the best rate of a float32 matrix product, in FLOP/s."""
    import torch

    from objectives.meters.latency import time_passes

    side = 1024 if device == "cpu" else 8192
    left, right = torch.randn(side, side, device=device), torch.randn(side, side, device=device)
    return 2 * side**3 / min(time_passes(lambda: left @ right, device))


def measure_power(steps: Callable[[], object], counter: Any) -> tuple[Any, float | None]:
    """Returns the energy of steps, and their mean power in watts; None where energy is absent."""
    from objectives.meters.energy import measure_passes

    seconds: list[float] = []

    def clocked() -> None:
        start = time.perf_counter()
        steps()
        seconds.append(time.perf_counter() - start)

    joules = measure_passes(clocked, counter)
    return joules, None if joules.value is None else joules.value / fmean(seconds)


def survey(widths: list[float], batch_sizes: list[int], device: str, peak: float, counter: Any) -> list[dict[str, Any]]:
    """Prints and returns the time and power of a step of each width and batch size."""
    from objectives.costs import scale
    from objectives.meters.flops import flops_per_image
    from objectives.meters.latency import finishing, time_passes
    from objectives.stretches import training_steps

    rows = []
    for batch_size, width in product(batch_sizes, widths):
        flops = batch_size * flops_per_image("cnn", {"width": width}, (1, 28, 28), 10).train
        at_once = STEPS_AT_ONCE[device]
        steps = finishing(partial(training_steps(device, width, batch_size), at_once), device)
        seconds = median(time_passes(steps, "cpu")) / at_once  # they wait for their device by themselves
        joules, watts = measure_power(steps, counter)
        joules = scale(joules, 1 / at_once)
        row = {"width": width, "batch_size": batch_size, "flops": flops, "seconds": seconds}
        row |= {"share": flops / seconds / peak, "joules": joules.value, "joules_error": joules.error, "watts": watts}
        rows.append(row)
        power = "" if watts is None else f", {watts:5.0f} W"
        print(
            f"batch {batch_size:5} width {width:5}: {1e3 * seconds:8.3f} ms a step, {100 * row['share']:5.1f} % of the "
            f"matrix product's rate{power}"
        )
    return rows


def take_rows_apart(rows: list[dict[str, Any]]) -> dict[str, Any] | str:
    """Prints and returns what the steps' times are made of, or why that cannot be told."""
    from dashboards.launches import Step, say_parts, take_apart

    steps = [Step(number, "sgd", row["batch_size"], row["flops"], row["seconds"]) for number, row in enumerate(rows)]
    parts = take_apart(steps)
    if parts is None:
        text = "too few widths and batch sizes, or their times are not the sum of launching, images and FLOPs"
        print(f"what a step's time is made of is absent: {text}")
        return text
    settings = {number: {name: row[name] for name in ("width", "batch_size")} for number, row in enumerate(rows)}
    print(say_parts(parts, settings) or "no width is nearly free here, and no step is launch-bound")
    return {
        "launching_seconds": parts.launching["sgd"],
        "image_seconds": parts.image_seconds,
        "flop_per_second": parts.flop_per_second,
        "error": parts.error,
        "free": [settings[step.label] for step in parts.free],
        "launch_bound": [settings[step.label] for step in parts.launch_bound],
    }


def examine_counter(counter: Any, device: Any) -> dict[str, Any]:
    """Prints and returns how the energy counter moves, and whether others agree with it; or why that is absent."""
    if isinstance(counter, str):
        print(f"absent: energy, its tick, power at rest, agreement with the power sensor and with Zeus: {counter}")
        return {"absent": counter}
    import torch
    from loads import open_zeus, watch_bursts, watch_load, zeus_joules

    from objectives.meters.latency import finishing

    side = torch.randn(8192 if device.kind == "cuda" else 1024, device="cuda" if device.kind == "cuda" else "cpu")
    square = side[:, None] * side[None, :]
    multiply = finishing(lambda: square @ square, device.kind)
    rest = watch_load(lambda: time.sleep(0.05), counter)
    load = watch_load(multiply, counter)
    found: dict[str, Any] = {"tick_seconds": counter.tick_seconds, "rest_watts": rest.counted_watts}
    found |= {"load": asdict(load), "disagreement": load.disagreement}
    print(f"the counter moves every {1e3 * counter.tick_seconds:.1f} ms; at rest {rest.counted_watts:.1f} W")
    if load.disagreement is None:
        print("absent: agreement with a power sensor: there is none")
    else:
        print(
            f"under load {load.counted_watts:.0f} W: in {load.seconds:.1f} s and {load.num_samples} readings the "
            f"counter is {100 * load.disagreement:+.1f} % off the integrated power sensor"
        )
    if counter.record is None:
        print("absent: agreement with what the driver remembers of the power: it remembers nothing")
    else:
        counted, remembered = watch_bursts(multiply, counter)
        found |= {"record_seconds": counter.record.span_seconds, "record_late_seconds": counter.record.late_seconds}
        found |= {"bursts": {"counted_joules": counted, "remembered_joules": remembered}}
        print(
            f"the driver remembers the power of {counter.record.span_seconds:.1f} s, to "
            f"{1e3 * counter.record.late_seconds:.0f} ms: in bursts of 20 ms {remembered:.1f} J, the counter "
            f"{counted:.1f} J: {100 * (remembered / counted - 1):+.2f} %"
        )
    zeus = open_zeus(device.identity) if device.kind == "cuda" else "Zeus is asked about GPUs alone"
    if isinstance(zeus, str):
        print(f"absent: agreement with Zeus: {zeus}")
        return found | {"zeus": zeus}
    start = counter.read_joules()
    theirs = zeus_joules(zeus, lambda: watch_load(multiply, counter, warm_up_seconds=0.0))
    ours = counter.read_joules() - start
    print(f"Zeus tells {theirs:.1f} J of what this counter calls {ours:.1f} J: {100 * (ours / theirs - 1):+.2f} %")
    return found | {"zeus": {"joules": theirs, "ours_joules": ours}}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--widths", default="0.25,0.5,1,2,4,8")
    parser.add_argument("--batch-sizes", default="16,64,256,1024")
    parser.add_argument("-o", "--output", type=Path, default=None)
    chosen = parser.parse_args()

    from machine import machine_facts

    from objectives.meters import open_counter
    from objectives.slot import keep_loaded, open_device
    from objectives.trial import Placement, TrialConfig

    facts = machine_facts("torch") | {"device": chosen.device}
    if chosen.device == "cpu":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    try:
        device = open_device(Placement(0, "cpu" if chosen.device == "cpu" else "cuda:0", 1))
    except RuntimeError as error:
        parser.error(str(error))
    keep_loaded()
    facts["device_name"] = device.name
    counter = open_counter(device)
    facts["counter"] = examine_counter(counter, device)
    short = TrialConfig(0, "cnn", "mnist5k", 4, 0, 0.01, "sgd", 64, {"width": 1.0}, {}, is_profiled=True)
    config = lengthen(short, device)
    facts["repeatability"] = repeat(config, device, chosen.runs)
    facts["linearity"] = double(config, device, max(3, chosen.runs // 2))
    facts["gemm_flop_per_second"] = peak = gemm_rate(chosen.device)
    print(f"matrix product: {peak / 1e9:.4g} GFLOP/s")
    widths = [float(width) for width in chosen.widths.split(",")]
    batch_sizes = [int(size) for size in chosen.batch_sizes.split(",")]
    facts["steps"] = survey(widths, batch_sizes, chosen.device, peak, counter)
    facts["parts"] = take_rows_apart(facts["steps"])
    output = chosen.output or Path(__file__).parent / f"results/costs_{chosen.device}.json"
    output.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()

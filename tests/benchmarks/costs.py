"""Whether measured costs can be trusted: repeatability, linearity, and how far each setting is from the roofline.

    python tests/benchmarks/costs.py [--device cpu|cuda] [--runs 10] [--widths 0.25,1,4] [--batch-sizes 16,256]

Repeatability: the same trial again and again; the coefficient of variation of its seconds (and joules). Linearity:
trials of twice the epochs, each beside one of the single number; the ratio with its 95 % interval, which should hold 2.
Roofline: for each width and batch size the time of a step, and its share of the rate at which this device multiplies
matrices, measured in the same run. A step that takes no longer at a greater width is bound by launching its kernels.
On a GPU besides: the tick of the energy counter, idle power, and the counter beside the power sensor.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

NO_LONGER = 1.1
"""A step whose model has at least twice the FLOPs takes no longer, if it takes at most so many times the time."""


def run_once(config: Any, device: Any) -> dict[str, float]:
    """Returns a trial's costs, as far as they are measured."""
    from objectives.costs import accumulate
    from objectives.train import run_trial
    from objectives.trial import EpochEnded

    records = [event.record for event in run_trial(config, device) if isinstance(event, EpochEnded)]
    names = ("device_seconds", "energy_joules", "contention_seconds")
    totals = {name: accumulate(name, [record.costs[name] for record in records]).value for name in names}
    return {name: value for name, value in totals.items() if value is not None}


def repeat(config: Any, device: Any, num_runs: int) -> dict[str, Any]:
    """Prints and returns how much equal trials differ."""
    runs = [run_once(config, device) for _ in range(num_runs)]
    found: dict[str, Any] = {"runs": runs}
    for name in ("device_seconds", "energy_joules"):
        values = [run[name] for run in runs if name in run]
        if len(values) > 1:
            found[name] = {"mean": fmean(values), "variation": stdev(values) / fmean(values), "count": len(values)}
            print(
                f"{len(values)} equal trials: {name} {fmean(values):.4g}, "
                f"vary by {100 * found[name]['variation']:.2f} %"
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
    for name in ("device_seconds", "energy_joules"):
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


def step_seconds(width: float, batch_size: int, device: str) -> float:
    """Returns the median seconds of a training step."""
    import torch
    import torch.nn.functional as F

    from objectives.meters.latency import time_passes
    from objectives.models import build_model
    from objectives.optimizers import build_optimizer

    model = build_model("cnn", 1, 10, {"width": width}).to(device)
    if device == "cpu":
        model = model.to(memory_format=torch.channels_last)
    optimizer = build_optimizer("sgd", model.parameters(), 0.001, {})
    images = torch.randn(batch_size, 1, 28, 28, device=device)
    labels = torch.randint(0, 10, (batch_size,), device=device)

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(model(images), labels))
        optimizer.step()

    return median(time_passes(step, device))


def survey(widths: list[float], batch_sizes: list[int], device: str, peak: float) -> list[dict[str, Any]]:
    """Prints and returns the step of each width and batch size, and whether width looked free."""
    from objectives.meters.flops import flops_per_image

    rows = []
    for batch_size in batch_sizes:
        before: dict[str, Any] | None = None
        for width in widths:
            flops = batch_size * flops_per_image("cnn", {"width": width}, (1, 28, 28), 10).train
            seconds = step_seconds(width, batch_size, device)
            row = {"width": width, "batch_size": batch_size, "seconds": seconds, "share": flops / seconds / peak}
            row["launch_bound"] = before is not None and seconds < NO_LONGER * before["seconds"]
            rows.append(row)
            before = row
            note = "  width is free here: bound by launches" if row["launch_bound"] else ""
            print(
                f"batch {batch_size:5} width {width:5}: {1e3 * seconds:8.3f} ms a step, {100 * row['share']:5.1f} % of "
                f"the matrix product's rate{note}"
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--widths", default="0.25,0.5,1,2,4,8")
    parser.add_argument("--batch-sizes", default="16,64,256,1024")
    parser.add_argument("-o", "--output", type=Path, default=None)
    chosen = parser.parse_args()

    from machine import machine_facts

    from objectives.doctor import check_gpus
    from objectives.slot import open_device
    from objectives.trial import Placement, TrialConfig

    facts = machine_facts("torch") | {"device": chosen.device}
    if chosen.device == "cpu":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    device = open_device(Placement(0, "cpu" if chosen.device == "cpu" else "cuda:0", 1))
    epochs = 4 if chosen.device == "cpu" else 40  # of a trial that takes seconds, as long as many ticks of the counter
    config = TrialConfig(0, "cnn", "mnist5k", epochs, 0, 0.01, "sgd", 64, {"width": 1.0}, {}, is_profiled=True)
    run_once(config, device)
    facts["repeatability"] = repeat(config, device, chosen.runs)
    facts["linearity"] = double(config, device, max(3, chosen.runs // 2))
    facts["gemm_flop_per_second"] = peak = gemm_rate(chosen.device)
    print(f"matrix product: {peak / 1e9:.4g} GFLOP/s")
    widths = [float(width) for width in chosen.widths.split(",")]
    facts["steps"] = survey(widths, [int(size) for size in chosen.batch_sizes.split(",")], chosen.device, peak)
    if chosen.device == "cuda":
        gpus = check_gpus()
        facts["gpus"] = dict(gpus.values)
        print(gpus.text)
    output = chosen.output or Path(__file__).parent / f"results/costs_{chosen.device}.json"
    output.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()

"""Trials with all meters and with the clock alone, in one run: what share of the training the meters take.

    python tests/benchmarks/meters_overhead.py [--device cpu|cuda] [--pairs 12] [--epochs 5] [--width 0.5]
        [--batch-size 64]

Both sides train the same trial, one after the other, each side first in every second pair. The narrow model is the
hardest case: its epochs are the shortest, and the meters are read at both ends of each.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]


def train(config: Any, device: Any) -> tuple[float, float]:
    """Returns the seconds of a trial, and those that its meters were billed for each epoch."""
    from objectives.train import run_trial
    from objectives.trial import EpochEnded

    start, metering = time.perf_counter(), 0.0
    for event in run_trial(config, device):
        if isinstance(event, EpochEnded):
            metering += event.record.bill.get("metering", 0.0)  # the clock alone has none
    return time.perf_counter() - start, metering / config.epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cpu")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--width", type=float, default=0.5)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("-o", "--output", type=Path, default=None)
    chosen = parser.parse_args()

    from machine import machine_facts

    import objectives.train
    from objectives.costs import absent, measured
    from objectives.intervals import student_interval
    from objectives.meters import Meters
    from objectives.meters.time import Stopwatch
    from objectives.slot import keep_loaded, open_device
    from objectives.trial import Placement, TrialConfig

    class ClockAlone:
        """Tells device seconds, which the trial cannot do without."""

        def __init__(self, _device: object, watch: Stopwatch, _graph_bytes: float) -> None:
            self._watch = watch

        def start(self, line: str | None = None) -> None:
            pass

        def read_all(self) -> None:
            pass

        def stop(self) -> dict[str, Any]:
            names = ("cpu_seconds", "contention_seconds", "energy_joules", "peak_memory_bytes")
            seconds = measured(self._watch.lap("training"))
            return {"device_seconds": seconds, **dict.fromkeys(names, absent("left out"))}

    if chosen.device == "cpu":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    device = open_device(Placement(0, "cpu" if chosen.device == "cpu" else "cuda:0", 1))
    keep_loaded()
    options = {"width": chosen.width}
    config = TrialConfig(
        0, "cnn", "mnist5k", chosen.epochs, 0, 0.01, "sgd", chosen.batch_size, options, {}, is_profiled=True
    )
    sides: dict[str, Any] = {"meters": Meters, "clock": ClockAlone}
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    readings: list[float] = []
    train(config, device)
    for pair in range(chosen.pairs):
        for name in list(sides) if pair % 2 else list(sides)[::-1]:
            objectives.train.Meters = sides[name]  # type: ignore[misc]
            taken, metering = train(config, device)
            seconds[name].append(taken)
            readings += [metering] if name == "meters" else []
    logs = [math.log(ours / clock) for ours, clock in zip(seconds["meters"], seconds["clock"], strict=True)]
    center, ends = student_interval(logs)  # the mean of ratios would be over 1 though both sides took as long
    ratio, low, high = (math.exp(log) for log in (center, *ends))

    reading_seconds = median(readings)
    epoch_seconds = median(seconds["clock"]) / chosen.epochs
    print(
        f"{chosen.pairs} pairs of {chosen.epochs} epochs of {epoch_seconds:.3f} s: with meters / with the clock alone "
        f"{ratio:.4f} ({low:.4f}-{high:.4f}); both readings of an epoch take "
        f"{1e6 * reading_seconds:.0f} us, {100 * reading_seconds / epoch_seconds:.2f} % of it"
    )
    facts = machine_facts("torch") | {
        "device": device.name,
        "pairs": chosen.pairs,
        "epochs": chosen.epochs,
        "width": chosen.width,
        "batch_size": chosen.batch_size,
        "seconds": seconds,
        "ratio": ratio,
        "ratio_interval": [low, high],
        "readings_seconds": reading_seconds,
        "epoch_seconds": epoch_seconds,
    }
    output = chosen.output or Path(__file__).parent / f"results/meters_overhead_{chosen.device}.json"
    output.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()

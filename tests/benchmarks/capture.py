"""Steps of training on a GPU by captured graphs, and operation by operation, in one run.

    python tests/benchmarks/capture.py [--rounds 5] [--widths 0.25,1,4] [--batch-sizes 16,64,256,1024]

Both sides take the same steps of the built-in network with Adam, in float32; each round times both, the one first that
was last in the round before. What is told is the median of the rounds and of their ratios.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

NUM_STEPS, WARM_STEPS = 50, 5


def time_steps(train: Callable[[int], None]) -> float:
    """Returns the seconds of a step, once the device has done them all."""
    import torch

    train(WARM_STEPS)
    torch.cuda.synchronize()
    start = time.perf_counter()
    train(NUM_STEPS)
    torch.cuda.synchronize()
    return (time.perf_counter() - start) / NUM_STEPS


def compare(width: float, batch_size: int, rounds: int) -> dict[str, Any]:
    """Prints and returns what both sides take."""
    from objectives.stretches import training_steps

    steps = {
        name: training_steps("cuda", width, batch_size, "adam", is_captured=name == "captured")
        for name in ("captured", "eager")
    }
    seconds: dict[str, list[float]] = {name: [] for name in steps}
    for turn in range(rounds):
        for name in list(steps)[:: 1 if turn % 2 else -1]:
            seconds[name].append(time_steps(steps[name]))
    ratios = sorted(eager / ours for ours, eager in zip(seconds["captured"], seconds["eager"], strict=True))
    print(
        f"width {width:5} batch {batch_size:5}: {1e6 * median(seconds['captured']):7.0f} us captured, "
        f"{1e6 * median(seconds['eager']):7.0f} us eager: {median(ratios):.2f} times as quick "
        f"({ratios[0]:.2f} to {ratios[-1]:.2f})"
    )
    return {"width": width, "batch_size": batch_size, "seconds": seconds, "ratio": median(ratios), "ratios": ratios}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--widths", default="0.25,1,4")
    parser.add_argument("--batch-sizes", default="16,64,256,1024")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results/capture.json")
    chosen = parser.parse_args()

    import torch
    from machine import machine_facts

    if not torch.cuda.is_available():
        parser.error("it needs a CUDA device")
    facts = machine_facts("torch") | {"device": torch.cuda.get_device_name(), "rounds": chosen.rounds}
    pairs = product(map(float, chosen.widths.split(",")), map(int, chosen.batch_sizes.split(",")))
    facts["steps"] = [compare(width, batch_size, chosen.rounds) for width, batch_size in pairs]
    chosen.output.write_text(json.dumps(facts, indent=1) + "\n")


if __name__ == "__main__":
    main()

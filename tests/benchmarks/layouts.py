"""The CNN in oneDNN's layout where `objectives.models.blocked` takes it, and in torch's alone, in one run.

    python tests/benchmarks/layouts.py [--rounds 7] [--batch-size 16 64 256] [--width 0.25 0.5 1 2 3 4]

Both sides train the same network on one core, an epoch of mnist5k each in turn, and evaluate it. The numbers are the
median microseconds of an image, and the median ratio of the two sides of a round, torch's layouts over ours.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

NEVER = 10**9


class Rehearsal:
    """A network that is trained and evaluated on mnist5k."""

    def __init__(self, width: float, batch_size: int) -> None:
        import torch

        from objectives.models import build_model
        from objectives.optimizers import build_optimizer
        from objectives.resident import load_resident

        self.data = load_resident("mnist5k", torch.device("cpu"))
        self.model = build_model("cnn", 1, 10, {"width": width}).to(memory_format=torch.channels_last)
        self.optimizer = build_optimizer("adam", self.model.parameters(), 1e-3, {})
        self.batch_size = batch_size

    def train(self) -> float:
        """Returns the microseconds of an image."""
        import torch

        from objectives.batches import draw_batches, draw_order
        from objectives.gradients import Eager
        from objectives.train import train_epoch
        from objectives.trial import Recipe

        part = self.data.train
        lrs = [1e-3] * -(-len(part.labels_N) // self.batch_size)
        start = time.perf_counter()
        batches = draw_batches(part, draw_order(0, 1, len(part.labels_N)), self.batch_size)
        for _ in train_epoch(
            self.model, Eager(self.model, Recipe()), self.optimizer, batches,
            lrs=lrs, generator=torch.Generator(), loss_sum=torch.zeros(()),
        ):  # fmt: skip
            pass
        return (time.perf_counter() - start) / len(part.labels_N) * 1e6

    def evaluate(self) -> float:
        """Returns the microseconds of an image."""
        from objectives.evaluation import evaluate

        part = self.data.validation
        start = time.perf_counter()
        evaluate(self.model, part)
        return (time.perf_counter() - start) / len(part.labels_N) * 1e6


def compare(width: float, batch_size: int, rounds: int) -> dict[str, Any]:
    """Returns what both sides took."""
    from objectives.models import blocked

    rehearsal, least = Rehearsal(width, batch_size), blocked.LEAST_IMAGES
    found: dict[str, dict[str, list[float]]] = {kind: {"ours": [], "torch": []} for kind in ("training", "evaluation")}
    for turn in range(rounds + 1):
        for side in ("ours", "torch") if turn % 2 else ("torch", "ours"):
            blocked.LEAST_IMAGES = least if side == "ours" else NEVER
            for kind, run in (("training", rehearsal.train), ("evaluation", rehearsal.evaluate)):
                found[kind][side].append(run())
    blocked.LEAST_IMAGES = least
    told: dict[str, Any] = {"width": width, "batch_size": batch_size}
    for kind, sides in found.items():
        ours, theirs = sides["ours"][1:], sides["torch"][1:]  # the first round is warm-up
        ratios = sorted(other / one for one, other in zip(ours, theirs, strict=True))
        told[kind] = {
            "microseconds": {"ours": median(ours), "torch": median(theirs)},
            "ratio": median(ratios),
            "ratios": [ratios[0], ratios[-1]],
        }
    return told


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--batch-size", type=int, nargs="+", default=[16, 64, 256])
    parser.add_argument("--width", type=float, nargs="+", default=[0.25, 0.5, 1.0, 2.0, 3.0, 4.0])
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "results/layouts.json")
    chosen = parser.parse_args()

    import torch
    from machine import machine_facts

    from objectives.heap import keep_freed

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    torch.set_num_threads(1)
    keep_freed()
    facts = machine_facts("torch")
    found = []
    for width in chosen.width:
        for batch_size in chosen.batch_size:
            found.append(told := compare(width, batch_size, chosen.rounds))
            words = (
                f"{kind} {told[kind]['microseconds']['ours']:.1f} us, torch's layouts "
                f"{told[kind]['microseconds']['torch']:.1f}: ratio {told[kind]['ratio']:.2f} "
                f"({told[kind]['ratios'][0]:.2f} to {told[kind]['ratios'][1]:.2f})"
                for kind in ("training", "evaluation")
            )
            print(f"width {width:g}, batches of {batch_size}:", "; ".join(words), flush=True)
    chosen.output.write_text(json.dumps({**facts, "rounds": chosen.rounds, "settings": found}, indent=1) + "\n")


if __name__ == "__main__":
    main()

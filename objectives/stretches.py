"""Stretches of training, some twice as long as others: whether time on this device can be trusted."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import fmean, median, stdev
from typing import Literal

from objectives.findings import Finding
from objectives.intervals import student_interval

NUM_PAIRS = 8
"""Pairs of stretches, one twice as long as the other."""

NOTABLE_NOISE, NOTABLE_BEND = 0.05, 0.05
"""Shares from which on time is called poor."""

BATCH_SIZE = 64


@dataclass(frozen=True)
class Stretches:
    """What stretches of training took.

    Attributes:
        pairs: Seconds of a stretch, and of one with twice the steps.
        flops: Of a long one.
    """

    pairs: list[tuple[float, float]]
    flops: float

    @property
    def flop_per_second(self) -> float:
        """The rate of a long stretch, the median."""
        return self.flops / median(long for _, long in self.pairs)


def training_steps(
    kind: str, width: float = 1.0, batch_size: int = BATCH_SIZE, optimizer: str = "sgd", *, is_captured: bool = True
) -> Callable[[int], None]:
    """Returns what takes so many steps of the built-in network over random images, as a trial does, in float32.

    A GPU need not have done them yet when it returns.

    Args:
        kind: Of device: `cpu` or `cuda`.
        width: Of the network.
        batch_size: Images of a step.
        optimizer: Its name.
        is_captured: Whether passes on a GPU are captured, as a trial's are.
    """
    import torch

    from objectives.gradients import Eager, build_gradients
    from objectives.models import build_model
    from objectives.optimizers import build_optimizer
    from objectives.precision import prepare
    from objectives.resident import ResidentPart
    from objectives.trial import Recipe

    prepare("fp32", kind)
    with torch.random.fork_rng(devices=[] if kind == "cpu" else [0]):
        model = build_model("cnn", 1, 10, {"width": width}).to(kind)
        images_BCHW = torch.randn(batch_size, 1, 28, 28, device=kind)
        labels_B = torch.randint(0, 10, (batch_size,), device=kind)
    if kind == "cpu":
        model = model.to(memory_format=torch.channels_last)
    stepping = build_optimizer(optimizer, model.parameters(), 0.001, {})
    part = ResidentPart(images_BCHW, labels_B)
    gradients = build_gradients(model, "cnn", Recipe(), part, [batch_size]) if is_captured else Eager(model, Recipe())
    loss_sum, generator = torch.zeros((), device=kind), torch.Generator(kind)

    def train(num_steps: int) -> None:
        for _ in range(num_steps):
            gradients.compute(images_BCHW, labels_B, loss_sum, generator)
            stepping.step()

    return train


def time_stretches(kind: Literal["cpu", "cuda"], num_steps: int) -> Stretches:
    """Trains the built-in network in stretches.

    Args:
        kind: Of device.
        num_steps: Of a short stretch.
    """
    from objectives.meters.flops import flops_per_image
    from objectives.meters.latency import finishing

    train = training_steps(kind)
    short, long = (finishing(partial(train, count), kind) for count in (num_steps, 2 * num_steps))
    short()
    pairs = [(_time(short), _time(long)) for _ in range(NUM_PAIRS)]
    flops = flops_per_image("cnn", {"width": 1.0}, (1, 28, 28), 10).train
    return Stretches(pairs, 2.0 * num_steps * BATCH_SIZE * flops)


def judge_stretches(stretches: Stretches, rate: str) -> Finding:
    """Tells how much equal stretches differ, and whether twice the steps take twice the time.

    Args:
        stretches: As they were timed.
        rate: That of the training, in words.
    """
    longs = [long for _, long in stretches.pairs]
    noise = stdev(longs) / fmean(longs)
    ratio, (low, high) = student_interval([long / short for short, long in stretches.pairs])
    half = (high - low) / 2
    text = (
        f"{len(longs)} equal stretches of {median(longs):.2g} s vary by {100 * noise:.1f} %; twice the steps take "
        f"{ratio:.3f} ({ratio - half:.3f}-{ratio + half:.3f}) times the time; {rate}"
    )
    values = {
        "noise_share": noise,
        "linearity": ratio,
        "linearity_error": half,
        "training_gflop_per_second": stretches.flop_per_second / 1e9,
    }
    if noise > NOTABLE_NOISE or abs(ratio - 2) - half > NOTABLE_BEND:
        return Finding("poor", text, "repeat it on a quiet machine; `paretune remeasure` averages over repeats", values)
    return Finding("good", text, values=values)


def _time(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start

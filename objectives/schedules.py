"""Learning-rate schedules: by which factor the learning rate is multiplied at each step. Torch-free.

A factor is a function of the share of the training that is done, so that a trial which continues needs no state for it.
"""

from __future__ import annotations

import math
from collections.abc import Callable

PEAK = 0.3
"""Share of the training after which `one_cycle` is at its highest."""

START, END = 1 / 25, 1e-4
"""Factors with which `one_cycle` begins and ends; those of torch's `OneCycleLR`."""


def constant(_done: float) -> float:
    """Returns 1: the learning rate stays."""
    return 1.0


def cosine(done: float) -> float:
    """Returns half a cosine from 1 to 0.

    Source: I. Loshchilov and F. Hutter, "SGDR: stochastic gradient descent with warm restarts", ICLR (2017).

    >>> cosine(0.0), round(cosine(0.5), 3), round(cosine(1.0), 3)
    (1.0, 0.5, 0.0)
    """
    return (1 + math.cos(math.pi * done)) / 2


def one_cycle(done: float) -> float:
    """Returns a rise from 1/25 to 1 over the first 30 %, then a fall to almost 0, both along half a cosine.

    The momentum is left alone.

    Source: L. N. Smith and N. Topin, "Super-convergence", arXiv:1708.07120 (2017).

    >>> round(one_cycle(0.0), 3), one_cycle(0.3), round(one_cycle(1.0), 5)
    (0.04, 1.0, 0.0001)
    """
    if done < PEAK:
        return START + (1 - START) * (1 - cosine(done / PEAK))
    return END + (1 - END) * cosine((done - PEAK) / (1 - PEAK))


SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "cosine": cosine, "one_cycle": one_cycle}


def lr_factors(schedule: str, warmup_epochs: float, epoch: int, num_epochs: int, num_steps: int) -> list[float]:
    """Returns the factor of each step of an epoch.

    Args:
        schedule: A key of `SCHEDULES`.
        warmup_epochs: Over so many epochs, at least 0, the factor also rises in a straight line to 1.
        epoch: From 1.
        num_epochs: Epochs of the whole training.
        num_steps: Steps of an epoch.

    >>> lr_factors("constant", 0.5, epoch=1, num_epochs=2, num_steps=4)
    [0.5, 1.0, 1.0, 1.0]
    """
    factors = []
    for step in range(num_steps):
        begun = (epoch - 1) * num_steps + step
        rise = min(1.0, (begun + 1) / (warmup_epochs * num_steps)) if warmup_epochs else 1.0
        factors.append(rise * SCHEDULES[schedule](begun / (num_epochs * num_steps)))
    return factors

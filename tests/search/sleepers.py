"""Training functions that take a known time, hang, or fill the memory; imported by slots of their own."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import psutil

from objectives.context import Context


def sleep(params: dict[str, Any], context: Context) -> None:
    """Takes `pause` seconds for an epoch."""
    for epoch in context.epochs():
        with context.training():
            time.sleep(params["pause"])
        context.report(epoch, 100, train_loss=1.0)


def hang(params: dict[str, Any], context: Context) -> None:
    """Sleeps for ever in the second epoch where `hangs`."""
    for epoch in context.epochs():
        with context.training():
            time.sleep(10_000 if params["hangs"] and epoch == 2 else 0.02)
        context.report(epoch, 100)


def fail(params: dict[str, Any], context: Context) -> None:
    """Fails, or proves infeasible where `gives_up`."""
    if params["gives_up"]:
        context.infeasible("the width must be even")
    raise RuntimeError("no such file: weights.bin")


def fill(params: dict[str, Any], context: Context) -> None:
    """Takes memory until none is left where `takes`; reports the memory that is held (MB) as its loss."""
    for epoch in context.epochs():
        with context.training():
            held = [np.ones(2**25)] if params["takes"] else []  # 270 MB
            if params["takes"]:
                held += [np.ones(2**45)]
        context.report(epoch, 100, train_loss=psutil.Process().memory_info().rss / 1e6 + len(held))

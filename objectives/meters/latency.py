"""How long a pass takes whoever uses a model. Torch-free on a CPU."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import NamedTuple

from objectives.costs import Measurement, measured
from objectives.intervals import Z_95


class Effort(NamedTuple):
    """How long passes of one kind are timed, beyond the least number of them.

    Attributes:
        seconds: That they take together.
        most_passes: However short they are.
    """

    seconds: float
    most_passes: int


IN_A_TRIAL, ON_REQUEST = Effort(0.01, 400), Effort(1.0, 10_000)


def time_passes(run: Callable[[], object], device: str, least: int = 20, effort: Effort = IN_A_TRIAL) -> list[float]:
    """Returns the seconds of one pass after the other, once they are warm, each until the device has done it.

    Args:
        run: One pass.
        device: `cpu` or `cuda`.
        least: Passes, however long they take.
        effort: How many more.
    """
    run_whole = finishing(run, device)

    def once() -> float:
        start = time.perf_counter()
        run_whole()
        return time.perf_counter() - start

    for _ in range(3):
        once()
    found: list[float] = []
    seconds = 0.0
    while len(found) < least or (seconds < effort.seconds and len(found) < effort.most_passes):
        found.append(once())
        seconds += found[-1]
    return found


def finishing(run: Callable[[], object], device: str) -> Callable[[], object]:
    """Returns a pass that ends only once the device has done it.

    Args:
        run: One pass.
        device: `cpu` or `cuda`.
    """
    if device != "cuda":
        return run
    import torch

    def run_whole() -> None:
        run()
        torch.cuda.synchronize()

    return run_whole


def quantile(values: list[float], share: float) -> Measurement:
    """Returns a quantile of measured values; its error is half of its 95 % interval, by the ranks of the values.

    Where there are too few values for such an interval the error is not known.

    Source: W. J. Conover, "Practical Nonparametric Statistics", 3rd ed. (1999), section 3.2.

    Args:
        values: At least one.
        share: Of the values that are to be no larger, above 0 and below 1.

    >>> quantile([float(n) for n in range(1, 101)], 0.5)
    Measurement(value=50.0, method='measured', reason=None, error=9.5)
    """
    ordered, count = sorted(values), len(values)
    half = Z_95 * math.sqrt(count * share * (1 - share))
    is_bounded = count * share - half >= 1 and count * share + half <= count
    low, middle, high = (
        ordered[min(count, max(1, math.ceil(rank))) - 1]
        for rank in (count * share - half, count * share, count * share + half)
    )
    return measured(middle, (high - low) / 2 if is_bounded else None)

"""How long a pass takes whoever uses a model. Torch-free on a CPU."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from objectives.costs import Measurement, measured
from objectives.intervals import Z_95, student_interval

WARM_PASSES, LEAST_PASSES = 3, 20
"""Before the first that is timed; and that are timed, however long they take."""


class Effort(NamedTuple):
    """How long passes of one kind are timed, beyond the least number of them.

    Attributes:
        seconds: That they take together.
        most_passes: However short they are.
    """

    seconds: float
    most_passes: int


IN_A_TRIAL, ON_REQUEST = Effort(0.01, 400), Effort(1.0, 10_000)

BURSTS = 5
"""In which passes are timed: what slows a device for a while slows all of one burst, and not of another."""


def time_in_bursts(
    runs: Sequence[Callable[[], object]], device: str, least: Sequence[int], effort: Effort = IN_A_TRIAL
) -> list[list[list[float]]]:
    """Returns the seconds of passes of several kinds, of each kind by burst; the bursts of the kinds take turns.

    Args:
        runs: One pass of each kind.
        device: `cpu` or `cuda`.
        least: Passes of each kind, however long they take.
        effort: How many more of each.
    """
    in_a_burst = Effort(effort.seconds / BURSTS, math.ceil(effort.most_passes / BURSTS))
    found: list[list[list[float]]] = [[] for _ in runs]
    for burst in range(BURSTS):
        for bursts, run, few in zip(found, runs, least, strict=True):
            least_here = math.ceil(few / BURSTS)
            num_warm = (
                few // 2 if burst == 0 or least_here > 1 else 0
            )  # what a burst holds one of is long, and soon warm
            bursts.append(time_passes(run, device, least_here, in_a_burst, num_warm))
    return found


def time_passes(
    run: Callable[[], object],
    device: str,
    least: int = LEAST_PASSES,
    effort: Effort = IN_A_TRIAL,
    num_warm: int = WARM_PASSES,
) -> list[float]:
    """Returns the seconds of one pass after the other, once they are warm, each until the device has done it.

    Args:
        run: One pass.
        device: `cpu` or `cuda`.
        least: Passes, however long they take.
        effort: How many more.
        num_warm: Passes before these.
    """
    run_whole = finishing(run, device)

    def once() -> float:
        start = time.perf_counter()
        run_whole()
        return time.perf_counter() - start

    for _ in range(num_warm):
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


def quantile_of_bursts(bursts: Sequence[Sequence[float]], share: float) -> Measurement:
    """Returns a quantile of values that were measured in bursts; its error is that of `quantile`, or of the bursts.

    Values of one burst are more alike than those of several. The larger counts: half of the 95 % interval by the ranks
    of all values, or of Student's for the mean of the bursts' own quantiles.

    Args:
        bursts: Two or more, each of at least one value.
        share: Of the values that are to be no larger, above 0 and below 1.
    """
    found = quantile([value for burst in bursts for value in burst], share)
    if found.error is None:
        return found
    low, high = student_interval([quantile(burst, share).value or 0.0 for burst in bursts])[1]
    return replace(found, error=max(found.error, (high - low) / 2))


def quantile(values: Sequence[float], share: float) -> Measurement:
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

"""How sure a number is. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean, mean, stdev, variance

Z_95 = 1.959963984540054


def wilson_interval(num_correct: int, num_images: int, z: float = Z_95) -> tuple[float, float]:
    """Returns Wilson's score interval of a share, 0 to 1.

    It stays within [0, 1] and is honest near both ends, where the usual normal interval is not.

    Args:
        num_correct: Successes, 0 to `num_images`.
        num_images: Trials, at least 1.
        z: Standard deviations; the default covers 95 %.

    Source: E. B. Wilson, "Probable inference, the law of succession, and statistical inference", JASA 22 (1927).

    >>> low, high = wilson_interval(970, 1000)
    >>> round(low, 4), round(high, 4)
    (0.9575, 0.9789)
    """
    if not 0 <= num_correct <= num_images or num_images < 1:
        raise ValueError(
            f"0 <= num_correct <= num_images and num_images >= 1 must hold, but got ({num_correct}, {num_images})"
        )
    share = num_correct / num_images
    centre = share + z * z / (2 * num_images)
    spread = z * math.sqrt(share * (1 - share) / num_images + z * z / (4 * num_images**2))
    scale = 1 + z * z / num_images
    low = 0.0 if num_correct == 0 else (centre - spread) / scale
    high = 1.0 if num_correct == num_images else (centre + spread) / scale
    return low, high


def seeds_interval(counts: Sequence[tuple[int, int]]) -> tuple[float, tuple[float, float]]:
    """Returns the mean share of several seeds of one setting, and its 95 % interval, 0 to 1.

    The seeds were tested on the same images, so that more of them make the mean surer of the setting, but not of the
    images. Both are added as independent errors: Wilson's distance for the images of one seed, and Student's for the
    mean over the seeds. One seed has Wilson's interval alone, which says nothing of other seeds.

    Args:
        counts: Successes and trials of each seed, at least one.

    >>> mean, (low, high) = seeds_interval([(970, 1000), (975, 1000), (962, 1000)])
    >>> round(mean, 4), round(low, 4), round(high, 4)
    (0.969, 0.9484, 0.9876)
    >>> seeds_interval([(970, 1000)]) == (0.97, wilson_interval(970, 1000))
    True
    """
    shares = [num_correct / num_images for num_correct, num_images in counts]
    if len(shares) == 1:
        return shares[0], wilson_interval(*counts[0])
    mean, num_images = fmean(shares), min(num_images for _, num_images in counts)
    low, high = wilson_interval(round(mean * num_images), num_images)
    of_seeds = student_95(len(shares) - 1) * stdev(shares) / math.sqrt(len(shares))
    below, above = math.hypot(max(0.0, mean - low), of_seeds), math.hypot(max(0.0, high - mean), of_seeds)
    return mean, (max(0.0, mean - below), min(1.0, mean + above))


def student_interval(
    values: Sequence[float], num_others: int | None = None, resolution: float = 0.0
) -> tuple[float, tuple[float, float]]:
    """Returns the mean of several values and a 95 % interval around it, Student's.

    Args:
        values: Two or more.
        num_others: None for the interval of the mean; else the one in which the mean of so many further values lies.
        resolution: Distance of the values that there can be. A value is off by up to half of it, so that few that are
            equal are not taken for certain: the variance of that, resolution**2 / 12, is added (W. F. Sheppard, 1898).

    >>> average, (low, high) = student_interval([1.0, 2.0, 3.0])
    >>> average, round(low, 3), round(high, 3)
    (2.0, -0.484, 4.484)
    >>> [round(end, 3) for end in student_interval([1.0, 2.0, 3.0], 1)[1]]
    [-2.968, 6.968]
    >>> [round(end, 3) for end in student_interval([0.95, 0.95], 1, 1 / 360)[1]]
    [0.938, 0.962]
    """
    average, num_values = mean(values), len(values)  # `mean` is exact: equal values have it at themselves
    share = 1 / num_values + (1 / num_others if num_others else 0.0)
    half = student_95(num_values - 1) * math.sqrt((variance(values) + resolution**2 / 12) * share)
    return average, (average - half, average + half)


def difference_interval(
    first: Sequence[float], second: Sequence[float], *, paired: bool, resolution: float = 0.0
) -> tuple[float, tuple[float, float]]:
    """Returns how much higher the mean of the second values is, and its 95 % interval.

    Args:
        first: Two or more.
        second: Two or more; as many where they are paired.
        paired: Whether values at the same place belong together, as of one training at two epochs.
        resolution: Distance of the values that there can be, as `student_interval` has it.

    Source: B. L. Welch, "The generalization of 'Student's' problem when several different population variances are
    involved", Biometrika 34 (1947); its degrees of freedom are rounded down.

    >>> difference_interval([1.0, 2.0, 3.0], [2.0, 3.0, 4.0], paired=True)
    (1.0, (1.0, 1.0))
    >>> gap, (low, high) = difference_interval([1.0, 2.0, 3.0], [2.0, 3.0, 4.0], paired=False)
    >>> gap, round(low, 3), round(high, 3)
    (1.0, -1.267, 3.267)
    """
    if paired:
        gaps = [after - before for before, after in zip(first, second, strict=True)]
        return student_interval(gaps, resolution=resolution * math.sqrt(2))
    gap, of_steps = mean(second) - mean(first), resolution**2 / 12
    errors = [((variance(values) + of_steps) / len(values), len(values) - 1) for values in (first, second)]
    total = sum(error for error, _ in errors)
    if total == 0:
        return gap, (gap, gap)
    degrees = total**2 / sum(error**2 / degrees for error, degrees in errors)
    half = student_95(int(degrees + 1e-9)) * math.sqrt(total)
    return gap, (gap - half, gap + half)


_STUDENT_95 = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)


def student_95(degrees: int) -> float:
    """Returns Student's two-sided 95 % quantile.

    Args:
        degrees: Of freedom, at least 1.

    Source: up to 10 the table; above it the first terms of the expansion in 1 / degrees (Abramowitz and Stegun,
    26.7.5), off by less than 0.0005.

    >>> student_95(2), round(student_95(20), 3)
    (4.3027, 2.086)
    """
    if degrees <= len(_STUDENT_95):
        return _STUDENT_95[degrees - 1]
    z = Z_95
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3

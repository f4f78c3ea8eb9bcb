"""How sure a number is. Torch-free."""

from __future__ import annotations

import math

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

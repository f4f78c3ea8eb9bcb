from __future__ import annotations

import pytest

from objectives.meters.flops import flops_per_image


def hand_count(c1: int, c2: int, h1: int, h2: int, side: int) -> int:
    """Forward and backward, 2 FLOP per multiply-add; the first convolution needs no gradient of its input."""
    side1 = side - 4
    side2 = side1 // 2 - 4
    conv1 = 2 * c1 * 25 * side1**2
    conv2 = 2 * c1 * c2 * 25 * side2**2
    linear = 2 * (c2 * 25 * h1 + h1 * h2 + h2 * 10)
    return 2 * conv1 + 3 * conv2 + 3 * linear


@pytest.mark.parametrize("side", [32, 64])
@pytest.mark.parametrize(
    ("width", "units"),
    [(0.5, (3, 8, 60, 42)), (1.0, (6, 16, 120, 84)), (4.0, (24, 64, 480, 336))],
)
def test_the_count_is_that_by_hand(width: float, units: tuple[int, int, int, int], side: int) -> None:
    assert flops_per_image("cnn", {"width": width}, (1, side, side), 10).train == hand_count(*units, side)


@pytest.mark.parametrize(("width", "flops"), [(1.0, 2_263_920), (2.0, 8_104_800), (8.0, 118_266_240)])
def test_known_counts(width: float, flops: int) -> None:
    assert flops_per_image("cnn", {"width": width}, (1, 32, 32), 10).train == flops

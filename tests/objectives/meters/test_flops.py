from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from objectives.meters.flops import Counter, flops_per_image
from objectives.models import build_model


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


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 3, 3, padding=1), nn.BatchNorm2d(3), nn.ReLU())
        self.up = nn.ConvTranspose2d(3, 8, 2, stride=2)

    def forward(self, images: Tensor) -> Tensor:
        return self.up(images + self.body(images)).flatten(1)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.pair = nn.LSTM(32, 16, batch_first=True), nn.Bilinear(16, 16, 4)

    def forward(self, images: Tensor) -> Tensor:
        states = self.lstm(images.mean(dim=1))[0]
        return self.pair(states[:, -1], states[:, 0]) + torch.einsum("nti,nti->n", states, states)[:, None]


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True)

    def forward(self, images: Tensor) -> Tensor:
        return self.layer(images.mean(dim=1)).flatten(1)


@pytest.mark.parametrize("build", [lambda: build_model("cnn", 3, 10, {"width": 0.7}), Residual, Recurrent, Attention])
@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_the_count_is_that_of_torchs_own_counter(build: Callable[[], nn.Module], device: str) -> None:
    with torch.device(device):
        network, images = build(), torch.zeros(2, 3, 32, 32)
    counted = []
    for counter in (Counter(), FlopCounterMode(display=False)):
        with counter:
            torch.autograd.backward(network(images).sum())
        counted.append(counter.flops if isinstance(counter, Counter) else counter.get_total_flops())
    assert counted[0] == counted[1] > 0

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import nullcontext

import pytest
import torch
from torch import Tensor, nn

from objectives.evaluation import evaluate, find_divergence
from objectives.models import blocked, build_model
from objectives.models.blocked import LEAST_IMAGES, in_torch_layout, pooled_stage
from objectives.resident import load_resident

Plainly = Callable[[], None]

WIDTHS = [0.25, 0.6, 1.0, 1.75, 3.0]


@pytest.fixture
def plainly(monkeypatch: pytest.MonkeyPatch) -> Plainly:
    """From its call on, stages are in torch's layouts."""
    return lambda: monkeypatch.setattr(blocked, "LEAST_IMAGES", 10**9)


def gradients(model: nn.Module, images: Tensor) -> list[Tensor]:
    """Of a loss that weighs each logit differently."""
    logits = model(images)
    found = torch.autograd.grad(
        (logits * torch.arange(logits.numel()).view_as(logits)).mean(), list(model.parameters())
    )
    return [logits.detach(), *found]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("shape", [(LEAST_IMAGES, 1, 28, 28), (40, 3, 32, 32), (30, 1, 45, 61)])
def test_the_network_is_the_same_in_either_layout(width: float, shape: tuple[int, ...], plainly: Plainly) -> None:
    torch.manual_seed(0)
    images = torch.randn(*shape)
    model = build_model("cnn", shape[1], 10, {"width": width}).to(memory_format=torch.channels_last)
    ours = gradients(model, images)
    plainly()
    plain = gradients(model, images)
    for one, other in zip(ours, plain, strict=True):
        assert (one - other).abs().max() <= 1e-5 * other.abs().max()


def layouts(channels: tuple[int, int], num_images: int, precision: str = "fp32", *, is_trained: bool) -> list[bool]:
    """Tells of two stages, one after the other, whether they are in oneDNN's layout."""
    first, second = nn.Conv2d(1, channels[0], 5), nn.Conv2d(channels[0], channels[1], 5)
    computing = torch.autocast("cpu", torch.bfloat16) if precision == "bf16" else nullcontext()
    with computing, torch.set_grad_enabled(is_trained):
        maps = pooled_stage(first, torch.randn(num_images, 1, 32, 32))
        return [maps.is_mkldnn, pooled_stage(second, maps).is_mkldnn]


def test_a_stage_takes_the_layout_that_is_quicker_for_it() -> None:
    assert layouts((6, 16), 64, is_trained=True) == [True, True]
    assert layouts((12, 32), 64, is_trained=True) == [True, False]
    assert layouts((12, 32), 64, is_trained=False) == [True, True]
    assert layouts((18, 48), 64, is_trained=False) == [True, False]
    assert layouts((6, 16), LEAST_IMAGES - 1, is_trained=True) == [False, False]
    assert layouts((6, 16), 64, "bf16", is_trained=True) == [False, False]


def test_maps_come_back_in_torchs_layout() -> None:
    convolution, images = nn.Conv2d(1, 4, 5), torch.randn(32, 1, 12, 12)
    maps = in_torch_layout(pooled_stage(convolution, images))
    assert not maps.is_mkldnn
    assert in_torch_layout(maps) is maps


def test_a_weight_that_is_no_number_is_found_though_the_loss_is_finite(plainly: Plainly) -> None:
    model, data = build_model("cnn", 1, 10, {"width": 0.5}), load_resident("digits", torch.device("cpu"))
    with torch.no_grad():
        model.conv1.weight[0, 0, 0, 0] = math.nan
    loss, _num_correct = evaluate(model, data.validation)
    assert math.isfinite(loss)  # pooled away
    assert find_divergence(model, 2.0, loss, 10) == "a weight is not finite"
    plainly()
    assert math.isnan(evaluate(model, data.validation)[0])

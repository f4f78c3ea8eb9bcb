from __future__ import annotations

import pytest
import torch

from objectives.models import MODELS, build_model

SHAPES = [(1, 32, 32), (3, 32, 32), (1, 224, 224), (3, 64, 48), (1, 8, 8), (2, 33, 31)]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_model_takes_any_image(name: str, shape: tuple[int, int, int]) -> None:
    model = build_model(name, shape[0], 7, {})
    assert model(torch.zeros(2, *shape)).shape == (2, 7)


def test_the_cnn_is_the_network_of_the_background_text() -> None:
    model = build_model("cnn", 1, 10, {"width": 1.0})
    shapes = [tuple(weights.shape) for name, weights in model.named_parameters() if name.endswith("weight")]
    assert shapes == [(6, 1, 5, 5), (16, 6, 5, 5), (120, 400), (84, 120), (10, 84)]
    assert sum(weights.numel() for weights in model.parameters()) == 61_706


@pytest.mark.parametrize("side", [8, 28, 32, 224])
def test_the_weights_are_the_same_at_any_image_size(side: int) -> None:
    model = build_model("cnn", 1, 10, {"width": 1.0})
    model.load_state_dict(build_model("cnn", 1, 10, {"width": 1.0}).state_dict())
    assert model(torch.rand(1, 1, side, side)).isfinite().all()


def test_width_multiplies_channels_and_hidden_units() -> None:
    model = build_model("cnn", 1, 10, {"width": 2.0})
    assert model.conv1.out_channels == 12
    assert model.conv2.out_channels == 32
    assert (model.fc1.out_features, model.fc2.out_features) == (240, 168)
    assert build_model("cnn", 1, 10, {"width": 0.01}).conv1.out_channels == 1

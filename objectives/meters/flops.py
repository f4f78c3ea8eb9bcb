"""Floating-point operations, counted by arithmetic on the meta device: no data, no device, a few milliseconds."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from objectives.models import build_model
from objectives.parameters import Value


class Flops(NamedTuple):
    """FLOPs of one image.

    Attributes:
        inference: Its forward pass.
        train: Forward and backward.
    """

    inference: int
    train: int


def flops_per_image(
    model: str, options: Mapping[str, Value], image_CHW: tuple[int, int, int], num_classes: int
) -> Flops:
    """Returns the FLOPs of one image, 2 per multiply-add.

    Convolutions and matrix products count; the optimizer's step, pooling and activations do not.

    >>> flops_per_image("cnn", {"width": 1.0}, (1, 32, 32), 10)
    Flops(inference=833040, train=2263920)
    """
    return _count(model, tuple(sorted(options.items())), image_CHW, num_classes)


@cache
def _count(
    model: str, options: tuple[tuple[str, Value], ...], image_CHW: tuple[int, int, int], num_classes: int
) -> Flops:
    with torch.device("meta"):
        network = build_model(model, image_CHW[0], num_classes, dict(options))
        # Two images, since batch normalisation cannot be trained on one.
        images_BCHW, labels_B = torch.empty(2, *image_CHW), torch.empty(2, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        loss = F.cross_entropy(network(images_BCHW), labels_B)
        forward = counter.get_total_flops()
        torch.autograd.backward(loss)
    return Flops(int(forward) // 2, int(counter.get_total_flops()) // 2)

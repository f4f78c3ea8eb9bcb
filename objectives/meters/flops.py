"""Floating-point operations, counted by arithmetic as the model computes, on whatever device."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

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
    """Returns the FLOPs of one image, 2 per multiply-add, counted on the meta device: no data, no device.

    Convolutions and matrix products count; the optimizer's step, pooling and activations do not.

    >>> flops_per_image("cnn", {"width": 1.0}, (1, 32, 32), 10)
    Flops(inference=833040, train=2263920)
    """
    with torch.device("meta"):
        network = build_model(model, image_CHW[0], num_classes, options)
        return count_flops(network, torch.empty(2, *image_CHW), torch.empty(2, dtype=torch.long))


def count_flops(network: nn.Module, images_BCHW: Tensor, labels_B: Tensor) -> Flops:
    """Returns the FLOPs of one image, counted over one forward and backward pass.

    Args:
        network: It is left with gradients.
        images_BCHW: A few; at least two, since batch normalisation cannot be trained on one.
        labels_B: Theirs.
    """
    with Counter() as counter:
        loss = F.cross_entropy(network(images_BCHW), labels_B)
        forward = counter.flops
        torch.autograd.backward(loss)
    return Flops(forward // len(labels_B), counter.flops // len(labels_B))


class Counter(TorchDispatchMode):
    """Counts the FLOPs of all operations meanwhile, by torch's formulas.

    torch's own `FlopCounterMode` counts the same, by module too, and loads torch's compiler: half a second.

    Attributes:
        flops: So far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.flops = 0

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Counts an operation and carries it out, or those that it is made of."""
        formula, named = flop_registry.get(operation.overloadpacket), kwargs or {}
        if formula is None:
            with self:
                found = operation.decompose(*args, **named)
            return operation(*args, **named) if found is NotImplemented else found
        found = operation(*args, **named)
        self.flops += int(formula(*args, **named, out_val=found))
        return found


# torch wraps the method for its compiler, which it would load.
Counter.__torch_dispatch__ = inspect.unwrap(Counter.__torch_dispatch__)  # type: ignore[method-assign]

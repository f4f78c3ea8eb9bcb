"""The model families: names and parameters. A family's module is imported only to build one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from objectives.parameters import Parameter, Value

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Family:
    """A family of models that differ in their parameters.

    Attributes:
        path: `package.module:name` of a callable `(num_channels, num_classes, **parameters) -> nn.Module`, whose module
            maps images (N, C, H, W) to logits (N, K).
        parameters: What a sweep may name, with its law.
        baseline: The parameters of the model that a sweep must beat.
    """

    path: str
    parameters: Mapping[str, Parameter]
    baseline: Mapping[str, Value]


MODELS: dict[str, Family] = {
    "cnn": Family("objectives.models.cnn:CNN", {"width": Parameter("float", 0, 64, open_low=True)}, {"width": 1.0}),
}


def build_model(name: str, num_channels: int, num_classes: int, options: Mapping[str, Value]) -> nn.Module:
    """Returns a freshly initialised model of a family, drawn from torch's global random state.

    Args:
        name: A key of `MODELS`.
        num_channels: Channels of the images, at least 1.
        num_classes: Logits, at least 2.
        options: Parameters of the family.

    Raises:
        KeyError: for an unknown name.
    """
    module, _, attribute = MODELS[name].path.partition(":")
    model: nn.Module = getattr(import_module(module), attribute)(num_channels, num_classes, **options)
    return model

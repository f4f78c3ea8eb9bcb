"""The model families: names and parameters. A family's module is imported only to build one."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from objectives.imports import ImportFault, error_words, find_callable
from objectives.parameters import FLAG, Parameter, Value

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

_LAWS = {bool: FLAG, int: Parameter("int"), float: Parameter("float"), str: Parameter("str")}


def read_family(name: str) -> Family:
    """Returns a family of `MODELS`, or the one that a callable of the user's makes.

    Its parameters are those after the first two whose default is a number, a flag or a word; the defaults are its
    baseline.

    Args:
        name: A key of `MODELS`, or `package.module:name`, which is imported.

    Raises:
        ImportFault: where there is no such callable, or its parameters cannot be given.
    """
    if name in MODELS:
        return MODELS[name]
    build = find_callable(name)
    try:
        parameters = list(inspect.signature(build).parameters.values())
    except (TypeError, ValueError) as error:
        raise ImportFault(f"{name}: its parameters cannot be read: {error}") from error
    named = [one for one in parameters if one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    without = [one.name for one in named[2:] if one.default is one.empty]
    if len(named) < 2 or without:  # noqa: PLR2004
        law = "(num_channels, num_classes, **parameters with a default)"
        got = f"no default of {', '.join(without)}" if without else f"({', '.join(one.name for one in named)})"
        raise ImportFault(f"{name}: a callable {law} is needed, but got {got}")
    baseline = {one.name: one.default for one in named[2:] if type(one.default) in _LAWS}
    return Family(name, {key: _LAWS[type(value)] for key, value in baseline.items()}, baseline)


def build_model(name: str, num_channels: int, num_classes: int, options: Mapping[str, Value]) -> nn.Module:
    """Returns a freshly initialised model of a family, drawn from torch's global random state.

    Args:
        name: A key of `MODELS`, or `package.module:name`.
        num_channels: Channels of the images, at least 1.
        num_classes: Logits, at least 2.
        options: Parameters of the family.

    Raises:
        ImportFault: where there is no such callable.
    """
    path = MODELS[name].path if name in MODELS else name
    model: nn.Module = find_callable(path)(num_channels, num_classes, **options)
    return model


def try_model(name: str, image_CHW: tuple[int, int, int], num_classes: int) -> None:
    """Builds the baseline of a family and puts two blank images through it.

    Raises:
        ImportFault: where it raises, or returns other than logits of shape (2, K).
    """
    import torch

    try:
        model = build_model(name, image_CHW[0], num_classes, read_family(name).baseline)
        shape = tuple(model(torch.zeros(2, *image_CHW)).shape)
    except ImportFault:
        raise
    except Exception as error:
        raise ImportFault(f"{name}: with its defaults it raised {error_words(error)}") from error
    if shape != (2, num_classes):
        raise ImportFault(
            f"{name}: images of shape (2, {', '.join(map(str, image_CHW))}) must give logits of shape "
            f"(2, {num_classes}), but got {shape}"
        )

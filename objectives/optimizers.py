"""The optimizers: names, options and how torch builds them. Torch itself is imported only to build one."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Any

from objectives.parameters import FLAG, FRACTION, NON_NEGATIVE, POSITIVE, Parameter, Value

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class Optimizer:
    """One way of stepping, by a class of `torch.optim`.

    Attributes:
        torch_name: The class in `torch.optim`.
        options: What a sweep may name, with its law. `beta1` and `beta2` become torch's `betas`.
        settings: What differs from torch's defaults; a named option overrides it.
        fused_on: Device types on which torch steps all weights in one kernel, a tenth of a small step's time.
    """

    torch_name: str
    options: Mapping[str, Parameter]
    settings: Mapping[str, Any] = field(default_factory=dict)
    fused_on: tuple[str, ...] = ("cpu", "cuda")


_DECAY = {"weight_decay": NON_NEGATIVE}
_MOMENTUM = {"momentum": FRACTION, **_DECAY}
_ADAM = {"beta1": FRACTION, "beta2": FRACTION, "eps": POSITIVE, "amsgrad": FLAG, **_DECAY}

OPTIMIZERS: dict[str, Optimizer] = {
    "gd": Optimizer("SGD", _DECAY),
    "sgd": Optimizer("SGD", _MOMENTUM, {"momentum": 0.9}),
    "nesterov": Optimizer(
        "SGD",
        {"momentum": Parameter("float", 0, 1, open_low=True, open_high=True), **_DECAY},
        {"momentum": 0.9, "nesterov": True},
    ),
    "adagrad": Optimizer("Adagrad", {"lr_decay": NON_NEGATIVE, "eps": POSITIVE, **_DECAY}, fused_on=("cpu",)),
    "rmsprop": Optimizer("RMSprop", {"alpha": FRACTION, "eps": POSITIVE, **_MOMENTUM}, fused_on=()),
    "adam": Optimizer("Adam", _ADAM),
    "adamw": Optimizer("AdamW", _ADAM),
}


def build_optimizer(
    name: str, weights: Iterable[torch.nn.Parameter], lr: float, options: Mapping[str, Value]
) -> torch.optim.Optimizer:
    """Returns a torch optimizer over `weights`.

    Args:
        name: A key of `OPTIMIZERS`.
        weights: What it steps.
        lr: Learning rate, above 0.
        options: Named options of that optimizer.

    Raises:
        KeyError: for an unknown name or option.
    """
    from torch import optim

    optimizer = OPTIMIZERS[name]
    unknown = sorted(set(options) - set(optimizer.options))
    if unknown:
        raise KeyError(f"{name} has no option {', '.join(unknown)}; it has {', '.join(optimizer.options)}")
    arguments: dict[str, Any] = {**optimizer.settings, **options}
    if "beta1" in arguments or "beta2" in arguments:
        arguments["betas"] = (arguments.pop("beta1", 0.9), arguments.pop("beta2", 0.999))
    weights = list(weights)
    if all(weight.device.type in optimizer.fused_on and weight.is_floating_point() for weight in weights):
        arguments["fused"] = True
    step: torch.optim.Optimizer = _without_compiler(getattr(optim, optimizer.torch_name))(weights, lr=lr, **arguments)
    return step


@cache
def _without_compiler(kind: type[torch.optim.Optimizer]) -> Any:
    """Returns a class of optimizers that step as those of torch do, without what torch wraps around them.

    That is for its compiler, which the first call loads: half a second of each process. Nothing is compiled here.
    """
    import torch

    wrapped = ("add_param_group", "zero_grad", "state_dict", "load_state_dict")
    methods = {name: inspect.unwrap(getattr(kind, name)) for name in wrapped}
    return type(kind.__name__, (kind,), {**methods, "step": torch.no_grad()(inspect.unwrap(kind.step))})

"""The laws of a sweep's parameters: which a trial has, what each may be, and the setting that others must beat.

They depend on what is trained: the built-in training knows its parameters, a training function of the user's takes any.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Protocol

from objectives.models import Family
from objectives.optimizers import OPTIMIZERS
from objectives.parameters import FLAG, TRAINING, Parameter, Value
from search.models import find_family

if TYPE_CHECKING:
    from search.sections import Objective

BASELINE: dict[str, Value] = {"optimizer": "sgd", "lr": 0.001, "batch_size": 64, "momentum": 0.9}
"""The background text's own setting, which the other trials must beat; a model family adds its own part."""

COMPUTING = ("precision", "threads", "device")
"""Parameters of the built-in training that a spec names in `compute`, not in its space."""


class Laws(Protocol):
    """What the parameters of a sweep must keep to."""

    @property
    def names(self) -> Collection[str]:
        """All parameters that a space may name; empty where any name will do."""

    @property
    def baseline(self) -> Mapping[str, Value]:
        """The setting that the others must beat; empty where there is none."""

    @property
    def needed(self) -> Mapping[str, Value]:
        """The parameters that every trial has, with the values that they keep where a space leaves them out."""

    def find(self, name: str, raw: Any) -> Parameter | None:
        """Returns the law of a parameter, None where there is no such parameter.

        Args:
            name: Of the parameter.
            raw: What the spec says of it.
        """

    def takes(self, name: str, params: Mapping[str, Value]) -> bool:
        """Says whether a trial has the parameter, given those that come before it."""

    def unused(self, values: Mapping[str, Sequence[Value] | None]) -> dict[str, str]:
        """Returns the parameters that no trial of a space would have, with the reason.

        Args:
            values: Those of each parameter of the space; None for a range.
        """


@dataclass(frozen=True)
class TrainingLaws:
    """The laws of the built-in training of a model family."""

    family: Family

    @cached_property
    def _known(self) -> dict[str, Parameter]:
        words = Parameter("str", words=tuple(OPTIMIZERS))
        known = {"optimizer": words, **TRAINING, **self.family.parameters}
        for optimizer in OPTIMIZERS.values():
            for name, law in optimizer.options.items():
                known.setdefault(name, law)
        return known

    @property
    def names(self) -> Collection[str]:
        """Those of the training, of the family, and of every optimizer, but for what `compute` says."""
        return [name for name in self._known if name not in COMPUTING]

    @property
    def baseline(self) -> Mapping[str, Value]:
        """The background text's setting with the family's defaults."""
        return {**BASELINE, **self.family.baseline}

    @property
    def needed(self) -> Mapping[str, Value]:
        """The baseline without its option of the optimizer, which another optimizer may lack."""
        return {name: value for name, value in self.baseline.items() if name != "momentum"}

    def find(self, name: str, raw: Any) -> Parameter | None:  # noqa: ARG002  what is known needs no guess
        """Returns the law of a known parameter."""
        return self._known.get(name)

    def takes(self, name: str, params: Mapping[str, Value]) -> bool:
        """Says whether it is the training's, the family's, or an option of the trial's optimizer."""
        return name == "optimizer" or self._has(str(params["optimizer"]), name)

    def unused(self, values: Mapping[str, Sequence[Value] | None]) -> dict[str, str]:
        """Returns the options that no optimizer of the space has."""
        chosen = [str(value) for value in values.get("optimizer") or ()]
        reason = f"none of the optimizers of this space ({', '.join(chosen)}) has this option"
        ours = (name for name in values if name != "optimizer")
        return {name: reason for name in ours if chosen and not any(self._has(one, name) for one in chosen)}

    def _has(self, optimizer: str, name: str) -> bool:
        return name in TRAINING or name in self.family.parameters or name in OPTIMIZERS[optimizer].options


class FunctionLaws:
    """The laws of a training function: any name, and the kind of value that the spec writes."""

    names: Collection[str] = ()
    baseline: Mapping[str, Value] = MappingProxyType({})
    needed: Mapping[str, Value] = MappingProxyType({})

    def find(self, name: str, raw: Any) -> Parameter | None:  # noqa: ARG002  any name will do
        """Returns a law that allows what is written, of the narrowest kind."""
        return infer_law(raw)

    def takes(self, name: str, params: Mapping[str, Value]) -> bool:  # noqa: ARG002
        """Says that it does: only a `when` leaves a parameter out."""
        return True

    def unused(self, values: Mapping[str, Sequence[Value] | None]) -> dict[str, str]:  # noqa: ARG002
        """Returns none: the function is given all."""
        return {}


def find_laws(objective: Objective) -> Laws:
    """Returns the laws of what a spec trains.

    Raises:
        Faults: where a model of the user's cannot be used.
    """
    return FunctionLaws() if objective.model is None else TrainingLaws(find_family(objective.model))


def infer_law(raw: Any) -> Parameter:
    """Returns the law of values of which nothing is known but how they are written.

    Whole numbers where all are whole, numbers where all are numbers; words among numbers are words besides.

    >>> infer_law({"low": 1, "high": 9}).kind, infer_law({"low": 1.0, "high": 9.0}).kind, infer_law([True, False]).kind
    ('int', 'float', 'bool')
    >>> infer_law([0.1, "auto"]).law()
    "a number, or 'auto'"
    """
    values = _written(raw)
    words = tuple(dict.fromkeys(value for value in values if isinstance(value, str)))
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if numbers:
        return Parameter("int" if all(isinstance(value, int) for value in numbers) else "float", words=words)
    return FLAG if any(isinstance(value, bool) for value in values) else Parameter("str")


def _written(raw: Any) -> list[Any]:
    """Returns the values that stand in an entry of a space."""
    if isinstance(raw, Mapping):
        return [value for key in ("value", "choices", "low", "high", "step") for value in _written(raw.get(key, []))]
    return list(raw) if isinstance(raw, list | tuple) else [raw]

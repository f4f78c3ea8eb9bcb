"""The space: what each hyperparameter may be in a sweep. A value is fixed, a list is a choice, a table is a range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from objectives.models import MODELS
from objectives.optimizers import OPTIMIZERS
from objectives.parameters import TRAINING, Parameter, Value
from search.faults import suggest

BASELINE: dict[str, Value] = {"optimizer": "sgd", "lr": 0.001, "batch_size": 64, "momentum": 0.9}
"""The background text's own setting, which the other trials must beat; a model family adds its own part."""


@dataclass(frozen=True)
class Fixed:
    """A parameter with one value."""

    value: Value


@dataclass(frozen=True)
class Choice:
    """A parameter with a few values."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Range:
    """A parameter between two numbers, both included; whole numbers where `whole`."""

    low: float
    high: float
    log: bool
    whole: bool


Entry = Fixed | Choice | Range


def known_parameters(model: str) -> dict[str, Parameter]:
    """Returns every parameter that a sweep over `model` may name, with its law."""
    known = {
        "optimizer": Parameter("str", words=tuple(OPTIMIZERS)),
        **TRAINING,
        **MODELS[model].parameters,
    }
    for optimizer in OPTIMIZERS.values():
        for name, law in optimizer.options.items():
            known.setdefault(name, law)
    return known


def baseline(model: str) -> dict[str, Value]:
    """Returns the parameters of the trial that the others must beat."""
    return {**BASELINE, **MODELS[model].baseline}


def parse_space(model: str, raw: Mapping[str, Any]) -> tuple[dict[str, Entry], list[tuple[str, str]]]:
    """Reads the space of a spec.

    Args:
        model: A key of `MODELS`.
        raw: The spec's `space` table.

    Returns:
        The entries, and the faults as pairs of parameter and what is wrong with it. The parameters that every trial
        needs and the table leaves out are fixed at the baseline's values.
    """
    known = known_parameters(model)
    needed = {name: value for name, value in baseline(model).items() if name != "momentum"}
    entries: dict[str, Entry] = {name: Fixed(value) for name, value in needed.items() if name not in raw}
    faults: list[tuple[str, str]] = []
    for name, value in raw.items():
        if name not in known:
            faults.append((name, f"no such parameter{suggest(name, known)}"))
            continue
        entry, found = _parse_entry(known[name], value)
        faults += [(f"{name}.{where}" if where else name, text) for where, text in found]
        if entry is not None:
            entries[name] = entry
    faults += _unused_options(model, entries)
    order = ["optimizer", "lr", "batch_size"]
    names = [name for name in order if name in entries] + [name for name in entries if name not in order]
    return {name: entries[name] for name in names}, faults


def takes(model: str, optimizer: str, name: str) -> bool:
    """Says whether a trial of this model and optimizer has the parameter."""
    return (
        name == "optimizer"
        or name in TRAINING
        or name in MODELS[model].parameters
        or name in OPTIMIZERS[optimizer].options
    )


def _unused_options(model: str, entries: Mapping[str, Entry]) -> list[tuple[str, str]]:
    optimizer = entries.get("optimizer")
    if optimizer is None or isinstance(optimizer, Range):
        return []
    chosen = [str(name) for name in (optimizer.values if isinstance(optimizer, Choice) else (optimizer.value,))]
    return [
        (name, f"none of the optimizers of this space ({', '.join(chosen)}) has this option")
        for name in entries
        if not any(takes(model, option, name) for option in chosen)
    ]


def _parse_entry(law: Parameter, raw: Any) -> tuple[Entry | None, list[tuple[str, str]]]:
    if isinstance(raw, Mapping):
        return _parse_range(law, raw)
    if isinstance(raw, list | tuple):
        faults = [(str(index), text) for index, value in enumerate(raw) if (text := _value_fault(law, value))]
        if not raw:
            faults.append(("", "a choice needs at least one value, but got []"))
        if faults:
            return None, faults
        values = [law.convert(value) for value in raw]
        doubled = sorted({str(value) for value in values if values.count(value) > 1})
        if doubled:
            return None, [("", f"the values of a choice must differ, but {', '.join(doubled)} stands twice")]
        return (Fixed(values[0]) if len(values) == 1 else Choice(tuple(values))), []
    fault = _value_fault(law, raw)
    return (None, [("", fault)]) if fault else (Fixed(law.convert(raw)), [])


def _parse_range(law: Parameter, raw: Mapping[str, Any]) -> tuple[Range | None, list[tuple[str, str]]]:
    faults = [(key, f"no such key of a range{suggest(key, ('low', 'high', 'log'))}") for key in raw
              if key not in ("low", "high", "log")]  # fmt: skip
    if law.kind not in ("int", "float"):
        return None, [
            *faults,
            ("", f"a range needs numbers, and this is {law.law()}; write a value or a list"),
        ]
    log = raw.get("log", False)
    if not isinstance(log, bool):
        faults.append(("log", f"true or false is needed, but got {log!r}"))
    for end in ("low", "high"):
        if end not in raw:
            faults.append((end, "a range needs low and high, but this one is missing"))
        elif isinstance(raw[end], str) or not law.allows(raw[end]):
            faults.append((end, _value_fault(law, raw[end]) or f"a number is needed, but got {raw[end]!r}"))
    if faults:
        return None, faults
    low, high = raw["low"], raw["high"]
    if low > high:
        return None, [("", f"low <= high must hold, but got low={low}, high={high}")]
    if log and low <= 0:
        return None, [("", f"a logarithmic range needs low > 0, but got low={low}")]
    return Range(low, high, log, law.kind == "int"), []


def _value_fault(law: Parameter, value: Any) -> str | None:
    if law.allows(value):
        return None
    known = suggest(value, law.words) if isinstance(value, str) and law.words else ""
    if law.kind == "str":
        return f"{value!r} is not known{known}"
    return f"{law.law()} is needed, but got {value!r}"

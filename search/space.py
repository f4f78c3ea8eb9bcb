"""The space: what each hyperparameter may be in a sweep.

A value is fixed, a list is a choice, a table is a range; `{ choices = [...] }` and `{ value = ... }` are tables too, to
carry a `when`: then the parameter is asked only where other parameters have certain values.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from objectives.parameters import Parameter, Value
from search.faults import suggest
from search.laws import Laws

When = tuple[tuple[str, tuple[Value, ...]], ...]
"""Other parameters, and the values of which each must have one."""


@dataclass(frozen=True)
class Fixed:
    """A parameter with one value."""

    value: Value
    when: When = ()


@dataclass(frozen=True)
class Choice:
    """A parameter with a few values."""

    values: tuple[Value, ...]
    when: When = ()


@dataclass(frozen=True)
class Range:
    """A parameter between two numbers, both included; whole numbers where `whole`, `low + k * step` where `step`."""

    low: float
    high: float
    log: bool
    whole: bool
    step: float | None = None
    when: When = ()


Entry = Fixed | Choice | Range


def parse_space(laws: Laws, raw: Mapping[str, Any]) -> tuple[dict[str, Entry], list[tuple[str, str]]]:
    """Reads the space of a spec.

    Args:
        laws: Of what is trained.
        raw: The spec's `space` table.

    Returns:
        The entries, and the faults as pairs of parameter and what is wrong with it. The parameters that every trial
        needs and the table leaves out are fixed at the baseline's values.
    """
    entries: dict[str, Entry] = {name: Fixed(value) for name, value in laws.needed.items() if name not in raw}
    faults: list[tuple[str, str]] = []
    for name, value in raw.items():
        law = laws.find(name, value)
        if law is None:
            faults.append((name, f"no such parameter{suggest(name, laws.names)}"))
            continue
        entry, found = _parse_entry(law, value)
        faults += [(f"{name}.{where}" if where else name, text) for where, text in found]
        if entry is not None:
            entries[name] = entry
    faults += laws.unused({name: _few_values(entry) for name, entry in entries.items()}).items()
    faults += _when_faults(entries, laws.needed)
    return _parents_first(entries), faults


def is_asked(laws: Laws, entries: Mapping[str, Entry], name: str, params: Mapping[str, Value]) -> bool:
    """Says whether a trial has the parameter, given those that come before it in the space."""
    return laws.takes(name, params) and all(
        parent in params and params[parent] in values for parent, values in entries[name].when
    )


def leave_out(laws: Laws, entries: Mapping[str, Entry], params: Mapping[str, Value]) -> dict[str, Value]:
    """Returns a setting without the parameters that it does not take."""
    kept: dict[str, Value] = {}
    for name in entries:
        if name in params and is_asked(laws, entries, name, kept):
            kept[name] = params[name]
    return kept


def contains(entry: Entry, value: Value) -> bool:
    """Says whether a value is one that the sampler could propose; a fixed value is not proposed."""
    if isinstance(entry, Range):
        if isinstance(value, str) or not entry.low <= value <= entry.high or (entry.whole and value != int(value)):
            return False
        return lies_on_steps(entry, value)
    return isinstance(entry, Choice) and value in entry.values


def lies_on_steps(entry: Range, value: float) -> bool:
    """Says whether a value is whole steps away from the range's low end; it may lie outside."""
    return entry.step is None or _is_multiple(value - entry.low, entry.step)


def list_values(entry: Entry, most: int) -> list[Value]:
    """Returns the values of an entry, but not more than `most`; a range without steps gives that many of its own.

    >>> list_values(Range(16, 64, log=False, whole=True, step=16), 100)
    [16, 32, 48, 64]
    """
    if isinstance(entry, Fixed):
        return [entry.value]
    if isinstance(entry, Choice):
        return list(entry.values[:most])
    num_values = min(most, _num_values(entry) or (1 if entry.low == entry.high else most))
    return [from_unit(entry, (index + 0.5) / num_values) for index in range(num_values)]


def from_unit(entry: Entry, unit: float) -> Value:
    """Returns the value at a place from 0 to 1 of an entry.

    >>> from_unit(Choice(("sgd", "adam")), 0.7), from_unit(Range(0.0, 3.0, log=False, whole=False), 0.5)
    ('adam', 1.5)
    """
    if isinstance(entry, Fixed):
        return entry.value
    if isinstance(entry, Choice):
        return entry.values[min(int(unit * len(entry.values)), len(entry.values) - 1)]
    num_values = _num_values(entry)
    if num_values is not None:
        index = min(int(unit * num_values), num_values - 1)
        value = Decimal(str(entry.low)) + index * Decimal(str(entry.step or 1))
        return int(value) if entry.whole else float(value)
    low, high = _scale(entry)
    at = low + (high - low) * unit
    value_at = math.exp(at) if entry.log else at
    return min(max(round(value_at) if entry.whole else value_at, entry.low), entry.high)


def to_unit(entry: Range, value: Value) -> float:
    """Returns the place from 0 to 1 of a value of a range."""
    num_values = _num_values(entry)
    if num_values is not None:
        return (round((float(value) - entry.low) / (entry.step or 1)) + 0.5) / num_values
    low, high = _scale(entry)
    return ((math.log(float(value)) if entry.log else float(value)) - low) / (high - low)


def _num_values(entry: Range) -> int | None:
    """Returns how many values a range has; None where it is not counted in equal steps."""
    step = entry.step or (1 if entry.whole and not entry.log else None)
    return None if step is None else round((entry.high - entry.low) / step) + 1


def _scale(entry: Range) -> tuple[float, float]:
    return (math.log(entry.low), math.log(entry.high)) if entry.log else (entry.low, entry.high)


def _is_multiple(number: float, step: float) -> bool:
    return math.isclose(number / step, round(number / step), rel_tol=0, abs_tol=1e-9)


def _parents_first(entries: Mapping[str, Entry]) -> dict[str, Entry]:
    """Returns the entries in the order in which they are asked: what decides about others before them."""
    first = ["optimizer", "lr", "batch_size"]
    left = [name for name in first if name in entries] + [name for name in entries if name not in first]
    ordered: dict[str, Entry] = {}
    while left:
        ready = [name for name in left if not {parent for parent, _ in entries[name].when} & set(left)]
        name = ready[0] if ready else left[0]  # a cycle is a fault, told elsewhere
        ordered[name] = entries[name]
        left.remove(name)
    return ordered


def _when_faults(entries: Mapping[str, Entry], needed: Mapping[str, Value]) -> list[tuple[str, str]]:
    faults: list[tuple[str, str]] = []
    for name, entry in entries.items():
        if entry.when and name in needed:
            faults.append((f"{name}.when", "every trial needs this parameter, so it cannot have conditions"))
        for parent, values in entry.when:
            where = f"{name}.when.{parent}"
            if parent not in entries:
                others = [other for other in entries if other != name]
                faults.append((where, f"another parameter of this space is needed{suggest(parent, others)}"))
            else:
                faults += [(where, text) for text in _parent_faults(entries[parent], values)]
    for name in entries:
        if _leads_back(entries, name):
            faults.append((f"{name}.when", "conditions must not lead back to where they start"))
    return faults


def _parent_faults(parent: Entry, values: tuple[Value, ...]) -> list[str]:
    if isinstance(parent, Range):
        return ["a parameter with a fixed value or a choice is needed, but this one is a range"]
    possible = list_values(parent, len(parent.values) if isinstance(parent, Choice) else 1)
    return [
        f"{value!r} is not among its values{suggest(str(value), [str(one) for one in possible])}"
        for value in values
        if value not in possible
    ]


def _leads_back(entries: Mapping[str, Entry], name: str) -> bool:
    ahead, seen = {name}, set[str]()
    while ahead:
        seen |= ahead
        ahead = {parent for one in ahead if one in entries for parent, _ in entries[one].when}
        if name in ahead:
            return True
        ahead -= seen
    return False


def _few_values(entry: Entry) -> tuple[Value, ...] | None:
    if isinstance(entry, Range):
        return None
    return entry.values if isinstance(entry, Choice) else (entry.value,)


def _parse_entry(law: Parameter, raw: Any) -> tuple[Entry | None, list[tuple[str, str]]]:
    if isinstance(raw, Mapping):
        return _parse_table(law, raw)
    if isinstance(raw, list | tuple):
        return _parse_choice(law, raw)
    fault = _value_fault(law, raw)
    return (None, [("", fault)]) if fault else (Fixed(law.convert(raw)), [])


def _parse_choice(law: Parameter, raw: Any) -> tuple[Entry | None, list[tuple[str, str]]]:
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


def _parse_table(law: Parameter, raw: Mapping[str, Any]) -> tuple[Entry | None, list[tuple[str, str]]]:
    """Reads a range, or a choice or value that is written as a table; what it is, its keys say."""
    kind = next((key for key in ("choices", "value") if key in raw), None)
    known = (kind, "when") if kind else ("low", "high", "step", "log", "when")
    faults = [(key, f"no such key of a {kind or 'range'}{suggest(key, known)}") for key in raw if key not in known]
    entry: Entry | None
    when, found = _parse_when(raw.get("when", {}))
    faults += found
    if kind is None:
        entry, found = _parse_range(law, raw)
    elif kind == "choices" and not isinstance(raw[kind], list | tuple):
        entry, found = None, [("choices", f"a list is needed, but got {raw[kind]!r}")]
    elif kind == "value" and isinstance(raw[kind], list | tuple | Mapping):
        entry, found = None, [("value", f"one value is needed, but got {raw[kind]!r}")]
    else:
        entry, found = _parse_entry(law, raw[kind])
    faults += found
    return (None if faults or entry is None else replace(entry, when=when)), faults


def _parse_when(raw: Any) -> tuple[When, list[tuple[str, str]]]:
    if not isinstance(raw, Mapping):
        return (), [("when", f"a table such as {{ optimizer = 'sgd' }} is needed, but got {raw!r}")]
    when, faults = [], []
    for parent, values in raw.items():
        listed = tuple(values) if isinstance(values, list | tuple) else (values,)
        if not listed or not all(isinstance(value, bool | int | float | str) for value in listed):
            faults.append((f"when.{parent}", f"a value or a list of values is needed, but got {values!r}"))
        when.append((parent, listed))
    return tuple(when), faults


def _parse_range(law: Parameter, raw: Mapping[str, Any]) -> tuple[Range | None, list[tuple[str, str]]]:
    if law.kind not in ("int", "float"):
        return None, [("", f"a range needs numbers, and this is {law.law()}; write a value or a list")]
    faults: list[tuple[str, str]] = []
    log, step = raw.get("log", False), raw.get("step")
    if not isinstance(log, bool):
        faults.append(("log", f"true or false is needed, but got {log!r}"))
    for end in ("low", "high"):
        if end not in raw:
            faults.append((end, "a range needs low and high, but this one is missing"))
        elif isinstance(raw[end], str) or not law.allows(raw[end]):
            faults.append((end, _value_fault(law, raw[end]) or f"a number is needed, but got {raw[end]!r}"))
    step_law = Parameter(law.kind, 0, open_low=True)
    if step is not None and not step_law.allows(step):
        faults.append(("step", f"{step_law.law()} is needed, but got {step!r}"))
    if faults:
        return None, faults
    low, high = raw["low"], raw["high"]
    if low > high:
        return None, [("", f"low <= high must hold, but got low={low}, high={high}")]
    if log and low <= 0:
        return None, [("", f"a logarithmic range needs low > 0, but got low={low}")]
    if step is not None and (fault := _step_fault(low, high, step, log=log)):
        return None, [("step", fault)]
    return Range(low, high, log, law.kind == "int", step), []


def _step_fault(low: float, high: float, step: float, *, log: bool) -> str | None:
    if log:
        return "a logarithmic range has no steps: leave step or log out"
    if _is_multiple(high - low, step):
        return None
    last = Decimal(str(low)) + int((high - low) / step) * Decimal(str(step))
    return f"high - low must be a multiple of step, but got {high} - {low} and {step}; high = {last} would do"


def _value_fault(law: Parameter, value: Any) -> str | None:
    if law.allows(value):
        return None
    known = suggest(value, law.words) if isinstance(value, str) and law.words else ""
    if law.kind == "str":
        return f"{value!r} is not known{known}"
    return f"{law.law()} is needed, but got {value!r}"

"""The settings that a spec names itself: they are trained first, before the sampler is asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from objectives.parameters import Value
from search.faults import suggest
from search.laws import Laws
from search.space import Choice, Entry, Fixed, Range, contains, is_asked, list_values, parse_space

Found = list[tuple[str, str]]
"""Pairs of where and what is wrong there."""


def read_settings(
    laws: Laws, space: Mapping[str, Any], raw: Sequence[Mapping[str, Any]]
) -> tuple[list[dict[str, Value]], Found]:
    """Returns the settings with the values that they leave out, and what is wrong with them.

    A parameter that is left out keeps the space's value where it is fixed there, else the baseline's where that lies
    within the space. Parameters that a setting does not take are left out.

    Args:
        laws: Of what is trained.
        space: The spec's table; it has no faults.
        raw: As the spec has them.
    """
    settings: list[dict[str, Value]] = []
    faults: Found = []
    for number, given in enumerate(raw):
        setting, found = _read_setting(laws, space, given)
        faults += [(f"{number}.{name}", text) for name, text in found]
        if not found and setting in settings:
            same = f"it is the same as number {settings.index(setting)}; search.repeats gives a setting several seeds"
            faults.append((str(number), same))
        settings.append(setting)
    return settings, faults


def _read_setting(laws: Laws, space: Mapping[str, Any], given: Mapping[str, Any]) -> tuple[dict[str, Value], Found]:
    entries = parse_space(laws, space)[0]
    faults = [fault for name, value in given.items() for fault in _value_faults(laws, space, entries, name, value)]
    if faults:
        return {}, faults
    setting: dict[str, Value] = {}
    for name, entry in entries.items():
        if not is_asked(laws, entries, name, setting):
            continue
        value = _convert(laws, space, name, given[name]) if name in given else _default(laws, name, entry)
        if value is None:
            faults.append((name, f"a value is needed: the space has {_words(entry)}"))
            value = list_values(entry, 1)[0]  # any will do to look at the others
        setting[name] = value
    if not faults:
        law = "this setting does not take it, by its optimizer or a `when` of the space; leave it out"
        faults = [(name, law) for name in given if name not in setting]
    return setting, faults


def _value_faults(
    laws: Laws, space: Mapping[str, Any], entries: Mapping[str, Entry], name: str, value: Any
) -> Iterator[tuple[str, str]]:
    if name not in entries:
        yield name, f"the space has no such parameter{suggest(name, entries)}"
        return
    law = laws.find(name, space.get(name, value))
    if law is None or not law.allows(value):
        yield name, f"{law.law() if law else 'a value'} is needed, but got {value!r}"
    elif not _fits(entries[name], law.convert(value)):
        yield name, f"{value!r} lies outside of the space, which has {_words(entries[name])}"


def _fits(entry: Entry, value: Value) -> bool:
    return value == entry.value if isinstance(entry, Fixed) else contains(entry, value)


def _convert(laws: Laws, space: Mapping[str, Any], name: str, value: Any) -> Value:
    law = laws.find(name, space.get(name, value))
    assert law is not None
    return law.convert(value)


def _default(laws: Laws, name: str, entry: Entry) -> Value | None:
    if isinstance(entry, Fixed):
        return entry.value
    value = laws.baseline.get(name)
    return value if value is not None and contains(entry, value) else None


def _words(entry: Entry) -> str:
    if isinstance(entry, Range):
        return f"{entry.low:g} to {entry.high:g}" + (f" in steps of {entry.step:g}" if entry.step else "")
    return ", ".join(str(value) for value in (entry.values if isinstance(entry, Choice) else (entry.value,)))

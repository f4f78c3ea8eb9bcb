"""Reading a spec: TOML and flags, merged first and validated once, with every fault listed at once."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from search.faults import Faults, suggest
from search.spec import SweepSpec, built_in_space
from search.toml import read_toml


def read_spec(
    path: Path | None,
    settings: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
    base: Mapping[str, Any] | None = None,
) -> SweepSpec:
    """Returns the spec of a file, or the built-in one, with the flags merged in: tables merge, all else replaces.

    Args:
        path: A TOML file; None for the base.
        settings: Flags `key=value`: a dotted path, and a TOML value, or else a string.
        flags: More values by dotted path; None among them says nothing.
        base: Plain tables to begin with where there is no file; None for the built-in spec.

    Raises:
        Faults: with every fault that was found, a line each.
    """
    faults: list[str] = []
    return validate(read_tables(path, settings, flags, base, faults=faults), faults)


def read_tables(
    path: Path | None,
    settings: Sequence[str] = (),
    flags: Mapping[str, Any] | None = None,
    base: Mapping[str, Any] | None = None,
    *,
    faults: list[str],
) -> dict[str, Any]:
    """Returns what `read_spec` validates, as plain tables.

    Args:
        path: See `read_spec`.
        settings: See `read_spec`.
        flags: See `read_spec`.
        base: See `read_spec`.
        faults: What is wrong with the settings is added to them.

    Raises:
        Faults: where the file is no TOML.
    """
    told = {key: value for key, value in (flags or {}).items() if value is not None}
    changes = read_changes(settings, told, faults)
    if path is not None:
        raw = read_toml(path, "a spec", "`paretune launch --example` prints one to start from")
    else:
        raw = {"space": built_in_space(_named_model(dict(changes)))} if base is None else dict(base)
    return _merge_all(raw, changes, faults)


def merge_settings(
    raw: Mapping[str, Any], settings: Sequence[str], flags: Mapping[str, Any], faults: list[str]
) -> dict[str, Any]:
    """Returns a copy of plain tables with changes merged in.

    Args:
        raw: As TOML or JSON gives it.
        settings: Flags `key=value`: a dotted path, and a TOML value, or else a string.
        flags: More values by dotted path, None among them too.
        faults: What is wrong with the settings is added to them.
    """
    return _merge_all(raw, read_changes(settings, flags, faults), faults)


def read_changes(settings: Sequence[str], flags: Mapping[str, Any], faults: list[str]) -> list[tuple[str, Any]]:
    """Returns what is to be changed, as pairs of a dotted path and a value; the path is empty where there is a fault.

    Args:
        settings: See `merge_settings`.
        flags: See `merge_settings`.
        faults: What is wrong with the settings is added to them.
    """
    return [*(_read_setting(setting, faults) for setting in settings), *flags.items()]


def validate(raw: Mapping[str, Any], faults: Sequence[str] = ()) -> SweepSpec:
    """Returns the spec that the plain tables mean.

    Args:
        raw: As TOML or JSON gives it.
        faults: Found before; they are listed with the others.

    Raises:
        Faults: with every fault, a line each.
    """
    found = list(faults)
    try:
        spec = SweepSpec.model_validate(raw, context={"is_function": "train" in _table_of(raw, "objective")})
    except ValidationError as error:
        found += _lines(error)
    if found:
        raise Faults(*found)
    return spec


def example() -> str:
    """Returns a commented spec."""
    return files("search").joinpath("example.toml").read_text()


def _table_of(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    table = raw.get(key)
    return table if isinstance(table, Mapping) else {}


def _named_model(changes: Mapping[str, Any]) -> str | None:
    return None if "objective.train" in changes else changes.get("objective.model", "cnn")


def _merge_all(raw: Mapping[str, Any], changes: Sequence[tuple[str, Any]], faults: list[str]) -> dict[str, Any]:
    merged: dict[str, Any] = json.loads(json.dumps(raw, default=str))
    for key, value in changes:
        if key:
            _merge(merged, key.split("."), json.loads(json.dumps(value, default=str)), faults)
    return merged


def _read_setting(setting: str, faults: list[str]) -> tuple[str, Any]:
    key, equals, text = setting.partition("=")
    key = key.strip()
    if not equals or not key or not all(key.split(".")):
        faults.append(f"--set: key=value is needed, such as space.lr.high=0.5, but got {setting!r}")
        return "", None
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key, text


def _merge(raw: dict[str, Any], path: list[str], value: Any, faults: list[str]) -> None:
    table = raw
    for depth, key in enumerate(path[:-1]):
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            if path[0] != "space":
                faults.append(f"--set {'.'.join(path)}: {'.'.join(path[: depth + 1])} is a value, not a table")
                return
            inner = table[key] = {}
        table = inner
    old = table.get(path[-1])
    if isinstance(old, dict) and isinstance(value, dict) and not _is_another_kind(old, value):
        for key, inner_value in value.items():
            _merge(old, [key], inner_value, faults)
    else:
        table[path[-1]] = value


def _is_another_kind(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Says whether a choice or a value takes the place of a range, or the other way: their keys do not go together."""
    kinds = {"low": "range", "high": "range", "choices": "choice", "value": "value"}
    before, after = ({kinds[key] for key in table if key in kinds} for table in (old, new))
    return bool(before and after and before != after)


def _lines(error: ValidationError) -> list[str]:
    lines: list[str] = []
    for fault in error.errors(include_url=False):
        where = [str(part) for part in fault["loc"] if part not in ("int", "literal['auto']", "constrained-int")]
        got = repr(fault["input"])
        if fault["type"] == "default_factory_not_called":
            continue  # what the default depends on has its own line
        if fault["type"] == "faults":
            lines += [".".join([*where, name]) + f": {text}" for name, text in fault["ctx"]["faults"]]
        elif fault["type"] in ("unknown", "name", "doubled"):
            lines.append(f"{'.'.join(where)}: {fault['msg']}")
        elif fault["type"] == "extra_forbidden":
            lines.append(f"{'.'.join(where)}: no such key{suggest(where[-1], _keys(where[:-1]))}")
        elif fault["type"] == "literal_error":
            lines.append(f"{'.'.join(where)}: {fault['ctx']['expected']} is needed, but got {got}")
        else:
            law = fault["msg"].removeprefix("Input should be ").removeprefix("a valid ")
            lines.append(f"{'.'.join(where)}: {law} is needed, but got {got}")
    return list(dict.fromkeys(lines))


def _keys(path: list[str]) -> list[str]:
    model: Any = SweepSpec
    for key in path:
        model = model.model_fields[key].annotation
    return list(model.model_fields)

"""Plain tables as TOML, which the standard library only reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

BARE = re.compile(r"[A-Za-z0-9_-]+")
"""Keys that need no quotes."""


def write_toml(table: Mapping[str, Any]) -> str:
    r"""Returns the TOML of plain tables, each under its heading; a key that is None is left out: TOML has no null.

    Raises:
        ValueError: for a list that holds None.

    >>> import tomllib
    >>> table = {"e": None, "a b": {"c": [1, 2.5, {"d": True}], "g": {"h": None}}, "f": "x\ty\x7f", "i": 1e-07}
    >>> print(write_toml(table), end="")
    f = "x\ty\u007f"
    i = 1e-07
    <BLANKLINE>
    ["a b"]
    c = [1, 2.5, { d = true }]
    g = {}
    >>> tomllib.loads(write_toml(table))
    {'f': 'x\ty\x7f', 'i': 1e-07, 'a b': {'c': [1, 2.5, {'d': True}], 'g': {}}}
    """
    tables = {key: value for key, value in table.items() if isinstance(value, Mapping)}
    parts = [_lines({key: value for key, value in table.items() if key not in tables})]
    parts += [f"[{_key(key)}]\n{_lines(inner)}" for key, inner in tables.items()]
    return "\n".join(part for part in parts if part)


def _lines(table: Mapping[str, Any]) -> str:
    return "".join(f"{_key(key)} = {write_value(value)}\n" for key, value in table.items() if value is not None)


def _key(key: str) -> str:
    return key if BARE.fullmatch(key) else _text(key)


def write_value(value: Any) -> str:
    """Returns a plain value in one line of TOML.

    Raises:
        ValueError: for a list that holds None.
    """
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        pairs = [f"{_key(key)} = {write_value(inner)}" for key, inner in value.items() if inner is not None]
        return f"{{ {', '.join(pairs)} }}" if pairs else "{}"
    if isinstance(value, Sequence):
        return f"[{', '.join(write_value(inner) for inner in value)}]"
    if value is None:
        raise ValueError("a list holds null")
    return repr(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

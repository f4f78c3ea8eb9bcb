"""Plain tables as TOML, which the standard library only reads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any


def write_toml(table: Mapping[str, Any]) -> str:
    r"""Returns the TOML of plain tables, a line for each key; a key that is None is left out: TOML has no word for it.

    Raises:
        ValueError: for a list that holds None.

    >>> import tomllib
    >>> table = {"a b": {"c": [1, 2.5, {"d": True}], "e": None}, "f": "x\ty\x7f", "g": 1e-07}
    >>> tomllib.loads(write_toml(table))
    {'a b': {'c': [1, 2.5, {'d': True}]}, 'f': 'x\ty\x7f', 'g': 1e-07}
    """
    return "".join(f"{_text(key)} = {_value(value)}\n" for key, value in table.items() if value is not None)


def _value(value: Any) -> str:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Mapping):
        pairs = (f"{_text(key)} = {_value(inner)}" for key, inner in value.items() if inner is not None)
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(inner) for inner in value)}]"
    if value is None:
        raise ValueError("a list holds null")
    return repr(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")

"""TOML files that people write."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from search.faults import Faults
from search.files import read_file


def read_toml(path: Path, what: str, hint: str) -> dict[str, Any]:
    """Returns the tables of a file.

    Args:
        path: Where it is.
        what: What it should be, with its article.
        hint: What to do where it is not there or empty.

    Raises:
        Faults: where it cannot be read, in one line.
    """
    try:
        text = read_file(path, hint).decode()
    except UnicodeDecodeError as error:
        raise Faults(f"{path}: {what} is TOML text in UTF-8, but byte {error.start} is not") from error
    if not text.strip():
        raise Faults(f"{path}: the file is empty; {hint}")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Faults(f"{path}: it is not TOML: {error}") from error

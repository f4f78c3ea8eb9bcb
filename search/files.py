"""Files that people name."""

from __future__ import annotations

from pathlib import Path

from search.faults import Faults


def read_file(path: Path, hint: str | None = None) -> bytes:
    """Returns what a file holds.

    Args:
        path: Where it is.
        hint: What to do where it is not there.

    Raises:
        Faults: where it cannot be read, in one line.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise Faults(f"{path}: there is no such file" + ("" if hint is None else f"; {hint}")) from error
    except OSError as error:
        raise Faults(f"{path}: it cannot be read: {error.strerror or error}") from error

"""Files that are whole or not there: written beside their place and renamed into it."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO


def write_whole(path: Path, write: Callable[[BinaryIO], None], *, durable: bool) -> None:
    """Writes a file so that whoever finds it under its name finds all of it.

    Args:
        path: Its place.
        write: Given the open file.
        durable: Wait until the disk has it, so that it outlives a loss of power.
    """
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        write(file)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    part.replace(path)

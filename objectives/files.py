"""Files that are whole or not there, that show any damage, and that keep the one before. Torch-free."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from objectives.trial import previous

Content = TypeVar("Content")

SEAL = b"paretune sha256:"
"""Stands after a file's content, with the content's SHA-256 after it. Readers of zip files look past it."""

SEAL_BYTES = len(SEAL) + 32


class Unusable(Exception):
    """A file that cannot be gone on from; the text says of it why."""


def write_sealed(path: Path, content: bytes | memoryview, *, durable: bool, keeps_previous: bool = False) -> None:
    """Writes a file so that whoever finds it under its name finds all of it, and finds out where it is not.

    Args:
        path: Its place.
        content: What it holds.
        durable: Wait until the disk has it, so that it outlives a loss of power.
        keeps_previous: Leave the file that it takes the place of under the name `previous(path)`.

    Raises:
        OSError: where it cannot be written, as on a full disk; what there was stays, and no part is left over.
    """
    pieces = (content, SEAL + sha256(content).digest())
    _write(path, path.with_suffix(".part"), pieces, durable=durable, keeps_previous=keeps_previous)


def write_whole(path: Path, content: bytes | memoryview) -> None:
    """Writes a file for others to read, with nothing after its content: all of it is there, durably, or nothing new is.

    Raises:
        OSError: where it cannot be written; what there was stays, and no part is left over.
    """
    write_pieces(path, (content,))


def write_pieces(path: Path, pieces: Iterable[bytes | memoryview]) -> None:
    """Writes a file as `write_whole` does, piece by piece; where the pieces break off there is nothing new.

    Raises:
        OSError: where it cannot be written; what there was stays, and no part is left over.
    """
    _write(path, path.with_name(f".{path.name}.part"), pieces, durable=True, keeps_previous=False)


def read_sealed(path: Path) -> memoryview:
    """Returns a file's content.

    Raises:
        OSError: where it cannot be read.
        Unusable: where it is not what was written.
    """
    whole = memoryview(path.read_bytes())
    content, seal = whole[:-SEAL_BYTES], whole[-SEAL_BYTES:]
    if seal[: len(SEAL)] != SEAL:
        raise Unusable("is cut short, or from another version")
    if seal[len(SEAL) :] != sha256(content).digest():
        raise Unusable("is damaged")
    return content


def read_newest(path: Path, decode: Callable[[memoryview], Content]) -> tuple[Content | None, str | None]:
    """Returns the content of a file, or of the one before it where it cannot be used.

    Args:
        path: The file.
        decode: Reads a content; it raises `Unusable` where that is not to be gone on from.

    Returns:
        The content, None where there is none to use; and a line about files that could not be used, where there were.
    """
    found: Content | None = None
    faults = []
    for candidate in (path, previous(path)):
        try:
            found = decode(read_sealed(candidate))
            break
        except FileNotFoundError:
            continue
        except OSError as error:
            faults.append(f"{candidate.name} cannot be read ({error.strerror or error})")
        except Unusable as error:
            faults.append(f"{candidate.name} {error}")
    if not faults:
        return found, None
    conclusion = "the trial began anew" if found is None else "the trial went on from the one before"
    return found, f"{' and '.join(faults)}: {conclusion}"


def _write(
    path: Path, part: Path, pieces: Iterable[bytes | memoryview], *, durable: bool, keeps_previous: bool
) -> None:
    """Writes the pieces under the name of the part, which takes the file's place once it is whole."""
    try:
        with part.open("wb") as file:
            for piece in pieces:
                file.write(piece)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        if keeps_previous:
            with suppress(FileNotFoundError):
                path.replace(previous(path))
        part.replace(path)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise

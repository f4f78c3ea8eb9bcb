"""What lies beside the database: `<artifacts>/<study UUID>/trial-NNNNN/FILE`, counted and removed file by file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple
from uuid import UUID

_TRIAL = re.compile(r"trial-(\d{5,})")


class Artifact(NamedTuple):
    """A file of a study.

    Attributes:
        trial: Number of the trial in whose folder it lies; None where it lies elsewhere.
        path: Where it lies.
        num_bytes: Its size.
    """

    trial: int | None
    path: Path
    num_bytes: int


def trial_folder(study_folder: Path, trial: int) -> Path:
    """Returns the folder of a trial's files, within its study's."""
    return study_folder / f"trial-{trial:05}"


def list_artifacts(root: Path) -> Mapping[str, tuple[Artifact, ...]]:
    """Returns the files of each study, by its UUID. Folders that no UUID names are not ours and left out."""
    if not root.is_dir():
        return {}
    folders = sorted(entry for entry in root.iterdir() if _is_uuid(entry.name) and entry.is_dir())
    return {folder.name: tuple(_files(folder)) for folder in folders}


def remove_artifacts(artifacts: Iterable[Artifact]) -> tuple[list[Artifact], list[str]]:
    """Removes files; returns those that are gone, and a line for each that could not be removed."""
    removed, faults = [], []
    for artifact in artifacts:
        try:
            artifact.path.unlink(missing_ok=True)
        except OSError as error:
            faults.append(f"{artifact.path}: it cannot be removed: {error.strerror or error}")
        else:
            removed.append(artifact)
    return removed, faults


def remove_empty_folders(folder: Path) -> None:
    """Removes a folder and those in it, as far as they hold no file."""
    for path, _folders, _files in os.walk(folder, topdown=False):
        with suppress(OSError):
            Path(path).rmdir()


def _is_uuid(name: str) -> bool:
    try:
        return str(UUID(name)) == name
    except ValueError:
        return False


def _files(folder: Path) -> Iterable[Artifact]:
    for path, _folders, names in os.walk(folder):
        named = _TRIAL.fullmatch(Path(path).name)
        for name in sorted(names):
            file = Path(path, name)
            with suppress(FileNotFoundError):  # a study that runs meanwhile removes its own
                yield Artifact(int(named[1]) if named else None, file, file.lstat().st_size)

"""The data sets: real images as numpy arrays, in three fixed parts. Torch-free until an official one is opened."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from objectives.data.description import Description
from objectives.data.embedded import load_digits, load_mnist5k
from objectives.data.faults import DataFault
from objectives.data.official import OFFICIAL, open_official
from objectives.data.parts import DataSet, Part, split

__all__ = [
    "DATASETS", "EMBEDDED", "FOLDER", "DataFault", "DataSet", "Description", "Part", "default_root", "is_embedded",
    "open_dataset", "split",
]  # fmt: skip

EMBEDDED: dict[str, Callable[[], DataSet]] = {
    "mnist5k": load_mnist5k,
    "digits": load_digits,
}

DATASETS = (*EMBEDDED, *OFFICIAL)
"""Names of the data sets; besides, there are `folder:PATH` and `package.module:name`."""

FOLDER = "folder:"


def open_dataset(name: str, root: Path | None = None) -> DataSet:
    """Returns a data set.

    Args:
        name: One of `DATASETS`; `folder:PATH` for images in class folders; or `package.module:name` for a callable
            without arguments that returns a `DataSet`.
        root: Folder of the files of the official data sets; None for `default_root()`.

    Raises:
        DataFault: where it cannot be used as it is.
    """
    if name in EMBEDDED:
        return EMBEDDED[name]()
    if name in OFFICIAL:
        return open_official(name, root or default_root())
    if name.startswith(FOLDER):
        from objectives.data.folder import open_folder

        return open_folder(Path(name.removeprefix(FOLDER)))
    if ":" in name:
        from objectives.data.imported import open_imported

        return open_imported(name)
    raise DataFault(f"no such data set: {name!r} (known: {', '.join(DATASETS)})")


def is_embedded(name: str) -> bool:
    """Returns whether a data set comes with the package: opening it is quick and runs nobody else's code."""
    return name in EMBEDDED


def default_root() -> Path:
    """Returns where the files of the official data sets are: `PARETUNE_DATA`, or a folder of the user's cache."""
    folder = os.environ.get("PARETUNE_DATA") or "~/.cache/paretune"
    return Path(os.path.expanduser(folder)).absolute()  # noqa: PTH111  Path.expanduser raises without a home

"""A user's own images: a folder of class folders, read with Pillow.

Either the class folders are in it directly and are split, or it holds `train`, `validation` (or `val`) and `test`, each
with the same class folders. Folders within a class folder belong to the class; names that begin with a dot are skipped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median_low

import numpy as np
import numpy.typing as npt
from PIL import Image

from objectives.data.faults import DataFault
from objectives.data.parts import FEWEST_PER_CLASS, DataSet, Part, split
from objectives.data.pictures import MOST_SIDE, Unreadable, pixels_of, read_picture, reduce_picture

NAMES_SHOWN = 5
PART_NAMES = ({"train"}, {"validation", "val"}, {"test"})


@dataclass(frozen=True)
class Picture:
    """An image that was read.

    Attributes:
        image: Mode L where all of it is grey, else RGB; its shorter side is at most `MOST_SIDE`.
        size: Width and height of the file's image.
        label: Number of its class.
    """

    image: Image.Image
    size: tuple[int, int]
    label: int


def open_folder(path: Path) -> DataSet:
    """Returns the images of a folder: grey ones with one channel, and of one size.

    Images that all have one size of a shorter side of at most `MOST_SIDE` keep it. Others are cut square and resized to
    the median of their shorter sides, at most `MOST_SIDE`. What lies below transparent pixels is taken as white.

    Raises:
        DataFault: where there are no images to classify.
    """
    try:
        piles = _piles(path)
        classes = _class_names(path, piles)
        broken: list[str] = []
        pictures = [_read_pile(pile, classes, broken) for pile in piles]
    except OSError as error:
        raise DataFault(f"folder:{path}: {error.filename or path} cannot be read: {error.strerror or error}") from error
    _check_counts(path, piles, classes, pictures)
    everything = [picture for pile in pictures for picture in pile]
    notes = _broken_words(broken, len(everything)) + _resized_words(everything)
    mode, size = _common_mode(everything), _common_size(everything)
    parts = [_stack(pile, mode, size) for pile in pictures]
    if len(parts) == 1:
        return replace(split(parts[0].images_NCHW, parts[0].labels_N, classes), notes=notes)
    train, validation, test = parts
    return DataSet(classes, train, validation, test, notes)


def _piles(path: Path) -> list[Path]:
    """Returns the folders that hold class folders: the path itself, or its train, validation and test folders."""
    if not path.is_dir():
        what = "it is a file, not a folder of class folders" if path.exists() else "there is no such folder"
        raise DataFault(f"folder:{path}: {what}")
    names = _folders(path)
    if not names:
        raise DataFault(f"folder:{path}: one folder of images for each class is needed, but there is no folder in it")
    found = [sorted(part & names) for part in PART_NAMES]
    if all(found):
        return [path / part[0] for part in found]
    if names <= set().union(*PART_NAMES):
        law = "train, validation and test are needed together, or else class folders to split"
        raise DataFault(f"folder:{path}: {law}, but got {', '.join(sorted(names))}")
    return [path]


def _class_names(path: Path, piles: Sequence[Path]) -> tuple[str, ...]:
    named = [_folders(pile) for pile in piles]
    for pile, names in zip(piles, named, strict=True):
        if odd := sorted(names ^ named[0]):
            law = f"the same class folders are needed in {piles[0].name} and {pile.name}"
            raise DataFault(f"folder:{path}: {law}, but only one has {_shown(odd)}")
    if len(named[0]) < 2:  # noqa: PLR2004
        raise DataFault(f"folder:{path}: at least 2 class folders are needed, but got {_shown(sorted(named[0]))}")
    return tuple(sorted(named[0]))


def _folders(path: Path) -> set[str]:
    return {child.name for child in path.iterdir() if child.is_dir() and not child.name.startswith(".")}


def _read_pile(pile: Path, classes: Sequence[str], broken: list[str]) -> list[Picture]:
    pictures = []
    for label, name in enumerate(classes):
        for file in sorted((pile / name).rglob("*")):
            inner = file.relative_to(pile)
            if not file.is_file() or any(part.startswith(".") for part in inner.parts):
                continue
            picture = _read(file, label)
            if picture is None:
                broken.append(str(inner))
            else:
                pictures.append(picture)
    return pictures


def _read(file: Path, label: int) -> Picture | None:
    try:
        picture = read_picture(file)
    except Unreadable:
        return None
    return Picture(reduce_picture(picture), picture.size, label)


def _check_counts(
    path: Path, piles: Sequence[Path], classes: Sequence[str], pictures: Sequence[Sequence[Picture]]
) -> None:
    fewest = FEWEST_PER_CLASS if len(piles) == 1 else 1
    few = []
    for pile, read in zip(piles, pictures, strict=True):
        counts = np.bincount([picture.label for picture in read], minlength=len(classes))
        few += [
            f"{(pile / name).relative_to(path)} ({count})"
            for name, count in zip(classes, counts, strict=True)
            if count < fewest
        ]
    if few:
        law = (
            f"at least {fewest} readable image{'s' * (fewest > 1)} of each class {'are' if fewest > 1 else 'is'} needed"
        )
        raise DataFault(f"folder:{path}: {law}, but got {_shown(few)}")


def _common_mode(pictures: Sequence[Picture]) -> str:
    return "L" if all(picture.image.mode == "L" for picture in pictures) else "RGB"


def _common_size(pictures: Sequence[Picture]) -> tuple[int, int]:
    """Returns the width and height of all images."""
    sizes = {picture.size for picture in pictures}
    if len(sizes) == 1 and min(pictures[0].size) <= MOST_SIDE:
        return pictures[0].size
    side = min(MOST_SIDE, median_low(min(picture.size) for picture in pictures))
    return side, side


def _stack(pictures: Sequence[Picture], mode: str, size: tuple[int, int]) -> Part:
    width, height = size
    images_NCHW: npt.NDArray[np.uint8] = np.empty((len(pictures), 3 if mode == "RGB" else 1, height, width), np.uint8)
    for pixels_CHW, picture in zip(images_NCHW, pictures, strict=True):
        pixels_CHW[:] = pixels_of(picture.image, mode, size)
    return Part(images_NCHW, np.array([picture.label for picture in pictures], np.int64))


def _broken_words(broken: Sequence[str], num_read: int) -> tuple[str, ...]:
    if not broken:
        return ()
    num_files = len(broken) + num_read
    return (f"{len(broken)} of {num_files} files could not be read and are left out: {_shown(broken)}",)


def _resized_words(pictures: Sequence[Picture]) -> tuple[str, ...]:
    width, height = _common_size(pictures)
    num_sizes = len({picture.size for picture in pictures})
    num_resized = sum(picture.size != (width, height) for picture in pictures)
    if not num_resized:
        return ()
    of = f"of {num_sizes} sizes" if num_sizes > 1 else "of one size"
    return (f"{num_resized} of {len(pictures)} images ({of}) were cut square and resized to {width}x{height}",)


def _shown(names: Sequence[str]) -> str:
    more = ", ..." if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more if names else "none"

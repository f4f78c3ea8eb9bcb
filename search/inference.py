"""What `paretune infer` does: reads images as the training did, asks an exported model, one image after the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from objectives.data.pictures import MOST_SIDE, Unreadable, pixels_of, read_picture, reduce_picture
from search.faults import Faults
from search.runtimes import CannotRun, Floats, Runtime

MODES = {1: "L", 3: "RGB"}
"""Pillow's mode of an image of so many channels."""

MOST_VALUES = 2**27
"""Of a random input: half a gigabyte."""

RANDOM_DIMENSIONS = 4

MEANINGLESS = "the input is noise, so that class and confidence mean nothing: it shows that the model runs"


@dataclass(frozen=True)
class Answer:
    """What a model says of an image.

    Attributes:
        file: The image's.
        size: Width and height in the file; None where it could not be read.
        asked_size: Width and height that the model was given; None where it was not asked.
        ranked: Classes with their confidences (0 to 1, the softmax of the logits), the most likely first.
        error: Why there is no answer; None where there is one.
    """

    file: Path
    size: tuple[int, int] | None
    asked_size: tuple[int, int] | None
    ranked: tuple[tuple[str, float], ...]
    error: str | None

    @property
    def is_resized(self) -> bool:
        """Whether the model was given another size than the file has."""
        return self.error is None and self.size != self.asked_size

    def as_json(self) -> dict[str, Any]:
        """Returns plain values."""
        if self.error is not None:
            return {"file": str(self.file), "error": self.error}
        return {
            "file": str(self.file),
            **ranked_json(self.ranked),
            "size": list(self.size or ()),
            "asked_size": list(self.asked_size or ()),
        }


def ranked_json(ranked: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """Returns the first class and its confidence, and all that are ranked."""
    name, confidence = ranked[0]
    return {
        "class": name,
        "confidence": confidence,
        "top": [{"class": name, "confidence": confidence} for name, confidence in ranked],
    }


def find_files(paths: Sequence[Path]) -> list[Path]:
    """Returns the files of paths: a folder's are all those in it and below, but for names that begin with a dot.

    Raises:
        Faults: for each folder without a file.
    """
    files: list[Path] = []
    faults = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        found = [
            file
            for file in sorted(path.rglob("*"))
            if file.is_file() and not any(part.startswith(".") for part in file.relative_to(path).parts)
        ]
        files += found
        if not found:
            faults.append(f"{path}: there is no file in this folder")
    if faults:
        raise Faults(*faults)
    return files


def classify(runtime: Runtime, files: Sequence[Path], num_ranked: int, *, keeps_size: bool) -> Iterator[Answer]:
    """Yields an answer for each file; what one says does not depend on the others.

    Args:
        runtime: The model.
        files: The images.
        num_ranked: Classes to tell of, at least 1.
        keeps_size: Give the model each image in its own size, rather than that of the training images.

    Raises:
        Faults: where the model takes neither grey images nor coloured ones.
    """
    if (num_channels := runtime.card.num_channels) not in MODES:
        raise Faults(f"infer: image files have 1 or 3 channels, but this model takes {num_channels}")
    for file in files:
        yield _answer(runtime, file, num_ranked, keeps_size=keeps_size)


def read_shape(text: str, runtime: Runtime) -> tuple[int, ...]:
    """Returns the shape of a random input.

    Args:
        text: Such as `1x1x224x224`: images, channels, height and width.
        runtime: The model that is to take it.

    Raises:
        Faults: where it is none, or the model cannot take it.
    """
    parts = text.lower().split("x")
    if len(parts) != RANDOM_DIMENSIONS or not all(part.isascii() and part.isdigit() and int(part) for part in parts):
        raise Faults(f"--random: images x channels x height x width are needed, such as 1x1x224x224, but got {text!r}")
    shape = tuple(int(part) for part in parts)
    card = runtime.card
    faults = []
    if prod(shape) > MOST_VALUES:
        faults.append(f"--random: at most {MOST_VALUES:,} values fit, but got {prod(shape):,}")
    if shape[1] != card.num_channels:
        faults.append(f"--random: this model takes {card.num_channels} channels, but got {shape[1]}")
    if not runtime.takes_any_size and shape[2:] != card.image_size:
        height, width = card.image_size
        faults.append(
            f"--random: this file's graph takes images of {height}x{width} alone, but got {text}; a .pth may do"
        )
    if faults:
        raise Faults(*faults)
    return shape


def draw_input(shape: tuple[int, ...], seed: int) -> Floats:
    """Returns what `torch.randn(shape)` draws after `torch.manual_seed(seed)`."""
    import torch

    drawn: Floats = torch.randn(shape, generator=torch.Generator().manual_seed(seed)).numpy()
    return drawn


def rank(runtime: Runtime, logits_K: Floats, num_ranked: int) -> tuple[tuple[str, float], ...]:
    """Returns the most likely classes with their confidences, the softmax of the logits."""
    powers_K = np.exp(logits_K.astype(np.float64) - logits_K.max())
    confidences_K = powers_K / powers_K.sum()
    order_K = np.argsort(-logits_K, kind="stable")[:num_ranked]
    return tuple((runtime.card.classes[index], float(confidences_K[index])) for index in order_K)


def _answer(runtime: Runtime, file: Path, num_ranked: int, *, keeps_size: bool) -> Answer:
    size = None
    try:
        picture = read_picture(file)
        size = picture.size
        pixels_CHW = _pixels(runtime, picture, keeps_size=keeps_size)
        (logits_K,) = runtime.ask(pixels_CHW[None].astype(np.float32) / np.float32(255))
    except (Unreadable, CannotRun) as fault:
        return Answer(file, size, None, (), str(fault))
    _, height, width = pixels_CHW.shape
    return Answer(file, size, (width, height), rank(runtime, logits_K, num_ranked), None)


def _pixels(runtime: Runtime, picture: Image.Image, *, keeps_size: bool) -> Any:
    mode = MODES[runtime.card.num_channels]
    if keeps_size:
        return pixels_of(picture, mode, picture.size)
    height, width = runtime.card.image_size
    if min(height, width) <= MOST_SIDE:  # as in training; larger images would lose what the model looks at
        picture = reduce_picture(picture)
    return pixels_of(picture, mode, (width, height))

"""The data sets that come with the package."""

from __future__ import annotations

from collections.abc import Callable
from importlib.resources import files

import numpy as np
import numpy.typing as npt

from objectives.data.parts import DataSet, Part


def load_mnist5k() -> DataSet:
    """Returns 5,000 real MNIST images, padded to 32x32: 3,000 to train on, 1,000 each to validate and test."""
    return _load("mnist5k", lambda images: np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2))))


def load_digits() -> DataSet:
    """Returns scikit-learn's 1,797 digits, each of the 8x8 pixels repeated to 32x32: 1,078, 360 and 359 images."""
    return _load("digits", lambda images: images.repeat(4, axis=2).repeat(4, axis=3))


def _load(name: str, resize: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]) -> DataSet:
    with (
        files(__package__).joinpath(f"{name}.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        images, labels, part = resize(stored["images"]), stored["labels"].astype(np.int64), stored["part"]
    train, validation, test = (Part(images[part == number], labels[part == number]) for number in range(3))
    return DataSet(tuple(str(label) for label in np.unique(labels)), train, validation, test)

"""The data sets: real images as numpy arrays, in three fixed parts. Torch-free."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Part:
    """Images and their labels.

    Attributes:
        images_NCHW: uint8, 0 to 255.
        labels_N: int64, 0 to K - 1.
    """

    images_NCHW: npt.NDArray[np.uint8]
    labels_N: npt.NDArray[np.int64]


@dataclass(frozen=True)
class DataSet:
    """A classification set in three parts that never change.

    The search sees `train` and `validation`; `test` is for what a person picks in the end.
    """

    classes: tuple[str, ...]
    train: Part
    validation: Part
    test: Part


def load_mnist5k() -> DataSet:
    """Returns 5,000 real MNIST images, padded to 32x32: 3,000 to train on, 1,000 each to validate and test."""
    return _load_embedded("mnist5k", lambda images: np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2))))


def load_digits() -> DataSet:
    """Returns scikit-learn's 1,797 digits, each of the 8x8 pixels repeated to 32x32: 1,078, 360 and 359 images."""
    return _load_embedded("digits", lambda images: images.repeat(4, axis=2).repeat(4, axis=3))


DATASETS: dict[str, Callable[[], DataSet]] = {
    "mnist5k": load_mnist5k,
    "digits": load_digits,
}


def _load_embedded(name: str, resize: Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.uint8]]) -> DataSet:
    with (
        files(__package__).joinpath(f"{name}.npz").open("rb") as file,
        np.load(file, allow_pickle=False) as stored,
    ):
        images, labels, part = resize(stored["images"]), stored["labels"].astype(np.int64), stored["part"]
    parts = [Part(images[part == number], labels[part == number]) for number in range(3)]
    return DataSet(tuple(str(label) for label in np.unique(labels)), *parts)

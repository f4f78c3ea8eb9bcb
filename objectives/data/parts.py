"""A data set as numpy arrays in three parts: its law, and how images are dealt out to the parts.

Shapes: N images of a part, C channels, H height, W width, K classes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from objectives.data.faults import DataFault

FEWEST_PER_CLASS = 5
"""Images of a class that `split` needs, so that each part gets one."""

IMAGE_DIMENSIONS = 4


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

    Attributes:
        classes: Names of the K classes.
        train: What the weights are fitted to.
        validation: What the search compares trials on.
        test: What the search never sees.
        notes: Plain lines that a person should see, such as what was left out.
    """

    classes: tuple[str, ...]
    train: Part
    validation: Part
    test: Part
    notes: tuple[str, ...] = ()

    @property
    def parts(self) -> dict[str, Part]:
        """The three parts by name."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def split(
    images_NCHW: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.int64], classes: Sequence[str], seed: int = 0
) -> DataSet:
    """Deals images out to the three parts, 60, 20 and 20 %, with the same share of every class.

    Args:
        images_NCHW: uint8, 0 to 255.
        labels_N: int64, 0 to K - 1.
        classes: Names of the K classes.
        seed: Decides which image goes where; the same for every version of numpy.

    Raises:
        DataFault: where the arrays break the law of a data set, or a class has fewer than `FEWEST_PER_CLASS` images.

    >>> data = split(np.zeros((20, 1, 8, 8), np.uint8), np.arange(20) % 2, ["even", "odd"])
    >>> [len(part.labels_N) for part in data.parts.values()]
    [12, 4, 4]
    """
    whole = Part(images_NCHW, labels_N)
    check(DataSet(tuple(classes), whole, whole, whole))
    counts = np.bincount(labels_N, minlength=len(classes))
    few = [f"{name} ({count})" for name, count in zip(classes, counts, strict=True) if count < FEWEST_PER_CLASS]
    if few:
        law = (
            f"at least {FEWEST_PER_CLASS} images of each class are needed to split them, but got {', '.join(few[:10])}"
        )
        raise DataFault(law + (", ..." if len(few) > 10 else ""))  # noqa: PLR2004
    train, validation, test = deal(whole, (0.6, 0.2), seed)
    return DataSet(tuple(classes), train, validation, test)


def deal(whole: Part, shares: Sequence[float], seed: int) -> list[Part]:
    """Returns one part for each share (0-1) and one of what is left, with the same share of every class in each."""
    generator = np.random.RandomState(seed)  # unlike Generator's, its stream is promised never to change
    part_N = np.empty(len(whole.labels_N), np.int64)
    for label in np.unique(whole.labels_N):
        members = generator.permutation(np.flatnonzero(whole.labels_N == label))
        cuts = np.round(np.cumsum(shares) * len(members)).astype(int)
        for number, group in enumerate(np.split(members, cuts)):
            part_N[group] = number
    return [Part(whole.images_NCHW[part_N == n], whole.labels_N[part_N == n]) for n in range(len(shares) + 1)]


def in_order(part: Part) -> Part:
    """Returns a part that torch takes as it is: contiguous and writable, copied only where it is not."""
    images_NCHW = np.require(part.images_NCHW, requirements=["C", "W"])
    return Part(images_NCHW, np.require(part.labels_N, requirements=["C", "W"]))


def check(data: DataSet) -> None:
    """Holds a data set to the law of `Part` and `DataSet`.

    Raises:
        DataFault: with the first fault found.
    """
    if len(data.classes) < 2:  # noqa: PLR2004
        raise DataFault(f"at least 2 classes are needed, but got {', '.join(data.classes) or 'none'}")
    for name, part in data.parts.items():
        for fault in _faults(part, len(data.classes)):
            raise DataFault(f"{name}.{fault}")
    shapes = {name: part.images_NCHW.shape[1:] for name, part in data.parts.items()}
    if len(set(shapes.values())) > 1:
        got = ", ".join(f"{name} {_times(shape)}" for name, shape in shapes.items())
        raise DataFault(f"images must be of one size in all parts, but got {got}")


def _faults(part: Part, num_classes: int) -> Iterator[str]:
    images, labels = part.images_NCHW, part.labels_N
    if not isinstance(images, np.ndarray) or images.dtype != np.uint8 or images.ndim != IMAGE_DIMENSIONS:
        yield f"images_NCHW: a uint8 array of 4 dimensions is needed, but got {_words(images)}"
    elif not isinstance(labels, np.ndarray) or labels.dtype != np.int64 or labels.ndim != 1:
        yield f"labels_N: an int64 array of 1 dimension is needed, but got {_words(labels)}"
    elif len(images) != len(labels):
        yield f"labels_N: one label per image is needed, but got {len(labels)} for {len(images)} images"
    elif images.size == 0:
        yield f"images_NCHW: at least one image is needed, but got {_words(images)}"
    elif labels.min() < 0 or labels.max() >= num_classes:
        law = f"labels from 0 to {num_classes - 1} are needed for {num_classes} classes"
        yield f"labels_N: {law}, but got {labels.min()} to {labels.max()}"


def _words(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"{value.dtype} of {_times(value.shape)}"
    return type(value).__name__


def _times(shape: tuple[int, ...]) -> str:
    return "x".join(map(str, shape)) or "no dimension"

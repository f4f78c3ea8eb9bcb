"""What a study keeps of its data set: sizes and a fingerprint."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from objectives.data.parts import DataSet


@dataclass(frozen=True)
class Description:
    """A data set in a few numbers.

    Attributes:
        num_classes: K.
        image_CHW: Shape of an image.
        num_train: Images in the training part.
        num_validation: Images in the validation part.
        num_test: Images in the test part.
        fingerprint: SHA-256 over the shapes and bytes of all parts, in hexadecimal.
        notes: Plain lines that a person should see.
    """

    num_classes: int
    image_CHW: tuple[int, int, int]
    num_train: int
    num_validation: int
    num_test: int
    fingerprint: str
    notes: tuple[str, ...]

    @classmethod
    def of(cls, data: DataSet) -> Description:
        """Describes a data set."""
        _, channels, height, width = data.train.images_NCHW.shape
        num_train, num_validation, num_test = (len(part.labels_N) for part in data.parts.values())
        shape = channels, height, width
        return cls(len(data.classes), shape, num_train, num_validation, num_test, _fingerprint(data), data.notes)


def _fingerprint(data: DataSet) -> str:
    digest = hashlib.sha256()
    for part in data.parts.values():
        for array in (part.images_NCHW, part.labels_N):
            digest.update(repr(array.shape).encode())
            digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()

"""The well-known data sets, in the official files that torchvision reads. Torchvision is imported to open one.

The official test part is the test part; a tenth of the official training part, drawn once, is the validation part.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from objectives.data.faults import DataFault
from objectives.data.parts import DataSet, Part, check, deal, in_order

TRAIN_SHARE = 0.9
SEED = 0
SILENCE_SECONDS = 30
"""How long a server may say nothing: behind some firewalls a connection would otherwise hang for minutes."""

UNREADABLE = (RuntimeError, OSError, ValueError, TypeError, AssertionError, LookupError)
"""What torchvision raises for files that are missing, damaged or cannot be downloaded."""


@dataclass(frozen=True)
class Official:
    """Where a data set is and how it is read.

    Attributes:
        kind: Its class in `torchvision.datasets`.
        files: What is downloaded, and can be put into `folder` by hand.
        read: Turns an open part of torchvision's into ours.
        folder: Under the root.
        choice: Arguments that choose the training and the test part.
    """

    kind: str
    files: tuple[str, ...]
    read: Callable[[Any], Part]
    folder: str = ""
    choice: tuple[Mapping[str, Any], Mapping[str, Any]] = field(default=({"train": True}, {"train": False}))


def open_official(name: str, root: Path) -> DataSet:
    """Returns a data set from its files under the root, which are downloaded where they are not there.

    Args:
        name: A key of `OFFICIAL`.
        root: Folder of the data sets' files and folders.

    Raises:
        DataFault: where they are neither there nor to be had, saying what to put where.
    """
    official = OFFICIAL[name]
    try:
        classes, official_train, test = _open(official, root, download=False)
    except UNREADABLE:
        try:
            with _impatience():
                classes, official_train, test = _open(official, root, download=True)
        except UNREADABLE as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
            raise DataFault(
                f"{name} is not whole in {root / official.folder} and could not be downloaded ({reason}); put "
                f"{', '.join(official.files)} into that folder, or set objective.data_root to where they are"
            ) from error
    train, validation = deal(official_train, (TRAIN_SHARE,), SEED)
    data = DataSet(classes, train, validation, test)
    check(data)
    return data


def _open(official: Official, root: Path, *, download: bool) -> tuple[tuple[str, ...], Part, Part]:
    from torchvision import datasets

    kind = getattr(datasets, official.kind)
    train, test = (kind(root, download=download, **choice) for choice in official.choice)
    classes = getattr(train, "classes", range(10))  # SVHN's are digits, which torchvision leaves unsaid
    return tuple(map(str, classes)), in_order(official.read(train)), in_order(official.read(test))


@contextmanager
def _impatience() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENCE_SECONDS)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _read_idx(part: Any) -> Part:
    """Returns 28x28 images padded to 32x32, as mnist5k's are."""
    images_NHW = np.pad(part.data.numpy(), ((0, 0), (2, 2), (2, 2)))
    return Part(images_NHW[:, None], part.targets.numpy())


def _read_emnist(part: Any) -> Part:
    """Returns the images upright: the files hold them transposed."""
    sideways = _read_idx(part)
    return Part(sideways.images_NCHW.swapaxes(2, 3), sideways.labels_N)


def _read_cifar(part: Any) -> Part:
    return Part(part.data.transpose(0, 3, 1, 2), np.array(part.targets, np.int64))


def _read_svhn(part: Any) -> Part:
    return Part(part.data, part.labels)


IDX_FILES = tuple(
    f"{part}-{kind}-ubyte.gz" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1")
)  # fmt: skip

OFFICIAL: dict[str, Official] = {
    "mnist": Official("MNIST", IDX_FILES, _read_idx, "MNIST/raw"),
    "fashion-mnist": Official("FashionMNIST", IDX_FILES, _read_idx, "FashionMNIST/raw"),
    "kmnist": Official("KMNIST", IDX_FILES, _read_idx, "KMNIST/raw"),
    "emnist": Official(
        "EMNIST",
        ("gzip.zip",),
        _read_emnist,
        "EMNIST/raw",
        ({"split": "balanced", "train": True}, {"split": "balanced", "train": False}),
    ),
    "cifar10": Official("CIFAR10", ("cifar-10-python.tar.gz",), _read_cifar),
    "cifar100": Official("CIFAR100", ("cifar-100-python.tar.gz",), _read_cifar),
    "svhn": Official(
        "SVHN", ("train_32x32.mat", "test_32x32.mat"), _read_svhn, choice=({"split": "train"}, {"split": "test"})
    ),
}

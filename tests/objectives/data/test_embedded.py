from __future__ import annotations

import numpy as np
import pytest

from objectives.data import EMBEDDED


@pytest.mark.parametrize("name", EMBEDDED)
def test_every_data_set_has_three_separate_parts_of_real_images(name: str) -> None:
    data = EMBEDDED[name]()
    parts = (data.train, data.validation, data.test)
    for part in parts:
        assert part.images_NCHW.dtype == np.uint8
        assert part.images_NCHW.ndim == 4
        assert len(part.images_NCHW) == len(part.labels_N)
        assert set(np.unique(part.labels_N)) == set(range(len(data.classes)))
        assert part.images_NCHW.std() > 10
    seen = [{image.tobytes() for image in part.images_NCHW} for part in parts]
    assert len(seen[0] & seen[1]) + len(seen[0] & seen[2]) + len(seen[1] & seen[2]) <= 2  # MNIST itself has doubles


def test_mnist5k() -> None:
    data = EMBEDDED["mnist5k"]()
    assert [len(part.labels_N) for part in (data.train, data.validation, data.test)] == [3000, 1000, 1000]
    assert data.train.images_NCHW.shape[1:] == (1, 32, 32)
    assert (np.bincount(data.validation.labels_N) == 100).all()
    assert (data.train.images_NCHW[:, :, :2] == 0).all()


def test_digits_repeat_each_pixel() -> None:
    images = EMBEDDED["digits"]().train.images_NCHW
    assert images.shape[1:] == (1, 32, 32)
    assert (images[:, :, ::4, ::4] == images[:, :, 3::4, 3::4]).all()

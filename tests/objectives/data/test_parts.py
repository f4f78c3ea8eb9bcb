from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from objectives.data import DataFault, DataSet, Description, Part, open_dataset, split
from objectives.data.parts import check, deal

IMAGES = np.random.default_rng(0).integers(0, 256, (90, 3, 8, 6), dtype=np.uint8)
LABELS = np.repeat(np.arange(3), [60, 20, 10])


def test_a_split_gives_every_class_the_same_share_in_each_part() -> None:
    data = split(IMAGES, LABELS, ["a", "b", "c"])
    counts = [np.bincount(part.labels_N).tolist() for part in data.parts.values()]
    assert counts == [[36, 12, 6], [12, 4, 2], [12, 4, 2]]
    seen = [image.tobytes() for part in data.parts.values() for image in part.images_NCHW]
    assert sorted(seen) == sorted(image.tobytes() for image in IMAGES)


def test_a_split_is_a_function_of_its_seed() -> None:
    splits = [split(IMAGES, LABELS, ["a", "b", "c"], seed) for seed in (0, 0, 1)]
    prints = [Description.of(data).fingerprint for data in splits]
    assert prints[0] == prints[1] != prints[2]


def test_a_deal_never_changes() -> None:
    numbered = np.arange(20, dtype=np.uint8).reshape(20, 1, 1, 1)
    first, second = deal(Part(numbered, np.arange(20) % 2), (0.6,), seed=0)
    assert first.images_NCHW.ravel().tolist() == [2, 3, 4, 5, 7, 8, 11, 12, 16, 17, 18, 19]
    assert second.images_NCHW.ravel().tolist() == sorted(set(range(20)) - set(first.images_NCHW.ravel().tolist()))


def test_every_class_is_in_every_part_of_the_smallest_split() -> None:
    for count in range(5, 40):
        labels = np.repeat(np.arange(2), [5, count])
        data = split(np.zeros((len(labels), 1, 2, 2), np.uint8), labels, ["a", "b"])
        assert all(set(part.labels_N) == {0, 1} for part in data.parts.values())


def test_a_class_that_is_too_small_to_split() -> None:
    with pytest.raises(DataFault, match=r"at least 5 images of each class are needed to split them, but got c \(2\)"):
        split(IMAGES[:82], LABELS[:82], ["a", "b", "c"])


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"images_NCHW": IMAGES.astype(float)}, "a uint8 array of 4 dimensions is needed, but got float64 of 90x3x8x6"),
        ({"images_NCHW": IMAGES[0]}, "images_NCHW: a uint8 array of 4 dimensions is needed, but got uint8 of 3x8x6"),
        ({"images_NCHW": IMAGES.tolist()}, "but got list"),
        ({"images_NCHW": IMAGES[:0], "labels_N": LABELS[:0]}, "at least one image is needed, but got uint8 of 0x3x8x6"),
        ({"labels_N": LABELS.astype(np.int32)}, "an int64 array of 1 dimension is needed, but got int32 of 90"),
        ({"labels_N": LABELS[:, None]}, "an int64 array of 1 dimension is needed, but got int64 of 90x1"),
        ({"labels_N": LABELS[:5]}, "one label per image is needed, but got 5 for 90 images"),
        ({"labels_N": LABELS + 1}, "labels from 0 to 2 are needed for 3 classes, but got 1 to 3"),
        ({"labels_N": LABELS - 1}, "labels from 0 to 2 are needed for 3 classes, but got -1 to 1"),
        (
            {"images_NCHW": IMAGES[:, :1]},
            "images must be of one size in all parts, but got train 3x8x6, validation 1x8",
        ),
    ],
)
def test_the_law_of_a_data_set(change: dict[str, Any], line: str) -> None:
    whole = Part(IMAGES, LABELS)
    check(DataSet(("a", "b", "c"), whole, whole, whole))
    with pytest.raises(DataFault) as caught:
        check(DataSet(("a", "b", "c"), whole, replace(whole, **change), whole))
    assert line in str(caught.value)


def test_one_class_is_not_enough() -> None:
    with pytest.raises(DataFault, match="at least 2 classes are needed, but got a"):
        split(IMAGES, LABELS * 0, ["a"])


def test_a_description() -> None:
    data = open_dataset("digits")
    described = Description.of(data)
    assert (described.num_classes, described.image_CHW) == (10, (1, 32, 32))
    assert (described.num_train, described.num_validation, described.num_test) == (1078, 360, 359)
    assert len(described.fingerprint) == 64


def test_the_fingerprint_sees_every_byte_and_label_and_the_shape() -> None:
    def fingerprint(images: Any, labels: Any) -> str:
        part = Part(images, labels)
        return Description.of(DataSet(("a", "b", "c"), Part(IMAGES, LABELS), Part(IMAGES, LABELS), part)).fingerprint

    other, relabelled = IMAGES.copy(), LABELS.copy()
    other[-1, -1, -1, -1] ^= 1
    relabelled[-1] = 0
    found = [fingerprint(IMAGES, LABELS), fingerprint(other, LABELS), fingerprint(IMAGES, relabelled),
             fingerprint(IMAGES.reshape(90, 3, 6, 8), LABELS)]  # fmt: skip
    assert len(set(found)) == 4
    assert fingerprint(np.asfortranarray(IMAGES), LABELS) == found[0]


def test_a_name_that_is_not_known() -> None:
    with pytest.raises(DataFault, match="no such data set: 'birds' \\(known: mnist5k, digits, mnist"):
        open_dataset("birds")

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from objectives.augmentations import augment, crop, flip, shift
from objectives.parameters import AUGMENTATIONS


@pytest.fixture
def images() -> Tensor:
    """Eight images that differ, each brighter to the right and lower down."""
    ramp = torch.linspace(0, 1, 32)
    return (ramp[:, None] + 2 * ramp[None, :]).repeat(8, 2, 1, 1) * torch.arange(1, 9).view(-1, 1, 1, 1)


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_every_augmentation_keeps_the_shape_and_can_be_redone(name: str, images: Tensor) -> None:
    before = images.clone()
    once, again = (augment(images, name, torch.Generator().manual_seed(3)) for _ in range(2))
    assert once.shape == images.shape
    assert torch.equal(once, again)
    assert torch.equal(images, before)
    assert torch.equal(once, images) == (name == "none")


def test_flip_mirrors_some_images_and_leaves_the_others(images: Tensor) -> None:
    flipped = flip(images, torch.Generator().manual_seed(0))
    kinds = [("same", one, two) for one, two in zip(flipped, images, strict=True) if torch.equal(one, two)]
    kinds += [("mirrored", one, two) for one, two in zip(flipped, images.flip(3), strict=True) if torch.equal(one, two)]
    assert len(kinds) == 8
    assert {kind for kind, _, _ in kinds} == {"same", "mirrored"}


def test_shift_moves_each_image_by_at_most_an_eighth(images: Tensor) -> None:
    moved = shift(images, torch.Generator().manual_seed(0))
    for one, original in zip(moved, images, strict=True):
        found = [
            (dy, dx)
            for dy in range(-4, 5)
            for dx in range(-4, 5)
            if torch.equal(one[:, 4:28, 4:28], original[:, 4 + dy : 28 + dy, 4 + dx : 28 + dx])
        ]
        assert len(found) == 1


def test_crop_enlarges_a_part(images: Tensor) -> None:
    part = crop(images, torch.Generator().manual_seed(0))
    for one, original in zip(part, images, strict=True):
        assert original.min() <= one.min()
        assert one.max() <= original.max() + 1e-4
        ratio = (one[0, 16, 31] - one[0, 16, 0]) / (original[0, 16, 31] - original[0, 16, 0])
        assert 0.65 < ratio < 1.0

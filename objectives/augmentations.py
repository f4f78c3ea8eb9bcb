"""Augmentations: random changes of the training images, made on the device, a batch at a time.

Shapes: B images of a batch, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

FARTHEST_SHIFT = 1 / 8
"""Of the image's side: how far `shift` moves at most."""

SMALLEST_CROP = 0.7
"""Of the image's side: how little `crop` leaves."""


def shift(images_BCHW: Tensor, generator: Generator) -> Tensor:
    """Returns each image moved by up to an eighth of its side; what comes in repeats the border."""
    height, width = images_BCHW.shape[-2:]
    most_y, most_x = max(1, int(height * FARTHEST_SHIFT)), max(1, int(width * FARTHEST_SHIFT))
    padded = F.pad(images_BCHW, (most_x, most_x, most_y, most_y), mode="replicate")
    rows_BH = _draw_whole(images_BCHW, 2 * most_y, generator) + torch.arange(height, device=images_BCHW.device)
    columns_BW = _draw_whole(images_BCHW, 2 * most_x, generator) + torch.arange(width, device=images_BCHW.device)
    batch_B111 = torch.arange(len(images_BCHW), device=images_BCHW.device).view(-1, 1, 1, 1)
    channels_1C11 = torch.arange(images_BCHW.shape[1], device=images_BCHW.device).view(1, -1, 1, 1)
    return padded[batch_B111, channels_1C11, rows_BH[:, None, :, None], columns_BW[:, None, None, :]]


def flip(images_BCHW: Tensor, generator: Generator) -> Tensor:
    """Returns each image mirrored left to right, or not, with equal chance."""
    is_mirrored_B = torch.rand(len(images_BCHW), generator=generator, device=images_BCHW.device) < 0.5  # noqa: PLR2004
    return torch.where(is_mirrored_B.view(-1, 1, 1, 1), images_BCHW.flip(3), images_BCHW)


def crop(images_BCHW: Tensor, generator: Generator) -> Tensor:
    """Returns a random part of each image, 70 to 100 % of its side, enlarged to its size."""
    uniform_B3 = torch.rand(len(images_BCHW), 3, generator=generator, device=images_BCHW.device)
    scale_B = SMALLEST_CROP + (1 - SMALLEST_CROP) * uniform_B3[:, 0]
    moved_B2 = (1 - scale_B)[:, None] * (2 * uniform_B3[:, 1:] - 1)
    theta_B23 = torch.zeros(len(images_BCHW), 2, 3, device=images_BCHW.device)
    theta_B23[:, 0, 0] = theta_B23[:, 1, 1] = scale_B
    theta_B23[:, :, 2] = moved_B2
    grid = F.affine_grid(theta_B23, list(images_BCHW.shape), align_corners=False)
    return F.grid_sample(images_BCHW, grid, padding_mode="border", align_corners=False)


_CHANGES: dict[str, Callable[[Tensor, Generator], Tensor]] = {"shift": shift, "flip": flip, "crop": crop}


def augment(images_BCHW: Tensor, augmentation: str, generator: Generator) -> Tensor:
    """Returns the images, changed at random.

    Args:
        images_BCHW: A batch, which is left as it is.
        augmentation: One of `objectives.parameters.AUGMENTATIONS`.
        generator: On the images' device.
    """
    if augmentation == "none":
        return images_BCHW
    for change in augmentation.split("+"):
        images_BCHW = _CHANGES[change](images_BCHW, generator)
    return images_BCHW


def _draw_whole(images_BCHW: Tensor, high: int, generator: Generator) -> Tensor:
    """Returns whole numbers from 0 to `high`, one for each image, as a column."""
    return torch.randint(high + 1, (len(images_BCHW), 1), generator=generator, device=images_BCHW.device)

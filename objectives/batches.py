"""The images of an epoch: their order, the batches, and the parts of a batch that go through a model at once.

Shapes: N images of a part, B images of a batch, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

from objectives.resident import ResidentPart
from objectives.seeds import derive_seed

Batch = tuple[Tensor, Tensor]
"""Images (B, C, H, W) and their labels."""


def draw_order(seed: int, epoch: int, num_images: int) -> Tensor:
    """Returns the order of the images in an epoch: a function of seed and epoch alone, so that it can be redone."""
    generator = torch.Generator().manual_seed(derive_seed(seed, epoch, "order"))
    return torch.randperm(num_images, generator=generator)


def draw_batches(part: ResidentPart, order_N: Tensor, batch_size: int) -> Iterator[Batch]:
    """Yields the images of a part in an order, in batches of a size; the last one has what is left.

    On a GPU all are gathered together, which leaves fewer kernels to launch in a step; on a CPU each batch as it comes,
    which finds it in the cache.
    """
    if order_N.device.type == "cuda":
        yield from split_batch(part.images_NCHW[order_N], part.labels_N[order_N], batch_size)
        return
    for order_B in torch.split(order_N, batch_size):
        yield part.images_NCHW.index_select(0, order_B), part.labels_N.index_select(0, order_B)


def split_batch(images_BCHW: Tensor, labels_B: Tensor, at_once: int) -> Iterable[Batch]:
    """Returns images and labels in parts of so many; the last one has what is left."""
    if len(labels_B) <= at_once:
        return [(images_BCHW, labels_B)]
    return zip(torch.split(images_BCHW, at_once), torch.split(labels_B, at_once), strict=True)

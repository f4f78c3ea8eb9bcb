"""A data set on its device, normalised and ready to be trained on.

Shapes: N images of a part, C channels, H height, W width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from objectives.data import Part, open_dataset

VALUES_AT_ONCE = {"cpu": 2**18, "cuda": 2**22}
"""Most input values that go through the model together in training, whatever the batch size: it bounds the memory."""


@dataclass(frozen=True)
class ResidentPart:
    """A part of a data set on the device, normalised.

    Attributes:
        images_NCHW: float32; each channel has mean 0 and deviation 1 over the training part.
        labels_N: int64.
    """

    images_NCHW: Tensor
    labels_N: Tensor


@dataclass(frozen=True)
class ResidentData:
    """A data set on the device."""

    train: ResidentPart
    validation: ResidentPart
    test: ResidentPart
    num_classes: int


def num_images_at_once(images_NCHW: Tensor, most_values: Mapping[str, int] = VALUES_AT_ONCE) -> int:
    """Returns how many images go through the model together, given the most values of a device type."""
    return max(1, most_values[images_NCHW.device.type] // images_NCHW[0].numel())


@lru_cache(maxsize=2)
def load_resident(dataset: str, device: torch.device, data_root: Path | None = None) -> ResidentData:
    """Returns a data set on the device, loaded once per process.

    Args:
        dataset: A name that `open_dataset` takes.
        device: Where to put it.
        data_root: Folder of the official data sets' files; None for the default one.

    Raises:
        DataFault: where it cannot be used as it is.
    """
    data = open_dataset(dataset, data_root)
    mean_C, deviation_C = (values.float().view(1, -1, 1, 1) for values in channel_levels(data.train))

    def resident(part: Part) -> ResidentPart:
        images = torch.from_numpy(part.images_NCHW).float().div_(255)
        images.sub_(mean_C).div_(deviation_C)
        return ResidentPart(images.to(device), torch.from_numpy(part.labels_N).to(device))

    return ResidentData(resident(data.train), resident(data.validation), resident(data.test), len(data.classes))


def channel_levels(part: Part) -> tuple[Tensor, Tensor]:
    """Returns each channel's mean and standard deviation (0-1, float64), counted level by level: no copy is made."""
    channels = torch.from_numpy(part.images_NCHW).unbind(dim=1)
    counts_CL = torch.stack([torch.bincount(pixels.flatten(), minlength=256) for pixels in channels]).double()
    levels_L, num_pixels = torch.arange(256, dtype=torch.float64) / 255, counts_CL[0].sum()
    mean_C = counts_CL @ levels_L / num_pixels
    variance_C = (counts_CL * (levels_L - mean_C[:, None]) ** 2).sum(dim=1) / (num_pixels - 1)
    return mean_C, variance_C.sqrt().clamp_min(1e-8)

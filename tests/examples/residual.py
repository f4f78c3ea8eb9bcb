"""A residual network and a data set of one's own.

    paretune launch tests/examples/residual.toml

A model is a callable `(num_channels, num_classes, **parameters) -> nn.Module`: what has a default can be searched. A
data set is a callable without arguments that returns images (uint8, N x C x H x W) and labels (int64, N) in three
parts.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.data import DataSet, open_dataset, split


class Block(nn.Module):
    """Two convolutions, around which the input is led past."""

    def __init__(self, num_channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(num_channels, num_channels, 3, padding=1, bias=False)
        self.norm1 = nn.BatchNorm2d(num_channels)
        self.conv2 = nn.Conv2d(num_channels, num_channels, 3, padding=1, bias=False)
        self.norm2 = nn.BatchNorm2d(num_channels)

    def forward(self, maps_NCHW: Tensor) -> Tensor:
        inner = F.relu(self.norm1(self.conv1(maps_NCHW)))
        return F.relu(maps_NCHW + self.norm2(self.conv2(inner)))


class ResNet(nn.Module):
    """A small residual network; `channels` and `num_blocks` are its parameters."""

    def __init__(self, num_channels: int, num_classes: int, channels: int = 16, num_blocks: int = 2) -> None:
        super().__init__()
        self.stem = nn.Conv2d(num_channels, channels, 3, stride=2, padding=1)
        self.blocks = nn.Sequential(*(Block(channels) for _ in range(num_blocks)))
        self.head = nn.Linear(channels, num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        maps = self.blocks(F.relu(self.stem(images_NCHW)))
        logits_NK: Tensor = self.head(torch.mean(maps, dim=(2, 3)))
        return logits_NK


def load_odd_digits() -> DataSet:
    """Returns the digits at 16x16, to be told apart as even or odd."""
    digits = open_dataset("digits").train
    return split(digits.images_NCHW[:, :, ::2, ::2], digits.labels_N % 2, classes=("even", "odd"))

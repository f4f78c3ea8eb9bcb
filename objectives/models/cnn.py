"""The LeNet-like network of the background text, at any width.

Shapes: N images, C channels, H height, W width, K classes.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.models.blocked import in_torch_layout, pooled_stage

SIDE = 32
"""Height and width for which the network was drawn; smaller images are padded to it."""

MAP_SIDE = 5
"""Side of the feature maps that the first linear layer takes, which is what 32 x 32 images give."""


class CNN(nn.Module):
    """Two 5x5 convolutions with 2x2 max pooling, three linear layers, ReLU.

    At width 1 on one channel and ten classes: 61,706 parameters. Images of any size go through the same weights:
    smaller ones are zero-padded to 32x32, larger ones give larger maps, which are averaged down to 5x5.

    Source: Y. LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 86 (1998).

    >>> sum(weights.numel() for weights in CNN(1, 10).parameters())
    61706
    """

    def __init__(self, num_channels: int, num_classes: int, width: float = 1.0) -> None:
        """Draws the weights.

        Args:
            num_channels: Channels of the images.
            num_classes: Number of logits.
            width: Multiplies channels and hidden units (6, 16, 120 and 84 at 1), each rounded, at least 1.
        """
        super().__init__()
        c1, c2, h1, h2 = (max(1, int(width * units + 0.5)) for units in (6, 16, 120, 84))
        self.conv1 = nn.Conv2d(num_channels, c1, kernel_size=5)
        self.conv2 = nn.Conv2d(c1, c2, kernel_size=5)
        self.fc1 = nn.Linear(c2 * MAP_SIDE * MAP_SIDE, h1)
        self.fc2 = nn.Linear(h1, h2)
        self.fc3 = nn.Linear(h2, num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        """Returns logits (N, K)."""
        maps = pad_to_side(images_NCHW)
        maps = in_torch_layout(pooled_stage(self.conv2, pooled_stage(self.conv1, maps)))
        if maps.shape[-2:] != (MAP_SIDE, MAP_SIDE):
            maps = F.adaptive_avg_pool2d(maps, MAP_SIDE)
        hidden = F.relu(self.fc1(maps.flatten(1)))
        hidden = F.relu(self.fc2(hidden))
        logits_NK: Tensor = self.fc3(hidden)
        return logits_NK


def pad_to_side(images_NCHW: Tensor) -> Tensor:
    """Returns the images centred on zeros, at least `SIDE` high and wide."""
    missing_h, missing_w = (max(0, SIDE - size) for size in images_NCHW.shape[-2:])
    if not missing_h and not missing_w:
        return images_NCHW
    left, top = missing_w // 2, missing_h // 2
    return torch.nn.functional.pad(images_NCHW, (left, missing_w - left, top, missing_h - top))

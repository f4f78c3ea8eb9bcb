"""A model that prints on how many threads and cores it is computed: the trial's log has it."""

from __future__ import annotations

import os

import torch
from torch import Tensor, nn

from objectives.models.cnn import CNN


class Model(nn.Module):
    """The built-in network, whose results depend on the number of threads."""

    def __init__(self, num_channels: int, num_classes: int) -> None:
        super().__init__()
        self.network = CNN(num_channels, num_classes)

    def forward(self, images_NCHW: Tensor) -> Tensor:
        if self.training and images_NCHW.device.type == "cpu":
            print(f"threads={torch.get_num_threads()} cores={sorted(os.sched_getaffinity(0))}")
        logits: Tensor = self.network(images_NCHW)
        return logits

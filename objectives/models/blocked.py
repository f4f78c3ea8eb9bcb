"""A stage of a convolutional network in the layout that oneDNN draws for itself, which is quick for few channels.

torch's layouts hold a map's channels one after the other, or side by side; with the few channels of a narrow network
neither fills a vector register, and pooling goes value by value. oneDNN's blocked layout pads channels to whole
registers, and pools whole registers. `tests/benchmarks/layouts.py` measures both.

Source: oneDNN, "Understanding Memory Formats" (nChw16c).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOST_CHANNELS = 16
"""float32 values of the widest register; where more are padded, torch's own layout is as quick."""

IS_AVAILABLE = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]

LEAST_IMAGES = 24
"""Through which the layout's greater overhead is worth it."""


def pooled_stage(convolution: nn.Conv2d, maps_NCHW: Tensor) -> Tensor:
    """Returns ReLU of 2x2 max pooling of a convolution, which may be in oneDNN's layout: see `in_torch_layout`.

    There the largest of four values of which some are not a number is the largest of the others.

    Args:
        convolution: Its weights are in one of torch's layouts.
        maps_NCHW: Images, or what a stage before returned.
    """
    if _is_better_blocked(convolution, maps_NCHW):
        maps_NCHW = maps_NCHW if maps_NCHW.is_mkldnn else maps_NCHW.to_mkldnn()
    elif maps_NCHW.is_mkldnn:
        maps_NCHW = maps_NCHW.to_dense().contiguous(memory_format=torch.channels_last)
    # The largest of four, then ReLU, is the same as ReLU, then the largest, at a quarter of the work.
    return F.relu(F.max_pool2d(convolution(maps_NCHW), kernel_size=2, stride=2))


def in_torch_layout(maps_NCHW: Tensor) -> Tensor:
    """Returns the maps in one of torch's layouts."""
    return maps_NCHW.to_dense() if maps_NCHW.is_mkldnn else maps_NCHW


def _is_better_blocked(convolution: nn.Conv2d, maps_NCHW: Tensor) -> bool:
    # The gradient of the maps is computed from all channels that come out, padded; the rest from those that go in.
    padded = convolution.out_channels if maps_NCHW.requires_grad else convolution.in_channels
    return padded <= MOST_CHANNELS and (maps_NCHW.is_mkldnn or _can_be_blocked(maps_NCHW))


def _can_be_blocked(maps_NCHW: Tensor) -> bool:
    """Tells whether these are values in float32 on a CPU, enough of them, and no stand-ins of an exporter."""
    return (
        type(maps_NCHW) is Tensor
        and maps_NCHW.device.type == "cpu"
        and maps_NCHW.dtype == torch.float32
        and len(maps_NCHW) >= LEAST_IMAGES
        and IS_AVAILABLE
        and not torch.is_autocast_enabled("cpu")
    )

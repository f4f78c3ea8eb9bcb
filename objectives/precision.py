"""The precision of the arithmetic, which is part of a setting: it moves accuracy, time and energy."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def computing(precision: str, device_type: str) -> AbstractContextManager[object]:
    """Returns a context in which forward passes are computed at a precision; weights and gradients stay float32.

    Args:
        precision: One of `objectives.parameters.PRECISIONS`. `bf16` is torch's autocast; `fp32` and `tf32` are set for
            the whole process by `prepare`.
        device_type: `cpu` or `cuda`.
    """
    if precision != "bf16":
        return nullcontext()
    return torch.autocast(device_type, torch.bfloat16)


def prepare(precision: str, device_type: str) -> None:
    """Sets how a GPU's float32 products are computed: in full, or in TF32, whose mantissa has 10 bits.

    Source: NVIDIA, "TensorFloat-32 in the A100 GPU" (2020); torch's own default differs for convolutions and products.
    """
    if device_type == "cuda":
        torch.set_float32_matmul_precision("high" if precision == "tf32" else "highest")
        torch.backends.cudnn.allow_tf32 = precision == "tf32"

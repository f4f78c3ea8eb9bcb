"""What a model costs whoever uses it, for years perhaps: its size, and the time of a forward pass."""

from __future__ import annotations

import copy
import io

import torch
from torch import Tensor, nn

from objectives.costs import Measurement, counted, measured
from objectives.meters.latency import quantile, time_passes


@torch.inference_mode()
def profile_model(model: nn.Module, images_BCHW: Tensor, flops: Measurement) -> dict[str, Measurement]:
    """Returns the costs of `objectives.costs.ONCE`, of a copy of the model: the model itself is left as it is.

    Args:
        model: On its device, as it is trained.
        images_BCHW: A large batch, on the same device; latency is that of its first image.
        flops: Of one image's forward pass.
    """
    used, device = copy.deepcopy(model).eval(), images_BCHW.device
    weights = io.BytesIO()
    torch.save(used.state_dict(), weights)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        latencies = time_passes(lambda: used(images_BCHW[:1]), device.type)
        batches = time_passes(lambda: used(images_BCHW), device.type, least=5)
    return {
        "parameters": counted(float(sum(values.numel() for values in used.parameters()))),
        "model_bytes": measured(float(len(weights.getbuffer()))),
        "inference_flops": flops,
        "inference_latency_seconds": quantile(latencies, 0.5),
        "inference_latency_p95_seconds": quantile(latencies, 0.95),
        "inference_seconds_per_image": quantile([seconds / len(images_BCHW) for seconds in batches], 0.5),
    }

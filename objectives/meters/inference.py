"""What a model costs whoever uses it, for years perhaps: its size, and the time, memory and energy of its passes."""

from __future__ import annotations

import copy
import io
import itertools
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from objectives.costs import Measurement, counted, measured, scale
from objectives.meters.energy import EnergyCounter, measure_passes
from objectives.meters.latency import IN_A_TRIAL, LEAST_PASSES, Effort, finishing, quantile_of_bursts, time_in_bursts
from objectives.meters.memory import measure_pass
from objectives.trial import digest_of

LEAST_LARGE = 5
"""Passes of a large batch, however long they take."""


def identify_network(model: nn.Module, family: str, flops: Measurement) -> str:
    """Returns a digest of a network, equal for all that cost the same: of its structure, its work and its family.

    Options that differ may give equal networks, since numbers of channels are rounded.

    Args:
        model: As it is trained.
        family: Of which it is; empty where it is not to be known again.
        flops: Of one image's forward pass.
    """
    if not family:
        return ""
    named = itertools.chain(model.named_parameters(), model.named_buffers())
    arrays = [[name, list(values.shape), str(values.dtype)] for name, values in named]
    return digest_of([family, repr(model), arrays, flops.value])


@torch.inference_mode()
def profile_model(
    model: nn.Module,
    images_BCHW: Tensor,
    flops: Measurement,
    counter: EnergyCounter | str,
    effort: Effort = IN_A_TRIAL,
) -> dict[str, Measurement]:
    """Returns the costs of `objectives.costs.ONCE`, of a copy of the model: the model itself is left as it is.

    Args:
        model: On its device, as it is trained.
        images_BCHW: A large batch, on the same device; latency is that of its first image.
        flops: Of one image's forward pass.
        counter: The device's energy counter, or why there is none.
        effort: How long passes are timed.
    """
    used, device = copy.deepcopy(model).eval(), images_BCHW.device
    weights = io.BytesIO()
    torch.save(used.state_dict(), weights)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        passes = measure_inference(used, images_BCHW, device.type, counter, effort)
        beside = measure_pass(lambda: used(images_BCHW), device.type)
    return {
        "parameters": counted(float(sum(values.numel() for values in used.parameters()))),
        "model_bytes": measured(float(len(weights.getbuffer()))),
        "inference_flops": flops,
        **passes,
        "inference_peak_memory_bytes": _with_held(beside, [*used.parameters(), *used.buffers(), images_BCHW]),
    }


def measure_inference(
    predict: Callable[[Any], object],
    images_BCHW: Any,
    device: str,
    counter: EnergyCounter | str,
    effort: Effort = IN_A_TRIAL,
) -> dict[str, Measurement]:
    """Returns time and energy of forward passes, by name.

    Args:
        predict: Takes images, of whatever runs the model.
        images_BCHW: A large batch; latency is that of its first image.
        device: `cpu` or `cuda`.
        counter: The device's energy counter, or why there is none.
        effort: How long passes are timed.
    """
    one_BCHW, size = images_BCHW[:1], len(images_BCHW)
    passes = lambda: predict(one_BCHW), lambda: predict(images_BCHW)
    latencies, batches = time_in_bursts(passes, device, (LEAST_PASSES, LEAST_LARGE), effort)
    joules = measure_passes(finishing(lambda: predict(images_BCHW), device), counter, effort.seconds)
    return {
        "inference_latency_seconds": quantile_of_bursts(latencies, 0.5),
        "inference_latency_p95_seconds": quantile_of_bursts(latencies, 0.95),
        "inference_seconds_per_image": scale(quantile_of_bursts(batches, 0.5), 1 / size),
        "inference_joules_per_1000_images": scale(joules, 1000 / size),
    }


def _with_held(beside: Measurement, tensors: list[Tensor]) -> Measurement:
    """Returns a pass's memory with what it needs to be there before."""
    if beside.value is None:
        return beside
    return measured(beside.value + sum(tensor.numel() * tensor.element_size() for tensor in tensors))

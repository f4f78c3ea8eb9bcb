"""What `paretune profile` does: measures what an exported model costs its users, in a process of its own.

Torch is loaded by that process alone, once it has the cores and threads that were asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import redirect_stdout
from dataclasses import asdict, dataclass
from pathlib import Path
from sys import stderr
from typing import Any

from objectives.card import Card
from objectives.costs import COSTS, Measurement, absent, counted, measured
from objectives.files import Unusable
from objectives.imports import ImportFault, error_words
from objectives.meters import open_counter, own_cores
from objectives.meters.latency import ON_REQUEST
from objectives.slot import occupy, open_device
from objectives.trial import Device, Placement
from search.compute import find_gpus
from search.faults import Faults
from search.files import read_file
from search.fresh import ask_fresh_process
from search.runtimes import check_kind, open_onnx, open_torch

UNKNOWN = "only the code of the user's model could tell, and an .onnx imports none"


@dataclass(frozen=True)
class FileProfile:
    """What an exported model costs whoever uses it.

    Attributes:
        card: What is known of the model.
        device: What it was measured on.
        num_images: Of the large batch.
        costs: Those of `objectives.costs.ONCE`, by name.
    """

    card: Card
    device: Device
    num_images: int
    costs: Mapping[str, Measurement]

    def as_json(self) -> dict[str, Any]:
        """Returns plain values."""
        costs = {name: {"unit": COSTS[name].unit, **asdict(cost)} for name, cost in self.costs.items()}
        return {
            "model": self.card.plain(),
            "device": asdict(self.device),
            "num_images": self.num_images,
            "costs": costs,
        }


def profile_file(path: Path, kind: str, num_threads: int, *, allows_import: bool) -> FileProfile:
    """Returns what the model of a file costs on a device of this machine.

    Args:
        path: Of an exported model.
        kind: `cpu`, `cuda`, or `auto` for a GPU where there is one.
        num_threads: Of the CPU, at least 1; the process is pinned to as many cores.
        allows_import: Whether it may name a model whose code is to be imported.

    Raises:
        Faults: where the file holds no model that can be run here, or this machine lacks what is asked for.
        Abandoned: on an interrupt meanwhile.
    """
    check_kind(path)
    placement = _place(path, kind, num_threads)
    found = ask_fresh_process(_measure, path, read_file(path), placement, allows_import)
    if isinstance(found, str):
        raise Faults(found)
    return found


def _place(path: Path, kind: str, num_threads: int) -> Placement:
    cores = own_cores()
    gpus = [] if kind == "cpu" or path.suffix == ".onnx" else find_gpus()
    faults = []
    if num_threads > len(cores):
        faults.append(f"--threads: {len(cores)} cores are there, but got {num_threads}")
    if kind == "cuda" and path.suffix == ".onnx":
        faults.append("--device: an .onnx runs on the CPU here; a .pth may do")
    elif kind == "cuda" and not gpus:
        faults.append("--device: cuda is asked for, but NVML finds no GPU here; use cpu or auto")
    if faults:
        raise Faults(*faults)
    return Placement(0, f"cuda:{gpus[0]}" if gpus else "cpu", num_threads, tuple(cores[:num_threads]))


def _measure(path: Path, content: bytes, placement: Placement, allows_import: bool) -> FileProfile | str:
    occupy(placement)
    measure = _measure_onnx if path.suffix == ".onnx" else _measure_torch
    try:
        device = open_device(placement)
    except RuntimeError as error:
        return f"--device: {error}"
    try:
        with redirect_stdout(stderr):  # standard output is for the answer
            return measure(content, device, allows_import)
    except Unusable as error:
        return f"{path}: it {error}"
    except ImportFault as error:
        return f"{path}: its model cannot be imported: {error}"
    except Exception as error:  # noqa: BLE001  whatever a user's model raises is said in a line
        return f"{path}: the model raised {error_words(error)}"


def _measure_torch(content: bytes, device: Device, allows_import: bool) -> FileProfile:
    import torch

    from objectives.meters.inference import profile_model

    runtime = open_torch(content, allows_import)
    card, where = runtime.card, "cuda:0" if device.kind == "cuda" else "cpu"
    images_BCHW = torch.rand(_shape(card, device.kind)).to(where)
    flops = _count(card)[1]
    costs = profile_model(runtime.classifier.to(where), images_BCHW, flops, open_counter(device), ON_REQUEST)
    return FileProfile(card, device, len(images_BCHW), {**costs, "model_bytes": measured(float(len(content)))})


def _measure_onnx(content: bytes, device: Device, _allows_import: bool) -> FileProfile:
    import numpy as np

    from objectives.meters.inference import measure_inference

    runtime = open_onnx(content, num_threads=device.threads)
    card = runtime.card
    images_BCHW = np.random.default_rng(0).random(_shape(card, device.kind), np.float32)
    parameters, flops = (absent(UNKNOWN), absent(UNKNOWN)) if card.is_foreign else _count(card)
    costs = {
        "parameters": parameters,
        "model_bytes": measured(float(len(content))),
        "inference_flops": flops,
        **measure_inference(runtime.ask, images_BCHW, device.kind, open_counter(device), ON_REQUEST),
        "inference_peak_memory_bytes": absent("onnxruntime does not tell what it allocates"),
    }
    return FileProfile(card, device, len(images_BCHW), costs)


def _shape(card: Card, kind: str) -> tuple[int, int, int, int]:
    """Returns the shape of a large batch, as large as those that are evaluated in training."""
    from objectives.evaluation import VALUES_EVALUATED_AT_ONCE

    height, width = card.image_size
    num_values = card.num_channels * height * width
    return max(1, VALUES_EVALUATED_AT_ONCE[kind] // num_values), card.num_channels, height, width


def _count(card: Card) -> tuple[Measurement, Measurement]:
    """Returns weights, and FLOPs of one image's forward pass."""
    import torch

    from objectives.meters.flops import flops_per_image
    from objectives.models import build_model

    num_channels, (height, width), num_classes = card.num_channels, card.image_size, len(card.classes)
    try:
        with torch.device("meta"):
            model = build_model(card.model, num_channels, num_classes, card.options)
        flops = flops_per_image(card.model, card.options, (num_channels, height, width), num_classes).inference
    except Exception as error:  # noqa: BLE001  whatever it raises on the meta device, it may well run on a real one
        fault = absent(f"the model cannot be counted without data: {error_words(error)}")
        return fault, fault
    return counted(float(sum(values.numel() for values in model.parameters()))), counted(float(flops))

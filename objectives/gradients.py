"""The gradients of a batch: operation by operation, or on a GPU as a graph that was captured once.

A small network's step is many short kernels, which Python gives to a GPU one by one while the GPU waits. A captured
graph is given to it at once (`tests/benchmarks/capture.py` measures both).

Shapes: B images of a batch, C channels, H height, W width, K classes.

Source: A. Gray, "Getting Started with CUDA Graphs", NVIDIA (2019).
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from objectives.augmentations import augment
from objectives.batches import split_batch
from objectives.models import MODELS
from objectives.precision import computing
from objectives.resident import ResidentPart, num_images_at_once
from objectives.trial import Recipe


class Gradients(Protocol):
    """Computes what an optimizer steps by. Nothing in it waits for the device."""

    @property
    def graph_bytes(self) -> float:
        """Memory that a pass needs and torch counts for free: that of arrays within a graph."""

    def compute(self, images_BCHW: Tensor, labels_B: Tensor, loss_sum: Tensor, generator: Generator) -> None:
        """Leaves in each weight the gradient of the batch's mean loss.

        Args:
            images_BCHW: On the device.
            labels_B: Likewise.
            loss_sum: A scalar on the device; the loss of each image is added to it.
            generator: Of the augmentation, on the device.
        """


class Eager:
    """Gives the device one operation after the other.

    A batch that is too large to go through at once goes in micro-batches, whose gradients add up to exactly that of the
    batch's mean loss.

    Args:
        model: Whose gradients are wanted.
        recipe: Its smoothing, augmentation and precision.
    """

    graph_bytes = 0.0

    def __init__(self, model: nn.Module, recipe: Recipe) -> None:
        self._model, self._recipe, self._weights = model, recipe, list(model.parameters())

    def compute(self, images_BCHW: Tensor, labels_B: Tensor, loss_sum: Tensor, generator: Generator) -> None:
        """Leaves in each weight the gradient of the batch's mean loss."""
        for weights in self._weights:
            weights.grad = None
        for images, labels in split_batch(images_BCHW, labels_B, num_images_at_once(images_BCHW)):
            changed = augment(images, self._recipe.augmentation, generator)
            loss_sum += backpropagate(self._model, changed, labels, len(labels_B), self._recipe)


class Captured:
    """Replays a graph of each size of batch.

    Augmentations, which draw random numbers, are no part of the graphs.

    Args:
        model: Whose gradients are wanted, on a GPU; its weights may change their values, not their places.
        recipe: Its smoothing, augmentation and precision.
        batches: One of each size that will come.
    """

    def __init__(self, model: nn.Module, recipe: Recipe, batches: Sequence[tuple[Tensor, Tensor]]) -> None:
        self._recipe, self._weights = recipe, list(model.parameters())
        self._graphs = {
            len(labels_B): _capture(model, images_BCHW, labels_B, recipe) for images_BCHW, labels_B in batches
        }
        self.graph_bytes = max(graph.num_bytes for graph in self._graphs.values())

    def compute(self, images_BCHW: Tensor, labels_B: Tensor, loss_sum: Tensor, generator: Generator) -> None:
        """Leaves in each weight the gradient of the batch's mean loss."""
        graph = self._graphs[len(labels_B)]
        graph.images_BCHW.copy_(augment(images_BCHW, self._recipe.augmentation, generator))
        graph.labels_B.copy_(labels_B)
        graph.cuda.replay()
        for weights, gradient in zip(self._weights, graph.gradients, strict=True):
            weights.grad = gradient
        loss_sum += graph.loss


@dataclass(frozen=True)
class _Graph:
    """A pass that was captured.

    Attributes:
        cuda: Replays it.
        images_BCHW: What it reads.
        labels_B: Likewise.
        loss: What it writes: the sum of the images' losses.
        gradients: Likewise, those of the weights, in their order.
        num_bytes: Memory of what it holds only while it runs.
    """

    cuda: torch.cuda.CUDAGraph
    images_BCHW: Tensor
    labels_B: Tensor
    loss: Tensor
    gradients: list[Tensor | None]
    num_bytes: float


def build_gradients(
    model: nn.Module, family: str, recipe: Recipe, part: ResidentPart, sizes: Collection[int]
) -> Gradients:
    """Returns captured graphs for a model of ours on a GPU whose batches go through at once; else what is eager.

    A model of the user's may do in each pass what no graph holds. Where a graph cannot be captured, as it may be where
    memory is short, its passes are eager too.

    Args:
        model: On its device, to be trained.
        family: Its name.
        recipe: Its smoothing, augmentation and precision.
        part: What it is trained on.
        sizes: Of the batches that will come.
    """
    most = num_images_at_once(part.images_NCHW)
    if part.labels_N.device.type != "cuda" or family not in MODELS or max(sizes) > most:
        return Eager(model, recipe)
    stream = torch.cuda.current_stream()
    try:
        return Captured(model, recipe, [(part.images_NCHW[:size], part.labels_N[:size]) for size in sizes])
    except RuntimeError:  # torch.OutOfMemoryError is one, and what torch says where it broke off a capture
        torch.cuda.set_stream(stream)
        for weights in model.parameters():
            weights.grad = None
        torch.cuda.empty_cache()
        return Eager(model, recipe)


def backpropagate(model: nn.Module, images_BCHW: Tensor, labels_B: Tensor, num_images: int, recipe: Recipe) -> Tensor:
    """Adds to the weights' gradients and returns the sum of the images' losses.

    Args:
        model: Whose gradients are wanted.
        images_BCHW: On the device.
        labels_B: Likewise.
        num_images: Over which the loss is a mean; these may be a part of them.
        recipe: Its smoothing and precision.
    """
    with computing(recipe.precision, labels_B.device.type):
        logits_BK = model(images_BCHW)
        loss = F.cross_entropy(logits_BK, labels_B, reduction="sum", label_smoothing=recipe.label_smoothing)
    torch.autograd.backward(loss / num_images)
    return loss.detach()


@cache
def _capturing_stream() -> torch.cuda.Stream:
    """Returns the one stream on which this process captures: libraries keep tens of megabytes for each."""
    return torch.cuda.Stream()  # type: ignore[no-untyped-call]


def _capture(model: nn.Module, images_BCHW: Tensor, labels_B: Tensor, recipe: Recipe) -> _Graph:
    """Captures a pass; a copy of the model goes through it before, since libraries set themselves up on the first."""
    images, labels, size = images_BCHW.clone(), labels_B.clone(), len(labels_B)
    stream = _capturing_stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        backpropagate(copy.deepcopy(model), images, labels, size, recipe)
    torch.cuda.current_stream().wait_stream(stream)
    weights = list(model.parameters())
    for each in weights:
        each.grad = None
    graph = torch.cuda.CUDAGraph()
    torch.cuda.reset_peak_memory_stats()
    with torch.cuda.graph(graph, stream=stream):
        loss = backpropagate(model, images, labels, size, recipe)
    num_bytes = float(torch.cuda.max_memory_allocated() - torch.cuda.memory_allocated())
    return _Graph(graph, images, labels, loss, [each.grad for each in weights], num_bytes)

"""What a model gets right. Shapes: N images, K classes."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import nn

from objectives.batches import split_batch
from objectives.precision import computing
from objectives.resident import ResidentPart, num_images_at_once

VALUES_EVALUATED_AT_ONCE = {"cpu": 2**16, "cuda": 2**22}
"""The same in evaluation: on a CPU the maps of so few images stay in its cache (83 images of 1x28x28 take up to a
quarter less time than 334)."""

EXPLODED = 1000.0
"""A validation loss of so many times that of guessing (the logarithm of the number of classes) has exploded."""


@torch.inference_mode()
def evaluate(model: nn.Module, part: ResidentPart, precision: str = "fp32") -> tuple[float, int]:
    """Returns the mean cross-entropy (nats) and the number of images classified correctly."""
    model.eval()
    at_once = num_images_at_once(part.images_NCHW, VALUES_EVALUATED_AT_ONCE)
    loss_sum = torch.zeros((), device=part.labels_N.device)
    num_correct = torch.zeros((), dtype=torch.long, device=part.labels_N.device)
    for images, labels in split_batch(part.images_NCHW, part.labels_N, at_once):
        with computing(precision, labels.device.type):
            logits_BK = model(images)
            loss_sum += F.cross_entropy(logits_BK, labels, reduction="sum")
        num_correct += (logits_BK.argmax(dim=1) == labels).sum()
    return loss_sum.item() / len(part.labels_N), int(num_correct.item())


@torch.inference_mode()
def find_divergence(model: nn.Module, train_loss: float, validation_loss: float, num_classes: int) -> str | None:
    """Returns how training shows that it diverges, or None.

    A weight that is not a number need not reach the loss: some kernels pool only the numbers.

    Args:
        model: As it was evaluated.
        train_loss: Nats per image.
        validation_loss: Nats per image.
        num_classes: At least 2.
    """
    if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
        return "the loss is not finite"
    if not torch.stack([weights.isfinite().all() for weights in model.parameters()]).all():
        return "a weight is not finite"
    if validation_loss > EXPLODED * math.log(num_classes):
        return f"the validation loss is {validation_loss:.3g}, over {EXPLODED:,.0f} times that of guessing"
    return None

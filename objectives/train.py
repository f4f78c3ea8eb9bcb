"""One trial, from its configuration to its last epoch: the page to read first.

Shapes: N images of a part, B images of a batch, C channels, H height, W width, K classes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives import checkpoint
from objectives.augmentations import augment
from objectives.costs import counted, measured
from objectives.data import Part, open_dataset
from objectives.meters import Meters
from objectives.meters.flops import train_flops_per_image
from objectives.meters.time import Stopwatch
from objectives.models import build_model
from objectives.optimizers import build_optimizer
from objectives.schedules import lr_factors
from objectives.seeds import derive_seed
from objectives.trial import (
    Device,
    EpochEnded,
    EpochRecord,
    Event,
    Finished,
    Infeasible,
    Recipe,
    Started,
    TrialConfig,
)

VALUES_AT_ONCE = {"cpu": 2**18, "cuda": 2**22}
"""Most input values that go through the model together, whatever the batch size: it bounds the memory, and on a CPU
keeps the maps in its cache (256 images of 1x32x32 evaluate 1.6 to 2 times as fast as 1,024)."""


EXPLODED = 1000.0
"""A validation loss of so many times that of guessing (the logarithm of the number of classes) has exploded."""


@dataclass(frozen=True)
class ResidentPart:
    """A part of a data set on the device, normalised.

    Attributes:
        images_NCHW: float32; each channel has mean 0 and deviation 1 over the training part.
        labels_N: int64.
    """

    images_NCHW: Tensor
    labels_N: Tensor


@dataclass(frozen=True)
class ResidentData:
    """A data set on the device."""

    train: ResidentPart
    validation: ResidentPart
    test: ResidentPart
    num_classes: int


def run_trial(config: TrialConfig, described: Device) -> Generator[Event, None, None]:
    """Trains one trial and yields what happens: `Started`, an `EpochEnded` per epoch, then `Finished` or `Infeasible`.

    Where the trial's folder holds a checkpoint it continues after that epoch, and on a CPU ends bit-equal to a trial
    that was never cut off. Closing the iterator between two events stops the trial there.

    Args:
        config: The setting.
        described: Where to train, as the records call it.

    Raises:
        torch.OutOfMemoryError: when the setting does not fit into the device's memory.
    """
    watch, device = Stopwatch(described), torch.device("cuda:0" if described.kind == "cuda" else "cpu")
    data = load_resident(config.dataset, device, config.data_root)
    images_NCHW, labels_N = data.train.images_NCHW, data.train.labels_N
    num_images, image_CHW = len(labels_N), (images_NCHW.shape[1], images_NCHW.shape[2], images_NCHW.shape[3])
    batch_size = num_images if config.batch_size == "full" else config.batch_size
    num_steps = math.ceil(num_images / batch_size)

    torch.manual_seed(config.seed)
    model = build_model(config.model, image_CHW[0], data.num_classes, config.model_options).to(device)
    if device.type == "cpu":  # convolutions and pooling take a fifth less time
        model = model.to(memory_format=torch.channels_last)
    optimizer = build_optimizer(config.optimizer, model.parameters(), config.lr, config.optimizer_options)
    records: list[EpochRecord] = []
    if config.folder is not None and (cut_off := checkpoint.load(config.folder)) is not None:
        model.load_state_dict(cut_off.model)
        optimizer.load_state_dict(cut_off.optimizer)
        records = list(cut_off.records)
    flops = train_flops_per_image(config.model, config.model_options, image_CHW, data.num_classes)
    meters = Meters(described, watch)
    warm_up(model, images_NCHW[:batch_size], labels_N[:batch_size])
    watch.lap("setup")
    with watch.paused():
        yield Started(config.number, described, len(records), watch.take_bill())
        for record in records:
            yield EpochEnded(config.number, record, replayed=True)

    for epoch in range(len(records) + 1, config.epochs + 1):
        order_N = draw_order(config.seed, epoch, num_images).to(device)
        meters.start()
        train_loss_sum = train_epoch(
            model,
            optimizer,
            images_NCHW[order_N],
            labels_N[order_N],
            batch_size,
            config.recipe,
            lrs=[
                config.lr * factor
                for factor in lr_factors(
                    config.recipe.schedule, config.recipe.warmup_epochs, epoch, config.epochs, num_steps
                )
            ],
            generator=torch.Generator(device).manual_seed(derive_seed(config.seed, epoch, "augmentation")),
        )
        costs = {
            **meters.stop(),
            "train_flops": counted(float(flops * num_images)),
            "samples": counted(float(num_images)),
        }

        train_loss = train_loss_sum.item() / num_images
        validation_loss, num_correct = evaluate(model, data.validation)
        evaluation_seconds = watch.lap("evaluation")
        if not (math.isfinite(train_loss) and math.isfinite(validation_loss)):
            yield Infeasible(config.number, f"diverged: the loss is not finite in epoch {epoch}", watch.take_bill())
            return
        if validation_loss > EXPLODED * math.log(data.num_classes):
            loss = f"{validation_loss:.3g} after epoch {epoch}, over {EXPLODED:,.0f} times that of guessing"
            yield Infeasible(config.number, f"diverged: the validation loss is {loss}", watch.take_bill())
            return

        costs["wall_seconds"] = measured((costs["device_seconds"].value or 0.0) + evaluation_seconds)
        record = EpochRecord(
            epoch,
            train_loss,
            validation_loss,
            num_correct,
            len(data.validation.labels_N),
            costs,
            watch.take_bill(),
        )
        records.append(record)
        if config.folder is not None:
            checkpoint.save(config.folder, model, optimizer, records, epoch)
            watch.lap("saving")
        with watch.paused():
            yield EpochEnded(config.number, record)
    yield Finished(config.number, watch.take_bill())


def train_epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    images_NCHW: Tensor,
    labels_N: Tensor,
    batch_size: int,
    recipe: Recipe,
    *,
    lrs: Sequence[float],
    generator: torch.Generator,
) -> Tensor:
    """Takes one pass over the images in their order and returns the sum of their losses, on the device.

    A batch that is too large to go through at once goes in micro-batches, whose gradients add up to exactly that of the
    batch's mean loss. Nothing here waits for the device.

    Args:
        model: What is trained.
        optimizer: Over the model's weights.
        images_NCHW: On the device.
        labels_N: On the device.
        batch_size: Images per step.
        recipe: Its smoothing and augmentation.
        lrs: The learning rate of each step.
        generator: Of the augmentation, on the device.
    """
    model.train()
    at_once = num_images_at_once(images_NCHW)
    loss_sum = torch.zeros((), device=labels_N.device)
    for lr, images_BCHW, labels_B in zip(
        lrs, torch.split(images_NCHW, batch_size), torch.split(labels_N, batch_size), strict=True
    ):
        optimizer.zero_grad()
        for group in optimizer.param_groups:
            group["lr"] = lr
        for images, labels in zip(torch.split(images_BCHW, at_once), torch.split(labels_B, at_once), strict=True):
            logits_BK = model(augment(images, recipe.augmentation, generator))
            loss = F.cross_entropy(logits_BK, labels, reduction="sum", label_smoothing=recipe.label_smoothing)
            torch.autograd.backward(loss / len(labels_B))
            loss_sum += loss.detach()
        optimizer.step()
    return loss_sum


@torch.inference_mode()
def evaluate(model: nn.Module, part: ResidentPart) -> tuple[float, int]:
    """Returns the mean cross-entropy (nats) and the number of images classified correctly."""
    model.eval()
    at_once = num_images_at_once(part.images_NCHW)
    loss_sum = torch.zeros((), device=part.labels_N.device)
    num_correct = torch.zeros((), dtype=torch.long, device=part.labels_N.device)
    for images, labels in zip(torch.split(part.images_NCHW, at_once), torch.split(part.labels_N, at_once), strict=True):
        logits_BK = model(images)
        loss_sum += F.cross_entropy(logits_BK, labels, reduction="sum")
        num_correct += (logits_BK.argmax(dim=1) == labels).sum()
    return loss_sum.item() / len(part.labels_N), int(num_correct.item())


def draw_order(seed: int, epoch: int, num_images: int) -> Tensor:
    """Returns the order of the images in an epoch: a function of seed and epoch alone, so that it can be redone."""
    generator = torch.Generator().manual_seed(derive_seed(seed, epoch, "order"))
    return torch.randperm(num_images, generator=generator)


def warm_up(model: nn.Module, images_BCHW: Tensor, labels_B: Tensor) -> None:
    """Takes one forward and backward pass with a copy, so that the first step measured is a step like the others."""
    rehearsal = copy.deepcopy(model)
    at_once = num_images_at_once(images_BCHW)
    with torch.random.fork_rng(devices=[]):
        torch.autograd.backward(F.cross_entropy(rehearsal(images_BCHW[:at_once]), labels_B[:at_once]))


def num_images_at_once(images_NCHW: Tensor) -> int:
    """Returns how many images go through the model together."""
    return max(1, VALUES_AT_ONCE[images_NCHW.device.type] // images_NCHW[0].numel())


@lru_cache(maxsize=2)
def load_resident(dataset: str, device: torch.device, data_root: Path | None = None) -> ResidentData:
    """Returns a data set on the device, loaded once per process.

    Args:
        dataset: A name that `open_dataset` takes.
        device: Where to put it.
        data_root: Folder of the official data sets' files; None for the default one.

    Raises:
        DataFault: where it cannot be used as it is.
    """
    data = open_dataset(dataset, data_root)
    mean_C, deviation_C = (values.float().view(1, -1, 1, 1) for values in channel_levels(data.train))

    def resident(part: Part) -> ResidentPart:
        images = torch.from_numpy(part.images_NCHW).float().div_(255)
        images.sub_(mean_C).div_(deviation_C)
        return ResidentPart(images.to(device), torch.from_numpy(part.labels_N).to(device))

    return ResidentData(resident(data.train), resident(data.validation), resident(data.test), len(data.classes))


def channel_levels(part: Part) -> tuple[Tensor, Tensor]:
    """Returns each channel's mean and standard deviation (0-1, float64), counted level by level: no copy is made."""
    channels = torch.from_numpy(part.images_NCHW).unbind(dim=1)
    counts_CL = torch.stack([torch.bincount(pixels.flatten(), minlength=256) for pixels in channels]).double()
    levels_L, num_pixels = torch.arange(256, dtype=torch.float64) / 255, counts_CL[0].sum()
    mean_C = counts_CL @ levels_L / num_pixels
    variance_C = (counts_CL * (levels_L - mean_C[:, None]) ** 2).sum(dim=1) / (num_pixels - 1)
    return mean_C, variance_C.sqrt().clamp_min(1e-8)

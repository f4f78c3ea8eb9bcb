"""One trial, from its configuration to its last epoch: the page to read first.

Shapes: N images of a part, B images of a batch, C channels, H height, W width, K classes.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from objectives.alone import Alone, find_quietest
from objectives.batches import Batch, draw_batches, draw_order
from objectives.calibration import Calibration, calibrate_epoch
from objectives.checkpoint import Checkpoint, Saver, Within
from objectives.costs import ONCE, Measurement, absent, add_costs, counted, measured
from objectives.evaluation import VALUES_EVALUATED_AT_ONCE, evaluate, find_divergence
from objectives.gradients import Gradients, build_gradients
from objectives.imports import error_words
from objectives.meters import Meters
from objectives.meters.flops import Flops, count_flops
from objectives.meters.inference import identify_network, profile_model
from objectives.meters.time import Stopwatch
from objectives.models import build_model
from objectives.optimizers import build_optimizer
from objectives.precision import computing, prepare
from objectives.randomness import restore_states, seed_everything, take_states
from objectives.resident import ResidentData, ResidentPart, load_resident, num_images_at_once
from objectives.schedules import lr_factors
from objectives.seeds import derive_seed
from objectives.sharing import Sharing
from objectives.trial import (
    Calibrated,
    Checkpointed,
    Device,
    EpochEnded,
    EpochRecord,
    Event,
    Finished,
    Infeasible,
    Noted,
    Profiled,
    Question,
    Started,
    Stopped,
    TrialConfig,
    identify,
    in_vain,
    never,
)


@dataclass
class Pass:
    """An epoch under way.

    Attributes:
        step: Steps that are done.
        loss_sum: Of the images so far, on the device.
        augmentation: Its generator, on the device.
        costs: Of the steps up to the last checkpoint, by name.
    """

    step: int
    loss_sum: Tensor
    augmentation: torch.Generator
    costs: dict[str, Measurement]

    @staticmethod
    def begin(seed: int, epoch: int, device: torch.device) -> Pass:
        """Returns an epoch of which nothing is done."""
        generator = torch.Generator(device).manual_seed(derive_seed(seed, epoch, "augmentation"))
        return Pass(0, torch.zeros((), device=device), generator, {})

    @staticmethod
    def resume(within: Within, device: torch.device) -> Pass:
        """Returns an epoch as a checkpoint has it."""
        generator = torch.Generator(device)
        generator.set_state(within.augmentation)
        return Pass(within.step, within.loss_sum.to(device), generator, dict(within.costs))

    def within(self) -> Within:
        """Returns what a checkpoint keeps of it."""
        return Within(self.step, self.loss_sum, self.augmentation.get_state(), self.costs)


def run_trial(config: TrialConfig, described: Device, is_to_suspend: Question = never) -> Generator[Event, None, None]:
    """Trains one trial and yields what happens: `Started`, an `EpochEnded` per epoch, then `Finished` or `Infeasible`.

    `Profiled` comes after `Started`, unless the model's own costs are known.

    Where the trial's folder holds a checkpoint it continues from there, and on a CPU ends bit-equal to a trial that was
    never cut off. Closing the iterator between two events stops the trial there.

    Args:
        config: The setting.
        described: Where to train, as the records call it.
        is_to_suspend: Asked after each step; once it is so the trial saves where it is, and ends with `Stopped`.

    Raises:
        torch.OutOfMemoryError: when the setting does not fit into the device's memory.
    """
    watch, sharing = Stopwatch(described), Sharing(described)
    with sharing.together():
        if sharing.is_shared:
            watch.lap("waiting")
        training = Training(config, described, watch, sharing, is_to_suspend)
        yield from _run_here(config, described, watch, training)


def _run_here(config: TrialConfig, described: Device, watch: Stopwatch, training: Training) -> Generator[Event]:
    """Trains one trial, once its slot may use the device and it is set up."""
    found = training.measure_alone()
    watch.lap("setup")
    with watch.paused():
        yield Started(config.number, described, len(training.records), watch.take_bill())
        yield from found
        yield from (Noted(config.number, note) for note in training.saver.take_notes())
        for record in training.records:
            yield EpochEnded(config.number, record, replayed=True)

    for epoch in range(len(training.records) + 1, config.epochs + 1):
        current = training.begin(epoch)
        yield from training.train(epoch, current)
        if training.is_suspended:
            yield Stopped(config.number, in_vain(watch.take_bill()))  # what could not be saved
            return
        train_loss = current.loss_sum.item() / training.num_images
        validation_loss, num_correct = training.evaluate()
        evaluation_seconds = watch.lap("evaluation")
        divergence = find_divergence(training.model, train_loss, validation_loss, training.data.num_classes)
        if divergence is not None:
            yield Infeasible(config.number, f"diverged in epoch {epoch}: {divergence}", watch.take_bill())
            return

        costs = {
            **current.costs,
            **training.calibration,
            "wall_seconds": absent("the slot shares its device, and evaluation is not calibrated")
            if training.is_shared
            else measured((current.costs["device_seconds"].value or 0.0) + evaluation_seconds),
            "train_flops": training.train_flops,
            "samples": counted(float(training.num_images)),
        }
        num_validation = len(training.data.validation.labels_N)
        record = EpochRecord(epoch, train_loss, validation_loss, num_correct, num_validation, costs, watch.take_bill())
        training.records.append(record)
        training.save_epoch(epoch)
        watch.lap("saving")
        with watch.paused():
            yield EpochEnded(config.number, record)
            yield from (Noted(config.number, note) for note in training.saver.take_notes())
        if training.is_suspended:
            yield Stopped(config.number, watch.take_bill())
            return
    yield Finished(config.number, watch.take_bill())


class Training:
    """A trial set up on its device, as it begins or as its checkpoint left it.

    Attributes:
        data: On the device.
        num_images: Of the training part.
        model: What is trained.
        records: Of the epochs that are done.
        saver: Writes its files.
        calibration: What an epoch costs alone on the device, where it is shared and once that is known.
        is_suspended: Whether it has ended before its last epoch, since that was asked for; it was saved before, where
            that could be done.
    """

    def __init__(
        self, config: TrialConfig, described: Device, watch: Stopwatch, sharing: Sharing, is_to_suspend: Question
    ) -> None:
        device = torch.device("cuda:0" if described.kind == "cuda" else "cpu")
        data = load_resident(config.dataset, device, config.data_root)
        images_NCHW = data.train.images_NCHW
        self.data, self.num_images, self._config, self._device = data, len(images_NCHW), config, device
        self._batch_size = self.num_images if config.batch_size == "full" else config.batch_size
        self._num_steps = math.ceil(self.num_images / self._batch_size)

        prepare(config.recipe.precision, device.type)
        seed_everything(config.seed)
        model = build_model(config.model, images_NCHW.shape[1], data.num_classes, config.model_options).to(device)
        if device.type == "cpu":  # convolutions and pooling take a fifth less time
            model = model.to(memory_format=torch.channels_last)
        self.model = model
        self._optimizer = build_optimizer(config.optimizer, model.parameters(), config.lr, config.optimizer_options)
        self._watch, self._described, self._sharing = watch, described, sharing
        self._is_to_suspend, self.is_suspended = is_to_suspend, False
        known = config.calibrations.get(described.digest, {})
        self.calibration: Mapping[str, Measurement] = known if sharing.is_shared else {}
        with computing(config.recipe.precision, device.type):
            self._flops = rehearse(model, config, data, self._batch_size)
        self._network = identify_network(model, config.family, self.inference_flops)
        self._gradients = self._build_gradients(model)
        self._meters = Meters(described, watch, self._gradients.graph_bytes)

        self.records: list[EpochRecord] = []
        self._within: Within | None = None
        self.saver = Saver(config.folder, identify(config), model)
        if (cut_off := self.saver.load()) is not None:
            self._restore(cut_off)

    @property
    def is_shared(self) -> bool:
        """Whether other slots use the device too."""
        return self._sharing.is_shared

    @property
    def train_flops(self) -> Measurement:
        """The FLOPs of a pass over the training part."""
        if isinstance(self._flops, str):
            return absent(self._flops)
        return counted(float(self.num_images * self._flops.train))

    @property
    def inference_flops(self) -> Measurement:
        """The FLOPs of one image's forward pass."""
        return absent(self._flops) if isinstance(self._flops, str) else counted(float(self._flops.inference))

    def measure_alone(self) -> list[Event]:
        """Returns what was found out of the model and the device that is not known yet, with the device to itself."""
        config = self._config
        known = config.profiles.get(self._network, {}).get(self._described.digest, {})
        found: list[Event] = [Profiled(config.number, known)] if known and not config.is_profiled else []
        is_profiled = config.is_profiled or bool(known)
        is_calibrated = bool(self.calibration) or not self._sharing.is_shared
        if is_profiled and is_calibrated:
            return found
        self._watch.lap("setup")
        with self._sharing.alone():
            if self._sharing.is_shared:
                self._watch.lap("waiting")
            if not is_profiled:
                found.append(self._profile())
            if not is_calibrated:
                self._watch.lap("setup")
                self.calibration, is_disturbed = self._calibrate()
                of = config.number, config.signature, self._described
                found.append(Calibrated(*of, self.calibration, is_disturbed))
        return found

    def _build_gradients(self, model: nn.Module) -> Gradients:
        size = min(self._batch_size, self.num_images)
        last = self.num_images % size
        sizes = [size, last] if last else [size]
        return build_gradients(model, self._config.model, self._config.recipe, self.data.train, sizes)

    def _calibrate(self) -> Calibration:
        """Returns what an epoch costs; the trial itself is left as it is."""
        config, part = self._config, self.data.train
        rehearsal = copy.deepcopy(self.model)
        optimizer = build_optimizer(config.optimizer, rehearsal.parameters(), config.lr, config.optimizer_options)
        gradients = self._build_gradients(rehearsal)
        generator = torch.Generator(self._device).manual_seed(config.seed)
        loss_sum = torch.zeros((), device=self._device)

        def steps(order_N: Tensor, batch_size: int) -> Iterator[None]:
            return train_epoch(
                rehearsal, gradients, optimizer, draw_batches(part, order_N, batch_size),
                lrs=[0.0] * math.ceil(len(order_N) / batch_size), generator=generator, loss_sum=loss_sum,
            )  # fmt: skip

        order_N = draw_order(config.seed, 1, self.num_images).to(self._device)
        with torch.random.fork_rng(devices=[self._device] if self._device.type == "cuda" else []):
            meters = Meters(self._described, self._watch, gradients.graph_bytes)  # the trial's have not begun
            return calibrate_epoch(steps, order_N, self._batch_size, meters)

    def _profile(self) -> Profiled:
        """Returns the model's own costs; those that cannot be had are absent and no end of the trial."""
        images_NCHW = self.data.train.images_NCHW
        images_BCHW = images_NCHW[: num_images_at_once(images_NCHW, VALUES_EVALUATED_AT_ONCE)]
        meters = Meters(self._described, self._watch)  # the trial's have not begun
        meters.read_all()

        def measure() -> Alone:
            meters.start("setup")
            costs = profile_model(self.model, images_BCHW, self.inference_flops, meters.counter)
            return Alone.of(costs, meters.stop("setup"))

        try:
            with computing(self._config.recipe.precision, self._device.type):
                found = find_quietest(measure, "inference_latency_seconds")
        except Exception as error:  # noqa: BLE001  whatever it raises as it is used, it may well train
            reason = f"the model cannot be used as it is trained: {error_words(error)}"
            return Profiled(self._config.number, dict.fromkeys(ONCE, absent(reason)))
        of = self._network, self._described
        return Profiled(self._config.number, found.costs, *of, is_disturbed=found.is_disturbed)

    def begin(self, epoch: int) -> Pass:
        """Returns the epoch that is to be done now, of which a checkpoint may have a part; its training begins."""
        if epoch == self._config.epochs:
            self._meters.read_all()
        self._meters.start()
        within, self._within = self._within, None
        if within is not None:
            return Pass.resume(within, self._device)
        return Pass.begin(self._config.seed, epoch, self._device)

    def train(self, epoch: int, current: Pass) -> Iterator[Event]:
        """Takes what is left of an epoch and yields a `Checkpointed` for each checkpoint within it.

        Once it is to suspend the trial, it ends after the step under way, unless that was the epoch's last.
        """
        config, recipe, meters = self._config, self._config.recipe, self._meters
        order_N = draw_order(config.seed, epoch, self.num_images)[current.step * self._batch_size :].to(self._device)
        factors = lr_factors(recipe.schedule, recipe.warmup_epochs, epoch, config.epochs, self._num_steps)
        for _ in train_epoch(
            self.model,
            self._gradients,
            self._optimizer,
            draw_batches(self.data.train, order_N, self._batch_size),
            lrs=[config.lr * factor for factor in factors[current.step :]],
            generator=current.augmentation,
            loss_sum=current.loss_sum,
        ):
            current.step += 1
            if self._sharing.is_wanted:
                current.costs = add_costs(current.costs, meters.stop())
                self._sharing.give_way()
                meters.start("waiting")
            if current.step == self._num_steps:
                continue  # after its evaluation it is time to save
            self.is_suspended = self._is_to_suspend()
            if self.is_suspended or self.saver.is_due:
                current.costs = add_costs(current.costs, meters.stop())
                is_saved = self.saver.save(self._checkpoint(current.within()))
                self._watch.lap("saving")
                if is_saved:
                    with self._watch.paused():
                        yield Checkpointed(config.number, epoch, self._watch.take_bill())
                if self.is_suspended:
                    return
                meters.start()
        current.costs = add_costs(current.costs, meters.stop())

    def evaluate(self) -> tuple[float, int]:
        """Returns the validation loss (nats) and the number of validation images classified correctly."""
        return evaluate(self.model, self.data.validation, self._config.recipe.precision)

    def save_epoch(self, epoch: int) -> None:
        """Writes the weights after an epoch, and a checkpoint where it is time for one and more is to come."""
        is_last = epoch == self._config.epochs
        self.saver.save_weights(self.model, epoch, durable=is_last)
        self.is_suspended = self._is_to_suspend() and not is_last
        if self.is_suspended or (self.saver.is_due and not is_last):
            self.saver.save(self._checkpoint(None))

    def _checkpoint(self, within: Within | None) -> Checkpoint:
        random = take_states(on_cuda=self._device.type == "cuda")
        return Checkpoint(self.model.state_dict(), self._optimizer.state_dict(), random, tuple(self.records), within)

    def _restore(self, checkpoint: Checkpoint) -> None:
        self.model.load_state_dict(checkpoint.model)
        self._optimizer.load_state_dict(checkpoint.optimizer)
        restore_states(checkpoint.random)
        self.records, self._within = list(checkpoint.records), checkpoint.within


def train_epoch(
    model: nn.Module,
    gradients: Gradients,
    optimizer: torch.optim.Optimizer,
    batches: Iterable[Batch],
    *,
    lrs: Sequence[float],
    generator: torch.Generator,
    loss_sum: Tensor,
) -> Iterator[None]:
    """Takes a step for each batch and yields after each. Nothing here waits for the device.

    Args:
        model: What is trained.
        gradients: Of its weights.
        optimizer: Over the model's weights.
        batches: On the device.
        lrs: The learning rate of each step.
        generator: Of the augmentation, on the device.
        loss_sum: A scalar on the device; the loss of each image is added to it.
    """
    model.train()
    for lr, (images_BCHW, labels_B) in zip(lrs, batches, strict=True):
        for group in optimizer.param_groups:
            group["lr"] = lr
        gradients.compute(images_BCHW, labels_B, loss_sum, generator)
        optimizer.step()
        yield


def rehearse(model: nn.Module, config: TrialConfig, data: ResidentData, batch_size: int) -> Flops | str:
    """Goes through a step with a copy, so that the first one measured is a step like the others.

    Returns the FLOPs of one image, or why they cannot be counted.
    """
    rehearsal, part = copy.deepcopy(model), data.train
    at_once = min(batch_size, num_images_at_once(part.images_NCHW))
    with torch.random.fork_rng(devices=[]):
        torch.autograd.backward(F.cross_entropy(rehearsal(part.images_NCHW[:at_once]), part.labels_N[:at_once]))
        if part.labels_N.device.type == "cuda":
            load_kernels(rehearsal, config, data)
        try:
            return count_flops(rehearsal, part.images_NCHW[:2], part.labels_N[:2])
        except Exception as error:  # noqa: BLE001  whatever it raises while it is watched, it may well train
            return f"the model cannot be counted: {error_words(error)}"


def load_kernels(rehearsal: nn.Module, config: TrialConfig, data: ResidentData) -> None:
    """Has a GPU load what an epoch uses beside its passes, else some 30 ms of a slot's first epoch (an H200, by hand).

    Args:
        rehearsal: A copy of the model, with gradients. What its step takes beside it is handed back; where memory does
            not suffice for both models, the first epoch loads the rest.
        config: The setting.
        data: On the device.
    """
    part, validation = data.train, data.validation
    at_once = num_images_at_once(validation.images_NCHW, VALUES_EVALUATED_AT_ONCE)
    some = ResidentPart(validation.images_NCHW[:at_once], validation.labels_N[:at_once])
    with suppress(torch.OutOfMemoryError):
        next(iter(draw_batches(part, torch.arange(1, device=part.labels_N.device), 1)))
        build_optimizer(config.optimizer, rehearsal.parameters(), config.lr, config.optimizer_options).step()
        evaluate(rehearsal, some, config.recipe.precision)
    rehearsal.train()
    torch.cuda.empty_cache()

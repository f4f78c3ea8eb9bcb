"""What crosses the seam between the coordinator and a slot: trial configurations in, events out. Torch-free."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any, Literal

from objectives.costs import Measurement
from objectives.parameters import Value

LINES = ("setup", "calibration", "training", "metering", "evaluation", "saving", "waiting", "lost")
"""What a slot's time went into. An attempt's lines add up to the time it held the slot."""

Bill = Mapping[str, float]
"""Seconds spent on each of `LINES` since the attempt's event before."""


def in_vain(bill: Bill) -> Bill:
    """Returns the bill of what has to be done again.

    >>> in_vain({"training": 1.5, "evaluation": 0.5}), in_vain({})
    ({'lost': 2.0}, {})
    """
    return {"lost": sum(bill.values())} if bill else {}


CHECKPOINT = "checkpoint.pt"
"""Name of the file in a trial's folder that it continues from."""

LOG = "log.txt"
"""Name of the file in a trial's folder that holds what the user's code printed."""

SAVED = "saved.npz"
"""Name of the file in a trial's folder that holds what a training function saved last."""


def weights_path(folder: Path, epoch: int) -> Path:
    """Returns where in a trial's folder the weights after an epoch lie."""
    return folder / f"epoch-{epoch:04}.pt"


def previous(path: Path) -> Path:
    """Returns where the file lies that was there before the one at a path.

    >>> previous(Path("checkpoint.pt")).name
    'checkpoint-previous.pt'
    """
    return path.with_stem(f"{path.stem}-previous")


PASSING = (CHECKPOINT, previous(Path(CHECKPOINT)).name, previous(Path(SAVED)).name)
"""Names of the files in a trial's folder that nothing needs once the trial is complete."""


@dataclass(frozen=True)
class Recipe:
    """Parts of the training that may be left as they are.

    Attributes:
        schedule: A key of `SCHEDULES`.
        warmup_epochs: Epochs, at least 0, over which the learning rate rises.
        label_smoothing: Share of the target, 0 to 1, that is spread over all classes.
        augmentation: One of `AUGMENTATIONS`.
        precision: One of `PRECISIONS`.
    """

    schedule: str = "constant"
    warmup_epochs: float = 0.0
    label_smoothing: float = 0.0
    augmentation: str = "none"
    precision: str = "fp32"


@dataclass(frozen=True)
class TrialConfig:
    """All that a slot needs to run one trial; the same configuration gives the same trial.

    Attributes:
        number: The trial's number within its study.
        model: A key of `MODELS`, or `package.module:name`.
        dataset: A name that `open_dataset` takes.
        epochs: Passes over the training images, at least 1.
        seed: Decides the initial weights and the order of the images.
        lr: Learning rate.
        optimizer: A key of `OPTIMIZERS`.
        batch_size: Images per step, or `full` for all of them.
        model_options: Parameters of the model family.
        optimizer_options: Options of the optimizer.
        recipe: How the training is done besides.
        folder: Where its checkpoints are; the trial continues from what lies there. None keeps nothing.
        data_root: Folder of the official data sets' files; None for the default one.
        study: UUID of the study that it belongs to.
        is_profiled: Whether the model's own costs are known already, from an attempt before.
        signature: Digest of all that decides what an epoch costs on a device; empty where nothing is calibrated.
        calibrations: What an epoch of that signature costs, by the digest of the device and the cost's name.
        family: Digest of what decides a model's own costs beside its structure; empty where each trial measures them.
        profiles: What networks of that family cost, by the digests of network and device and the cost's name.
        threads: Of torch's CPU operations, at most those of the slot; None for as many.
    """

    number: int
    model: str
    dataset: str
    epochs: int
    seed: int
    lr: float
    optimizer: str
    batch_size: int | Literal["full"]
    model_options: Mapping[str, Value]
    optimizer_options: Mapping[str, Value]
    recipe: Recipe = Recipe()
    folder: Path | None = None
    data_root: Path | None = None
    study: str = ""
    is_profiled: bool = False
    signature: str = ""
    calibrations: Mapping[str, Mapping[str, Measurement]] = field(default_factory=dict)
    family: str = ""
    profiles: Mapping[str, Mapping[str, Mapping[str, Measurement]]] = field(default_factory=dict)
    threads: int | None = None


@dataclass(frozen=True)
class FunctionConfig:
    """All that a slot needs to run one trial of a training function of the user's.

    Attributes:
        number: The trial's number within its study.
        train: `package.module:name` of a function `(params, context)`.
        params: What it is given.
        epochs: Passes over the training data, at least 1.
        seed: Decides the random states at the start of each epoch.
        folder: Where what it saves is; None keeps nothing.
        study: UUID of the study that it belongs to.
        is_profiled: Whether the model's own costs are known already, from an attempt before.
    """

    number: int
    train: str
    params: Mapping[str, Value]
    epochs: int
    seed: int
    folder: Path | None = None
    study: str = ""
    is_profiled: bool = False


Config = TrialConfig | FunctionConfig

Question = Callable[[], bool]
"""Is it so by now? Asked again and again, by training between two steps for one."""


def never() -> bool:
    """Answers that it is not so."""
    return False


STEPS = 2
"""Number of the way in which steps are taken: another one costs otherwise, so that its calibrations are not used."""

PASSES = 1
"""Likewise of the way in which what a model itself costs is measured."""

TOLD = ("signature", "calibrations", "family", "profiles")
"""What a trial is told of what others found out."""


def identify(config: Config) -> str:
    """Returns a digest of all that decides what a trial does, wherever its files lie."""
    return _digest(config, ("folder", "data_root", "is_profiled", *TOLD))


def sign(config: TrialConfig, fingerprint: str) -> str:
    """Returns a digest of all that decides what an epoch costs on a device: the trial's signature.

    Args:
        config: The trial's, not signed yet.
        fingerprint: Of its data set, and of the user's code where it trains that.
    """
    beside = ("number", "epochs", "seed", "lr", "folder", "data_root", "study", "is_profiled", *TOLD)
    recipe = replace(config.recipe, schedule="", warmup_epochs=0.0)
    of_model = f"{STEPS}:{config.model}"
    return _digest(replace(config, recipe=recipe, dataset=fingerprint, model=of_model), beside)


def sign_family(config: TrialConfig, fingerprint: str) -> str:
    """Returns a digest of what decides what a trial's model itself costs on a device, beside the model's structure.

    Args:
        config: The trial's.
        fingerprint: Of its data set, and of the user's code where it trains that.
    """
    return digest_of([PASSES, config.model, config.recipe.precision, fingerprint])


def _digest(record: Config | Device, beside: Sequence[str]) -> str:
    """Returns a digest of a record's fields but for some."""
    return digest_of({name: value for name, value in asdict(record).items() if name not in beside})


def digest_of(plain: Any) -> str:
    """Returns a digest of plain values."""
    return sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Placement:
    """Where a slot runs.

    Attributes:
        slot: Number of the slot, from 0.
        device: `cpu`, or `cuda:INDEX` by NVML's index.
        threads: Threads of torch's CPU operations; trials may use fewer.
        cores: CPU cores that the slot is pinned to; empty where it is not pinned.
        preload: Import path of the training function that it is for; None for the built-in training.
        slots_per_device: How many slots share its GPU or its cores, this one too.
    """

    slot: int
    device: str
    threads: int
    cores: tuple[int, ...] = ()
    preload: str | None = None
    slots_per_device: int = 1

    @property
    def kind(self) -> str:
        """Of its device: `cpu` or `cuda`."""
        return self.device.partition(":")[0]


@dataclass(frozen=True)
class Device:
    """The hardware and software that a trial ran on; costs from different ones are not the same cost.

    Attributes:
        kind: `cpu` or `cuda`.
        name: As the maker calls it.
        identity: Host name for a CPU, UUID for a GPU.
        threads: Threads of torch's CPU operations.
        torch: Version of torch that is installed.
        driver: Version of the GPU's driver.
        power_limit_watts: What the GPU may draw.
        slots: How many slots share it, this one too.
        held_threads: Those of the slot, where its trials do not all use as many; None where they do.
    """

    kind: str
    name: str
    identity: str
    threads: int
    torch: str
    driver: str | None = None
    power_limit_watts: float | None = None
    slots: int = 1
    held_threads: int | None = None

    @property
    def digest(self) -> str:
        """Of all that decides what a step costs whoever has the device alone."""
        return _digest(self, ("slots", "held_threads"))


@dataclass(frozen=True)
class EpochRecord:
    """What one pass over the training images gave and cost.

    Attributes:
        epoch: From 1.
        train_loss: Mean cross-entropy in nats, over the pass, while the weights moved; None where it was not told.
        validation_loss: Mean cross-entropy in nats, after the pass; None where it was not told.
        num_correct: Validation images classified correctly after the pass.
        num_images: Validation images.
        costs: By name in `COSTS`; every meter of the slot gives an entry, absent ones with their reason.
        bill: Seconds spent since the event before: this epoch's, and the saving of the epoch before.
    """

    epoch: int
    train_loss: float | None
    validation_loss: float | None
    num_correct: int
    num_images: int
    costs: Mapping[str, Measurement]
    bill: Bill

    @staticmethod
    def of(plain: Mapping[str, Any]) -> EpochRecord:
        """Returns a record from what `dataclasses.asdict` made of one."""
        costs = {name: Measurement(**cost) for name, cost in plain["costs"].items()}
        return EpochRecord(**{**plain, "costs": costs})


@dataclass(frozen=True)
class Started:
    """A trial is set up on a slot. `epoch` is the one it continues after: 0 for a fresh trial."""

    trial: int
    device: Device
    epoch: int
    bill: Bill


@dataclass(frozen=True)
class Profiled:
    """What the model itself costs, whatever it is trained to: those of `objectives.costs.ONCE`, by name.

    Where it was measured for the trial it names the network, which other trials may have, and the device. They are told
    it, unless it was disturbed.
    """

    trial: int
    costs: Mapping[str, Measurement]
    network: str = ""
    device: Device | None = None
    is_disturbed: bool = False


@dataclass(frozen=True)
class Calibrated:
    """What an epoch of a trial costs alone on its device: by the trial's signature and the device's digest.

    Other trials are told it, unless it was disturbed.
    """

    trial: int
    signature: str
    device: Device
    costs: Mapping[str, Measurement]
    is_disturbed: bool


@dataclass(frozen=True)
class Checkpointed:
    """A checkpoint within an epoch was written: what was done so far is not lost any more."""

    trial: int
    epoch: int
    bill: Bill


@dataclass(frozen=True)
class Noted:
    """What the user should know of a trial that goes on; it follows another event at once."""

    trial: int
    text: str


@dataclass(frozen=True)
class EpochEnded:
    """An epoch is over. `replayed` where it was restored from a checkpoint rather than trained by this attempt."""

    trial: int
    record: EpochRecord
    replayed: bool = False


@dataclass(frozen=True)
class Finished:
    """All epochs are done."""

    trial: int
    bill: Bill


@dataclass(frozen=True)
class Stopped:
    """The trial was asked to stop, and did at the end of the epoch under way."""

    trial: int
    bill: Bill


@dataclass(frozen=True)
class Infeasible:
    """The setting itself cannot be trained here: it diverges, or does not fit into memory."""

    trial: int
    reason: str
    bill: Bill


@dataclass(frozen=True)
class Failed:
    """A fault of code or machine, not of the setting."""

    trial: int
    reason: str
    bill: Bill


SLOT_DIED = "slot died: "
"""How the reason begins where a slot died."""


@dataclass(frozen=True)
class SlotLost:
    """A slot died with this trial on it; the trial can be tried again. `reason` begins with `SLOT_DIED`."""

    trial: int
    reason: str
    bill: Bill


Ended = Finished | Stopped | Infeasible | Failed | SlotLost
Event = Started | Profiled | Calibrated | Checkpointed | EpochEnded | Noted | Ended


def billed_seconds(event: Event) -> float:
    """Returns the seconds of its slot that an event tells of.

    >>> billed_seconds(Finished(0, {"training": 1.5, "saving": 0.5})), billed_seconds(Noted(0, "a note"))
    (2.0, 0.0)
    """
    match event:
        case EpochEnded():
            return 0.0 if event.replayed else sum(event.record.bill.values())
        case Profiled() | Calibrated() | Noted():
            return 0.0
        case _:
            return sum(event.bill.values())

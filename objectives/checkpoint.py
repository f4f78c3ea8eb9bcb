"""What a trial leaves on disk: a checkpoint to continue from, the one before it, and the weights of each epoch.

Files hold state_dicts and plain values only and are read with `weights_only=True`. A file that has its name is whole,
or is found out. The learning rate is a function of epoch and step, and nothing is scaled at this precision, so that a
schedule and a scaler have no state of their own.
"""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from objectives.costs import Measurement
from objectives.files import Unusable, read_newest, read_sealed, write_sealed
from objectives.pace import Pace
from objectives.trial import CHECKPOINT, EpochRecord, weights_path

FORMAT = 1
"""Of the checkpoint: one of another is not gone on from."""


@dataclass(frozen=True)
class Within:
    """Where in an epoch a checkpoint stands.

    Attributes:
        step: Steps that are done, at least 1.
        loss_sum: Of the images so far; a scalar.
        augmentation: The state of the augmentation's generator.
        costs: Of these steps, by name.
    """

    step: int
    loss_sum: Tensor
    augmentation: Tensor
    costs: Mapping[str, Measurement]


@dataclass(frozen=True)
class Checkpoint:
    """The state of a trial after an epoch, or within the one that follows.

    Attributes:
        model: The model's state_dict.
        optimizer: The optimizer's state_dict.
        random: The global random states, as `take_states` gives them.
        records: One for each epoch done, so that a record which got lost on its way can be sent again.
        within: How far the epoch after these is; None at its start.
    """

    model: dict[str, Any]
    optimizer: dict[str, Any]
    random: dict[str, Any]
    records: tuple[EpochRecord, ...]
    within: Within | None


class Saver:
    """Writes and reads the files of one trial; that they cannot be written is no end of the trial.

    Args:
        folder: The trial's; None keeps nothing.
        identity: Of the trial's configuration; a checkpoint of another is not its own.
        model: What is trained; neither is a checkpoint of a model with other weights.
    """

    def __init__(self, folder: Path | None, identity: str, model: nn.Module) -> None:
        self._folder, self._pace = folder, Pace()
        self._identity = [identity, *(f"{name} {list(value.shape)}" for name, value in model.state_dict().items())]
        self._notes: list[str] = []
        self._is_failing = False

    @property
    def is_due(self) -> bool:
        """Whether it is time for a checkpoint."""
        return self._folder is not None and self._pace.is_due

    def save(self, checkpoint: Checkpoint) -> bool:
        """Writes a checkpoint, durably, and returns whether it could be."""
        since = time.perf_counter()
        state = {
            "format": FORMAT,
            "identity": self._identity,
            "model": checkpoint.model,
            "optimizer": checkpoint.optimizer,
            "random": checkpoint.random,
            "records": [asdict(record) for record in checkpoint.records],
            "within": None if checkpoint.within is None else _plain(checkpoint.within),
        }
        saved = self._try(lambda folder: _write(folder / CHECKPOINT, state, durable=True, keeps_previous=True))
        self._pace.saved(time.perf_counter() - since)
        return saved

    def save_weights(self, model: nn.Module, epoch: int, *, durable: bool) -> None:
        """Writes the weights after an epoch; where not durably, they outlive any kill but not a loss of power."""
        self._try(lambda folder: _write(weights_path(folder, epoch), model.state_dict(), durable=durable))

    def load(self) -> Checkpoint | None:
        """Returns the newest checkpoint that can be used; None where there is none."""
        if self._folder is None:
            return None
        found, note = read_newest(self._folder / CHECKPOINT, self._decode)
        self._notes += [] if note is None else [note]
        return found

    def take_notes(self) -> list[str]:
        """Returns what the user should know of the files, since the last time."""
        notes, self._notes = self._notes, []
        return notes

    def _try(self, write: Callable[[Path], None]) -> bool:
        if self._folder is None:
            return False
        try:
            if not self._folder.is_dir():
                self._folder.mkdir(parents=True, exist_ok=True)
            write(self._folder)
        except OSError as error:
            if not self._is_failing:
                self._notes.append(f"its files could not all be written: {error.strerror or error}")
            self._is_failing = True
            return False
        return True

    def _decode(self, content: memoryview) -> Checkpoint:
        state = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        if state.get("format") != FORMAT:
            raise Unusable("is from another version")
        if state["identity"] != self._identity:
            raise Unusable("is of another spec, study or model")
        within = state["within"]
        return Checkpoint(
            state["model"],
            state["optimizer"],
            state["random"],
            tuple(EpochRecord.of(plain) for plain in state["records"]),
            None if within is None else Within(**{**within, "costs": _costs(within["costs"])}),
        )


def load_weights(folder: Path, epoch: int) -> dict[str, Any]:
    """Returns the model's state_dict after an epoch, on the CPU.

    Raises:
        FileNotFoundError: where it was not kept.
        Unusable: where the file is not what was written.
    """
    content = io.BytesIO(read_sealed(weights_path(folder, epoch)))
    weights: dict[str, Any] = torch.load(content, map_location="cpu", weights_only=True)
    return weights


def _write(path: Path, state: dict[str, Any], *, durable: bool, keeps_previous: bool = False) -> None:
    """Writes by way of memory: where torch meets a full disk it raises what cannot be told from its own faults."""
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_sealed(path, buffer.getbuffer(), durable=durable, keeps_previous=keeps_previous)


def _plain(within: Within) -> dict[str, Any]:
    costs = {name: asdict(cost) for name, cost in within.costs.items()}
    return {"step": within.step, "loss_sum": within.loss_sum, "augmentation": within.augmentation, "costs": costs}


def _costs(plain: Mapping[str, Any]) -> dict[str, Measurement]:
    return {name: Measurement(**cost) for name, cost in plain.items()}

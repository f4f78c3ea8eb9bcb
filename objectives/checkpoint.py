"""What a trial leaves on disk: a checkpoint to continue from, and the weights of each epoch.

Files hold state_dicts and plain values only and are read with `weights_only=True`. Each is written beside its place and
renamed into it, so that a file that has its name is whole.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from objectives.costs import Measurement
from objectives.trial import CHECKPOINT, EpochRecord, weights_path


@dataclass(frozen=True)
class Checkpoint:
    """The state of a trial after an epoch.

    Attributes:
        model: The model's state_dict.
        optimizer: The optimizer's state_dict.
        records: One for each epoch done, so that a record which got lost on its way can be sent again.
    """

    model: dict[str, Any]
    optimizer: dict[str, Any]
    records: tuple[EpochRecord, ...]


def save(
    folder: Path,
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    records: Iterable[EpochRecord],
    epoch: int,
) -> None:
    """Writes the weights of the epoch, then the checkpoint."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(weights_path(folder, epoch), model.state_dict(), durable=False)
    state = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "records": [asdict(record) for record in records],
    }
    _write(folder / CHECKPOINT, state, durable=True)


def load(folder: Path) -> Checkpoint | None:
    """Returns the checkpoint in a trial's folder, or None where there is none."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    state = torch.load(path, map_location="cpu", weights_only=True)
    return Checkpoint(state["model"], state["optimizer"], tuple(_record(plain) for plain in state["records"]))


def load_weights(folder: Path, epoch: int) -> dict[str, Any] | None:
    """Returns the model's state_dict after an epoch, on the CPU, or None where it was not kept."""
    path = weights_path(folder, epoch)
    if not path.exists():
        return None
    weights: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return weights


def _record(plain: dict[str, Any]) -> EpochRecord:
    costs = {name: Measurement(**cost) for name, cost in plain.pop("costs").items()}
    return EpochRecord(**plain, costs=costs)


def _write(path: Path, state: dict[str, Any], *, durable: bool) -> None:
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        torch.save(state, file)
        if durable:
            file.flush()
            os.fsync(file.fileno())
    part.replace(path)

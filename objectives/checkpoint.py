"""What a trial leaves on disk: a checkpoint to continue from, and the weights of each epoch.

Files hold state_dicts and plain values only and are read with `weights_only=True`. A file that has its name is whole.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from objectives.costs import Measurement
from objectives.files import write_whole
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
    weights = model.state_dict()
    write_whole(weights_path(folder, epoch), lambda file: torch.save(weights, file), durable=False)
    state = {
        "model": weights,
        "optimizer": optimizer.state_dict(),
        "records": [asdict(record) for record in records],
    }
    write_whole(folder / CHECKPOINT, lambda file: torch.save(state, file), durable=True)


def load(folder: Path) -> Checkpoint | None:
    """Returns the checkpoint in a trial's folder, or None where there is none."""
    path = folder / CHECKPOINT
    if not path.exists():
        return None
    state = torch.load(path, map_location="cpu", weights_only=True)
    return Checkpoint(state["model"], state["optimizer"], tuple(_record(plain) for plain in state["records"]))


def load_weights(folder: Path, epoch: int) -> dict[str, Any]:
    """Returns the model's state_dict after an epoch, on the CPU.

    Raises:
        FileNotFoundError: where it was not kept.
    """
    weights: dict[str, Any] = torch.load(weights_path(folder, epoch), map_location="cpu", weights_only=True)
    return weights


def _record(plain: dict[str, Any]) -> EpochRecord:
    costs = {name: Measurement(**cost) for name, cost in plain.pop("costs").items()}
    return EpochRecord(**plain, costs=costs)

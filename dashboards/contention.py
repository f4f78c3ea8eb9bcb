"""Whether measured seconds can be trusted: how much of the training other work, heat or others on the GPU disturbed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from dashboards.words import share_words
from objectives.costs import NOTABLE
from storage.ledger import CostValue
from storage.rows import StudyRow


@dataclass(frozen=True)
class Contention:
    """Epochs that were disturbed, in one way, for a notable share of their training.

    Attributes:
        num_epochs: With a notable share.
        num_known: Of which it is known whether they were.
        highest: Of an epoch's training, 0 to 1.
        num_unknown: Others, of a study of which it is known for some.
    """

    num_epochs: int
    num_known: int
    highest: float
    num_unknown: int = 0

    def as_json(self) -> dict[str, Any]:
        """Returns it as plain values."""
        told = {"epochs": self.num_epochs, "of": self.num_known, "unknown": self.num_unknown}
        return {**told, "highest": self.highest, "notable": NOTABLE}


def find_contention(study: StudyRow, cost: str = "contention_seconds") -> Contention:
    """Returns how far the epochs of a study waited for their cores, or what else a cost in seconds tells."""
    shares, num_unknown = [], 0
    for costs in _epochs(study):
        lost, took = costs.get(cost), costs.get("device_seconds")
        if lost is not None and took is not None and lost.value is not None and took.value:
            shares.append(min(1.0, lost.value / took.value))  # a GPU tells of several brief epochs in one
        else:
            num_unknown += 1
    num_disturbed = sum(share > NOTABLE for share in shares)
    return Contention(num_disturbed, len(shares), max(shares, default=0.0), num_unknown if shares else 0)


def disturbance_lines(study: StudyRow) -> list[str]:
    """Returns what a reader of measured costs should know, a line each; none where there is nothing."""
    neighbours = [cost.value for costs in _epochs(study) if (cost := costs.get("other_processes")) and cost.value]
    lines = [contention_words(find_contention(study)), throttling_words(find_contention(study, "throttled_seconds"))]
    if neighbours:
        most = f"up to {max(neighbours):.0f} other process{'es' if max(neighbours) > 1 else ''}"
        effect = "their seconds are too long, their energy is that of all"
        lines.append(f"{len(neighbours):,} epochs had {most} on their GPU: {effect}")
    return [line for line in lines if line is not None]


def contention_words(contention: Contention) -> str | None:
    """Returns how far seconds are too long because of other work; None where they are not.

    >>> contention_words(Contention(2, 160, 0.43)).partition(", ")[0]
    '2 of 160 epochs waited for their cores'
    """
    if contention.num_epochs == 0:
        return None
    waited = f"{contention.num_epochs:,} of {contention.num_known:,} epochs waited for their cores"
    had = f"which other work had for up to {share_words(contention.highest)} of the training"
    unknown = f"; of {contention.num_unknown:,} more it is not known" if contention.num_unknown else ""
    return f"{waited}, {had}: their seconds are too long{unknown}"


def throttling_words(throttling: Contention) -> str | None:
    """Returns how far seconds are too long because of heat or a power limit; None where they are not.

    >>> throttling_words(Contention(2, 160, 0.43)).partition(" for")[0]
    '2 of 160 epochs ran on a device that heat or its power limit held back'
    """
    if throttling.num_epochs == 0:
        return None
    held = f"{throttling.num_epochs:,} of {throttling.num_known:,} epochs ran on a device that heat or its power limit"
    return f"{held} held back for up to {share_words(throttling.highest)} of the training: their seconds are too long"


def _epochs(study: StudyRow) -> Iterator[Mapping[str, CostValue]]:
    for trial in study.trials:
        for epoch in trial.epochs:
            yield epoch.costs

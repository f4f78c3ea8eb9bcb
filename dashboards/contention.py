"""Whether measured seconds can be trusted: how much of the training other work had the slots' cores."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from dashboards.words import share_words
from storage.studies import StudyRow

NOTABLE = 0.05
"""Share of an epoch's training from which on its seconds are too long to be left uncommented."""


@dataclass(frozen=True)
class Contention:
    """Epochs that shared their cores with other work.

    Attributes:
        num_epochs: With a notable share.
        num_known: Of which it is known whether they did.
        highest: Of an epoch's training, 0 to 1.
    """

    num_epochs: int
    num_known: int
    highest: float

    def as_json(self) -> dict[str, Any]:
        """Returns it as plain values."""
        return {"epochs": self.num_epochs, "of": self.num_known, "highest": self.highest, "notable": NOTABLE}


def find_contention(study: StudyRow) -> Contention:
    """Returns how far the epochs of a study waited for their cores."""
    shares = []
    for trial in study.trials:
        for epoch in trial.epochs:
            waited, took = epoch.costs.get("contention_seconds"), epoch.costs.get("device_seconds")
            if waited is not None and took is not None and waited.value is not None and took.value:
                shares.append(waited.value / took.value)
    return Contention(sum(share > NOTABLE for share in shares), len(shares), max(shares, default=0.0))


def contention_words(contention: Contention) -> str | None:
    """Returns what a reader of measured seconds should know; None where there is nothing.

    >>> contention_words(Contention(2, 160, 0.43)).partition(", ")[0]
    '2 of 160 epochs waited for their cores'
    """
    if contention.num_epochs == 0:
        return None
    waited = f"{contention.num_epochs:,} of {contention.num_known:,} epochs waited for their cores"
    had = f"which other work had for up to {share_words(contention.highest)} of the training"
    return f"{waited}, {had}: their seconds are too long"

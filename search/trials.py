"""Trials as the coordinator knows them while it runs a study, and the settings that they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from objectives.costs import Measurement, accumulate
from objectives.parameters import Value
from objectives.trial import SLOT_DIED, EpochRecord
from storage.ledger import CostValue
from storage.studies import TrialRow

ENDED = ("complete", "infeasible", "failed")
"""States in which nothing more comes of a trial."""


@dataclass
class Trial:
    """A trial under the coordinator.

    Attributes:
        num_deaths: Slots that died under it since it last ended an epoch.
        heard_at: When its slot last told something of it, by `time.perf_counter`.
        accuracies: Of each epoch, 0 to 1.
        costs: Of each epoch, not cumulative.
    """

    number: int
    params: dict[str, Value]
    seed: int
    state: str
    num_attempts: int = 0
    num_deaths: int = 0
    slot: int | None = None
    heard_at: float = 0.0
    accuracies: list[float] = field(default_factory=list)
    costs: list[dict[str, Measurement]] = field(default_factory=list)
    reason: str | None = None

    @staticmethod
    def of(row: TrialRow) -> Trial:
        """Returns a trial as the ledger has it."""
        trial = Trial(row.number, dict(row.params), row.seed, row.state, len(row.attempts), reason=row.reason)
        progress = max((epoch.attempt for epoch in row.epochs), default=0)
        trial.num_deaths = sum(
            attempt.attempt >= progress and (attempt.outcome or "").startswith(SLOT_DIED) for attempt in row.attempts
        )
        for epoch in row.epochs:
            trial.accuracies.append(epoch.num_correct / epoch.num_images)
            trial.costs.append({name: _measurement(cost) for name, cost in epoch.costs.items()})
        return trial

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in ENDED

    def remember(self, record: EpochRecord) -> None:
        """Adds an epoch."""
        self.num_deaths = 0
        self.accuracies.append(record.num_correct / record.num_images)
        self.costs.append(dict(record.costs))

    def cost(self, name: str, epoch: int | None = None) -> Measurement:
        """Returns the cost up to an epoch, by default the last."""
        return accumulate(name, [costs[name] for costs in self.costs[:epoch]])

    def values(self, minimize: Sequence[str], epoch: int | None = None) -> list[float]:
        """Returns the costs up to an epoch that are to be minimised, as far as they are there."""
        found = [self.cost(name, epoch).value for name in minimize]
        return [value for value in found if value is not None]


@dataclass
class Trials:
    """All trials of a study, by number, and the settings: so many trials in a row, each with a seed of its own.

    Attributes:
        repeats: Trials of each setting.
        minimize: Names of the costs to minimise.
        by_number: The trials.
    """

    repeats: int
    minimize: Sequence[str]
    by_number: dict[int, Trial] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.by_number.values())

    def __len__(self) -> int:
        return len(self.by_number)

    def __getitem__(self, number: int) -> Trial:
        return self.by_number[number]

    def add(self, trial: Trial) -> None:
        """Adds a trial."""
        self.by_number[trial.number] = trial

    @property
    def num_settings(self) -> int:
        """Settings of which a trial is there."""
        return -(-len(self) // self.repeats)

    def setting_of(self, trial: Trial) -> int:
        """Returns the number of the setting that a trial belongs to."""
        return trial.number // self.repeats

    def members(self, setting: int) -> list[Trial]:
        """Returns the trials of a setting, as far as they are there."""
        first = setting * self.repeats
        return [self[number] for number in range(first, first + self.repeats) if number in self.by_number]

    def has_ended(self, setting: int) -> bool:
        """Says whether all trials of a setting are there and have ended."""
        members = self.members(setting)
        return len(members) == self.repeats and all(trial.has_ended for trial in members)

    def means(self, setting: int, epoch: int | None = None) -> list[float]:
        """Returns the mean accuracy and costs after an epoch (the last by default) over a setting's complete trials."""
        complete = [trial for trial in self.members(setting) if trial.state == "complete"]
        index = -1 if epoch is None else epoch - 1
        rows = [[trial.accuracies[index], *trial.values(self.minimize, epoch)] for trial in complete]
        return [fmean(column) for column in zip(*rows, strict=True)]

    def highest(self, name: str) -> float | None:
        """Returns the highest value of a cost, over all trials that have it."""
        values = (trial.cost(name).value for trial in self)
        return max((value for value in values if value is not None), default=None)


def _measurement(cost: CostValue) -> Measurement:
    return Measurement(*cost)  # type: ignore[arg-type]  # the ledger keeps the method as a plain word

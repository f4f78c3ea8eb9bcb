"""Trials as the coordinator knows them while it runs a study, and the settings that they belong to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import fmean
from typing import NamedTuple

from objectives.costs import ONCE, Measurement, absent, accumulate
from objectives.parameters import Value
from objectives.trial import SLOT_DIED, Bill, EpochRecord
from storage.ledger import CostValue
from storage.rows import TrialRow

RESULTS = ("complete", "stopped")
"""States of ended trials whose checkpoints are candidates of the front."""

ENDED = (*RESULTS, "infeasible", "failed")
"""States in which nothing more comes of a trial."""


class Verdict(NamedTuple):
    """What a running trial is to become once its slot lets go of it: a state of `ENDED`, and why."""

    state: str
    reason: str


NOT_MEASURED = absent("it was not measured")


@dataclass
class Trial:
    """A trial under the coordinator.

    Attributes:
        num_deaths: Slots that died under it since it last ended an epoch.
        billed_until: Up to when its present attempt is billed, by `time.perf_counter`; its slot may be heard later.
        quiet_since: When its slot was last heard of, but later by the pauses of the coordinator itself, in which it
            could not listen.
        forgiven_seconds: Such pauses within the epoch under way: whatever halts a coordinator may halt its slots too.
        accuracies: Of each epoch, 0 to 1.
        costs: Of each epoch, not cumulative.
        profile: What its model itself costs, by name; empty until that is known.
        bill: Seconds of all its attempts, by line.
        verdict: What it is to become; None while it may go on.
    """

    number: int
    params: dict[str, Value]
    seed: int
    state: str
    num_attempts: int = 0
    num_deaths: int = 0
    slot: int | None = None
    billed_until: float = 0.0
    quiet_since: float = 0.0
    forgiven_seconds: float = 0.0
    accuracies: list[float] = field(default_factory=list)
    costs: list[dict[str, Measurement]] = field(default_factory=list)
    profile: dict[str, Measurement] = field(default_factory=dict)
    reason: str | None = None
    bill: dict[str, float] = field(default_factory=dict)
    verdict: Verdict | None = None
    is_asked_to_stop: bool = False

    @staticmethod
    def of(row: TrialRow) -> Trial:
        """Returns a trial as the ledger has it."""
        trial = Trial(row.number, dict(row.params), row.seed, row.state, len(row.attempts), reason=row.reason)
        progress = max((epoch.attempt for epoch in row.epochs), default=0)
        trial.num_deaths = sum(
            attempt.attempt >= progress and (attempt.outcome or "").startswith(SLOT_DIED) for attempt in row.attempts
        )
        trial.profile = {name: measurement_of(row.costs[name]) for name in ONCE if name in row.costs}
        for attempt in row.attempts:
            trial.charge(attempt.bill)
        for epoch in row.epochs:
            trial.accuracies.append(epoch.num_correct / epoch.num_images)
            trial.costs.append({name: measurement_of(cost) for name, cost in epoch.costs.items()})
        return trial

    @property
    def has_ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self.state in ENDED

    @property
    def own_seconds(self) -> float:
        """Time that it took, without what was lost."""
        return sum(seconds for line, seconds in self.bill.items() if line != "lost")

    @property
    def epoch_seconds(self) -> float | None:
        """Mean time of its epochs, evaluation and saving too; None before the first."""
        once = sum(self.bill.get(line, 0.0) for line in ("setup", "calibration"))
        return (self.own_seconds - once) / len(self.costs) if self.costs else None

    def begin(self, now: float, slot: int) -> None:
        """Notes that an attempt begins on a slot."""
        self.num_attempts += 1
        self.state, self.slot, self.verdict, self.is_asked_to_stop = "running", slot, None, False
        self.billed_until = self.quiet_since = now

    def hear(self, now: float) -> None:
        """Notes that its slot was heard of."""
        self.quiet_since = now

    def forgive(self, seconds: float) -> None:
        """Notes a pause of the coordinator."""
        self.quiet_since += seconds
        self.forgiven_seconds += seconds

    def charge(self, bill: Bill) -> None:
        """Adds seconds to its bill."""
        for line, seconds in bill.items():
            self.bill[line] = self.bill.get(line, 0.0) + seconds

    def remember(self, record: EpochRecord) -> None:
        """Adds an epoch."""
        self.num_deaths = 0
        self.accuracies.append(record.num_correct / record.num_images)
        self.costs.append(dict(record.costs))

    def cost(self, name: str, epoch: int | None = None) -> Measurement:
        """Returns the cost up to an epoch, by default the last."""
        if name in ONCE:
            return self.profile.get(name, NOT_MEASURED)
        return accumulate(name, [costs.get(name, NOT_MEASURED) for costs in self.costs[:epoch]])

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
    def running(self) -> list[Trial]:
        """Those that are on a slot."""
        return [trial for trial in self if trial.state == "running"]

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

    def depth(self, setting: int) -> int:
        """Returns the last epoch that all results of an ended setting reached; 0 where it is no candidate."""
        members = self.members(setting)
        if any(trial.state == "infeasible" for trial in members):
            return 0
        return min((len(trial.costs) for trial in members if trial.state in RESULTS), default=0)

    def means(self, setting: int, epoch: int | None = None) -> list[float]:
        """Returns the mean accuracy and costs after an epoch (the last by default) over a setting's results."""
        results = [trial for trial in self.members(setting) if trial.state in RESULTS]
        index = -1 if epoch is None else epoch - 1
        rows = [[trial.accuracies[index], *trial.values(self.minimize, epoch)] for trial in results]
        return [fmean(column) for column in zip(*rows, strict=True)]

    def highest(self, name: str) -> float | None:
        """Returns the highest value of a cost, over all trials that have it."""
        values = (trial.cost(name).value for trial in self)
        return max((value for value in values if value is not None), default=None)


def kept(cost: Measurement) -> CostValue:
    """Returns a cost as the ledger keeps it."""
    return CostValue(cost.value, cost.method, cost.reason, cost.error)


def measurement_of(cost: CostValue) -> Measurement:
    """Returns a cost that the ledger has kept."""
    return Measurement(*cost)  # type: ignore[arg-type]  # the ledger keeps the method as a plain word

"""What a study has come to: its checkpoints, front, knee, hypervolume and bills.

Every checkpoint of every setting is a candidate of the front: an epoch is paid for when it is run, so a trial is a
curve of accuracy over cost. Where a setting is trained with several seeds its curve is the mean over them, as far as
all have come. Settings that failed or proved infeasible are no candidates.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from dashboards.prices import EpochPrices, Prices, book_of, price_study
from dashboards.seeds import group_by_setting, num_seeds
from dashboards.totals import CostsSoFar, MeanCosts, Totals
from objectives.front import Reference, front, hypervolume, knee
from objectives.intervals import seeds_interval, wilson_interval
from objectives.prices import DERIVED, PriceBook
from storage.collector import collector_rests
from storage.rows import StudyRow, TrialRow

if TYPE_CHECKING:
    from dashboards.remeasured import Remeasurement

CANDIDATE_STATES = ("complete", "stopped", "running", "waiting")


@dataclass(frozen=True)
class Checkpoint:
    """A setting after an epoch: one trial, or the mean over its trials with different seeds.

    Attributes:
        trial: The trial's number; that of the first seed where there are several.
        epoch: From 1.
        params: The setting's parameters.
        accuracy: Of the validation images, 0 to 1.
        interval: 95 %: of the images, and of the seeds where there are several.
        costs: Cumulative up to this epoch, by name in `COSTS`.
        is_last: Whether the setting was trained no further.
        seeds: The numbers of the trials that it is the mean of.
    """

    trial: int
    epoch: int
    params: Mapping[str, Any]
    accuracy: float
    interval: tuple[float, float]
    costs: CostsSoFar | MeanCosts
    is_last: bool
    seeds: tuple[int, ...]

    def value(self, cost: str) -> float | None:
        """Returns the value of a cost or of what is derived, None where it is absent."""
        return self.costs.value(cost)

    def reason(self, cost: str) -> str | None:
        """Returns why it is absent, None where it is there."""
        return self.costs.prices[cost].reason if cost in DERIVED else self.costs[cost].reason

    @property
    def numbers(self) -> str:
        """Its trials, in words: `7`, or `6-8` where it is the mean of several."""
        return str(self.trial) if len(self.seeds) == 1 else f"{self.seeds[0]}-{self.seeds[-1]}"


@dataclass(frozen=True)
class Summary:
    """What a study has come to.

    Attributes:
        study: The study's rows.
        minimize: Names of the costs to minimise; none where only accuracy is wanted.
        curves: All candidates, by the trial that stands for the setting, in the order of their epochs.
        lasts: The last checkpoint of each single trial that is neither failed nor infeasible.
        front: Those that nothing beats in accuracy and all minimised costs.
        knee: The point of the front (in accuracy and the first cost) after which accuracy gets expensive.
        hypervolume: 0 to 1, in the study's fixed scales; None until they are fixed.
        book: The prices by which money and carbon are derived.
        remeasurement: What was trained again with new seeds; None where nothing was, or nobody looked for it.
    """

    study: StudyRow
    minimize: tuple[str, ...]
    curves: Mapping[int, Sequence[Checkpoint]]
    lasts: Mapping[int, Checkpoint]
    front: tuple[Checkpoint, ...]
    knee: Checkpoint | None
    hypervolume: float | None
    book: PriceBook
    remeasurement: Remeasurement | None = None

    @property
    def prices(self) -> Prices:
        """What all that was billed comes to."""
        return price_study(self.study, self.book)

    @property
    def cost(self) -> str:
        """The cost that knees, answers and curves are about."""
        return first_cost(self.minimize)

    @property
    def finals(self) -> list[Checkpoint]:
        """The last checkpoint of each candidate setting."""
        return [curve[-1] for curve in self.curves.values()]

    @property
    def best(self) -> Checkpoint | None:
        """The most accurate checkpoint, the cheapest of equals."""
        return max(self.front, key=lambda point: point.accuracy, default=None)

    @property
    def num_looks(self) -> int:
        """How many checkpoints the validation images were looked at with: the best of many looks better than it is."""
        return sum(len(curve) for curve in self.curves.values())

    @property
    def baseline(self) -> Checkpoint | None:
        """The baseline's last checkpoint."""
        numbers = (trial.number for trial in self.study.trials if trial.is_baseline)
        return next((self.curves[number][-1] for number in numbers if number in self.curves), None)


def nouns(points: Iterable[Checkpoint]) -> str:
    """Returns what these are checkpoints of, in the plural: trials, or settings that have several trials each."""
    return "settings" if any(len(point.seeds) > 1 for point in points) else "trials"


def first_cost(minimize: Sequence[str]) -> str:
    """Returns the cost that is told of first: the first to minimise, or device seconds where only accuracy counts."""
    return minimize[0] if minimize else "device_seconds"


@collector_rests()
def summarize(study: StudyRow, book: PriceBook | None = None) -> Summary:
    """Returns what a study has come to.

    Args:
        study: Its rows.
        book: The prices to derive money and carbon by; None for the study's own over those of the package.
    """
    book = book or book_of(study)
    minimize = tuple(study.spec["objective"]["minimize"])
    single = {
        trial.number: curve
        for trial in study.trials
        if trial.state in CANDIDATE_STATES and (curve := trace_curve(trial, book))
    }
    curves = single if num_seeds(study) == 1 else _mean_curves(study, single)
    points, losses = [], []
    for point in (point for curve in curves.values() for point in curve):
        if (own := _losses(point, minimize)) is not None:
            points.append(point)
            losses.append(own)
    cost = first_cost(minimize)
    on_front = sorted((points[index] for index in front(losses)), key=lambda point: point.value(cost) or 0.0)
    return Summary(
        study,
        minimize,
        curves,
        {number: curve[-1] for number, curve in single.items()},
        tuple(on_front),
        _knee(on_front, cost),
        _hypervolume(study, on_front, minimize),
        book,
    )


def trace_curve(trial: TrialRow, book: PriceBook | None = None) -> list[Checkpoint]:
    """Returns a trial's checkpoints, at their cumulative costs; without a book nothing is derived of them."""
    prices = None if book is None else EpochPrices(trial, book)
    totals, last = Totals(trial.epochs, trial.costs, prices), len(trial.epochs) - 1
    return [
        Checkpoint(
            trial.number,
            row.epoch,
            trial.params,
            row.num_correct / row.num_images,
            wilson_interval(row.num_correct, row.num_images),
            CostsSoFar(totals, index),
            index == last,
            (trial.number,),
        )
        for index, row in enumerate(trial.epochs)
    ]


def _mean_curves(study: StudyRow, single: Mapping[int, Sequence[Checkpoint]]) -> dict[int, Sequence[Checkpoint]]:
    """Returns the curves of settings; one whose seeds have not all begun, or proved infeasible with one, has none."""
    curves: dict[int, Sequence[Checkpoint]] = {}
    for trials in group_by_setting(study):
        kept = [trial for trial in trials if trial.state != "failed"]
        is_whole = len(trials) == num_seeds(study) and all(trial.number in single for trial in kept)
        if kept and is_whole and (curve := _mean_curve([(trial, single[trial.number]) for trial in kept])):
            curves[kept[0].number] = curve
    return curves


def _mean_curve(members: Sequence[tuple[TrialRow, Sequence[Checkpoint]]]) -> list[Checkpoint]:
    points = []
    for together in zip(*(curve for _, curve in members), strict=False):
        first, index = together[0], together[0].epoch - 1
        rows = [trial.epochs[index] for trial, _ in members]
        accuracy, interval = seeds_interval([(row.num_correct, row.num_images) for row in rows])
        costs = MeanCosts([point.costs for point in together])
        seeds = tuple(trial.number for trial, _ in members)
        points.append(Checkpoint(first.trial, first.epoch, first.params, accuracy, interval, costs, False, seeds))
    return [*points[:-1], replace(points[-1], is_last=True)] if points else []


@collector_rests()
def front_at(points: Iterable[Checkpoint], cost: str) -> list[Checkpoint]:
    """Returns the checkpoints that no other beats in accuracy and one cost, the cheapest first.

    Those at which the cost is absent are left out.
    """
    priced = [(value, point) for point in points if (value := point.value(cost)) is not None]
    kept = front([(-point.accuracy, value) for value, point in priced])
    return [point for _, point in sorted((priced[index] for index in kept), key=itemgetter(0))]


def _losses(point: Checkpoint, minimize: Sequence[str]) -> list[float] | None:
    values = [value for name in minimize if (value := point.value(name)) is not None]
    return [-point.accuracy, *values] if len(values) == len(minimize) else None


def _knee(points: Sequence[Checkpoint], cost: str) -> Checkpoint | None:
    flat = front_at(points, cost)
    index = knee([point.accuracy for point in flat], [point.value(cost) or 0.0 for point in flat])
    return None if index is None else flat[index]


def _hypervolume(study: StudyRow, points: Sequence[Checkpoint], minimize: Sequence[str]) -> float | None:
    if study.reference is None:
        return None
    reference = Reference(study.reference["chance"], tuple(study.reference["worst"]))
    scores = [
        reference.scores(point.accuracy, tuple(point.value(name) or 0.0 for name in minimize)) for point in points
    ]
    return hypervolume(scores)

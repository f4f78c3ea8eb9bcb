"""What training the front again with new seeds came to: was the search lucky, and which points cannot be told apart?

A study that `paretune remeasure` made names the study whose settings it trains again; a checkpoint of the one is that
of the other with the same setting after the same epoch. Several such studies may be there: each checkpoint goes by the
newest that has it. All seeds are tested on the validation images by which the search chose: what is said of differences
holds for these images, and of the seeds alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any

from dashboards.contention import disturbance_lines
from dashboards.seeds import group_by_setting, num_seeds
from dashboards.summary import Checkpoint, Summary, trace_curve
from dashboards.words import accuracy_words, cost_words
from objectives.costs import COSTS
from objectives.intervals import difference_interval, seeds_interval, student_interval
from storage.database import Database
from storage.faults import StorageFault
from storage.reading import load_study
from storage.rows import StudyRow, TrialRow
from storage.studies import list_remeasurements

LEAST_SEEDS = 2
"""Seeds without which nothing is known of their spread."""

LEAST_GROUP = 2
"""Checkpoints of which it can be said that nothing tells them apart."""

NOT_TRAINED = "it was not trained again"


@dataclass(frozen=True)
class Estimate:
    """A quantity, measured with several seeds.

    Attributes:
        values: Of each seed.
        mean: Over the seeds.
        interval: 95 %, of the mean: Student's, not below 0; of an accuracy with the images' own besides.
        resolution: Distance of the values that there can be: of an accuracy, an image's share; else 0.
    """

    values: tuple[float, ...]
    mean: float
    interval: tuple[float, float]
    resolution: float = 0.0

    def range_of(self, num_seeds: int) -> tuple[float, float]:
        """Returns where the mean of so many further seeds lies in 95 % of cases."""
        return student_interval(self.values, num_seeds, self.resolution)[1]


@dataclass(frozen=True)
class Remeasured:
    """A checkpoint that was trained again.

    Attributes:
        seen: As the search saw it.
        study: Where it was trained again.
        seeds: The numbers of the trials there.
        accuracy: 0 to 1.
        costs: Those that all seeds have, by name in `COSTS`.
    """

    seen: Checkpoint
    study: str
    seeds: tuple[int, ...]
    accuracy: Estimate
    costs: Mapping[str, Estimate]

    @property
    def luck(self) -> float | None:
        """By how much the search's accuracy is above the new mean; None where new seeds, or the images, may explain it.

        It is negative where the search had bad luck. That it is outside of the images' interval too is asked since
        there are many points, of which one in twenty would have luck without any.
        """
        low, high = self.accuracy.interval
        is_explained = low <= self.seen.accuracy <= high
        return None if is_explained else _outside(self.seen.accuracy, self.accuracy, len(self.seen.seeds))

    def excess(self, cost: str) -> float | None:
        """Returns by how much the search's cost is above the new mean, where new seeds do not explain it; else None."""
        seen, now = self.seen.value(cost), self.costs.get(cost)
        return None if seen is None or now is None else _outside(seen, now, len(self.seen.seeds))

    def gap(self, other: Remeasured, cost: str | None = None) -> tuple[float, tuple[float, float]]:
        """Returns how much higher the other's accuracy, or one cost, is; with its 95 % interval over the seeds.

        Epochs of the same trainings are compared seed by seed.
        """
        one, two = (point.accuracy if cost is None else point.costs[cost] for point in (self, other))
        is_paired = (self.study, self.seeds) == (other.study, other.seeds)
        return difference_interval(one.values, two.values, paired=is_paired, resolution=one.resolution)

    def is_like(self, other: Remeasured, cost: str | None = None) -> bool:
        """Says whether the seeds cannot tell two checkpoints apart, in accuracy or in one cost."""
        low, high = self.gap(other, cost)[1]
        return low <= 0 <= high


@dataclass(frozen=True)
class Lacking:
    """A checkpoint of the front without a new measurement, and why."""

    seen: Checkpoint
    reason: str


@dataclass(frozen=True)
class Remeasurement:
    """All that was trained again of a study.

    Attributes:
        points: Checkpoints of the front, and the last of other settings; the cheapest first.
        lacking: Checkpoints that have no new measurement.
        groups: Neighbours among the points of which no two can be told apart in accuracy, each as long as can be; a
            point may stand in two of them.
        disturbed: How far the seconds of the new trainings are too long, a sentence each.
    """

    points: tuple[Remeasured, ...]
    lacking: tuple[Lacking, ...]
    groups: tuple[tuple[Remeasured, ...], ...]
    disturbed: tuple[str, ...]


def add_remeasurement(database: Database, summary: Summary) -> Summary:
    """Returns a summary with what was trained again of its study."""
    studies = []
    for other in list_remeasurements(database, summary.study.uuid):
        with suppress(StorageFault):  # deleted meanwhile
            studies.append(load_study(database, other))
    return replace(summary, remeasurement=compare(summary, studies)) if studies else summary


def compare(summary: Summary, studies: Sequence[StudyRow]) -> Remeasurement:
    """Returns what was trained again of a study.

    Args:
        summary: The study.
        studies: Those that trained settings of it again, the newest first.
    """
    trained = [(study, {_key(trials[0].params): trials for trials in group_by_setting(study)}) for study in studies]
    points: list[Remeasured] = []
    lacking: list[Lacking] = []
    for seen in _wanted(summary, {key for _, settings in trained for key in settings}):
        found = [_measure(seen, study, settings.get(_key(seen.params), [])) for study, settings in trained]
        best = next((one for one in found if isinstance(one, Remeasured)), None)
        if best is not None:
            points.append(best)
        else:
            reasons = (one.reason for one in found if isinstance(one, Lacking))
            lacking.append(Lacking(seen, next(reasons, NOT_TRAINED)))
    used = [study for study in studies if any(point.study == study.name for point in points)]
    disturbed = [f"Of {study.name}, {line}." for study in used for line in disturbance_lines(study)]
    return Remeasurement(tuple(points), tuple(lacking), tuple(_group(points)), tuple(disturbed))


def remeasured_lines(summary: Summary) -> list[str]:
    """Returns what follows of the new measurement, in sentences; none where there is no such measurement."""
    remeasurement = summary.remeasurement
    if remeasurement is None:
        return []
    lines = [line for point in remeasurement.points if (line := _luck_line(point))]
    lines += [_group_line(group, summary.cost) for group in remeasurement.groups]
    lines += [_rest_line(remeasurement)] if remeasurement.points else []
    lines += remeasurement.disturbed
    tried = [lack for lack in remeasurement.lacking if lack.reason != NOT_TRAINED]
    lines += [f"{_name(lack.seen).capitalize()}: {lack.reason}." for lack in tried]
    if num_left := len(remeasurement.lacking) - len(tried):
        lines.append(f"{num_left} other point{'s' * (num_left > 1)} of the front: not trained again.")
    return lines


def remeasurement_json(summary: Summary) -> dict[str, Any] | None:
    """Returns the new measurement as plain values; None where there is none."""
    remeasurement = summary.remeasurement
    if remeasurement is None:
        return None
    return {
        "points": [_point_json(point) for point in remeasurement.points],
        "lacking": [
            {"trial": lack.seen.trial, "epoch": lack.seen.epoch, "reason": lack.reason}
            for lack in remeasurement.lacking
        ],
        "not_distinguishable": [
            [{"trial": point.seen.trial, "epoch": point.seen.epoch} for point in group]
            for group in remeasurement.groups
        ],
        "sentences": remeasured_lines(summary),
    }


def _wanted(summary: Summary, trained: set[frozenset[Any]]) -> list[Checkpoint]:
    """Returns the checkpoints to look for: the front's, and the last of settings that are trained again beside it."""
    on_front = {point.trial for point in summary.front}
    others = [point for point in summary.finals if point.trial not in on_front and _key(point.params) in trained]
    return sorted([*summary.front, *others], key=lambda point: point.value(summary.cost) or 0.0)


def _key(params: Mapping[str, Any]) -> frozenset[Any]:
    return frozenset(params.items())


def _measure(seen: Checkpoint, study: StudyRow, trials: Sequence[TrialRow]) -> Remeasured | Lacking | None:
    """Returns a checkpoint as a study has it again, or why it has not; None where it does not train the setting."""
    if not trials:
        return None
    whole = num_seeds(study)
    infeasible = [trial for trial in trials if trial.state == "infeasible"]
    if infeasible:
        reason = f"with {len(infeasible)} of {whole} new seeds it could not be trained: {infeasible[0].reason}"
        return Lacking(seen, reason)
    there = [trial for trial in trials if trial.state != "failed" and len(trial.epochs) >= seen.epoch]
    if len(there) < LEAST_SEEDS:
        return Lacking(seen, f"{len(there)} of {whole} new seeds have come so far, {LEAST_SEEDS} or more are needed")
    points = [trace_curve(trial)[seen.epoch - 1] for trial in there]
    rows = [trial.epochs[seen.epoch - 1] for trial in there]
    mean, interval = seeds_interval([(row.num_correct, row.num_images) for row in rows])
    resolution = 1 / min(row.num_images for row in rows)
    accuracy = Estimate(tuple(point.accuracy for point in points), mean, interval, resolution)
    return Remeasured(seen, study.name, tuple(trial.number for trial in there), accuracy, dict(_cost_estimates(points)))


def _cost_estimates(points: Sequence[Checkpoint]) -> Iterator[tuple[str, Estimate]]:
    for name in COSTS:
        values = tuple(value for point in points if (value := point.value(name)) is not None)
        if len(values) == len(points):
            mean, (low, high) = student_interval(values)
            yield name, Estimate(values, mean, (max(0.0, low), high))


def _outside(seen: float, now: Estimate, num_seen: int) -> float | None:
    low, high = now.range_of(num_seen)
    is_inside = low <= seen <= high or math.isclose(seen, low) or math.isclose(seen, high)
    return None if is_inside else seen - now.mean


def _group(points: Sequence[Remeasured]) -> Iterator[tuple[Remeasured, ...]]:
    """Yields the longest stretches of two or more points of which no two can be told apart."""
    reached = 0
    for start in range(len(points)):
        end = start + 1
        while end < len(points) and all(point.is_like(points[end]) for point in points[start:end]):
            end += 1
        if end - start >= LEAST_GROUP and end > reached:
            yield tuple(points[start:end])
        reached = max(reached, end)


def _name(point: Checkpoint) -> str:
    return f"trial {point.numbers} after epoch {point.epoch}"


def _count(points: Iterable[Remeasured]) -> str:
    counts = sorted({len(point.seeds) for point in points})
    return f"{counts[0]} seeds" if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds"


def _luck_line(point: Remeasured) -> str | None:
    if point.luck is None:
        return None
    side, word = ("above", "lucky") if point.luck > 0 else ("below", "unlucky")
    low, high = point.accuracy.range_of(len(point.seen.seeds))
    return (
        f"The search was {word} with {_name(point.seen)}: the {100 * point.seen.accuracy:.1f} % that it saw are {side} "
        f"what new seeds give ({100 * low:.1f} to {100 * high:.1f} %); their mean is "
        f"{accuracy_words(point.accuracy.mean, point.accuracy.interval)}."
    )


def _group_line(group: Sequence[Remeasured], cost: str) -> str:
    names = [_name(point.seen) for point in group]
    line = f"{', '.join(names[:-1])} and {names[-1]} cannot be told apart in accuracy with {_count(group)} each"
    line = line[0].upper() + line[1:]
    gap, (low, high) = group[0].gap(group[-1])
    which = "the difference is" if len(group) == LEAST_GROUP else "from the first to the last it is"
    line += f" ({which} {100 * gap:+.2f} points, 95 %: {100 * low:+.2f} to {100 * high:+.2f})"
    priced = sorted((point for point in group if cost in point.costs), key=lambda point: point.costs[cost].mean)
    if len(priced) == len(group) and not any(priced[0].is_like(other, cost) for other in priced[1:]):
        ends = [cost_words(cost, end) for end in priced[0].costs[cost].interval]
        words = cost_words(cost, priced[0].costs[cost].mean)
        return f"{line}; {_name(priced[0].seen)} is the cheapest of them: {words} ({ends[0]} to {ends[1]})."
    return f"{line}."


def _rest_line(remeasurement: Remeasurement) -> str:
    points, grouped = remeasurement.points, {id(point) for group in remeasurement.groups for point in group}
    apart = sum(id(point) not in grouped for point in points)
    told = f"{apart} of {len(points)} differ in accuracy from their neighbours" if len(points) > 1 else "1 point"
    return f"Trained again: {told}, with {_count(points)}, on the validation images that the search chose by."


def _point_json(point: Remeasured) -> dict[str, Any]:
    seen = point.seen
    return {
        "trial": seen.trial,
        "epoch": seen.epoch,
        "params": dict(seen.params),
        "search": {
            "seeds": list(seen.seeds),
            "accuracy": seen.accuracy,
            "accuracy_interval": list(seen.interval),
            "costs": {name: cost.value for name, cost in seen.costs.items()},
        },
        "study": point.study,
        "seeds": list(point.seeds),
        "accuracy": point.accuracy.mean,
        "accuracy_interval": list(point.accuracy.interval),
        "accuracy_of_seeds": list(point.accuracy.values),
        "accuracy_range": list(point.accuracy.range_of(len(point.seen.seeds))),
        "luck": point.luck,
        "costs": {
            name: {
                "mean": cost.mean,
                "interval": list(cost.interval),
                "of_seeds": list(cost.values),
                "range": list(cost.range_of(len(point.seen.seeds))),
                "excess": point.excess(name),
            }
            for name, cost in point.costs.items()
        },
    }

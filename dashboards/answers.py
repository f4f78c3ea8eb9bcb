"""The five answers: which learning rate, optimizer, batch size, width and compute resource, as far as the trials tell.

Each compares groups of trials. A group's accuracy is that of its best checkpoint, with the interval of its validation
images. A group is said to be behind only where its interval lies below the leader's; groups within it are compared by
what they paid for an accuracy that the leader's interval contains. Settings of a group differ in their other parameters
too, so what is said holds for the best that was found with each, not for the parameter alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from dashboards.launches import launch_lines
from dashboards.seeds import stand_ins
from dashboards.settings import varied_parameters
from dashboards.summary import Checkpoint, Summary, front_at, nouns
from dashboards.words import accuracy_words, cost_words, threads_words, value_words
from storage.rows import TrialRow

LEAST_TRIALS = 3
"""Trials that a group needs before anything is said about it."""

LEAST_RATIO = 1.25
"""Costs closer than this are called about the same: device seconds repeat within some percent only."""

NUM_BINS = 3

QUESTIONS = {
    "lr": "Which learning rate?",
    "optimizer": "Which optimizer?",
    "batch_size": "Which batch size?",
    "width": "How wide a model?",
}


@dataclass(frozen=True)
class Group:
    """Trials that share a value, or a part of the range, of the parameter asked about.

    Attributes:
        label: The value, in words.
        num_trials: How many ended in it, infeasible ones included; settings, where each has several trials.
        num_infeasible: How many of them could not be trained.
        points: The checkpoints of the others that none of these beats in accuracy and the cost, the cheapest first.
    """

    label: str
    num_trials: int
    num_infeasible: int
    points: Sequence[Checkpoint]

    @property
    def best(self) -> Checkpoint:
        """The most accurate checkpoint, the cheapest of equals."""
        return self.points[-1]

    def price(self, cost: str, accuracy: float) -> float | None:
        """Returns the lowest cost at which the group reached an accuracy, None where it did not."""
        return next((point.value(cost) for point in self.points if point.accuracy >= accuracy), None)


@dataclass(frozen=True)
class Answer:
    """An answer to one of the five questions.

    Attributes:
        question: In words.
        sentence: What the trials tell, with numbers.
        is_supported: Whether they tell the groups apart; else the sentence says that there is no evidence yet.
        groups: What it rests on, the best first.
    """

    question: str
    sentence: str
    is_supported: bool
    groups: Sequence[Group]


def answer_all(summary: Summary) -> list[Answer]:
    """Returns the answers: to the five questions, as far as the study asks them, and to those of its own parameters."""
    there = {name for trial in summary.study.trials for name in trial.params} or set(summary.study.spec["space"])
    asked = [name for name in QUESTIONS if name in there]
    asked += [name for name in varied_parameters(summary.study) if name not in {*QUESTIONS, "threads", "device"}]
    answers = [
        answer(summary, QUESTIONS.get(name, f"Which {name}?"), _group_by_parameter(summary, name), name)
        for name in asked
    ]
    launches = " ".join(launch_lines(summary.study))
    answers = [
        replace(found, sentence=f"{found.sentence} {launches}") if name == "width" and launches else found
        for name, found in zip(asked, answers, strict=True)
    ]
    return [*answers, answer(summary, "Which compute resource?", _group_by_device(summary), "compute resource")]


def answer(summary: Summary, question: str, groups: Sequence[Group], name: str) -> Answer:
    """Returns what a comparison of groups tells."""
    cost, several = summary.cost, nouns(summary.finals)
    usable = [group for group in groups if group.points and group.num_trials >= LEAST_TRIALS]
    usable.sort(key=lambda group: (-group.best.accuracy, group.best.value(cost) or 0.0))
    if len(usable) < 2:  # noqa: PLR2004
        return Answer(question, _too_little(groups, name, several), is_supported=False, groups=groups)
    leader, best = usable[0], usable[0].best
    lowest = best.interval[0]
    behind = [group for group in usable[1:] if group.best.interval[1] < lowest]
    level = [group for group in usable[1:] if group not in behind]
    reached = {group.label: group.price(cost, lowest) for group in [leader, *level]}
    prices = {label: price for label, price in reached.items() if price is not None}
    cheapest = min(prices, key=lambda label: prices[label], default=None)
    dearer = {
        label: price / prices[cheapest]
        for label, price in prices.items()
        if cheapest is not None and prices[cheapest] > 0 and price / prices[cheapest] >= LEAST_RATIO
    }
    parts = [
        f"{leader.label} reached {accuracy_words(best.accuracy, best.interval)} for "
        f"{cost_words(cost, best.value(cost))}, the best of {leader.num_trials} {several}."
    ]
    if dearer and cheapest is not None:
        times = ", ".join(f"{label}: {ratio:.2g} times as much" for label, ratio in dearer.items())
        parts.append(
            f"For an accuracy within that interval (at least {100 * lowest:.1f} %) {cheapest} paid least, "
            f"{cost_words(cost, prices[cheapest])}; {times}."
        )
    unreached = [group for group in level if group.label not in prices]
    same = [group for group in level if group.label in prices and group.label not in dearer and group.label != cheapest]
    if same:
        how = "about the same cost" if dearer else "not told apart from it"
        parts.append(f"{_listed(same)}: {how}.")
    if unreached:
        parts.append(f"{_listed(unreached)} stayed lower, though within the uncertainty.")
    if behind:
        told = ", ".join(
            f"{group.label} {100 * group.best.accuracy:.1f} % (best of {group.num_trials})" for group in behind
        )
        parts.append(f"Behind by more than the uncertainty: {told}.")
    lost = [group for group in groups if group.num_infeasible]
    if lost:
        told = ", ".join(f"{group.num_infeasible} of {group.num_trials} at {group.label}" for group in lost)
        parts.append(f"Could not be trained: {told}.")
    is_supported = bool(behind or dearer)
    if not is_supported:
        parts.insert(0, "No evidence yet of a difference.")
    return Answer(question, " ".join(parts), is_supported=is_supported, groups=usable)


def _too_little(groups: Sequence[Group], name: str, several: str) -> str:
    if not groups:
        return "No evidence yet: no trial has ended."
    counts = ", ".join(f"{group.label} ({group.num_trials})" for group in groups)
    return (
        f"No evidence yet: at least two values of {name} with {LEAST_TRIALS} {several} each are needed; "
        f"there are {counts}."
    )


def _listed(groups: Sequence[Group]) -> str:
    return ", ".join(group.label for group in groups)


def _ended(summary: Summary) -> list[TrialRow]:
    """Returns what counts: the settings that the search proposed, since the baseline was not chosen by value."""
    return [trial for trial in stand_ins(summary.study) if not trial.is_baseline]


def _group_by_parameter(summary: Summary, name: str) -> list[Group]:
    trials = [trial for trial in _ended(summary) if name in trial.params]
    entry = summary.study.spec["space"].get(name)
    if isinstance(entry, Mapping) and "low" in entry:
        return _group(summary, {trial.number: _bin(name, entry, trial.params[name]) for trial in trials})
    labels = {trial.number: (0.0, _label(name, trial.params[name])) for trial in trials}
    return _group(summary, labels)


def _group_by_device(summary: Summary) -> list[Group]:
    labels: dict[int, tuple[float, str]] = {}
    for trial in _ended(summary):
        device: Mapping[str, Any] | None = trial.attempts[-1].device if trial.attempts else None
        if device is not None:
            is_told = device["kind"] == "cpu" or "threads" in trial.params
            threads = f", {threads_words(device['threads'])}" if is_told else ""
            labels[trial.number] = (0.0, f"{device['name']}{threads}")
    return _group(summary, labels)


def _group(summary: Summary, labels: Mapping[int, tuple[float, str]]) -> list[Group]:
    members: dict[tuple[float, str], list[TrialRow]] = defaultdict(list)
    for trial in _ended(summary):
        if trial.number in labels:
            members[labels[trial.number]].append(trial)
    cost = summary.cost
    return [
        Group(
            label,
            len(trials),
            sum(trial.state == "infeasible" for trial in trials),
            front_at((point for trial in trials for point in summary.curves.get(trial.number, ())), cost),
        )
        for (_, label), trials in sorted(members.items(), key=lambda item: item[0])
    ]


def _bin(name: str, entry: Mapping[str, Any], value: float) -> tuple[float, str]:
    """Returns the start and the label of the third of the range that holds a value."""
    low, high = float(entry["low"]), float(entry["high"])
    if low == high:
        return low, _label(name, low)
    is_log = bool(entry.get("log", False))
    a, b, at = (math.log(x) for x in (low, high, value)) if is_log else (low, high, float(value))
    index = min(NUM_BINS - 1, int(NUM_BINS * (at - a) / (b - a)))
    ends = [a + (b - a) * step / NUM_BINS for step in (index, index + 1)]
    start, end = (math.exp(x) for x in ends) if is_log else ends
    return start, f"{name} {start:.3g} to {end:.3g}"


def _label(name: str, value: Any) -> str:
    return str(value) if name == "optimizer" else f"{name} {value_words(value)}"

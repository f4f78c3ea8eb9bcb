"""Finished trials of another study, taken over into a new one: which fit, and their weights."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from dashboards.environments import list_changes
from dashboards.seeds import group_by_setting, num_seeds
from objectives.parameters import Value
from objectives.trial import weights_path
from search.environment import explain, observe
from search.faults import Faults
from search.space import Fixed, contains, is_asked
from search.spec import SweepSpec
from storage.artifacts import trial_folder
from storage.beginnings import Beginning
from storage.rows import StudyRow, TrialRow, is_imported

TAKEN = ("complete", "infeasible")
"""States of trials that can be taken over."""

COUNTED = ("train_flops", "samples", "parameters", "model_bytes", "inference_flops")
"""Costs that do not depend on the machine and what else it did."""


@dataclass(frozen=True)
class Takeover:
    """What a new study begins with.

    Attributes:
        source: The study that it comes from.
        trials: Renumbered from 0; whole settings, with all their seeds.
        reference: Scales of the hypervolume, where both studies minimise the same.
        lines: What a person should know.
    """

    source: StudyRow
    trials: tuple[TrialRow, ...]
    reference: Mapping[str, Any] | None
    lines: tuple[str, ...]

    @property
    def beginning(self) -> Beginning:
        """What the new study's rows begin with; its bills are empty, since it was not billed for these trials."""
        new = {trial.source["trial"]: trial.number for trial in self.trials if trial.source is not None}
        tests = {(new[trial], epoch): counts for (trial, epoch), counts in self.source.tests.items() if trial in new}
        return Beginning(self.trials, tests, self.reference)


def take_over(source: StudyRow, spec: SweepSpec, data: Mapping[str, Any]) -> Takeover:
    """Returns the finished trials of a study that fit a new one.

    Args:
        source: Where they are.
        spec: Of the new study.
        data: What describes the new study's data set.

    Raises:
        Faults: where the two do not train the same, so that no trial can fit, with a line for each difference.
    """
    faults = list(_differences(source, spec, data))
    if faults:
        raise Faults(*faults)
    kept: list[TrialRow] = []
    left: Counter[str] = Counter()
    for trials in group_by_setting(source):
        misfit = _misfit(trials, spec)
        if misfit is None:
            kept += trials
        else:
            left[misfit] += len(trials)
    taken = tuple(_renumbered(trial, number, source, spec) for number, trial in enumerate(kept))
    is_alike = list(source.spec["objective"]["minimize"]) == list(spec.objective.minimize)
    return Takeover(source, taken, source.reference if is_alike else None, tuple(_lines(source, spec, taken, left)))


def link_weights(takeover: Takeover, source: Path, target: Path) -> None:
    """Puts the weights of trials that are taken over into the new study's folder too, without a copy where that can be.

    Args:
        takeover: The trials.
        source: Folder of the study that they come from.
        target: Folder of the new study.
    """
    for trial in takeover.trials:
        assert trial.source is not None
        for epoch in trial.epochs:
            there = weights_path(trial_folder(source, trial.source["trial"]), epoch.epoch)
            here = weights_path(trial_folder(target, trial.number), epoch.epoch)
            if there.exists():
                here.parent.mkdir(parents=True, exist_ok=True)
                try:
                    os.link(there, here)
                except OSError:  # another file system, or one without links
                    with suppress(FileNotFoundError):
                        shutil.copy2(there, here)


def _differences(source: StudyRow, spec: SweepSpec, data: Mapping[str, Any]) -> Iterator[str]:
    """Yields what makes accuracies of the two incomparable; of an imported study nothing is known."""
    where, law = f"--from {source.name}", "their trials cannot be compared"
    there, here = source.spec["objective"], spec.objective.model_dump()
    keys = () if is_imported(source) else ("train", "model", "dataset", "epochs")
    for key in keys:
        if there.get(key) != here[key]:
            yield f"{where}: objective.{key} is {there.get(key)} there and {here[key]} here: {law}"
    if keys and there.get("dataset") == here["dataset"] and source.data.get("fingerprint") != data.get("fingerprint"):
        yield f"{where}: {here['dataset']} has changed since that study began: {law}"
    if num_seeds(source) != spec.search.repeats:
        yield (
            f"{where}: search.repeats is {num_seeds(source)} there and {spec.search.repeats} here: "
            "a setting needs the same number of seeds in both"
        )


def _misfit(trials: Sequence[TrialRow], spec: SweepSpec) -> str | None:
    """Returns why a setting does not fit, None where it does."""
    if any(trial.state == "failed" for trial in trials):
        return "failed"
    if len(trials) < spec.search.repeats or any(trial.state not in TAKEN for trial in trials):
        return "not finished"
    for name in spec.objective.minimize:
        if any(trial.state == "complete" and not _has(trial, name) for trial in trials):
            return f"without {name}"
    return _params_misfit(trials[0].params, spec)


def _has(trial: TrialRow, cost: str) -> bool:
    return cost in trial.costs and trial.costs[cost].value is not None


def _params_misfit(params: Mapping[str, Value], spec: SweepSpec) -> str | None:
    laws, entries = spec.laws, spec.entries
    if params == spec.baseline:
        return None
    for name, entry in entries.items():
        if not is_asked(laws, entries, name, params):
            continue
        if name not in params:
            return f"without {name}"
        fits = params[name] == entry.value if isinstance(entry, Fixed) else contains(entry, params[name])
        if not fits:
            return f"{name} not in the space"
    unasked = [name for name in params if name not in entries or not is_asked(laws, entries, name, params)]
    return f"with {unasked[0]}, which the space leaves out" if unasked else None


def _renumbered(trial: TrialRow, number: int, source: StudyRow, spec: SweepSpec) -> TrialRow:
    origin = {"study": source.name, "uuid": source.uuid, "trial": trial.number}
    return replace(trial, number=number, is_baseline=trial.params == spec.baseline, attempts=(), source=origin)


def _lines(source: StudyRow, spec: SweepSpec, taken: Sequence[TrialRow], left: Counter[str]) -> Iterator[str]:
    reasons = ", ".join(f"{count} {reason}" for reason, count in left.most_common())
    why = f"; left there: {reasons}" if left else ""
    yield f"took over {len(taken)} of {len(source.trials)} trials of {source.name}, whose bills stay there{why}"
    if is_imported(source):
        yield f"{source.name} was imported: whether its trials trained what this study trains is not known here"
    elif taken and source.environments:
        now = observe(spec.objective.model_dump())
        yield from (f"of {source.name}: {line}" for line in explain(list_changes(source.environments[-1], now)))
        there, here = source.spec["compute"].get("threads"), spec.compute.threads
        if there != here and set(spec.objective.minimize) - set(COUNTED):
            yield f"of {source.name}: costs measured with {there} threads then, {here} now, which may differ"

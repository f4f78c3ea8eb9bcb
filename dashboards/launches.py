"""Where width is nearly free in seconds though FLOPs grow, and whether launching is what the device waits for there.

The time of a training step is taken apart by what it depends on:

    seconds = launching + images x seconds per image + FLOPs / rate

*Launching* is what each step takes whatever its width and batch size: kernels are started one after the other, and
the optimizer is stepped; each optimizer has its own. *Per image* is what grows with the batch but not with the width,
such as reading and writing small feature maps. The rest is arithmetic at the device's rate. The parts are fitted to all
trials of one device by least squares of relative errors, none of them below zero.

A setting is *launch-bound* where launching takes more than half of its step: free arithmetic would not halve its time.
Width is *nearly free* where the arithmetic takes less than a tenth: twice the FLOPs would take less than a tenth more
time. Both are said only where the 95 % interval of the part says so, and nothing where the parts do not explain the
times.

Source: S. Williams, A. Waterman, D. Patterson, "Roofline: an insightful visual performance model", CACM 52 (2009), with
the fixed time of a step as in G. M. Amdahl, AFIPS 30 (1967); on launches, PyTorch's "Performance tuning guide".
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, NamedTuple

from dashboards.devices import device_words
from dashboards.words import quantity_words
from objectives.intervals import student_95
from storage.rows import EpochRow, StudyRow, TrialRow

HALF, TENTH = 0.5, 0.1
"""Shares of a step beyond which it is launch-bound, and below which its arithmetic is nearly free."""

LEAST_STEPS, LEAST_SPARE = 8, 4
"""Settings that a fit needs, and how many more than it has parts."""

LEAST_SPREAD = 2.0
"""Times by which a part's quantity must vary, so that it can be told from the others."""

MOST_WAITING = 0.9
"""Share of an epoch in which other work had the slot's cores from which on what is left says little."""

MOST_ERROR = 0.25
"""Relative error of the fit from which on the parts do not explain the times."""


MOST_TRIALS = 1000
"""That are looked at, the latest."""

_IMAGES, _FLOPS = "the images", "the FLOPs"


class Step(NamedTuple):
    """A training step of one setting.

    Attributes:
        label: What it is of, a trial's number say.
        kind: Steps of one kind launch the same: the optimizer's name.
        num_images: In a step.
        flops: Forward and backward.
        seconds: That it took.
    """

    label: int
    kind: str
    num_images: float
    flops: float
    seconds: float


@dataclass(frozen=True)
class Parts:
    """What steps spend their time on.

    Attributes:
        steps: That were looked at.
        launching: By kind, seconds of each step that go by whatever its width and batch size, with the half of the 95 %
            interval.
        image_seconds: Of each image, whatever the width; None where the batch size did not vary enough to tell it from
            launching.
        flop_per_second: Rate of the arithmetic, its highest and lowest by the 95 % interval.
        error: Of the fitted times, relative, one standard deviation.
    """

    steps: Sequence[Step]
    launching: Mapping[str, tuple[float, float]]
    image_seconds: float | None
    flop_per_second: tuple[float, float]
    error: float

    @property
    def free(self) -> list[Step]:
        """Those whose arithmetic is nearly free."""
        lowest = self.flop_per_second[0]
        return [step for step in self.steps if lowest > 0 and step.flops / lowest < TENTH * step.seconds]

    @property
    def launch_bound(self) -> list[Step]:
        """Those that are bound by launching; none where that cannot be told."""
        if self.image_seconds is None:
            return []
        return [
            step
            for step in self.steps
            if self.launching[step.kind][0] - self.launching[step.kind][1] > HALF * step.seconds
        ]


class _Fit(NamedTuple):
    """Columns' factors by name, each with the half of its 95 % interval, and the relative error that is left."""

    factors: Mapping[str, tuple[float, float]]
    error: float


def take_apart(steps: Sequence[Step]) -> Parts | None:
    """Returns what steps on one device spend their time on; None where that cannot be told.

    Args:
        steps: Of settings of which some differ in FLOPs per image, by their width say.
    """
    counts = Counter(step.kind for step in steps)
    kept = [step for step in steps if counts[step.kind] > 1 and min(step.seconds, step.flops, step.num_images) > 0]
    kinds = _kinds(kept)
    if len(kept) < max(LEAST_STEPS, len(kinds) + 2 + LEAST_SPARE):
        return None
    if _spread([step.flops / step.num_images for step in kept]) < LEAST_SPREAD:
        return None
    is_apart = _spread([step.num_images for step in kept]) >= LEAST_SPREAD
    columns = {kind: [float(step.kind == kind) for step in kept] for kind in kinds}
    columns |= {_IMAGES: [step.num_images for step in kept]} if is_apart else {}
    columns |= {_FLOPS: [step.flops for step in kept]}
    fit = _fit(columns, [step.seconds for step in kept])
    if fit is None or _FLOPS not in fit.factors or fit.error > MOST_ERROR:
        return None
    each, half = fit.factors[_FLOPS]
    return Parts(
        kept,
        {kind: fit.factors.get(kind, (0.0, 0.0)) for kind in kinds},
        fit.factors.get(_IMAGES, (0.0, 0.0))[0] if is_apart else None,
        (1 / (each + half), 1 / (each - half) if each > half else math.inf),
        fit.error,
    )


def _fit(columns: Mapping[str, Sequence[float]], seconds: Sequence[float]) -> _Fit | None:
    """Fits seconds by a sum of columns, none with a factor below zero; None where they cannot be told apart."""
    import numpy as np

    names = list(columns)
    while names:
        table_NP = np.array([columns[name] for name in names]).T / np.array(seconds)[:, None]
        scale_P = np.linalg.norm(table_NP, axis=0)
        table_NP /= scale_P
        factors_P, _, rank, _ = np.linalg.lstsq(table_NP, np.ones(len(seconds)), rcond=None)
        if rank < len(names):
            return None
        if factors_P.min() >= 0:
            break
        del names[int(factors_P.argmin())]
    errors_N = table_NP @ factors_P - 1
    degrees = len(seconds) - len(names)
    variance = float(errors_N @ errors_N) / degrees
    halves_P = student_95(degrees) * np.sqrt(variance * np.diag(np.linalg.inv(table_NP.T @ table_NP)))
    return _Fit(
        {
            name: (float(factor / scale), float(half / scale))
            for name, factor, half, scale in zip(names, factors_P, halves_P, scale_P, strict=True)
        },
        math.sqrt(variance),
    )


def find_steps(study: StudyRow) -> dict[str, list[Step]]:
    """Returns the steps of a study's trials, by the device and the way of computing, in words.

    A trial's step is the median of its epochs.
    """
    groups: dict[str, list[Step]] = defaultdict(list)
    for trial in study.trials[-MOST_TRIALS:]:
        devices = {attempt.attempt: attempt.device for attempt in trial.attempts}
        by_device: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
        for epoch in trial.epochs:
            device, measured = devices.get(epoch.attempt), _measure(trial, epoch)
            if device is not None and measured is not None:
                by_device[_key(trial, device)].append(measured)
        for key, found in by_device.items():
            images, flops, seconds = (median(values) for values in zip(*found, strict=True))
            groups[key].append(Step(trial.number, str(trial.params.get("optimizer")), images, flops, seconds))
    return dict(groups)


def launch_lines(study: StudyRow) -> list[str]:
    """Returns where width is nearly free in seconds, and why, in words; nothing where it is not, or cannot be told."""
    params = {trial.number: trial.params for trial in study.trials}
    groups = find_steps(study)
    found = {where: parts for where, steps in groups.items() if (parts := take_apart(steps)) is not None}
    told = {where: line for where, parts in found.items() if (line := say_parts(parts, params))}
    return [f"On {where}: {line}" if len(groups) > 1 else line for where, line in told.items()]


def say_parts(parts: Parts, params: Mapping[int, Mapping[str, Any]]) -> str:
    """Returns where width is nearly free, and why, in words; nothing where neither that holds nor launching binds.

    Args:
        parts: Of the steps' times.
        params: Of each step's setting, by its label.
    """
    if not parts.free and not parts.launch_bound:
        return ""
    of, sentences = f"of {len(parts.steps)} trials", []
    if free := parts.free:
        more = f"there twice the FLOPs would take less than {100 * TENTH:.0f} % more time"
        where = f"in {len(free)} {of}{_upto('width', free, params)}"
        sentences.append(f"Width is nearly free in seconds {where}: {more}.")
    if bound := parts.launch_bound:
        each = ", ".join(f"{_interval(*parts.launching[kind])} with {kind}" for kind in _kinds(bound))
        why = f"more than half of each step goes by whatever the width and the batch size, {each}"
        sentences.append(f"{len(bound)} {of}{_upto('batch_size', bound, params)} are launch-bound: {why}.")
    elif parts.image_seconds is None:
        sentences.append("Whether launching takes their time is not known: the batch size did not vary enough.")
    elif parts.image_seconds > 0:
        each = quantity_words(parts.image_seconds, "s")
        sentences.append(f"None is launch-bound for sure: {each} go by for each image, whatever the width.")
    return " ".join(sentences)


def _kinds(steps: Sequence[Step]) -> list[str]:
    return sorted({step.kind for step in steps})


def _interval(middle: float, half: float) -> str:
    low, high = quantity_words(max(0.0, middle - half), "s"), quantity_words(middle + half, "s")
    return f"{quantity_words(middle, 's')} ({low} to {high})"


def _upto(name: str, steps: Sequence[Step], params: Mapping[int, Mapping[str, Any]]) -> str:
    """Returns the highest value of a parameter that steps have, in words; nothing where they have none."""
    values = [value for step in steps if isinstance(value := params[step.label].get(name), int | float)]
    return f" (up to {name} {max(values):.3g})" if values else ""


def _measure(trial: TrialRow, epoch: EpochRow) -> tuple[float, float, float] | None:
    """Returns images, FLOPs and seconds of a step of an epoch, without what it waited; None where that is not known."""
    samples, flops, seconds, waited = (
        None if (cost := epoch.costs.get(name)) is None else cost.value
        for name in ("samples", "train_flops", "device_seconds", "contention_seconds")
    )
    size = trial.params.get("batch_size")
    if not samples or not flops or not seconds or (waited or 0.0) > MOST_WAITING * seconds:
        return None
    if size != "full" and not isinstance(size, int | float):
        return None
    num_steps = 1 if size == "full" else math.ceil(samples / size)
    return samples / num_steps, flops / num_steps, (seconds - (waited or 0.0)) / num_steps


def _key(trial: TrialRow, device: Mapping[str, Any]) -> str:
    """Returns what steps must have in common so that their times can be compared, in words."""
    ways = [f"{name} {trial.params[name]}" for name in ("precision", "augmentation") if name in trial.params]
    return ", ".join([device_words(device), *ways])


def _spread(values: Sequence[float]) -> float:
    return max(values) / min(values)

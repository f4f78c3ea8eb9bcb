"""Energy of all the time that slots were held: metered where their devices have counters, else estimated."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from dashboards.words import cost_words, share_words
from objectives.costs import Measurement, absent, measured
from storage.rows import EpochRow, StudyRow, TrialRow

TRAINING, BESIDES, HELD = "training", "besides training", "while slots were held"
"""Lines of the energy: what epochs metered, and all else (set-up, evaluation, saving, idle, lost); or all as one."""

NOT_RECORDED = "energy was not recorded"


@dataclass(frozen=True)
class Metered:
    """Energy as it is metered: while training alone.

    Attributes:
        joules: Of the epochs; None where one lacks it.
        seconds: That they took.
    """

    joules: float | None = 0.0
    seconds: float = 0.0

    def add(self, joules: float | None, seconds: float | None) -> Metered:
        """Returns the sum with one more epoch."""
        both = None if joules is None or self.joules is None else self.joules + joules
        return Metered(both, self.seconds + (seconds or 0.0))

    @property
    def watts(self) -> float | None:
        """Mean power of the training; None where it is not known."""
        return self.joules / self.seconds if self.joules is not None and self.seconds else None

    def over(self, device_seconds: float) -> float | None:
        """Returns the energy of all the time that slots were held, in joules.

        Set-up, evaluation and lost time are not metered: they count at the mean power of the training, which is rather
        too much than too little.

        >>> Metered(joules=500.0, seconds=5.0).over(6.0)
        600.0
        """
        if self.joules is None or self.seconds == 0:
            return self.joules
        return self.joules * max(1.0, device_seconds / self.seconds)


def meter(trials: Iterable[TrialRow]) -> Metered:
    """Returns the energy that trials took here: what was taken over from another study is billed there."""
    metered = Metered()
    for trial in trials:
        for epoch in trial.epochs if trial.source is None else ():
            joules, seconds = epoch.costs.get("energy_joules"), epoch.costs.get("device_seconds")
            metered = metered.add(joules.value if joules else None, seconds.value if seconds else None)
            if metered.joules is None:
                return metered
    return metered


@dataclass(frozen=True)
class EnergyBill:
    """Energy of all the time that slots were held.

    Attributes:
        method: `measured` by the counters of all devices from the beginning of each sitting to its end; `estimated`
            where only the training was metered, and the rest of what attempts were billed counts at its mean power; or
            `absent`.
        joules: None where it is absent.
        reason: Why it is not measured; None where it is.
        lines: Joules by line, which add up to all; none where it is absent.
    """

    method: str
    joules: float | None
    reason: str | None = None
    lines: dict[str, float] = field(default_factory=dict)


def sum_energy(study: StudyRow) -> Measurement:
    """Returns what the energy counters moved in all sittings, absent where one has none; before the first it is 0 J."""
    starts = [attempt.started_at for trial in study.trials for attempt in trial.attempts]
    if starts and (not study.sittings or min(starts) < study.sittings[0].started_at):
        return absent("no meter tells of these trials alone")
    for sitting in study.sittings:
        if sitting.joules is None:
            return absent(sitting.reason or NOT_RECORDED)
    return measured(sum(sitting.joules or 0.0 for sitting in study.sittings))


def bill_energy(study: StudyRow) -> EnergyBill:
    """Returns the energy of all the time that a study's slots were held, idle time too where it is measured."""
    held, metered = sum_energy(study), meter(study.trials)
    if study.sittings and held.value is not None:
        return EnergyBill("measured", held.value, lines=_divide(held.value, metered))
    return estimate_energy(study.trials, held.reason)


def estimate_energy(trials: Sequence[TrialRow], reason: str | None = None) -> EnergyBill:
    """Returns the energy of all the time that trials' attempts held slots, by that of the training.

    Args:
        trials: The trials.
        reason: Why it is not measured.
    """
    if (lack := find_lack([epoch for trial in trials if trial.source is None for epoch in trial.epochs])) is not None:
        return EnergyBill("absent", None, lack)
    metered = meter(trials)
    joules = metered.over(sum(sum(attempt.bill.values()) for trial in trials for attempt in trial.attempts))
    assert joules is not None
    return EnergyBill("estimated", joules, reason, _divide(joules, metered))


def energy_words(bill: EnergyBill) -> str:
    """Returns the energy and its lines, and how it was got.

    >>> energy_words(EnergyBill("measured", 4000.0, lines={"training": 3000.0, "besides training": 1000.0}))
    'energy 4 kJ, measured: training 3 kJ (75 %), besides training 1 kJ (25 %)'
    >>> energy_words(EnergyBill("absent", None, "this machine shows no energy counter of its CPU"))
    'energy absent: this machine shows no energy counter of its CPU'
    """
    if bill.joules is None:
        return f"energy absent: {bill.reason}"
    parts = [f"{name} {cost_words('energy_joules', each)}" for name, each in bill.lines.items()]
    if bill.joules:
        parts = [
            f"{part} ({share_words(each / bill.joules)})" for part, each in zip(parts, bill.lines.values(), strict=True)
        ]
    why = f" ({bill.reason})" if bill.reason else ""
    return f"energy {cost_words('energy_joules', bill.joules)}, {bill.method}{why}: {', '.join(parts)}"


def _divide(joules: float, metered: Metered) -> dict[str, float]:
    """Returns the lines of so many joules; where the training was not metered by itself there is one."""
    if metered.joules is None:
        return {HELD: joules}
    besides = max(0.0, joules - metered.joules)
    return {TRAINING: joules - besides, BESIDES: besides}


def find_lack(epochs: Sequence[EpochRow]) -> str | None:
    """Returns why the energy of the training of epochs is not known; None where it is."""
    for epoch in epochs:
        cost = epoch.costs.get("energy_joules")
        if cost is None or cost.value is None:
            return NOT_RECORDED if cost is None else cost.reason
    return None if epochs else "no epoch was recorded whose energy would be known"

"""Limits of a trial: what makes a setting infeasible though it can be trained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from dashboards.words import cost_words, quantity_words
from objectives.trial import EpochRecord
from search.trials import Trial, Verdict

if TYPE_CHECKING:
    from search.sections import Limits


def judge_epoch(limits: Limits, trial: Trial, record: EpochRecord) -> Verdict | None:
    """Returns what becomes of a trial by the epoch that it just ended; None where it may go on.

    Args:
        limits: The spec's.
        trial: With the epoch remembered.
        record: The epoch's.
    """
    after = f"after epoch {record.epoch}"
    # A trial that was cut off after its model was profiled is not told of that again.
    verdict = judge_profile(limits, trial) or _judge_costs(limits, trial, ("peak_memory_bytes", "energy_joules"), after)
    if verdict is not None:
        return verdict
    seconds = sum(record.bill.values()) - trial.forgiven_seconds
    if seconds > limits.epoch_seconds:
        took = f"epoch {record.epoch} took {_seconds(seconds)}, more than {_seconds(limits.epoch_seconds)}"
        return Verdict("infeasible", f"timed out: {took} (limits.epoch_seconds)")
    return _judge_time(limits, trial, 0.0)


def judge_profile(limits: Limits, trial: Trial) -> Verdict | None:
    """Returns what becomes of a trial by what its model itself costs; None where it may go on."""
    return (
        _judge_costs(limits, trial, ("inference_latency_seconds",), "for one image")
        or _judge_costs(limits, trial, ("inference_peak_memory_bytes",), "for a large batch")
        or _judge_costs(limits, trial, ("inference_joules_per_1000_images",), "for 1,000 images")
    )


def judge_silence(limits: Limits, trial: Trial, now: float) -> Verdict | None:
    """Returns what becomes of a running trial that has taken too long already; None where it may go on.

    Args:
        limits: The spec's.
        trial: One that runs.
        now: By the clock of `trial.quiet_since`, in seconds.
    """
    silent_seconds = now - trial.quiet_since
    if silent_seconds > limits.epoch_seconds:
        silence = f"no epoch ended within {_seconds(limits.epoch_seconds)} (limits.epoch_seconds)"
        return Verdict("infeasible", f"timed out: {silence}")
    return _judge_time(limits, trial, silent_seconds)


def _judge_costs(limits: Limits, trial: Trial, names: Sequence[str], when: str) -> Verdict | None:
    for name in names:
        most = getattr(limits, name)
        if most is None:
            continue
        cost = trial.cost(name)
        if cost.value is None:
            return Verdict("failed", f"limits.{name} cannot be held: {cost.reason}")
        if cost.value > most:
            took = f"{cost_words(name, cost.value)} {when}, more than {cost_words(name, most)}"
            return Verdict("infeasible", f"{name} is {took} (limits.{name})")
    return None


def _judge_time(limits: Limits, trial: Trial, more_seconds: float) -> Verdict | None:
    most = limits.trial_seconds
    if most is None or trial.own_seconds + more_seconds <= most:
        return None
    done = f"{len(trial.costs)} epochs took more than {_seconds(most)} (limits.trial_seconds)"
    return Verdict("infeasible", f"timed out: set-up and {done}")


def _seconds(seconds: float) -> str:
    return quantity_words(seconds, "s")

"""What the slots of a study were held for: what its trials were billed, and what nobody was."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

from storage.studies import StudyRow

IDLE = "idle"
"""The line of the time in which a slot had no trial: while it loaded, waited for one, or for the last of the others."""


def bill_lines(study: StudyRow) -> dict[str, float]:
    """Returns the device seconds of all sittings by line; the lines add up to the time that devices were held.

    Where several slots share a device, each holds its share of it. A study of which it is not recorded how long its
    slots were held has no idle line, and what is under way is in none yet.
    """
    lines: dict[str, float] = defaultdict(float)
    for trial in study.trials:
        for attempt in trial.attempts:
            for line, seconds in attempt.bill.items():
                lines[line] += seconds
    if study.sittings:
        lines[IDLE] = max(0.0, held_seconds(study) - sum(lines.values()) - _under_way(study))
    return dict(lines)


def held_seconds(study: StudyRow) -> float:
    """Returns how long the sittings held devices, in seconds, several at a time added up."""
    return sum(sitting.seconds * sitting.num_slots / sitting.slots_per_device for sitting in study.sittings)


def _under_way(study: StudyRow) -> float:
    """Returns the seconds since running attempts were last billed."""
    last = study.sittings[-1]
    now = last.started_at + timedelta(seconds=last.seconds)
    since = [
        (now - attempt.heard_at).total_seconds()
        for trial in study.trials
        for attempt in trial.attempts
        if attempt.ended_at is None
    ]
    return sum(max(0.0, seconds) for seconds in since) / last.slots_per_device

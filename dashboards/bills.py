"""What the slots of a study were held for: what its trials were billed, and what nobody was."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from storage.rows import SittingRow, StudyRow

BILLED = ("device_seconds", "money")
"""What attempts are billed in."""

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
    heard = [attempt.heard_at for trial in study.trials for attempt in trial.attempts if attempt.ended_at is None]
    return add_idle(lines, study.sittings, heard)


def add_idle(lines: Mapping[str, float], sittings: Sequence[SittingRow], heard: Iterable[datetime]) -> dict[str, float]:
    """Returns what a study was billed with the time of its idle slots, where it is recorded how long they were held.

    Args:
        lines: Device seconds of all its attempts, by line.
        sittings: Of all its coordinators.
        heard: When each attempt under way was last heard of, and billed.
    """
    if not sittings:
        return dict(lines)
    now = sittings[-1].started_at + timedelta(seconds=sittings[-1].seconds)
    under_way = sum(max(0.0, (now - at).total_seconds()) for at in heard) / sittings[-1].slots_per_device
    return {**lines, IDLE: max(0.0, held_seconds(sittings) - sum(lines.values()) - under_way)}


def held_seconds(sittings: Iterable[SittingRow]) -> float:
    """Returns how long sittings held devices, in seconds, several at a time added up."""
    return sum(sitting.seconds * sitting.num_slots / sitting.slots_per_device for sitting in sittings)

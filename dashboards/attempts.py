"""How attempts ended, in words."""

from __future__ import annotations

from dashboards.words import cost_words
from storage.rows import AttemptRow, TrialRow


def outcome_words(trial: TrialRow, attempt: AttemptRow) -> str:
    """Returns how an attempt ended; one whose coordinator died without a word was cut off, whenever that was found.

    Args:
        trial: The trial that it is of, as `load_study` reads it: it runs only where somebody runs its study.
        attempt: One of the trial's.
    """
    if attempt.outcome is not None:
        return attempt.outcome
    return "running" if trial.state == "running" else f"cut off, last heard of {attempt.heard_at:%Y-%m-%d %H:%M:%S} UTC"


def held_words(attempt: AttemptRow, seconds: float) -> str:
    """Returns for how many seconds an attempt held its slot, and of how much of a device where that was shared.

    Its bill is that share of the seconds.
    """
    words, num_slots = cost_words("device_seconds", seconds), (attempt.device or {}).get("slots", 1)
    return words if num_slots == 1 else f"{words} of 1/{num_slots} of the device"

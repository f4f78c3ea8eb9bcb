"""How attempts ended, in words."""

from __future__ import annotations

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

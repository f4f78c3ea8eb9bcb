"""Where a study came from, and how its spec was changed while it ran, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from storage.rows import StudyRow


def change_lines(study: StudyRow) -> list[str]:
    """Returns a line for each change of the spec."""
    return [_line(change) for change in study.changes]


def source_lines(study: StudyRow) -> list[str]:
    """Returns a line for each study whose trials were taken over."""
    counts = Counter(trial.source["study"] for trial in study.trials if trial.source is not None)
    return [
        f"{count} of the {len(study.trials)} trials were taken over from {name}; what they cost was billed there"
        for name, count in counts.items()
    ]


def _line(change: Mapping[str, Any]) -> str:
    since = datetime.fromisoformat(change["since"])
    keys = ", ".join(f"{key['key']} {key['before']} to {key['now']}" for key in change["keys"])
    return f"from trial {change['from_trial']} on, since {since:%Y-%m-%d %H:%M} UTC: {keys}"

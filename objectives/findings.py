"""What a check of a machine finds, and what to do about it. Torch-free."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Grade = Literal["good", "poor", "absent"]


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        grade: Whether it can be measured, and well.
        text: What was found, in words.
        advice: What to do about it; None where there is nothing to do.
        values: The figures, by names that end in their unit.
    """

    grade: Grade
    text: str
    advice: str | None = None
    values: Mapping[str, float] = field(default_factory=dict)

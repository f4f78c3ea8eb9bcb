"""The service's machine: what it has, what runs there now, and what can be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from objectives.findings import Finding


@dataclass(frozen=True)
class Place:
    """A part of the machine that one study may have.

    Attributes:
        device: Name of the processor or the GPU.
        part: Which of its cores, or which GPU.
        study: Whose it is now; None where it is free.
    """

    device: str
    part: str
    study: str | None


@dataclass(frozen=True)
class Machine:
    """The machine whose slots the service gives away.

    Attributes:
        host: Its name.
        places: All of it, the cores first.
        findings: What can be measured, by what; as `paretune doctor` finds it without training anything.
        checked_at: When that was looked at.
    """

    host: str
    places: Sequence[Place]
    findings: Mapping[str, Finding]
    checked_at: datetime

    def as_json(self) -> dict[str, Any]:
        """Returns plain values."""
        findings = {name: asdict(finding) for name, finding in self.findings.items()}
        return {
            "host": self.host,
            "places": [asdict(place) for place in self.places],
            "measures": findings,
            "checked_at": self.checked_at.isoformat(),
        }

"""Energy of all the time that slots were held, of which the training alone is metered."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from storage.rows import TrialRow


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

"""How what a sitting spends becomes money."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Tariff:
    """How the spending of a sitting becomes money, in the currency of the price book.

    Attributes:
        currency: Its name.
        before: Rent of the sittings before.
        before_seconds: For how long they held slots.
        per_second: Rent of a slot in this sitting; None where none is asked for.
        per_joule: Price of the electricity, in the place of any rent; None where money is rent.
    """

    currency: str = ""
    before: float = 0.0
    before_seconds: float = 0.0
    per_second: float | None = None
    per_joule: float | None = None

    def money(self, device_seconds: float, joules: float | None) -> float | None:
        """Returns what all sittings cost, None where that is not known.

        >>> Tariff("USD", before=1.0, before_seconds=60.0, per_second=0.5).money(70.0, None)
        6.0
        >>> Tariff("USD", per_joule=0.25).money(70.0, 8.0)
        2.0
        """
        if self.per_joule is not None:
            return None if joules is None else joules * self.per_joule
        if self.per_second is None:
            return None
        return self.before + (device_seconds - self.before_seconds) * self.per_second

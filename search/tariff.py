"""How what a sitting spends becomes money."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from objectives.parameters import Value


@dataclass(frozen=True)
class Tariff:
    """How the spending of a sitting becomes money, in the currency of the price book.

    Attributes:
        currency: Its name.
        before: Rent of the sittings before.
        before_seconds: For how long they held slots.
        per_second: Rent of a slot in this sitting, the dearest; None where none is asked for.
        shares: What a slot on the device of a setting costs, as a share of that, where devices are searched.
        per_joule: Price of the electricity, in the place of any rent; None where money is rent.
    """

    currency: str = ""
    before: float = 0.0
    before_seconds: float = 0.0
    per_second: float | None = None
    per_joule: float | None = None
    shares: Mapping[Value, float] = field(default_factory=dict)

    def share(self, params: Mapping[str, Value]) -> float:
        """Returns what a slot for a setting costs, as a share of the dearest.

        >>> tariff = Tariff("USD", per_second=0.5, shares={"cuda": 1.0, "cpu": 0.25})
        >>> tariff.share({"device": "cpu"}), tariff.share({})
        (0.25, 1.0)
        """
        return self.shares.get(params.get("device", ""), 1.0)

    def money(self, device_seconds: float, joules: float | None) -> float | None:
        """Returns what all sittings cost, None where that is not known.

        Args:
            device_seconds: That slots were held, of this sitting at their `share`.
            joules: Their energy.

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

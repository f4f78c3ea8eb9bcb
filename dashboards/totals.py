"""A trial's costs, added up epoch by epoch.

A large study has a cost for each epoch of each trial by the hundred thousand, most of which are never looked at: so a
cost is added up when it is first asked for, once for all epochs of the trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean

from dashboards.prices import EpochPrices, Prices, mean_prices
from objectives.costs import COSTS, ONCE, Measurement, accumulate, least_direct, running_totals
from objectives.costs import absent as absent_because
from objectives.prices import DERIVED
from storage.ledger import CostValue
from storage.rows import EpochRow

NOT_RECORDED = "it was not recorded"


class Totals(dict[str, list[float | None]]):
    """A trial's cumulative costs: of each in `COSTS` its value after each epoch, in its unit, and so in `DERIVED`.

    It is None from the first epoch on that lacks the cost. What the model itself costs is the same after each. Costs
    come into the dict when they are asked for.

    Args:
        epochs: The trial's, from the first.
        profile: What its model itself costs, and more.
        prices: What its epochs come to by a price book; without them nothing is derived.
    """

    def __init__(
        self, epochs: Sequence[EpochRow], profile: Mapping[str, CostValue], prices: EpochPrices | None = None
    ) -> None:
        super().__init__()
        self._epochs, self._profile, self._prices = epochs, profile, prices

    def __missing__(self, name: str) -> list[float | None]:
        if name in DERIVED:
            self[name] = self.prices.totals(name)
            return self[name]
        if name in ONCE:
            self[name] = [self._once(name).value] * len(self._epochs)
            return self[name]
        own = [None if (cost := row.costs.get(name)) is None else cost.value for row in self._epochs]
        self[name] = running_totals(name, own)
        return self[name]

    @property
    def prices(self) -> EpochPrices:
        """What the epochs come to."""
        if self._prices is None:
            raise KeyError("no price book was given")
        return self._prices

    def measurement(self, name: str, index: int) -> Measurement:
        """Returns a cost after one epoch, and how it was got; `index` counts the epochs from 0."""
        if name in ONCE:
            return self._once(name)
        rows = [row.costs.get(name) for row in self._epochs[: index + 1]]
        return accumulate(name, [_measurement(row) for row in rows])

    def _once(self, name: str) -> Measurement:
        return _measurement(self._profile.get(name))


class CostsSoFar(Mapping[str, Measurement]):
    """The costs of a trial up to one of its epochs: one for each name in `COSTS`; what is derived is asked for by name.

    Args:
        totals: The trial's.
        index: Of the epoch, from 0.
    """

    __slots__ = ("_index", "_totals")

    def __init__(self, totals: Totals, index: int) -> None:
        self._totals = totals
        self._index = index

    def value(self, name: str) -> float | None:
        """Returns a cost's value alone, which takes less time, or a derived one; None where it is absent."""
        return self._totals[name][self._index]

    @property
    def prices(self) -> Prices:
        """What is derived, each with its source or reason."""
        return self._totals.prices.price(self._index + 1)

    def __getitem__(self, name: str) -> Measurement:
        if name not in COSTS:
            raise KeyError(name)
        return self._totals.measurement(name, self._index)

    def __iter__(self) -> Iterator[str]:
        return iter(COSTS)

    def __len__(self) -> int:
        return len(COSTS)


class MeanCosts(Mapping[str, Measurement]):
    """The mean costs of several seeds of a setting, each up to the same epoch: one for each name in `COSTS`.

    One seed that lacks a cost makes the mean absent.

    Args:
        seeds: The costs of each.
    """

    __slots__ = ("_seeds",)

    def __init__(self, seeds: Sequence[CostsSoFar | MeanCosts]) -> None:
        self._seeds = seeds

    def value(self, name: str) -> float | None:
        """Returns a cost's value alone, or a derived one; None where it is absent."""
        known = [value for seed in self._seeds if (value := seed.value(name)) is not None]
        return fmean(known) if len(known) == len(self._seeds) else None

    @property
    def prices(self) -> Prices:
        """What is derived, each with its source or reason."""
        return mean_prices([seed.prices for seed in self._seeds])

    def __getitem__(self, name: str) -> Measurement:
        found = [seed[name] for seed in self._seeds]
        lacking = next((cost for cost in found if cost.value is None), None)
        if lacking is not None:
            return lacking
        errors = [cost.error for cost in found if cost.error is not None]
        error = fmean(errors) if len(errors) == len(found) else None
        return Measurement(self.value(name), least_direct(cost.method for cost in found), error=error)

    def __iter__(self) -> Iterator[str]:
        return iter(COSTS)

    def __len__(self) -> int:
        return len(COSTS)


def _measurement(cost: CostValue | None) -> Measurement:
    return absent_because(NOT_RECORDED) if cost is None else Measurement(*cost)  # type: ignore[arg-type]

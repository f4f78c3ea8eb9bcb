"""A trial's costs, added up epoch by epoch.

A large study has a cost for each epoch of each trial by the hundred thousand, most of which are never looked at: so a
cost is added up when it is first asked for, once for all epochs of the trial.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from objectives.costs import COSTS, Measurement, accumulate, running_totals
from objectives.costs import absent as absent_because
from storage.studies import EpochRow

NOT_RECORDED = "it was not recorded"


class Totals(dict[str, list[float | None]]):
    """A trial's cumulative costs: of each in `COSTS` its value after each epoch, in its unit.

    It is None from the first epoch on that lacks the cost. Costs come into the dict when they are asked for.

    Args:
        epochs: The trial's, from the first.
    """

    def __init__(self, epochs: Sequence[EpochRow]) -> None:
        super().__init__()
        self._epochs = epochs

    def __missing__(self, name: str) -> list[float | None]:
        own = [None if (cost := row.costs.get(name)) is None else cost.value for row in self._epochs]
        self[name] = running_totals(name, own)
        return self[name]

    def measurement(self, name: str, index: int) -> Measurement:
        """Returns a cost after one epoch, and how it was got; `index` counts the epochs from 0."""
        rows = [row.costs.get(name) for row in self._epochs[: index + 1]]
        own = [absent_because(NOT_RECORDED) if row is None else Measurement(*row) for row in rows]  # type: ignore[arg-type]
        return accumulate(name, own)


class CostsSoFar(Mapping[str, Measurement]):
    """The costs of a trial up to one of its epochs: one for each name in `COSTS`.

    Args:
        totals: The trial's.
        index: Of the epoch, from 0.
    """

    __slots__ = ("_index", "_totals")

    def __init__(self, totals: Totals, index: int) -> None:
        self._totals = totals
        self._index = index

    def value(self, name: str) -> float | None:
        """Returns a cost's value alone, which takes less time; None where it is absent."""
        return self._totals[name][self._index]

    def __getitem__(self, name: str) -> Measurement:
        if name not in COSTS:
            raise KeyError(name)
        return self._totals.measurement(name, self._index)

    def __iter__(self) -> Iterator[str]:
        return iter(COSTS)

    def __len__(self) -> int:
        return len(COSTS)

"""What a trial will take, by what those before it took: an additive model of the logarithm of their time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from objectives.parameters import Value

if TYPE_CHECKING:
    import numpy as np

RIDGE = 1.0
"""How strongly few trials pull the forecast to their mean."""

MOST_KNOWN = 500
"""Trials that are looked at, the latest."""

REACH = 4.0
"""A forecast lies between the least of what is known over this and the most times this."""

TINY = 1e-9
"""A column that varies less tells nothing."""


def forecast_seconds(known: Sequence[tuple[Mapping[str, Value], float]], params: Mapping[str, Value]) -> float | None:
    """Returns how many seconds a setting takes, None where nothing is known.

    The logarithm of the time is a sum over the parameters, each linear in its number (in its logarithm, where all are
    positive) or free for each of its words; fitted by ridge regression on standardised columns.

    Args:
        known: Settings, and the seconds that each took.
        params: Of the setting in question.

    >>> known = [({"width": width}, 3.0 * width) for width in (0.25, 0.5, 1.0, 2.0, 4.0)] * 4
    >>> round(forecast_seconds(known, {"width": 1.0}), 1)
    3.0
    >>> round(forecast_seconds([({"width": 1.0}, 5.0)], {"width": 4.0}), 6)
    5.0
    """
    import numpy as np

    if not known:
        return None
    latest = list(known[-MOST_KNOWN:])
    rows = [*(setting for setting, _ in latest), params]
    logs_N = np.log(np.maximum([seconds for _, seconds in latest], 1e-6))
    names = sorted({name for row in rows for name in row})
    columns = [column for name in names for column in _columns([row.get(name) for row in rows])]
    mean = float(logs_N.mean())
    if columns:
        table_NP = np.stack(columns, axis=1)
        table_NP = table_NP - table_NP[:-1].mean(axis=0)
        deviations_P = table_NP[:-1].std(axis=0)
        table_NP = table_NP[:, deviations_P > TINY] / deviations_P[deviations_P > TINY]
        known_NP = table_NP[:-1]
        squares_PP = known_NP.T @ known_NP + RIDGE * np.eye(known_NP.shape[1])
        mean += float(table_NP[-1] @ np.linalg.solve(squares_PP, known_NP.T @ (logs_N - mean)))
    low, high = float(logs_N.min()) - np.log(REACH), float(logs_N.max()) + np.log(REACH)
    return float(np.exp(min(high, max(low, mean))))


def _columns(values: Sequence[Value | None]) -> list[np.ndarray[Any, np.dtype[Any]]]:
    """Returns a parameter as columns: one for numbers, one for each word; an absent number stands at the mean."""
    import numpy as np

    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) == sum(value is not None for value in values):
        scale: Any = np.log if all(number > 0 for number in numbers) else float
        mean = float(np.mean([scale(number) for number in numbers]))
        return [np.array([mean if value is None else float(scale(value)) for value in values])]
    words = dict.fromkeys(str(value) for value in values if value is not None)
    return [np.array([float(str(value) == word) for value in values]) for word in words]

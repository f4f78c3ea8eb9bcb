"""What a large study's checkpoints and bills come to in money, as columns.

Where all ran on one device so much for each second does; else each attempt has the price of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from math import nan
from typing import TYPE_CHECKING

from dashboards.columns import SHIFT, align
from dashboards.holding import Device, as_held, find_alone
from dashboards.prices import billed_per_second, money_per_joule, rent_per_second
from objectives.prices import ELECTRICITY, PriceBook
from storage.watching import Rows

if TYPE_CHECKING:
    from dashboards.columns import Numbers, Whole
    from dashboards.crowd import Crowd


def price_checkpoints(crowd: Crowd) -> Numbers:
    """Returns what each checkpoint comes to, NaN where it is absent: by joules as electricity, else by rent."""
    book = crowd.book
    if book.money == ELECTRICITY:
        return crowd.cost("energy_joules") * _or_nan(money_per_joule(book))
    if crowd.device is not None:
        return crowd.cost("device_seconds") * _or_nan(rent_per_second(crowd.device, book))
    rates = rent_epochs(crowd.attempts(), crowd.trial, crowd.own_attempt(), book)
    return crowd.accumulate(crowd.own_cost("device_seconds") * rates)


def price_bills(crowd: Crowd, seconds: Numbers) -> Numbers:
    """Returns what each trial's bill comes to, NaN where it is absent.

    Energy is metered while training alone, so that it counts over the bill's seconds as in `Metered.over`.

    Args:
        crowd: The study.
        seconds: That each trial with a checkpoint was billed, in ascending order of their numbers.
    """
    import numpy as np

    book, last = crowd.book, crowd.is_last()
    if book.money == ELECTRICITY:
        starts = np.flatnonzero(np.append([True] * bool(len(last)), last[:-1]))
        own = np.nan_to_num(crowd.own_cost("device_seconds"))
        trained = np.add.reduceat(own, starts) if len(starts) else seconds
        longer = np.divide(seconds, trained, out=np.ones(len(seconds)), where=trained > 0)
        joules = np.where(np.isnan(seconds), np.nan, crowd.cost("energy_joules")[last] * np.maximum(1.0, longer))
        return joules * _or_nan(money_per_joule(book))
    if crowd.device is not None:
        return seconds * _or_nan(billed_per_second(crowd.device, book))
    return rent_trials(crowd.attempts(), crowd.wanted_devices(), crowd.trial[last], book)


def rent_epochs(attempted: Rows, trial: Whole, attempt: Numbers, book: PriceBook) -> Numbers:
    """Returns what a second of each of N epochs costs, NaN where no price is known.

    Args:
        attempted: As `read_attempts` gives them.
        trial: Of each.
        attempt: Of each.
        book: The prices.
    """
    import numpy as np

    attempts, rates = _price(attempted, lambda device, _trial: rent_per_second(device, book))
    return align(trial * SHIFT + attempt.astype(np.int64), attempts, rates)


def rent_trials(attempted: Rows, wanted: Mapping[int, str] | None, trial: Whole, book: PriceBook) -> Numbers:
    """Returns what each trial comes to by its bill, NaN where that has no price.

    Args:
        attempted: As `read_attempts` gives them.
        wanted: Where devices are searched, the kind that its setting names, of each trial with an attempt that told
            none; None where any kind will do.
        trial: Numbers, ascending.
        book: The prices.
    """
    import numpy as np

    rows = [row for row in attempted if row[3] is not None]
    told = (as_held(json.loads(text)) for text in {row[2] for row in attempted} - {None})
    alone = find_alone(device for device in told if device is not None)

    def price(device: Device | None, number: int) -> float | None:
        return billed_per_second(device or alone.get(None if wanted is None else wanted.get(number)), book)

    attempts, rates = _price(rows, price)
    trials, at = np.unique(attempts // SHIFT, return_inverse=True)
    totals = np.zeros(len(trials))
    np.add.at(totals, at, rates * np.array([row[3] for row in rows]))  # a part without a price makes it all NaN
    return align(trial, trials, totals)


def _price(rows: Rows, price: Callable[[Device | None, int], float | None]) -> tuple[Whole, Numbers]:
    """Returns the keys of attempts, ascending, and what a second of each costs."""
    import numpy as np

    known: dict[tuple[str | None, int | None], float | None] = {}
    rates = list[float | None]()
    for trial, _, text, _ in rows:
        device = (text, trial if text is None else None)
        if device not in known:
            known[device] = price(None if text is None else json.loads(text), trial)
        rates.append(known[device])
    keys = np.array([trial * SHIFT + attempt for trial, attempt, _, _ in rows], dtype=np.int64)
    return keys, np.array(rates, dtype=np.float64)


def _or_nan(value: float | None) -> float:
    return nan if value is None else value

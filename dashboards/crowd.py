"""A study too large to be held trial by trial: its checkpoints as columns of numbers, kept up to date by what is new.

Only the trials on a front are read whole, so that they can be told of like those of any study.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboards.bills import add_idle
from dashboards.columns import SHIFT, align, find_front, to_table
from dashboards.crowd_money import price_bills, price_checkpoints
from dashboards.holding import is_device_searched
from dashboards.prices import book_of
from dashboards.remeasured import add_remeasurement
from dashboards.summary import CANDIDATE_STATES, Summary, first_cost, summarize
from objectives.costs import COSTS, MINIMIZABLE, ONCE
from objectives.prices import PriceBook
from storage.columns import (
    list_devices,
    read_attempts,
    read_billed,
    read_epoch_attempts,
    read_epoch_cost,
    read_epochs,
    read_heard,
    read_trial_cost,
    read_wanted_devices,
    sum_bills,
)
from storage.database import Database
from storage.reading import load_study, read_sittings
from storage.rows import TrialRow
from storage.watching import Rows, Since, see_trials

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from dashboards.columns import Numbers, Whole

MONEY = "money"
ATTEMPT = "attempt"
"""What is kept up to date as a cost is, and is none."""

MOST_WHOLE = 4000
"""Trials that are kept whole, once they have ended: what pages show of a study is asked for again with what is new."""


@dataclass(frozen=True)
class Tally:
    """What is counted over all trials of a study.

    Attributes:
        num_trials: That there are.
        num_ended: Of them.
        bill: Seconds that their attempts held slots, by line.
        lines: The same, with those of idle slots.
    """

    num_trials: int
    num_ended: int
    bill: dict[str, float]
    lines: dict[str, float]


class Points(NamedTuple):
    """What a trade-off shows, as columns of N numbers.

    Attributes:
        trial: Of each.
        epoch: Of each, from 1.
        accuracy: 0 to 1.
        cost: In its unit; NaN where it is absent.
    """

    trial: Whole
    epoch: Whole
    accuracy: Numbers
    cost: Numbers


class Crowd:
    """The checkpoints of the trials of a study that neither failed nor proved infeasible, by trial and epoch.

    Args:
        database: Where it is.
        name: Of the study.
        uuid: Its key.
        book: The prices that the study's own go before; None for those of the package.
    """

    def __init__(self, database: Database, name: str, uuid: str, book: PriceBook | None) -> None:
        import numpy as np

        self._database, self._name, self._uuid, self._book = database, name, uuid, book
        self._since = Since()
        self._key: Whole = np.empty(0, np.int64)
        self.accuracy: Numbers = np.empty(0)
        self._own: dict[str, Numbers] = {}
        self._totals: dict[str, Numbers] = {}
        self._peaks: dict[tuple[str | None, bool], Summary] = {}
        self._billed: tuple[Whole, Numbers] | None = None  # seconds by trial, once they were asked for
        self._baseline: int | None = None
        self.tally = Tally(0, 0, {}, {})
        self._settled: Counter[str] = Counter()  # what was billed to trials that have ended
        self._devices: set[str] = set()
        self._whole: dict[int, TrialRow] = {}  # of those that have ended, which change no more

    @property
    def book(self) -> PriceBook:
        """The prices."""
        return self.peak().book

    @property
    def currency(self) -> str:
        """Of money."""
        return self.book.currency

    @property
    def device(self) -> Any:
        """What all attempts ran on that told it; None where that was not one device."""
        return json.loads(next(iter(self._devices))) if len(self._devices) == 1 else None

    @property
    def trial(self) -> Whole:
        """Of each of N checkpoints, in ascending order."""
        return self._key // SHIFT

    @property
    def epoch(self) -> Whole:
        """Of each of N checkpoints, from 1."""
        return self._key % SHIFT

    def refresh(self) -> None:
        """Reads what is new."""
        import numpy as np

        with self._database.read() as connection:
            trials, since = see_trials(connection, self._uuid, self._since)
            rows = to_table(read_epochs(connection, self._uuid, self._since), 4)
            costs = {name: self._read_cost(connection, name, self._since) for name in self._own}
            bill = self._settled + sum_bills(connection, self._uuid, self._since)
            settled = bill - sum_bills(connection, self._uuid, since)
            billed = self._billed and _renew(
                self._billed, read_billed(connection, self._uuid, self._since), self._since
            )
            devices = list_devices(connection, self._uuid, self._since)
            lines = add_idle(bill, read_sittings(connection, self._uuid), read_heard(connection, self._uuid))
        self.tally = Tally(since.newest + 1, since.newest + 1 - len(since.unended), dict(bill), lines)
        self._baseline = next((number for number, _, is_baseline in trials if is_baseline), self._baseline)
        lost = [number for number, state, _ in trials if state not in CANDIDATE_STATES]
        rows = rows[~np.isin(rows[:, 0], lost)]
        kept = ~np.isin(self.trial, list(self._since.unended))
        fresh = (rows[:, 0] * SHIFT + rows[:, 1]).astype(np.int64)
        key = np.concatenate([self._key[kept], fresh])
        order = np.argsort(key, kind="stable")
        self.accuracy = np.concatenate([self.accuracy[kept], rows[:, 2] / rows[:, 3]])[order]
        for name, own in costs.items():
            wanted = fresh - fresh % SHIFT if name in ONCE else fresh
            self._own[name] = np.concatenate([self._own[name][kept], align(wanted, *own)])[order]
        # All of it or nothing: what a fault above leaves half read is read again.
        self._key, self._since, self._settled, self._billed = key[order], since, settled, billed
        self._devices |= {one for one in devices if one is not None}  # who has just begun, or was cut off, told none
        self._totals.clear()
        self._peaks.clear()

    def cost(self, name: str) -> Numbers:
        """Returns a cost of each checkpoint, cumulative, in its unit; NaN where it is absent."""
        if name not in self._totals:
            self._totals[name] = price_checkpoints(self) if name == MONEY else self._add_up(name)
        return self._totals[name]

    def own_cost(self, name: str) -> Numbers:
        """Returns a cost of each checkpoint's own epoch, in its unit; NaN where it is absent."""
        if name not in self._own:
            with self._database.read() as connection:
                found = self._read_cost(connection, name, Since())
            wanted = self._key - self.epoch if name in ONCE else self._key
            self._own[name] = align(wanted, *found)
        return self._own[name]

    def accumulate(self, own: Numbers, *, is_sum: bool = True) -> Numbers:
        """Returns the sum, or else the largest, of what the epochs of each trial have up to each checkpoint."""
        import numpy as np

        add = np.add if is_sum else np.maximum
        totals, trial = own.copy(), self.trial
        place = np.arange(len(own)) - np.searchsorted(trial, trial)
        for index in range(1, int(place.max(initial=0)) + 1):
            here = np.flatnonzero(place == index)
            totals[here] = add(totals[here - 1], own[here])
        return totals

    def own_attempt(self) -> Numbers:
        """Returns the attempt that the epoch of each checkpoint was trained in."""
        return self.own_cost(ATTEMPT)

    def attempts(self) -> Rows:
        """Returns all attempts, as `storage.columns.read_attempts` does."""
        with self._database.read() as connection:
            return read_attempts(connection, self._uuid)

    def wanted_devices(self) -> dict[int, str] | None:
        """Returns the kind of device that the setting of each trial with a silent attempt names; None for any kind."""
        if not is_device_searched(self._spec()):
            return None
        with self._database.read() as connection:
            return read_wanted_devices(connection, self._uuid)

    def is_last(self) -> NDArray[np.bool_]:
        """Returns whether each checkpoint is the last of its trial."""
        import numpy as np

        return np.append(self.trial[1:] != self.trial[:-1], [True] * bool(len(self._key)))

    def points(self, cost: str, *, is_billed: bool = False) -> Points:
        """Returns all checkpoints at their solo cost, or the last of each trial at what its attempts were billed."""
        if not is_billed:
            return Points(self.trial, self.epoch, self.accuracy, self.cost(cost))
        last = self.is_last()
        trial = self.trial[last]
        seconds = self._bill(trial)
        amount = price_bills(self, seconds) if cost == MONEY else seconds
        return Points(trial, self.epoch[last], self.accuracy[last], amount)

    def peak(self, cost: str | None = None) -> Summary:
        """Returns the study as if it had only the trials on its front, those on the front of a cost, and the baseline.

        Its front and its knee are those of the whole.
        """
        if (cost, False) not in self._peaks:
            objective = self._spec()["objective"]
            minimize = list(objective["minimize"])
            wanted = [minimize, [cost or first_cost(minimize)]]
            fronts = [self.on_front(costs) for costs in (wanted if wanted[0] != wanted[1] else wanted[:1])]
            self._peaks[cost, False] = self.read(set[int]().union(*fronts))
        return self._peaks[cost, False]

    def peak_billed(self, cost: str) -> Summary:
        """Returns the study as if it had only the trials that none beats in accuracy and bill, and the baseline."""
        if (cost, True) not in self._peaks:
            points = self.points(cost, is_billed=True)
            kept = find_front(points.accuracy, [points.cost])
            self._peaks[cost, True] = self.read(set(points.trial[kept].tolist()))
        return self._peaks[cost, True]

    def read(self, numbers: set[int]) -> Summary:
        """Returns the study as if it had only these trials and the baseline."""
        wanted = numbers | (set() if self._baseline is None else {self._baseline})
        since, whole = self._since, self._whole
        study = load_study(self._database, self._name, wanted - whole.keys())
        fresh = {trial.number: trial for trial in study.trials}
        found = fresh | {number: whole[number] for number in wanted if number in whole}
        ended = {number: found[number] for number in found if number <= since.newest and number not in since.unended}
        self._whole = whole | ended if len(whole) + len(fresh) <= MOST_WHOLE else ended
        study = replace(study, trials=tuple(found[number] for number in sorted(found)))
        return add_remeasurement(self._database, summarize(study, book_of(study, self._book)))

    def costs(self) -> list[str]:
        """Returns the costs that the trade-off can be shown over, the study's own objectives first."""
        summary = self.peak()
        points = [point for curve in summary.curves.values() for point in curve]
        names = dict.fromkeys([*summary.minimize, *MINIMIZABLE, MONEY])
        return [name for name in names if any(point.value(name) is not None for point in points)]

    def on_front(self, costs: Sequence[str]) -> set[int]:
        """Returns the trials of the checkpoints that nothing beats in accuracy and these costs."""
        return set(self.trial[find_front(self.accuracy, [self.cost(name) for name in costs])].tolist())

    def choose(self, most: int) -> set[int]:
        """Returns trials to show in the place of all: those on the front, and of the others an even choice."""
        import numpy as np

        numbers = np.unique(self.trial)
        step = max(1, -(-len(numbers) // most))
        return set(numbers[::step].tolist()) | self.peak().lasts.keys()

    def _spec(self) -> Any:
        return load_study(self._database, self._name, ()).spec

    def _read_cost(self, connection: Any, name: str, since: Since) -> tuple[Whole, Numbers]:
        """Returns the keys of a cost's rows, and their values; a cost of the model itself has the epoch 0."""
        import numpy as np

        if name in ONCE:
            rows = to_table(read_trial_cost(connection, self._uuid, name, since), 2)
            return (rows[:, 0] * SHIFT).astype(np.int64), rows[:, 1]
        if name == ATTEMPT:
            found = read_epoch_attempts(connection, self._uuid, since)
        else:
            found = read_epoch_cost(connection, self._uuid, name, since)
        rows = to_table(found, 3)
        return (rows[:, 0] * SHIFT + rows[:, 1]).astype(np.int64), rows[:, 2]

    def _add_up(self, name: str) -> Numbers:
        own = self.own_cost(name)
        return own if name in ONCE else self.accumulate(own, is_sum=COSTS[name].accumulate == "sum")

    def _bill(self, trial: Whole) -> Numbers:
        """Returns the seconds that the attempts of each of these trials were billed, NaN where nothing is yet."""
        import numpy as np

        if self._billed is None:
            with self._database.read() as connection:
                rows = read_billed(connection, self._uuid, Since())
            self._billed = _renew((np.empty(0, np.int64), np.empty(0)), rows, Since())
        return align(trial, *self._billed)


def _renew(billed: tuple[Whole, Numbers], rows: Sequence[tuple[Any, ...]], since: Since) -> tuple[Whole, Numbers]:
    """Returns what trials were billed with what is new; that of trials which had not ended by then is read anew."""
    import numpy as np

    trial, fresh = billed[0], to_table(rows, 2)
    kept = (trial <= since.newest) & ~np.isin(trial, list(since.unended))
    trial = np.concatenate([trial[kept], fresh[:, 0].astype(np.int64)])
    order = np.argsort(trial, kind="stable")
    return trial[order], np.concatenate([billed[1][kept], fresh[:, 1]])[order]

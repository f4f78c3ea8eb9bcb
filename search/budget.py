"""The budget of a study while it runs: what is spent, what is under way, and whether one more trial fits into it."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from dashboards.budget import Line, Spending, list_items
from dashboards.energy import Metered
from objectives.costs import Measurement, absent, measured
from objectives.trial import Bill
from search.forecast import forecast_seconds
from search.tariff import Tariff
from search.trials import Trial, Trials

if TYPE_CHECKING:
    from search.sections import Budget


@dataclass(frozen=True)
class Held:
    """For how long slots were held.

    Attributes:
        device_seconds: Of all devices.
        rented_seconds: For how long the dearest of them could be rented for the same money.
    """

    device_seconds: float = 0.0
    rented_seconds: float = 0.0

    def __add__(self, other: Held) -> Held:
        """Returns both together."""
        return Held(self.device_seconds + other.device_seconds, self.rented_seconds + other.rented_seconds)


NOTHING = Held()
UNMOVED, UNKNOWN = measured(0.0), absent("no energy counter was read")
"""What counters moved before they were first read, and where there are none."""


class Account:
    """Keeps a study's books.

    Spent is all that the ledger bills, of all sittings, and the time that running trials are not billed for yet; of
    energy it is what the counters of all held devices moved, or where one has none an estimate by the training's.
    Reserved is what running trials still need: for the epochs that are left the mean of the trial's own epochs, or
    before its first one a forecast by the trials that ended some. While nothing is known nothing is reserved, and
    trials begin.

    Args:
        budget: The spec's.
        num_epochs: Of a whole trial.
        trials: The study's, which the coordinator changes.
        wall_seconds: How long the sittings before took.
        now: By the clock of `Trial.billed_until`, in seconds: when this sitting began.
        tariff: What a sitting costs.
        slots_per_device: How many slots share a device: each is billed its share.
        energy_before: What the energy counters moved in the sittings before.
    """

    def __init__(
        self,
        budget: Budget,
        num_epochs: int,
        trials: Trials,
        wall_seconds: float = 0.0,
        now: float | None = None,
        tariff: Tariff | None = None,
        slots_per_device: int = 1,
        energy_before: Measurement = UNKNOWN,
    ) -> None:
        self._budget, self._limits = budget, budget.model_dump()
        self._num_epochs, self._trials, self._slots_per_device = num_epochs, trials, slots_per_device
        self._wall_start = (time.perf_counter() if now is None else now) - wall_seconds
        device_seconds = sum(sum(trial.bill.values()) for trial in trials)
        self._held = Held(device_seconds, device_seconds)  # the tariff has the rent of the sittings before
        self._metered, self._tariff = Metered(), tariff or Tariff()
        self._energy_before, self._energy, self._held_seconds = energy_before, UNMOVED, 0.0
        for trial in trials:
            for costs in trial.costs if trial.num_attempts else ():  # what was taken over is billed where it ran
                self.add_epoch(costs)

    def charge(self, trial: Trial, bill: Bill) -> None:
        """Books seconds that a trial held its slot."""
        self._held += self._hold(trial, sum(bill.values()))

    def add_epoch(self, costs: Mapping[str, Measurement]) -> None:
        """Books the energy of an epoch."""
        self._metered = self._metered.add(costs["energy_joules"].value, costs["device_seconds"].value)

    def meter(self, energy: Measurement, held_seconds: float) -> None:
        """Books what the energy counters moved in this sitting until now, and for how long it held devices."""
        self._energy, self._held_seconds = energy, held_seconds

    def wall_seconds(self, now: float) -> float:
        """Returns how long all sittings took until now."""
        return now - self._wall_start

    def lines(self, now: float) -> list[Line]:
        """Returns the items and what of each is spent now."""
        return self._price(now)

    def find_spent(self, now: float) -> str | None:
        """Returns which item is spent, as a reason to stop; None where none is."""
        for line in self.lines(now):
            if line.limit is not None and line.spent is None:
                return f"budget: {line.name} cannot be held, since {line.title} is not measured here"
            if line.limit is not None and line.spent is not None and line.spent >= line.limit:
                return f"budget: {line.title} {line.words(line.spent)} of {line.words(line.limit)} is spent"
        return None

    def refuse(self, trial: Trial, now: float) -> str | None:
        """Returns why a trial cannot end within what neither is spent nor reserved; None where it can."""
        if all(line.limit is None for line in self.lines(now)):
            return None
        needed = self._needed(trial)
        reserved = _add(self._hold(other, self._reserved(other, now)) for other in self._trials.running)
        before = self._price(now, more=reserved)
        after = self._price(now, needed * self._slots_per_device, reserved + self._hold(trial, needed))
        for line, then in zip(before, after, strict=True):
            if line.limit is None or line.spent is None or then.spent is None or then.spent <= line.limit:
                continue
            takes, left = line.words(then.spent - line.spent), line.words(max(0.0, line.limit - line.spent))
            would = f"trial {trial.number} would take about {takes} of {line.title}"
            return f"budget: {would}, and {left} of {line.words(line.limit)} is left"
        return None

    def seconds_left(self, now: float) -> float | None:
        """Returns in how many seconds an item will be spent at the present rate; None where none will, or one is."""
        rate = _add(self._hold(trial, 1 / self._slots_per_device) for trial in self._trials.running)
        pairs = zip(self._price(now), self._price(now, 1.0, rate), strict=True)
        found = [
            (line.limit - line.spent) / (then.spent - line.spent)
            for line, then in pairs
            if line.limit is not None and line.spent is not None and then.spent is not None and then.spent > line.spent
        ]
        return min(found) if found and min(found) > 0 else None

    def _price(self, now: float, wall: float = 0.0, more: Held = NOTHING) -> list[Line]:
        """Returns the items as they will be after so many seconds more."""
        held = self._held + _add(self._hold(trial, self._since(trial, now)) for trial in self._trials.running) + more
        joules = self._joules(held.device_seconds, more.device_seconds)
        money = self._tariff.money(held.rented_seconds, joules)
        spending = Spending(self.wall_seconds(now) + wall, held.device_seconds, joules, money)
        return list_items(spending, self._limits, self._tariff.currency)

    def _joules(self, device_seconds: float, more: float) -> float | None:
        """Returns the energy until now, with that of so many device seconds more, which those until then hold too.

        It is what the counters moved, idle slots' too, where that is known; else an estimate by the training's.
        """
        before, now = self._energy_before.value, self._energy.value
        if before is None or now is None:
            return self._metered.over(device_seconds)
        mean_watts = now / self._held_seconds if self._held_seconds else 0.0
        watts = self._metered.watts
        return before + now + more * (mean_watts if watts is None else watts)

    def _hold(self, trial: Trial, device_seconds: float) -> Held:
        """Returns so many seconds of a trial's slot, at its rent."""
        return Held(device_seconds, device_seconds * self._tariff.share(trial.params))

    def _reserved(self, trial: Trial, now: float) -> float:
        """Returns the device seconds that a running trial still needs."""
        return max(0.0, self._needed(trial) - self._since(trial, now))

    def _since(self, trial: Trial, now: float) -> float:
        """Returns the device seconds since a running trial was last billed."""
        return max(0.0, now - trial.billed_until) / self._slots_per_device

    def _needed(self, trial: Trial) -> float:
        """Returns the seconds that a trial needs from when it was last billed, 0 where nothing is known."""
        epoch_seconds = trial.epoch_seconds
        if epoch_seconds is None:
            known = [(other.params, seconds) for other in self._trials if (seconds := other.epoch_seconds) is not None]
            epoch_seconds = forecast_seconds(known, trial.params) or 0.0
        setup_seconds = 0.0 if trial.state == "running" and trial.costs else _setup_seconds(self._trials)
        return setup_seconds + epoch_seconds * (self._num_epochs - len(trial.costs))


def _add(several: Iterable[Held]) -> Held:
    return sum(several, NOTHING)


def _setup_seconds(trials: Iterable[Trial]) -> float:
    found = [
        trial.bill["setup"] / trial.num_attempts for trial in trials if trial.num_attempts and "setup" in trial.bill
    ]
    return median(found) if found else 0.0

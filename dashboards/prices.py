"""Money, electricity and greenhouse gases: views over the ledger by a price book, never stored.

A checkpoint has its solo price, that of its training up to then with the threads that it used. A trial and a study have
the price of what was billed: all the time that their attempts held slots, with all threads of these; that of a study
holds its idle slots' time too. A study's energy is that of all the time that its slots were held where it was metered;
else, and of a trial, it is estimated for the attempts alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from dashboards.energy import EnergyBill, bill_energy, estimate_energy, find_lack
from dashboards.holding import Device, Find, as_held, find_only, idle_by_device
from dashboards.words import cost_words
from objectives.prices import (
    DERIVED,
    ELECTRICITY,
    HOUR_SECONDS,
    KWH_JOULES,
    RENT,
    DevicePrice,
    Figure,
    PriceBook,
    default_book,
    overlay,
)
from storage.rows import EpochRow, StudyRow, TrialRow

METERED = "energy by the counters of all devices while slots were held"
ESTIMATED = "energy metered while training, of the rest at its mean power"
UNKNOWN_DEVICE = "it is not recorded on which device it ran"


@dataclass(frozen=True)
class Derived:
    """A quantity that a book derives.

    Attributes:
        value: In its unit; None where it cannot be derived. Zero is a price.
        reason: Why it is absent; None otherwise.
        source: Of the figures that it was derived by, with their years; None where it is absent.
    """

    value: float | None
    reason: str | None = None
    source: str | None = None

    @property
    def method(self) -> str:
        """`derived` or `absent`."""
        return "absent" if self.value is None else "derived"


Prices = Mapping[str, Derived]
"""One for each name in `DERIVED`."""


def book_of(study: StudyRow, book: PriceBook | None = None) -> PriceBook:
    """Returns the prices that hold for a study: its own over a book, by default the one of the package."""
    return overlay(book or default_book(), study.spec.get("prices") or {})


def price(held: Iterable[tuple[Device | None, float | None]], joules: Derived, book: PriceBook) -> Prices:
    """Returns what a stretch of work comes to.

    Args:
        held: On which devices, and for how many seconds each; None where that is not recorded.
        joules: Energy of these devices.
        book: The prices.
    """
    kwh = _times(joules, book.pue, 1 / KWH_JOULES, "PUE", "")
    electricity = _times(kwh, book.electricity, 1.0, "price of electricity", f" {book.currency}/kWh")
    gases = _times(kwh, book.grid, 1.0, "intensity of the grid", " g/kWh")
    money = electricity if book.money == ELECTRICITY else _rent(held, book)
    return {"money": money, "electricity_kwh": kwh, "electricity_money": electricity, "gco2e": gases}


def price_study(study: StudyRow, book: PriceBook) -> Prices:
    """Returns the price of all the time that a study's slots were held, idle time too."""
    return _price_billed(study.trials, find_only(study), book, bill_energy(study), idle_by_device(study))


def price_trials(study: StudyRow, book: PriceBook) -> Prices:
    """Returns the price of all that was billed to a study's trials, which is what a budget counts.

    Its electricity is that of idle slots too where it was metered.
    """
    return _price_billed(study.trials, find_only(study), book, bill_energy(study))


def price_trial(study: StudyRow, trial: TrialRow, book: PriceBook) -> Prices:
    """Returns the price of all that was billed to a trial, its lost time too."""
    return _price_billed([trial], find_only(study), book, estimate_energy([trial]))


class EpochPrices:
    """Prices the epochs of a trial.

    Args:
        trial: The trial.
        book: The prices.
    """

    __slots__ = ("_book", "_devices", "_epochs")

    def __init__(self, trial: TrialRow, book: PriceBook) -> None:
        self._epochs, self._book = trial.epochs, book
        self._devices = {attempt.attempt: attempt.device for attempt in trial.attempts}

    def totals(self, name: str) -> list[float | None]:
        """Returns a quantity after each epoch, cumulative; None from the first epoch on that lacks it."""
        totals: list[float | None] = []
        total: float | None = 0.0
        for value in self._values(name):
            total = None if value is None or total is None else total + value
            totals.append(total)
        return totals

    def _values(self, name: str) -> list[float | None]:
        """Returns a quantity of each epoch, not cumulative."""
        if name == "money" and self._book.money == RENT:
            per_second = {number: rent_per_second(device, self._book) for number, device in self._devices.items()}
            unknown = rent_per_second(None, self._book)
            return [
                _product(_cost(epoch, "device_seconds"), per_second.get(epoch.attempt, unknown))
                for epoch in self._epochs
            ]
        per_joule = price((), Derived(1.0), self._book)[name].value
        return [_product(_cost(epoch, "energy_joules"), per_joule) for epoch in self._epochs]

    def price(self, num_epochs: int) -> Prices:
        """Returns what the first so many epochs together come to."""
        epochs = self._epochs[:num_epochs]
        held = [(self._devices.get(epoch.attempt), _cost(epoch, "device_seconds")) for epoch in epochs]
        return price(held, _sum_energy(epochs), self._book)


def mean_prices(seeds: Sequence[Prices]) -> Prices:
    """Returns the mean over the seeds of a setting; one that lacks a quantity makes the mean absent."""
    return {name: _mean([prices[name] for prices in seeds]) for name in DERIVED}


def find_price(device: Device | None, book: PriceBook) -> DevicePrice | None:
    """Returns the price of a device, None where none is known; of an unknown one, the price of whatever device."""
    return book.find_price("", "") if device is None else book.find_price(str(device["kind"]), str(device["name"]))


def rent_per_second(device: Device | None, book: PriceBook) -> float | None:
    """Returns what a slot on a device costs each second, None where no price is known."""
    each = find_price(device, book)
    return None if each is None else _per_second(each, device)


def billed_per_second(device: Device | None, book: PriceBook) -> float | None:
    """Returns what a slot is billed each second, with all threads that it holds; None where no price is known."""
    return rent_per_second(as_held(device), book)


def money_per_joule(book: PriceBook) -> float | None:
    """Returns what a joule of a device costs as electricity, None where the book does not tell."""
    return price((), Derived(1.0), book)["electricity_money"].value


def no_price(device: Device | None) -> str:
    """Returns why a device has no price, and what sets one."""
    lacking = UNKNOWN_DEVICE if device is None else f"no price is known for {device['name']}"
    return f"{lacking}; prices.price_per_device_hour sets one"


def prices_json(prices: Prices, book: PriceBook) -> dict[str, Any]:
    """Returns prices as plain values, with the book's date, and source or reason of each."""
    return {
        "book": book.title,
        "date": book.date.isoformat(),
        "currency": book.currency,
        "money_means": book.money,
        **{name: one.value for name, one in prices.items()},
        "methods": {name: one.method for name, one in prices.items()},
        "sources": {name: one.source for name, one in prices.items() if one.source is not None},
        "absent": {name: one.reason for name, one in prices.items() if one.reason is not None},
    }


def price_words(prices: Prices, book: PriceBook) -> str:
    """Returns prices on a line, with the sources of what is known and the reasons of what is not."""
    money, kwh, gases = prices["money"], prices["electricity_kwh"], prices["gco2e"]
    parts = [
        f"{_words('money', money, book)} ({book.money}: {money.source})"
        if money.source
        else f"no price: {money.reason}"
    ]
    if kwh.reason is not None:
        parts.append(f"no electricity or carbon figure: {kwh.reason}")
    else:
        carbon = (
            f"{_words('gco2e', gases, book)} ({gases.source})" if gases.source else f"no carbon figure: {gases.reason}"
        )
        parts += [f"{_words('electricity_kwh', kwh, book)} at the site", carbon]
    return f"{'; '.join(parts)}; prices of {book.date.isoformat()}"


def price_rows(prices: Prices, book: PriceBook) -> list[dict[str, str]]:
    """Returns a row for each quantity: its title, value, and how it was got."""
    return [
        {
            "title": DERIVED[name].title + (f" ({book.money})" if name == "money" else ""),
            "value": "absent" if one.value is None else _words(name, one, book),
            "how": str(one.reason or f"derived: {DERIVED[name].text}; {one.source}"),
        }
        for name, one in prices.items()
    ]


def book_rows(book: PriceBook) -> list[tuple[str, str, str, str, str]]:
    """Returns a row for each figure of a book: what, figure, unit, source, year; the devices in their order."""
    rows: list[tuple[str, float, str, DevicePrice | Figure]] = [
        (_device_words(each), each.price_per_hour, f"{book.currency} per {each.per} hour", each)
        for each in book.devices
    ]
    figures = [
        ("electricity", book.electricity, f"{book.currency}/kWh"),
        ("PUE", book.pue, "site energy / device energy"),
        ("grid", book.grid, "g CO2e/kWh"),
    ]
    rows += [(_with_region(what, one), one.value, unit, one) for what, one, unit in figures if one is not None]
    return [
        (what, f"{value:g}", unit, entry.source, "-" if entry.year is None else str(entry.year))
        for what, value, unit, entry in rows
    ]


def _with_region(what: str, figure: Figure) -> str:
    return f"{what} ({figure.region})" if figure.region else what


def _device_words(each: DevicePrice) -> str:
    """Returns which devices a price is for.

    >>> _device_words(DevicePrice("cuda", "H100", "device", 3.0, "a list", 2025))
    'GPU with H100 in its name'
    """
    kind = {"cpu": "CPU", "cuda": "GPU"}.get(each.kind, "device")
    return f"{kind} with {each.match} in its name" if each.match else f"any {kind}"


def _words(name: str, one: Derived, book: PriceBook) -> str:
    return cost_words(name, one.value, book.currency)


def _price_billed(
    trials: Sequence[TrialRow],
    only: Find,
    book: PriceBook,
    energy: EnergyBill,
    idle: Sequence[tuple[Device, float]] = (),
) -> Prices:
    held: list[tuple[Device | None, float | None]] = [
        (as_held(attempt.device) or only(trial), sum(attempt.bill.values()))
        for trial in trials
        for attempt in trial.attempts
        if attempt.bill
    ]
    how = {"measured": METERED, "estimated": ESTIMATED}.get(energy.method)
    joules = Derived(energy.joules, energy.reason if energy.joules is None else None, how)
    return price([*held, *idle], joules, book)


def _sum_energy(epochs: Sequence[EpochRow]) -> Derived:
    """Returns the joules of epochs together."""
    if (lack := find_lack(epochs)) is not None:
        return Derived(None, lack)
    return Derived(sum(epoch.costs["energy_joules"].value or 0.0 for epoch in epochs))


def _rent(held: Iterable[tuple[Device | None, float | None]], book: PriceBook) -> Derived:
    total, sources = 0.0, dict[str, None]()
    for device, seconds in held:
        each = find_price(device, book)
        if each is None:
            return Derived(None, no_price(device))
        if seconds is None:
            return Derived(None, "device time was not recorded")
        total += seconds * _per_second(each, device)
        sources[f"{each.price_per_hour:g} {book.currency} per {_priced(each, device)} hour, {_cite(each)}"] = None
    return Derived(total, source="; ".join(sources)) if sources else Derived(None, "nothing was billed here")


def _priced(each: DevicePrice, device: Device | None) -> str:
    """Returns what a price is of, in words: a slot with CPU cores is a device of its own."""
    is_slot = each.per == "device" and device is not None and device["kind"] == "cpu"
    return "slot" if is_slot else each.per


def _per_second(each: DevicePrice, device: Device | None) -> float:
    return each.per_slot_hour(1 if device is None else int(device["threads"])) / HOUR_SECONDS


def _times(one: Derived, figure: Figure | None, scale: float, what: str, unit: str) -> Derived:
    """Returns a quantity times a figure of the book, absent where either is."""
    if one.value is None:
        return one
    if figure is None:
        return Derived(None, f"the price book has no {what}")
    cited = f"{_with_region(what, figure)} {figure.value:g}{unit}, {_cite(figure)}"
    return Derived(one.value * figure.value * scale, source="; ".join(part for part in (one.source, cited) if part))


def _mean(found: Sequence[Derived]) -> Derived:
    known = [one.value for one in found if one.value is not None]
    if len(known) < len(found):
        return next(one for one in found if one.value is None)
    return replace(found[0], value=fmean(known))


def _cost(epoch: EpochRow, name: str) -> float | None:
    cost = epoch.costs.get(name)
    return None if cost is None else cost.value


def _product(value: float | None, factor: float | None) -> float | None:
    return None if value is None or factor is None else value * factor


def _cite(entry: DevicePrice | Figure) -> str:
    return entry.source + (f", {entry.year}" if entry.year is not None else "")

"""The price book: what device hours, electricity and its greenhouse gases cost, each with source and year. Torch-free.

The ledger keeps seconds and joules. Money, electricity at the site and gCO2e are derived from them by a book when they
are looked at, so that other prices need no other run.
"""

from __future__ import annotations

import math
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from functools import lru_cache
from importlib.resources import files
from typing import Any

HOUR_SECONDS = 3600.0
KWH_JOULES = 3.6e6

RENT, ELECTRICITY = "rent", "electricity"

OWN = "the study's own [prices]"
"""The source of what a study says without one."""

Fault = tuple[str, str]
"""A dotted key, and what is wrong with it."""


@dataclass(frozen=True)
class Quantity:
    """What a book derives from the ledger, of which less is better.

    Attributes:
        unit: Of its values; empty for money, whose unit is the book's currency.
        title: Its words.
        text: What it includes.
    """

    unit: str
    title: str
    text: str


DERIVED: dict[str, Quantity] = {
    "money": Quantity("", "money", "rent of the device, or the electricity of one that is there anyway"),
    "electricity_kwh": Quantity("kWh", "electricity at the site", "energy of the device x PUE"),
    "electricity_money": Quantity("", "price of the electricity", "electricity at the site x its price"),
    "gco2e": Quantity("g CO2e", "greenhouse gases", "electricity at the site x intensity of the grid"),
}


@dataclass(frozen=True)
class DevicePrice:
    """What an hour of a device costs to rent, its power included.

    Attributes:
        kind: `cpu` or `cuda`; empty for any.
        match: Part of the device's name, in any case; empty for any.
        per: `device`, or `thread` where each CPU thread of a slot costs so much. Each slot with CPU cores is a device.
        price_per_hour: In the book's currency.
        source: Where the figure is from.
        year: Of the figure; None where it is one's own.
    """

    kind: str
    match: str
    per: str
    price_per_hour: float
    source: str
    year: int | None

    def fits(self, kind: str, name: str) -> bool:
        """Says whether it is the price of a device."""
        return self.kind in ("", kind) and self.match.casefold() in name.casefold()

    def per_slot_hour(self, threads: int) -> float:
        """Returns what an hour of a slot with so many CPU threads costs.

        >>> DevicePrice("cpu", "", "thread", 0.05, "a list", 2025).per_slot_hour(4)
        0.2
        """
        return self.price_per_hour * (threads if self.per == "thread" else 1)


@dataclass(frozen=True)
class Figure:
    """A number of a book.

    Attributes:
        value: In the unit of its key.
        source: Where it is from.
        year: That it holds for; None where it is one's own.
        region: That it holds for; empty where that is not told.
    """

    value: float
    source: str
    year: int | None
    region: str = ""


@dataclass(frozen=True)
class PriceBook:
    """Prices of one day, in one currency. What is None, or no device's, is not known.

    Attributes:
        money: What money means: `rent`, device hours at their price, or `electricity`, that of one's own devices.
        devices: The first that fits counts.
        electricity: What a kWh costs.
        pue: Power usage effectiveness: energy of the whole site over that of its devices, 1 or more.
        grid: Greenhouse gases of a kWh, in grams of CO2 equivalent.
    """

    title: str
    date: date
    currency: str
    source: str
    money: str = RENT
    devices: tuple[DevicePrice, ...] = ()
    electricity: Figure | None = None
    pue: Figure | None = None
    grid: Figure | None = None

    def find_price(self, kind: str, name: str) -> DevicePrice | None:
        """Returns the price of a device, None where none is known."""
        return next((price for price in self.devices if price.fits(kind, name)), None)

    def as_json(self) -> dict[str, Any]:
        """Returns the book as plain values, under the keys of its file."""
        tables = {name: _plain(number, getattr(self, name)) for name, (_, number) in _TABLES.items()}
        return {**asdict(self), "date": self.date.isoformat(), **tables}


@lru_cache(maxsize=1)
def default_book() -> PriceBook:
    """Returns the book that comes with the package."""
    return build_book(tomllib.loads(example()))


def example() -> str:
    """Returns the text of the book that comes with the package."""
    return files("objectives").joinpath("prices.toml").read_text(encoding="utf-8")


def overlay(book: PriceBook, raw: Mapping[str, Any]) -> PriceBook:
    """Returns a book with a study's own prices, which go before its own.

    A table of the study takes the place of the book's, its devices go before the book's, and so does one price for all
    of them. Another currency leaves the book's amounts of money out: they are not in it.

    Args:
        book: What they are merged over.
        raw: Plain values in which `find_faults(raw, is_whole=False)` finds nothing; keys that are None say nothing.

    >>> own = overlay(default_book(), {"price_per_device_hour": 2.5, "pue": {"ratio": 1.1}})
    >>> own.find_price("cuda", "any GPU").price_per_hour, own.pue.value, own.grid == default_book().grid
    (2.5, 1.1, True)
    """
    told = _told(raw)
    if not told:
        return book
    if told.get("currency", book.currency) != book.currency:
        book = replace(book, devices=(), electricity=None)
    source = told.get("source", OWN)
    changed: dict[str, Any] = {key: told[key] for key in ("currency", "money") if key in told}
    return replace(
        book,
        title=told.get("title", f"{book.title}, with the study's own [prices]"),
        date=_read_date(told["date"]) if "date" in told else book.date,
        source=book.source if source == OWN else source,
        devices=(*_build_devices(told, source, None), *book.devices),
        **{**changed, **_build_tables(told, source, None)},
    )


def find_faults(raw: Mapping[str, Any], *, is_whole: bool = True) -> list[Fault]:
    """Returns every fault of a book's plain values.

    Args:
        raw: As TOML or JSON gives it.
        is_whole: Whether it is a book, which is dated and gives sources, or a study's changes of one.
    """
    told = raw if is_whole else _told(raw)
    parts = (*_TABLES, "devices")
    head = {key: value for key, value in told.items() if key not in parts}
    faults = list(_check(head, _HEAD, ("title", "date", "currency", "source") if is_whole else (), others=parts))
    for name, (laws, number) in _TABLES.items():
        if name in told:
            faults += _check(told[name], laws, tuple(laws) if is_whole else (number,), name)
    devices = told.get("devices", [])
    if not isinstance(devices, list):
        return [*faults, ("devices", f"a list of tables is needed, but got {devices!r}")]
    for index, device in enumerate(devices):
        needed = ("kind", "price_per_hour", *(("source", "year") if is_whole else ()))
        faults += _check(device, _DEVICE, needed, f"devices.{index}")
        if isinstance(device, Mapping) and (device.get("per"), device.get("kind")) == ("thread", "cuda"):
            faults.append((f"devices.{index}.per", "'thread' goes with kind = 'cpu'"))
    return faults


@dataclass(frozen=True)
class _Law:
    """What a value must be."""

    text: str
    allows: Callable[[Any], bool]


def _is_amount(value: Any, least: float = 0.0) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value) and value >= least


def _is_date(value: Any) -> bool:
    try:
        _read_date(value)
    except (TypeError, ValueError):
        return False
    return True


def _read_date(value: Any) -> date:
    """Returns a date of TOML, or of JSON, where it is ISO 8601."""
    return value if type(value) is date else date.fromisoformat(value)


def _one_of(*words: str) -> _Law:
    return _Law(f"{' or '.join(map(repr, words))} is needed", words.__contains__)


_WORDS = _Law("words are needed", lambda value: isinstance(value, str) and bool(value.strip()))
_AMOUNT = _Law("a finite number of 0 or more is needed", _is_amount)
_YEAR = _Law("a year such as 2025 is needed", lambda value: isinstance(value, int) and 1990 <= value <= 2200)  # noqa: PLR2004
_HEAD = {
    "title": _WORDS,
    "date": _Law("a date such as 2026-01-31 is needed", _is_date),
    "currency": _WORDS,
    "source": _WORDS,
    "money": _one_of(RENT, ELECTRICITY),
    "price_per_device_hour": _AMOUNT,
}
_CITED = {"source": _WORDS, "year": _YEAR}
_TABLES: dict[str, tuple[dict[str, _Law], str]] = {
    "electricity": ({"price_per_kwh": _AMOUNT, **_CITED}, "price_per_kwh"),
    "pue": (
        {"ratio": _Law("a finite number of 1 or more is needed", lambda value: _is_amount(value, 1.0)), **_CITED},
        "ratio",
    ),
    "grid": ({"g_co2e_per_kwh": _AMOUNT, "region": _WORDS, **_CITED}, "g_co2e_per_kwh"),
}
"""The tables of a book: the law of each key, and the key that even a study's changes must have."""

_DEVICE = {
    "kind": _one_of("cpu", "cuda"),
    "match": _WORDS,
    "per": _one_of("device", "thread"),
    "price_per_hour": _AMOUNT,
    **_CITED,
}


def _check(
    raw: Any, laws: Mapping[str, _Law], needed: Sequence[str], where: str = "", others: Sequence[str] = ()
) -> Iterator[Fault]:
    """Yields the faults of one table; `others` are keys that stand beside its own."""
    if not isinstance(raw, Mapping):
        yield where, f"a table is needed, but got {raw!r}"
        return
    start = f"{where}." if where else ""
    for key, value in raw.items():
        if key not in laws:
            yield start + key, f"no such key (known: {', '.join([*laws, *others])})"
        elif not laws[key].allows(value):
            yield start + key, f"{laws[key].text}, but got {value!r}"
    for key in needed:
        if key not in raw:
            yield start + key, f"it is missing: {laws[key].text}"


def _told(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in raw.items() if value is not None}


def build_book(raw: Mapping[str, Any]) -> PriceBook:
    """Returns the book that plain values without faults mean."""
    dated = _read_date(raw["date"])
    return PriceBook(
        raw["title"],
        dated,
        raw["currency"],
        raw["source"],
        raw.get("money", RENT),
        _build_devices(raw, raw["source"], dated.year),
        **_build_tables(raw, raw["source"], dated.year),
    )


def _build_tables(raw: Mapping[str, Any], source: str, year: int | None) -> dict[str, Figure]:
    """Returns the figures that are there; source and year hold where one has none of its own."""
    blank = {"source": source, "year": year}
    return {
        name: Figure(value=float(raw[name][number]), **{**blank, **_without(raw[name], number)})
        for name, (_, number) in _TABLES.items()
        if name in raw
    }


def _plain(number: str, figure: Figure | None) -> dict[str, Any] | None:
    return None if figure is None else {number: figure.value, **_without(asdict(figure), "value")}


def _without(table: Mapping[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in table.items() if name != key}


def _build_devices(raw: Mapping[str, Any], source: str, year: int | None) -> tuple[DevicePrice, ...]:
    """Returns the prices of devices, the one for all of them first."""
    blank = {"match": "", "per": "device", "source": source, "year": year}
    devices = ({**device, "price_per_hour": float(device["price_per_hour"])} for device in raw.get("devices", ()))
    found = [DevicePrice(**{**blank, **device}) for device in devices]
    if (each := raw.get("price_per_device_hour")) is not None:
        found.insert(0, DevicePrice("", "", "device", float(each), source, year))
    return tuple(found)

"""The price book in force: of a file, of the study, of the user, or of the package; and what a sitting costs by it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from objectives.meters.held import open_counters
from objectives.prices import ELECTRICITY, PriceBook, build_book, default_book, find_faults, overlay
from search.faults import Faults
from search.tariff import Tariff
from search.toml import read_toml

if TYPE_CHECKING:
    from dashboards.summary import Summary
    from objectives.parameters import Value
    from objectives.trial import Placement
    from search.spec import SweepSpec
    from storage.database import Database
    from storage.rows import StudyRow

VARIABLE = "PARETUNE_PRICES"
USER_BOOK = "~/.config/paretune/prices.toml"


def find_book(own: Mapping[str, Any] | None = None, path: Path | None = None) -> PriceBook:
    """Returns the prices in force.

    Args:
        own: The study's `[prices]`, which go before those of the user's book, or where there is none the package's.
        path: A book that holds alone.

    Raises:
        Faults: with every fault of a book, a line each.
    """
    return overlay(_user_book(), own or {}) if path is None else _read_book(path)


def find_own(name: str, url: str) -> Mapping[str, Any]:
    """Returns a study's `[prices]`.

    Args:
        name: The study.
        url: Of its database.

    Raises:
        StorageFault: where there is no such study.
    """
    from storage.database import Database
    from storage.reading import load_study

    return load_study(Database(url), name).spec.get("prices") or {}


def load_summary(database: Database, name: str, path: Path | None = None) -> Summary:
    """Returns what a study has come to, at the prices in force, and what was trained again of it.

    Args:
        database: Where it is.
        name: The study.
        path: A book that holds alone.

    Raises:
        Faults: with every fault of a book, a line each.
        StorageFault: where there is no such study.
    """
    from dashboards.remeasured import add_remeasurement
    from dashboards.summary import summarize
    from storage.reading import load_study

    study = load_study(database, name)
    return add_remeasurement(database, summarize(study, find_book(study.spec.get("prices"), path)))


def find_tariff(spec: SweepSpec, placements: Sequence[Placement], study: StudyRow | None = None) -> Tariff:
    """Returns what a sitting costs; without a budget of money no price is asked for.

    Slots on different devices count at the price of the dearest, of each kind where devices are searched.

    Args:
        spec: The sweep's.
        placements: The slots of the sitting.
        study: With the sittings before; None where there is none.

    Raises:
        Faults: where money is the budget and cannot be told, or the user's book is faulty.
    """
    book = find_book(spec.prices)
    if spec.budget.money is None:
        return Tariff(book.currency)
    if book.money == ELECTRICITY:
        return Tariff(book.currency, per_joule=_price_joule(book, placements))
    before, held_seconds = (0.0, 0.0) if study is None else _price_before(book, study)
    rents = _price_seconds(book, placements)
    dearest = max(rents.values())
    shares = {kind: rent / dearest for kind, rent in rents.items() if spec.compute.is_device_searched and dearest}
    return Tariff(book.currency, before, held_seconds, dearest, shares=shares)


def _price_seconds(book: PriceBook, placements: Sequence[Placement]) -> dict[Value, float]:
    """Returns what a slot costs each second by the kind of its device, of several such devices the dearest."""
    from dashboards.prices import no_price, rent_per_second
    from search.compute import name_devices

    devices = name_devices(placements)
    found = [rent_per_second(device, book) for device in devices]
    faults = [no_price(device) for device, each in zip(devices, found, strict=True) if each is None]
    if faults:
        raise Faults(*(f"budget.money: {line}: --set prices.price_per_device_hour=2.5" for line in faults))
    pairs = [(device["kind"], each) for device, each in zip(devices, found, strict=True) if each is not None]
    return {kind: max(each for other, each in pairs if other == kind) for kind, _ in pairs}


def _price_joule(book: PriceBook, placements: Sequence[Placement]) -> float:
    from dashboards.prices import Derived, price

    if isinstance(fault := open_counters(placements), str):
        law = f"prices.money is 'electricity', which cannot be measured here: {fault}"
        raise Faults(f"budget.money: {law}; --set prices.money=rent")
    each = price((), Derived(1.0), book)["electricity_money"]
    if each.value is None:
        raise Faults(f"budget.money: prices.money is 'electricity', and {each.reason}")
    return each.value


def _price_before(book: PriceBook, study: StudyRow) -> tuple[float, float]:
    """Returns what the sittings before cost, and for how many seconds they held slots."""
    from dashboards.prices import price_trials

    held_seconds = sum(sum(attempt.bill.values()) for trial in study.trials for attempt in trial.attempts)
    money = price_trials(study, book)["money"]
    if held_seconds and money.value is None:
        raise Faults(f"budget.money: what was spent cannot be told: {money.reason}")
    return money.value or 0.0, held_seconds


def _user_book() -> PriceBook:
    named = os.environ.get(VARIABLE)
    path = Path(os.path.expanduser(named or USER_BOOK))  # noqa: PTH111  Path.expanduser raises without a home
    return _read_book(path) if named or os.path.exists(path) else default_book()  # noqa: PTH110  Path.exists raises


def _read_book(path: Path) -> PriceBook:
    raw = read_toml(path, "a price book", "`paretune prices --example` prints one")
    if faults := find_faults(raw):
        raise Faults(*(f"{path}: {key}: {text}" for key, text in faults))
    return build_book(raw)

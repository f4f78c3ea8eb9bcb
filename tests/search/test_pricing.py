"""The price book in force, budgets of money, and re-pricing from the command line."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from commands import Run
from sqlalchemy import MetaData, select

from dashboards.bills import bill_lines
from objectives.meters.rapl import open_rapl
from objectives.prices import default_book
from objectives.trial import Event, Placement
from search import load, sweeps
from search.budget import Account
from search.compute import name_devices
from search.faults import Faults
from search.pricing import find_book, find_tariff
from search.reading import validate
from search.sections import Budget
from search.spec import SweepSpec
from search.tariff import Tariff
from search.trials import Trial, Trials
from storage.database import Database
from storage.reading import load_study

HERE = Path(__file__).parent
SLOTS = [Placement(0, "cpu", 2)]
HEAD = 'title = "{}"\ndate = 2026-01-31\ncurrency = "EUR"\nsource = "our contracts"\n'
CPU = '[[devices]]\nkind = "cpu"\nper = "thread"\nprice_per_hour = {}\nsource = "our list"\nyear = 2025\n'


@pytest.fixture(autouse=True)
def _no_book_of_ones_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("PARETUNE_PRICES", raising=False)
    monkeypatch.syspath_prepend(str(HERE.parent))


def write(path: Path, price: float | None = None, title: str = "ours") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEAD.format(title) + ("" if price is None else CPU.format(price)))
    return path


def spec_of(**tables: dict[str, Any]) -> SweepSpec:
    return validate(
        {
            "name": "quick",
            "objective": {"train": "instant:train", "epochs": 2, "minimize": ["train_flops"]},
            "space": {"lr": {"low": 1e-3, "high": 0.1, "log": True}, "batch_size": 64, "width": 0.5},
            "search": {"trials": 4, "sampler": "random", "baseline": False},
            "compute": {"engine": "inline", "threads": 1, "device": "cpu"},
            **tables,
        }
    )


def silent(_trial: Trial, _event: Event) -> None:
    pass


def rows(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, Optuna's too."""
    found = MetaData()
    with database.engine.connect() as connection:
        found.reflect(connection)
        return {name: [tuple(row) for row in connection.execute(select(table))] for name, table in found.tables.items()}


def test_a_file_goes_before_the_studys_prices_those_before_the_users_book_and_that_before_the_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert find_book() == default_book()
    write(tmp_path / ".config/paretune/prices.toml", 0.1, "home")
    assert find_book().title == "home"
    monkeypatch.setenv("PARETUNE_PRICES", str(write(tmp_path / "named.toml", 0.2, "named")))
    assert find_book().title == "named"
    own = find_book({"price_per_device_hour": 9.0})
    assert own.title == "named, with the study's own [prices]"
    assert [each.price_per_hour for each in own.devices] == [9.0, 0.2]
    alone = find_book({"price_per_device_hour": 9.0}, write(tmp_path / "file.toml", 0.3, "file"))
    assert [each.price_per_hour for each in alone.devices] == [0.3]


def test_a_faulty_book_gives_one_line_per_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARETUNE_PRICES", str(tmp_path / "none.toml"))
    with pytest.raises(Faults, match=r"none.toml: there is no such file; `paretune prices --example` prints one"):
        find_book()
    path = tmp_path / "bad.toml"
    path.write_text('title = "t"\npue = { ratio = 0, source = "s", year = 2024 }\n')
    with pytest.raises(Faults) as caught:
        find_book(None, path)
    assert [line.partition(": ")[2].partition(":")[0] for line in caught.value.lines] == [
        "date", "currency", "source", "pue.ratio"
    ]  # fmt: skip


def test_a_money_budget_without_a_price_is_a_fault_that_names_the_key_and_nothing_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Database
) -> None:
    monkeypatch.setenv("PARETUNE_PRICES", str(write(tmp_path / "empty.toml")))
    name = name_devices(SLOTS)[0]["name"]
    with pytest.raises(Faults) as caught:
        sweeps.launch(spec_of(budget={"money": 5.0}), database, silent)
    assert caught.value.lines == (
        f"budget.money: no price is known for {name}; prices.price_per_device_hour sets one: "
        "--set prices.price_per_device_hour=2.5",
    )
    assert rows(database)["paretune_studies"] == []
    with pytest.raises(Faults, match=r"prices.money is 'electricity', which cannot be measured here"):
        find_tariff(spec_of(budget={"money": 5.0}, prices={"money": "electricity"}), SLOTS)
    tariff = find_tariff(spec_of(budget={"money": 5.0}, prices={"price_per_device_hour": 3.6}), SLOTS)
    assert (tariff.currency, tariff.per_second) == ("EUR", pytest.approx(0.001))


def test_money_of_electricity_needs_a_counter_of_all_slots_together_not_of_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prices = {"money": "electricity", "electricity": {"price_per_kwh": 0.36}, "pue": {"ratio": 2.0}}
    spec = spec_of(budget={"money": 5.0}, prices=prices)
    for name, value in (("name", "package-0"), ("max_energy_range_uj", "9"), ("energy_uj", "0")):
        (tmp_path / "intel-rapl:0").mkdir(exist_ok=True)
        (tmp_path / "intel-rapl:0" / name).write_text(value)
    monkeypatch.setattr("objectives.meters.held.open_rapl", lambda cores, _root, has: open_rapl(cores, tmp_path, has))
    cores = range(os.cpu_count() or 1)
    slots = [Placement(core, "cpu", 1, (core,)) for core in cores]
    assert find_tariff(spec, slots).per_joule == pytest.approx(2 * 0.36 / 3.6e6)
    with pytest.raises(Faults, match=f"of all {len(cores)} cores, and these slots have {len(cores) - 1}"):
        find_tariff(spec, [Placement(0, "cpu", 1, tuple(cores[:-1]))])


def test_the_price_of_a_thread_counts_for_each_of_the_slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARETUNE_PRICES", str(write(tmp_path / "ours.toml", 1.8)))
    assert find_tariff(spec_of(budget={"money": 5.0}), SLOTS).per_second == pytest.approx(2 * 1.8 / 3600)


def test_where_devices_are_searched_each_kind_has_its_own_price(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = HEAD.format("ours") + CPU.format(1.8) + CPU.replace('"cpu"', '"cuda"').replace("thread", "device").format(36)
    (tmp_path / "ours.toml").write_text(book)
    monkeypatch.setenv("PARETUNE_PRICES", str(tmp_path / "ours.toml"))
    slots = [*SLOTS, Placement(1, "cuda:0", 2)]
    searched = validate({"budget": {"money": 5.0}, "compute": {"device": ["cpu", "cuda"]}})
    tariff = find_tariff(searched, slots)
    assert tariff.per_second == pytest.approx(36 / 3600)
    assert tariff.shares == {"cuda": 1.0, "cpu": pytest.approx(0.1)}
    assert find_tariff(spec_of(budget={"money": 5.0}), slots).shares == {}


def test_earlier_sittings_keep_their_rent_and_this_one_has_its_own(database: Database) -> None:
    study = sweeps.launch(spec_of(prices={"price_per_device_hour": 36.0}), database, silent)
    held = sum(sum(attempt.bill.values()) for trial in study.trials for attempt in trial.attempts)
    assert study.trials[0].attempts[0].device is not None
    assert study.trials[0].attempts[0].device["name"] == name_devices(SLOTS)[0]["name"]
    spec = spec_of(budget={"money": 5.0}, prices={"price_per_device_hour": 36.0})
    tariff = find_tariff(spec, SLOTS, study)
    assert (tariff.before, tariff.before_seconds) == pytest.approx((held / 100, held))
    unpriced = validate({**spec.model_dump(mode="json"), "prices": {"currency": "EUR"}})
    with pytest.raises(Faults, match=r"budget.money: what was spent cannot be told: no price is known for"):
        find_tariff(unpriced, [], study)


def test_a_money_budget_of_electricity_counts_joules() -> None:
    from objectives.costs import measured

    costs = {"device_seconds": measured(10.0), "energy_joules": measured(100.0)}
    trial = Trial(0, {}, 0, "complete", 1, accuracies=[0.5], costs=[costs], bill={"training": 10.0, "setup": 2.0})
    account = Account(Budget(money=1.0), 1, Trials(1, [], {0: trial}), now=0.0, tariff=Tariff("EUR", per_joule=0.01))
    assert account.find_spent(0.0) == "budget: money 1.2 EUR of 1 EUR is spent"


def test_prices_of_a_study_are_stored_and_may_change_at_any_time(database: Database) -> None:
    sweeps.launch(spec_of(prices={"price_per_device_hour": 2.0, "date": "2026-03-01"}), database, silent)
    changed = sweeps.resume("quick", database, silent, settings=["prices.price_per_device_hour=4.0"])
    assert changed.spec["prices"] == {"price_per_device_hour": 4.0, "date": "2026-03-01"}
    assert changed.changes[-1]["keys"] == [{"key": "prices.price_per_device_hour", "before": 2.0, "now": 4.0}]
    with pytest.raises(Faults, match=r"prices.pue.ratio: a finite number of 1 or more is needed, but got 0.5"):
        sweeps.resume("quick", database, silent, settings=["prices.pue.ratio=0.5"])
    cleared = sweeps.resume("quick", database, silent, flags={"prices.price_per_device_hour": None})
    study = load("quick", storage=database.url.render_as_string())
    assert study.summary.book.devices == default_book().devices
    assert [trial.params for trial in cleared.trials] == [trial.params for trial in changed.trials]


def test_another_book_changes_the_money_and_nothing_in_the_database(
    paretune: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    database = Database(f"sqlite:///{tmp_path}/paretune.db")
    sweeps.launch(spec_of(prices={"price_per_device_hour": 1.0}), database, silent)
    for name, price in (("cheap", 0.5), ("dear", 50.0)):
        write(tmp_path / f"{name}.toml", price, name)
    billed = sum(bill_lines(load_study(database, "quick")).values())
    before = rows(database)

    def shown(*flags: str) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(paretune("show", "quick", "--json", *flags, check=True).stdout)["prices"]
        return answer

    cheap, dear = (shown("--prices", f"{name}.toml") for name in ("cheap", "dear"))
    assert (cheap["book"], cheap["date"], cheap["currency"]) == ("cheap", "2026-01-31", "EUR")
    assert cheap["money"] == pytest.approx(billed / 3600 * 0.5)
    assert dear["money"] == pytest.approx(billed / 3600 * 50.0)
    assert cheap["gco2e"] is cheap["electricity_kwh"] is None
    assert "energy counter" in cheap["absent"]["gco2e"]
    monkeypatch.setenv("PARETUNE_PRICES", "dear.toml")
    own = shown()
    assert (own["money"], own["book"]) == (pytest.approx(billed / 3600), "dear, with the study's own [prices]")
    picked = json.loads(
        paretune("pick", "quick", "--max-cost", "money=1", "--prices", "cheap.toml", "--json", check=True).stdout
    )
    assert picked["prices"]["money"] == pytest.approx(picked["costs"]["device_seconds"] / 3600 * 0.5)
    paretune("report", "quick", "--prices", "cheap.toml", check=True)
    assert "our list, 2025" in (tmp_path / "report.html").read_text()
    trial = json.loads(paretune("show", "quick", "1", "--json", check=True).stdout)
    assert 0 < trial["prices"]["money"] < own["money"]
    told = " ".join(paretune("show", "quick", "--prices", "cheap.toml", check=True).stdout.split())
    assert "EUR (rent: 0.5 EUR per thread hour, our list, 2025); no electricity or carbon figure" in told
    assert rows(database) == before


def test_the_command_prints_the_book_in_force(paretune: Run, tmp_path: Path) -> None:
    example = paretune("prices", "--example", check=True).stdout
    (tmp_path / "mine.toml").write_text(example)
    printed = paretune("prices", "--prices", "mine.toml", check=True).stdout
    assert printed == paretune("prices", check=True).stdout
    assert "Uptime Institute" in printed
    assert json.loads(paretune("prices", "--json", check=True).stdout)["grid"]["region"] == "world"
    database = Database(f"sqlite:///{tmp_path}/paretune.db")
    sweeps.launch(spec_of(prices={"pue": {"ratio": 1.1}}), database, silent)
    own = json.loads(paretune("prices", "quick", "--json", check=True).stdout)
    assert own["pue"] == {"ratio": 1.1, "source": "the study's own [prices]", "year": None, "region": ""}
    (tmp_path / "bad.toml").write_text(example.replace("date = ", "day = "))
    bad = paretune("prices", "--prices", "bad.toml")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert len(bad.stderr.splitlines()) == 2
    assert "bad.toml: date: it is missing" in bad.stderr

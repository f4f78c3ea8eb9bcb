"""Money, electricity and greenhouse gases, computed by hand."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from synthetic import DEVICE, SPEC, attempt_row, epoch_row, summary_of, trial

from dashboards.budget import budget_lines
from dashboards.choice import NothingFits, pick
from dashboards.figures.tradeoff import draw_tradeoff, trace_tradeoff
from dashboards.prices import price_study, price_trial, price_words
from dashboards.records import as_json
from dashboards.report import render_report
from dashboards.summary import Summary, summarize
from objectives.prices import DERIVED, DevicePrice, Figure, PriceBook
from storage.ledger import CostValue
from storage.rows import AttemptRow, TrialRow

GPU = {"kind": "cuda", "name": "A GPU", "identity": "1", "threads": 8, "torch": "2"}
CPU4 = {**DEVICE, "threads": 4}
BOOK = PriceBook(
    "ours", date(2026, 1, 31), "EUR", "our contracts",
    devices=(
        DevicePrice("cuda", "a gpu", "device", 2.0, "GPU list", 2025),
        DevicePrice("cpu", "", "thread", 0.05, "CPU list", 2024),
    ),
    electricity=Figure(0.25, "tariff", 2025),
    pue=Figure(1.2, "site", 2024),
    grid=Figure(400.0, "grid office", 2023, "Utopia"),
)  # fmt: skip
NO_ENERGY = "no meter"


def metered(number: int, seconds: float, joules: float | None, *, setup: float = 0.0, num_epochs: int = 1) -> TrialRow:
    """A trial on the GPU whose epochs take so many seconds and joules each."""
    made = trial(
        number, [(900 + epoch, seconds) for epoch in range(num_epochs)], attempts=on(GPU, num_epochs * seconds, setup)
    )
    energy = CostValue(joules, "measured", None) if joules is not None else CostValue(None, "absent", NO_ENERGY)
    epochs = tuple(replace(row, costs={**row.costs, "energy_joules": energy}) for row in made.epochs)
    return replace(made, epochs=epochs)


def on(device: Mapping[str, Any], training: float, setup: float = 0.0) -> tuple[AttemptRow, ...]:
    return (attempt_row("complete", {"training": training, "setup": setup}, device=device),)


def at(book: PriceBook, *trials: TrialRow) -> Summary:
    return summarize(summary_of(*trials).study, book)


def test_a_study_costs_what_was_billed_by_hand() -> None:
    """1.5 device hours, of which 1 was training at 1 kW: 1.5 kWh of the device, 1.8 of the site."""
    prices = at(BOOK, metered(0, 3600.0, 3.6e6, setup=1800.0)).prices
    assert {name: one.value for name, one in prices.items()} == pytest.approx(
        {"money": 3.0, "electricity_kwh": 1.8, "electricity_money": 0.45, "gco2e": 720.0}
    )
    assert {one.method for one in prices.values()} == {"derived"}
    assert prices["money"].source == "2 EUR per device hour, GPU list, 2025"
    how = "energy metered while training, of the rest at its mean power"
    assert (
        prices["gco2e"].source
        == f"{how}; PUE 1.2, site, 2024; intensity of the grid (Utopia) 400 g/kWh, grid office, 2023"
    )


def test_money_may_mean_the_electricity_alone() -> None:
    study = at(replace(BOOK, money="electricity"), metered(0, 3600.0, 3.6e6, setup=1800.0))
    assert study.prices["money"].value == pytest.approx(0.45)
    assert study.lasts[0].value("money") == pytest.approx(1.2 * 0.25)


def test_a_cpu_slot_counts_as_so_many_vcpus_as_it_has_threads() -> None:
    study = at(BOOK, trial(0, [(900, 1800.0)], attempts=on(CPU4, 1800.0)))
    assert study.prices["money"].value == pytest.approx(0.5 * 4 * 0.05)
    assert study.lasts[0].value("money") == pytest.approx(0.1)


def test_a_price_of_a_cpu_is_told_to_be_that_of_a_slot() -> None:
    book = replace(BOOK, devices=(DevicePrice("", "", "device", 3.6, "a list", 2025),))
    money = at(book, trial(0, [(900, 1800.0)], attempts=on(CPU4, 1800.0))).prices["money"]
    assert (money.value, money.source) == (pytest.approx(1.8), "3.6 EUR per slot hour, a list, 2025")


def test_what_is_billed_counts_all_threads_that_the_slot_held_and_a_setting_its_own() -> None:
    two_of_four = {**DEVICE, "threads": 2, "held_threads": 4}
    killed = attempt_row("killed", {"lost": 1800.0}, device=None)
    study = at(
        BOOK,
        trial(0, [(900, 1800.0)], attempts=on(two_of_four, 1800.0)),
        trial(1, [(900, 1800.0)], attempts=(killed, *on({**DEVICE, "threads": 4, "held_threads": 4}, 1800.0))),
    )
    assert study.prices["money"].value == pytest.approx(3 * 0.5 * 4 * 0.05)
    assert [last.value("money") for last in study.lasts.values()] == pytest.approx([0.5 * 2 * 0.05, 0.5 * 4 * 0.05])


def test_without_energy_there_is_rent_but_no_number_for_electricity_or_carbon() -> None:
    study = at(BOOK, metered(0, 3600.0, 3.6e6), metered(1, 3600.0, None))
    prices = study.prices
    assert prices["money"].value == pytest.approx(4.0)
    for name in ("electricity_kwh", "electricity_money", "gco2e"):
        assert (prices[name].value, prices[name].method, prices[name].reason) == (None, "absent", NO_ENERGY)
    shown = as_json(study)["prices"]
    assert shown["gco2e"] is shown["electricity_kwh"] is None
    assert shown["absent"]["gco2e"] == NO_ENERGY
    assert (shown["book"], shown["date"], shown["currency"]) == ("ours", "2026-01-31", "EUR")
    assert price_words(prices, study.book) == (
        "4 EUR (rent: 2 EUR per device hour, GPU list, 2025); no electricity or carbon figure: no meter; "
        "prices of 2026-01-31"
    )
    own = price_trial(study.study, study.study.trials[0], BOOK)
    assert own["gco2e"].value == pytest.approx(480.0)
    assert at(replace(BOOK, money="electricity"), metered(1, 3600.0, None)).prices["money"].reason == NO_ENERGY


@pytest.mark.parametrize(
    ("lacking", "absent"),
    [
        ({"pue": None}, {"electricity_kwh", "electricity_money", "gco2e"}),
        ({"electricity": None}, {"electricity_money"}),
        ({"grid": None}, {"gco2e"}),
        ({"devices": ()}, {"money"}),
    ],
)
def test_what_a_book_lacks_is_absent_with_a_reason_and_never_zero(lacking: dict[str, Any], absent: set[str]) -> None:
    prices = at(replace(BOOK, **lacking), metered(0, 3600.0, 3.6e6)).prices
    assert {name for name, one in prices.items() if one.value is None} == absent
    assert all(prices[name].reason for name in absent)


def test_one_device_without_a_price_leaves_the_sum_absent() -> None:
    other = trial(1, [(900, 10.0)], attempts=on({**GPU, "name": "Another"}, 10.0))
    study = at(BOOK, metered(0, 10.0, 1.0), other)
    assert study.prices["money"].value is None
    assert study.prices["money"].reason == "no price is known for Another; prices.price_per_device_hour sets one"
    assert study.lasts[0].value("money") is not None
    assert study.lasts[1].value("money") is None
    assert study.lasts[1].reason("money") == study.prices["money"].reason


def test_a_price_of_zero_is_a_price() -> None:
    free = replace(BOOK, devices=(DevicePrice("", "", "device", 0.0, "it is ours", None),))
    money = at(free, metered(0, 10.0, 1.0)).prices["money"]
    assert (money.value, money.method) == (0.0, "derived")


def test_nothing_billed_is_no_price_but_spends_nothing_of_a_budget() -> None:
    study = at(BOOK, trial(0, [], "waiting", attempts=(attempt_row(None, {}, seconds=None),)))
    assert (study.prices["money"].value, study.prices["money"].reason) == (None, "nothing was billed here")
    assert {line.name: line.spent for line in budget_lines(study.study, BOOK)}["money"] == 0.0


def test_an_attempt_that_was_killed_before_it_told_its_device_costs_what_the_others_do() -> None:
    killed = replace(attempt_row("killed", {"lost": 1800.0}), device=None)
    made = metered(0, 3600.0, 3.6e6)
    both = replace(made, attempts=(killed, replace(made.attempts[0], attempt=2)))
    assert at(BOOK, both).prices["money"].value == pytest.approx(3.0)
    assert at(BOOK, replace(made, attempts=(killed,))).prices["money"].reason is not None


def test_what_was_taken_over_is_priced_where_it_was_billed() -> None:
    taken = replace(metered(0, 3600.0, 3.6e6), source={"study": "old", "trial": 3}, attempts=())
    study = at(BOOK, taken, metered(1, 3600.0, 1.8e6))
    assert study.prices["electricity_kwh"].value == pytest.approx(0.6)
    assert study.prices["money"].value == pytest.approx(2.0)
    assert study.lasts[0].reason("money") == (
        "it is not recorded on which device it ran; prices.price_per_device_hour sets one"
    )


@pytest.mark.parametrize("name", DERIVED)
@pytest.mark.parametrize("means", ["rent", "electricity"])
def test_a_checkpoint_has_its_solo_price_up_to_then(name: str, means: str) -> None:
    curve = at(replace(BOOK, money=means), metered(0, 60.0, 9e3, setup=30.0, num_epochs=3)).curves[0]
    values = [point.value(name) for point in curve]
    assert values == pytest.approx([point.costs.prices[name].value for point in curve])
    assert values == pytest.approx([(values[0] or 0.0) * times for times in (1, 2, 3)])
    if (name, means) == ("money", "rent"):
        assert values[0] == pytest.approx(2.0 / 60)


def test_each_epoch_counts_on_the_device_of_its_attempt() -> None:
    first, second = (
        attempt_row("killed", {"training": 3600.0}, device=GPU),
        attempt_row("complete", {"training": 3600.0}, attempt=2, device=CPU4),
    )
    moved = trial(0, [(900, 3600.0), (910, 3600.0)], attempts=(first, second))
    epochs = (moved.epochs[0], replace(moved.epochs[1], attempt=2))
    curve = at(BOOK, replace(moved, epochs=epochs)).curves[0]
    assert [point.value("money") for point in curve] == pytest.approx([2.0, 2.2])


def test_the_price_of_a_setting_is_the_mean_of_its_seeds() -> None:
    spec = {**SPEC, "search": {"sampler": "tpe", "repeats": 2}}
    made = summary_of(metered(0, 3600.0, 3.6e6), metered(1, 1800.0, 3.6e6), spec=spec)
    (point,) = summarize(made.study, BOOK).curves[0]
    assert point.value("money") == pytest.approx(1.5)
    assert point.costs.prices["money"].value == pytest.approx(1.5)
    lacking = summary_of(metered(0, 3600.0, 3.6e6), metered(1, 1800.0, None), spec=spec)
    (point,) = summarize(lacking.study, BOOK).curves[0]
    assert (point.value("gco2e"), point.reason("gco2e")) == (None, NO_ENERGY)


def test_a_setting_is_picked_by_its_money() -> None:
    study = at(BOOK, metered(0, 3600.0, None), replace(metered(1, 7200.0, None), epochs=(epoch_row(1, 990, 7200.0),)))
    assert pick(study, max_costs={"money": 2.5}).point.trial == 0
    assert pick(study, max_costs={"money": 4.5}).point.trial == 1
    with pytest.raises(NothingFits, match=r"the closest is trial 0 after epoch 1 with 2 EUR"):
        pick(study, max_costs={"money": 0.1})
    with pytest.raises(NothingFits, match="gco2e cannot be derived: no meter"):
        pick(study, max_costs={"gco2e": 0.1})


def test_the_tradeoff_can_be_switched_to_money_where_a_price_is_known() -> None:
    trials = [metered(0, 3600.0, None), metered(1, 7200.0, None)]
    info = trace_tradeoff(at(BOOK, *trials))
    assert [tradeoff.cost for tradeoff in info.tradeoffs][-1] == "money"
    button = draw_tradeoff(info).layout.updatemenus[0].buttons[-1]
    assert button.label == "money"
    assert button.args[1]["xaxis.title.text"] == "money (EUR), solo"
    assert list(button.args[0]["x"][1]) == [2.0, 4.0]
    unpriced = trace_tradeoff(at(replace(BOOK, devices=()), *trials))
    assert "money" not in [tradeoff.cost for tradeoff in unpriced.tradeoffs]


def test_the_report_tells_money_and_carbon_with_sources_and_dates() -> None:
    page = re.sub(r"\s+", " ", render_report(at(BOOK, metered(0, 3600.0, 3.6e6, setup=1800.0))))
    section = page.partition("<h2>Money and carbon</h2>")[2].partition("<h2>")[0]
    assert "of 2026-01-31" in section
    assert '<td class="n">3 EUR</td>' in section
    assert '<td class="n">720 g CO2e</td>' in section
    assert "grid office, 2023" in section
    page = render_report(at(BOOK, metered(0, 3600.0, None)))
    section = page.partition("<h2>Money and carbon</h2>")[2].partition("<h2>How")[0]
    assert section.count('<td class="n">absent</td><td>no meter</td>') == 3


def test_a_studys_own_prices_hold_without_a_book() -> None:
    study = summary_of(metered(0, 3600.0, None), spec={**SPEC, "prices": {"price_per_device_hour": 7.0}})
    assert study.prices["money"].value == pytest.approx(7.0)
    assert price_study(study.study, BOOK)["money"].value == pytest.approx(2.0)

"""Price books: what is read, what is refused, and what a study's own prices change."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from objectives.prices import default_book, example, find_faults, overlay
from search.faults import Faults
from search.pricing import find_book

HEAD = 'title = "ours"\ndate = 2026-01-31\ncurrency = "EUR"\nsource = "our contracts"\n'


def write(folder: Path, text: str) -> Path:
    path = folder / "prices.toml"
    path.write_text(text)
    return path


def faults_of(path: Path) -> list[str]:
    with pytest.raises(Faults) as caught:
        find_book(path=path)
    return [line.removeprefix(f"{path}: ") for line in caught.value.lines]


def test_every_figure_of_the_package_has_its_source_and_year() -> None:
    book = default_book()
    figures = [*book.devices, book.electricity, book.pue, book.grid]
    assert len(figures) == 4
    for figure in figures:
        assert figure is not None
        assert figure.source
        assert figure.year is not None
        assert 2020 <= figure.year <= book.date.year


def test_the_example_is_the_book_of_the_package(tmp_path: Path) -> None:
    assert find_book(path=write(tmp_path, example())) == default_book()


def test_the_first_device_that_fits_counts_by_part_of_its_name_and_kind(tmp_path: Path) -> None:
    devices = "".join(
        f'[[devices]]\nkind = "{kind}"\n{match}price_per_hour = {price}\nsource = "a list"\nyear = 2025\n'
        for kind, match, price in [
            ("cuda", 'match = "h100 pcie"\n', 2.0), ("cuda", 'match = "H100"\n', 3.0), ("cpu", "", 0.05),
        ]
    )  # fmt: skip
    book = find_book(path=write(tmp_path, HEAD + devices))
    found = {
        name: each and each.price_per_hour
        for kind, name in [
            ("cuda", "NVIDIA H100 PCIe"),
            ("cuda", "NVIDIA H100 80GB HBM3"),
            ("cuda", "L4"),
            ("cpu", "L4x"),
        ]
        for each in [book.find_price(kind, name)]
    }
    assert found == {"NVIDIA H100 PCIe": 2.0, "NVIDIA H100 80GB HBM3": 3.0, "L4": None, "L4x": 0.05}


def test_every_fault_is_listed_at_once(tmp_path: Path) -> None:
    text = (
        'title = ""\ncurrency = "EUR"\nsource = "ours"\nmoney = "love"\nprice_per_device_hour = -1\ncolour = "red"\n'
        'pue = { ratio = 0.9, source = "s", year = 2024 }\ngrid = 7\n'
        '[electricity]\nprice_per_kwh = inf\nyear = "last"\n'
        '[[devices]]\nkind = "tpu"\nprice_per_hour = nan\nsource = "s"\nyear = 2025\n'
        '[[devices]]\nkind = "cuda"\nper = "thread"\nprice_per_hour = true\nsource = "s"\nyear = 2025\nwatts = 3\n'
    )
    assert faults_of(write(tmp_path, text)) == [
        "title: words are needed, but got ''",
        "money: 'rent' or 'electricity' is needed, but got 'love'",
        "price_per_device_hour: a finite number of 0 or more is needed, but got -1",
        "colour: no such key (known: title, date, currency, source, money, price_per_device_hour, electricity, pue, "
        "grid, devices)",
        "date: it is missing: a date such as 2026-01-31 is needed",
        "electricity.price_per_kwh: a finite number of 0 or more is needed, but got inf",
        "electricity.year: a year such as 2025 is needed, but got 'last'",
        "electricity.source: it is missing: words are needed",
        "pue.ratio: a finite number of 1 or more is needed, but got 0.9",
        "grid: a table is needed, but got 7",
        "devices.0.kind: 'cpu' or 'cuda' is needed, but got 'tpu'",
        "devices.0.price_per_hour: a finite number of 0 or more is needed, but got nan",
        "devices.1.price_per_hour: a finite number of 0 or more is needed, but got True",
        "devices.1.watts: no such key (known: kind, match, per, price_per_hour, source, year)",
        "devices.1.per: 'thread' goes with kind = 'cpu'",
    ]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "there is no such file; `paretune prices --example` prints one"),
        (b"title =", "it is not TOML: "),
        (b"title = '\xff'", "a price book is TOML text in UTF-8, but byte 9 is not"),
    ],
)
def test_what_is_no_book_is_told_in_a_line(tmp_path: Path, content: bytes | None, words: str) -> None:
    path = tmp_path / "prices.toml"
    if content is not None:
        path.write_bytes(content)
    (line,) = faults_of(path)
    assert line.startswith(words)


def test_a_book_may_leave_out_what_is_not_known(tmp_path: Path) -> None:
    book = find_book(path=write(tmp_path, HEAD))
    assert (book.date, book.money, book.devices) == (date(2026, 1, 31), "rent", ())
    assert book.electricity is book.pue is book.grid is None


def test_a_studys_own_prices_go_before_the_books() -> None:
    raw = {
        "price_per_device_hour": None,
        "devices": [{"kind": "cpu", "price_per_hour": 0.5}],
        "pue": {"ratio": 1.1},
        "date": "2026-02-01",
    }
    assert find_faults(raw, is_whole=False) == []
    own, base = overlay(default_book(), raw), default_book()
    first = own.find_price("cpu", "whatever")
    assert first is not None
    assert (first.price_per_hour, first.source, first.year) == (0.5, "the study's own [prices]", None)
    assert own.find_price("cuda", "NVIDIA H100 PCIe") == base.find_price("cuda", "NVIDIA H100 PCIe")
    assert own.pue is not None
    assert (own.pue.value, own.pue.source) == (1.1, "the study's own [prices]")
    assert (own.electricity, own.grid, own.date) == (base.electricity, base.grid, date(2026, 2, 1))
    assert overlay(base, {"pue": None}) is base
    flat = overlay(base, {"price_per_device_hour": 2.5}).find_price("cuda", "NVIDIA H100 PCIe")
    assert flat is not None
    assert flat.price_per_hour == 2.5


def test_amounts_in_another_currency_are_left_out() -> None:
    own = overlay(default_book(), {"currency": "EUR", "price_per_device_hour": 2.0})
    assert [each.price_per_hour for each in own.devices] == [2.0]
    assert own.electricity is None
    assert own.grid == default_book().grid

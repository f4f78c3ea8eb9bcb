"""Bills of a large study by columns: the same as when it is read trial by trial, and kept up to date."""

from __future__ import annotations

from typing import Any

import pytest
from crowds import check_billed, crowd_of
from pages import add_trial, write_study
from postgresql import new_database
from sqlalchemy import delete, insert, update

from dashboards.pages.easel import Easel
from dashboards.pages.reading import Reader
from storage import tables
from storage.database import Database
from storage.reading import load_study

REST = ("x: logarithmic", "y: the best", "billed")
ELECTRICITY = {"money": "electricity", "electricity": {"price_per_kwh": 0.3}, "pue": {"ratio": 1.5}}


@pytest.mark.parametrize("cost", ["device_seconds", "money"])
def test_bills_are_those_of_all_trials(database: Database, cost: str) -> None:
    crowd = crowd_of(database, write_study(database, "a", 80))
    whole = check_billed(database, crowd, cost)
    assert (len(whole.trials) > 60, len(whole.front) > 3, whole.knee is not None) == (True, True, True)


def test_electricity_is_counted_over_the_time_of_the_bill(database: Database) -> None:
    uuid = write_study(database, "a", 40)
    spec = load_study(database, "a", ()).spec
    cost = tables.epoch_costs.c
    with database.write() as connection:
        connection.execute(update(tables.studies).values(spec={**spec, "prices": ELECTRICITY}))
        joules = update(tables.epoch_costs).where(cost.name == "energy_joules", cost.trial != 3)
        connection.execute(joules.values(value=50.0 + cost.trial, method="measured"))
    whole = check_billed(database, crowd_of(database, uuid), "money")
    assert 3 not in {one.point.trial for one in whole.trials}
    assert len(whole.trials) > 30


def test_what_was_not_billed_is_absent_and_comes_as_it_is(database: Database) -> None:
    uuid = write_study(database, "a", 40)
    add_trial(database, uuid)
    crowd = crowd_of(database, uuid)
    for cost in ("device_seconds", "money"):
        whole = check_billed(database, crowd, cost)
        assert 40 not in {one.point.trial for one in whole.trials}
    add_trial(database, uuid)
    bill = {"study": uuid, "attempt": 1, "line": "training"}
    with database.write() as connection:
        rows = [{**bill, "trial": 40, "seconds": 3.0}, {**bill, "trial": 41, "seconds": 0.0}]
        connection.execute(insert(tables.bills), rows)
    crowd.refresh()
    whole = check_billed(database, crowd, "device_seconds")
    assert {40: 3.0, 41: 0.0}.items() <= {one.point.trial: one.amount for one in whole.trials}.items()


def test_only_what_is_new_is_read_of_bills(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    uuid = write_study(database, "a", 40)
    crowd = crowd_of(database, uuid)
    read: list[int] = []
    from storage.columns import read_billed

    def noted(*given: Any) -> Any:
        rows = read_billed(*given)
        read.append(len(rows))
        return rows

    monkeypatch.setattr("dashboards.crowd.read_billed", noted)
    crowd.refresh()
    assert read == []
    add_trial(database, uuid)  # which its bills are read with, before the refresh that finds it
    with database.write() as connection:
        connection.execute(insert(tables.bills).values(study=uuid, trial=40, attempt=1, line="training", seconds=3.0))
    crowd.points("device_seconds", is_billed=True)
    for seconds in (5.0, 7.0):
        with database.write() as connection:
            connection.execute(update(tables.bills).where(tables.bills.c.trial == 40).values(seconds=seconds))
        crowd.refresh()
        check_billed(database, crowd, "device_seconds")
    assert read == [41, 1, 1]


def test_a_database_server_gives_the_same(server: str) -> None:
    database = Database(new_database(server))
    database.create()
    crowd = crowd_of(database, write_study(database, "a", 30))
    for cost in ("device_seconds", "money"):
        check_billed(database, crowd, cost)


def test_the_menu_of_a_large_study_has_bills_as_that_of_a_small_one(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(database, "a", 60)
    small = Easel(Reader(database)).draw("tradeoff", ["a"], ["money", *REST], "light")
    monkeypatch.setattr("dashboards.pages.reading.LARGE", 40)
    easel = Easel(Reader(database))
    large = easel.draw("tradeoff", ["a"], ["money", *REST], "light")
    assert (large.menus, large.choices) == (small.menus, small.choices)

    def front(figure: dict[str, Any]) -> Any:
        [found] = [trace for trace in figure["data"] if trace["name"].startswith("front by bill")]
        return found["customdata"], found["x"], found["y"], found["text"]

    assert front(large.figure) == front(small.figure)
    assert large.figure["layout"]["xaxis"] == small.figure["layout"]["xaxis"]
    assert large.figure["data"][0]["type"] == "heatmap"
    assert large.figure["layout"]["meta"]["axis"] == "billed.money"
    unbilled = easel.draw("tradeoff", ["a"], ["training FLOPs", *REST], "light").figure["layout"]
    assert unbilled["xaxis"]["title"]["text"].endswith("solo (not billed: bills are in device time and money)")
    assert unbilled["meta"]["axis"] == "train_flops"


def test_a_large_study_that_was_billed_nothing_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    write_study(database, "a", 60)
    with database.write() as connection:
        connection.execute(delete(tables.bills))
    monkeypatch.setattr("dashboards.pages.reading.LARGE", 40)
    drawn = Easel(Reader(database)).draw("tradeoff", ["a"], ["device time", *REST], "dark")
    assert drawn.figure["layout"]["annotations"][0]["text"].startswith("no attempt was billed yet")

"""The page of the machine, and the queue."""

from __future__ import annotations

import json
from typing import Any

from pages import MACHINE, Pages

from storage.database import Database
from storage.queue import Order, join_queue, leave_queue, note_fault


def test_the_machine_tells_whose_its_parts_are_and_what_it_measures(pages: Pages) -> None:
    assert '"Machines - Paretune"' in pages.page("/machines")
    asked = {"machine_clock_n_intervals": 1}
    told = pages.ask("machine-now.children", "machine-clock.n_intervals", **asked)
    shown = json.dumps(told)
    for words in (
        "cores 0-3",
        "/study/a",
        "free",
        "GPU 0",
        "it can be read",
        "no counter",
        "ask its owner",
        "gpu1 now",
    ):
        assert words in shown
    again = pages.ask(
        "machine-now.children", "machine-clock.n_intervals", **asked, machine_mark_data=told["machine-mark"]["data"]
    )
    assert "machine-now" not in again
    assert MACHINE.places[1].study is None


def test_the_queue_tells_who_waits_for_what_and_why_something_could_not_begin(pages: Pages, database: Database) -> None:
    def ask(empty: str = "") -> str:
        told = pages.ask("queue.children", "queue-clock.n_intervals", queue_clock_n_intervals=1, queue_empty_data=empty)
        return json.dumps(told)

    assert "Nothing waits" in pages.page("/machines")
    assert "nobody waits" in ask("nobody waits")
    for name in ("one", "two", "three"):
        join_queue(database, Order(name, "launch", "ours", 4, 1))
    join_queue(database, Order("four", "resume", "ours", 2, 0, num_more=8))
    note_fault(database, "one", "objective: a fault\nspace: another")
    shown = ask()
    for words in (
        "could not begin", "objective: a fault", "space: another", "queued, 1st in line", "queued, 2nd in line",
        "needs 1 GPU and 4 cores of", "8 more trials", "cancel two", "/study/four",
    ):  # fmt: skip
        assert words in shown, words
    assert "/study/two" not in shown  # there is no such study yet
    pages.operates = False
    assert "cancel two" not in ask()
    assert "queued, 1st in line" in ask()


def test_another_order_of_the_same_study_is_shown_in_the_place_of_the_first(pages: Pages, database: Database) -> None:
    def ask(mark: str | None) -> Any:
        clock = {"queue_clock_n_intervals": 1, "queue_empty_data": ""}
        return pages.ask("queue.children", "queue-clock.n_intervals", **clock, queue_mark_data=mark)

    join_queue(database, Order("a", "resume", "ours", 2, 0, num_more=8))
    mark = ask(None)["queue-mark"]["data"]
    assert not ask(mark)
    leave_queue(database, "a")
    join_queue(database, Order("a", "resume", "ours", 2, 0, num_more=3))
    assert "3 more trials" in json.dumps(ask(mark))

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import update

from storage import tables
from storage.database import Database
from storage.faults import StorageFault
from storage.queue import Order, find_waiting, join_queue, leave_queue, list_queue, note_fault

ORDER = Order("a", "launch", "ours", 2, 1, spec="x = 1")


def test_each_machine_has_its_line_and_what_cannot_begin_keeps_no_place(database: Database) -> None:
    names = ("a", "b", "c", "d")
    joined = [join_queue(database, replace(ORDER, study=name)) for name in names]
    assert [waiting.place for waiting in joined] == [1, 2, 3, 4]
    assert joined[0].order == ORDER
    with database.write() as connection:
        connection.execute(update(tables.queue).where(tables.queue.c.study == "b").values(machine="another"))
    note_fault(database, "a", "one\ntwo")
    found = {waiting.order.study: (waiting.place, waiting.fault) for waiting in list_queue(database)}
    assert found == {"a": (None, "one\ntwo"), "b": (1, None), "c": (1, None), "d": (2, None)}
    assert list(found) == list(names)
    assert (leave_queue(database, "c"), leave_queue(database, "c")) == (True, False)
    assert find_waiting(database, "c") is None
    [last] = [waiting for waiting in list_queue(database) if waiting.order.study == "d"]
    assert (last.place, find_waiting(database, "d")) == (1, last)


def test_a_study_is_in_the_queue_once(database: Database) -> None:
    join_queue(database, ORDER)
    with pytest.raises(StorageFault, match="'a' is queued already"):
        join_queue(database, replace(ORDER, action="resume"))

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from sqlalchemy import Connection, delete, update

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


def test_an_order_that_is_taken_at_once_had_its_place(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    write = Database.write

    @contextmanager
    def taken_at_once(self: Database) -> Iterator[Connection]:
        with write(self) as connection:
            yield connection
        with write(self) as connection:
            connection.execute(delete(tables.queue))

    monkeypatch.setattr(Database, "write", taken_at_once)
    assert join_queue(database, ORDER).place == 1
    assert list_queue(database) == []

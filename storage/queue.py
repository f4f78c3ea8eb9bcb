"""The queue: what waits until slots of a machine are free. Its services keep it, and it outlives them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, fields
from datetime import UTC, datetime

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage import tables
from storage.database import Database
from storage.faults import StorageFault
from storage.machine import Holder


@dataclass(frozen=True)
class Order:
    """What somebody asked to run.

    Attributes:
        study: Its name; of a launch there is no study of it yet.
        action: launch, resume or remeasure.
        token: Name of the token that it was asked with.
        num_cores: CPU cores that its slots need together.
        num_gpus: GPUs that they need, each of them whole.
        spec: Of a launch, TOML.
        num_more: Trials that a resume adds.
        arguments: Of the command line of its coordinator, besides.
    """

    study: str
    action: str
    token: str
    num_cores: int
    num_gpus: int
    spec: str | None = None
    num_more: int = 0
    arguments: tuple[str, ...] = ()


@dataclass(frozen=True)
class Waiting:
    """An order in the queue.

    Attributes:
        order: What was asked for.
        machine: Identity of the machine whose slots it waits for.
        host: That machine's name.
        asked_at: When it was asked for.
        fault: Why it could not begin, a line for each reason; None where it waits.
        place: From 1, among those that wait for the same machine; None where it could not begin.
    """

    order: Order
    machine: str
    host: str
    asked_at: datetime
    fault: str | None
    place: int | None


def join_queue(database: Database, order: Order) -> Waiting:
    """Puts an order behind all others of this machine.

    Raises:
        StorageFault: where the study is in the queue already.
    """
    here = Holder.here()
    row = {**vars(order), "machine": here.machine, "host": here.host, "asked_at": datetime.now(UTC)}
    try:
        with database.write() as connection:
            connection.execute(insert(tables.queue).values(**row))
            return next(waiting for waiting in _read(connection) if waiting.order == order)
    except IntegrityError as error:
        raise StorageFault(f"study: {order.study!r} is queued already") from error


def list_queue(database: Database) -> list[Waiting]:
    """Returns what waits, of all machines, the first in line first."""
    with database.read() as connection:
        return _read(connection)


def find_waiting(database: Database, study: str) -> Waiting | None:
    """Returns the order about a study, None where there is none."""
    return next((waiting for waiting in list_queue(database) if waiting.order.study == study), None)


def leave_queue(database: Database, study: str) -> bool:
    """Takes the order about a study out; returns whether there was one."""
    with database.write() as connection:
        return connection.execute(delete(tables.queue).where(tables.queue.c.study == study)).rowcount == 1


def note_fault(database: Database, study: str, fault: str) -> None:
    """Writes down why an order could not begin; it waits no longer, and stays to be seen."""
    with database.write() as connection:
        connection.execute(update(tables.queue).where(tables.queue.c.study == study).values(fault=fault))


def _read(connection: Connection) -> list[Waiting]:
    places: Counter[str] = Counter()
    found = []
    for row in connection.execute(select(tables.queue).order_by(tables.queue.c.id)):
        places[row.machine] += row.fault is None
        own = {field.name: getattr(row, field.name) for field in fields(Order)}
        order = Order(**{**own, "arguments": tuple(row.arguments or ())})
        place = places[row.machine] if row.fault is None else None
        found.append(Waiting(order, row.machine, row.host, row.asked_at, row.fault, place))
    return found

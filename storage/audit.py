"""The audit: who did what through the service, append-only."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import UTC, datetime

from sqlalchemy import insert, select

from storage import tables
from storage.database import Database

MOST_NAME, MOST_DETAIL = 100, 1000
"""Characters that are kept: whoever asks for what is not there may send any text."""

DONE = "done"
"""The detail of what was done as it was asked for."""


@dataclass(frozen=True)
class Deed:
    """What somebody did.

    Attributes:
        at: When.
        token: Name of the token that it was done with.
        action: What: login, launch, resume, stop, delete, cancel, export, remeasure, import, clear.
        study: To which study, if to any.
        detail: What more there is to say.
    """

    at: datetime
    token: str
    action: str
    study: str | None = None
    detail: str | None = None


def write_deed(
    database: Database, token: str, action: str, study: str | None = None, detail: str | None = None
) -> None:
    """Adds what a token's bearer does now; of long texts the beginning."""
    about, more = _short(study, MOST_NAME), _short(detail, MOST_DETAIL)
    row = {"at": datetime.now(UTC), "token": token, "action": action, "study": about, "detail": more}
    with database.write() as connection:
        connection.execute(insert(tables.audit).values(**row))


def list_deeds(database: Database, limit: int) -> list[Deed]:
    """Returns what was done, the newest first, at most so many."""
    columns = [tables.audit.c[field.name] for field in fields(Deed)]
    with database.read() as connection:
        rows = connection.execute(select(*columns).order_by(tables.audit.c.id.desc()).limit(limit))
        return [Deed(*row) for row in rows]


def find_stop(database: Database, study: str) -> Deed | None:
    """Returns who paused a stopped study, through the service; None where it runs, or ended otherwise.

    Args:
        database: Where it is.
        study: Its name.
    """
    columns = [tables.audit.c[field.name] for field in fields(Deed)]
    own, lease, deed = tables.studies.c, tables.leases.c, tables.audit.c
    stopped = tables.audit.join(tables.studies, own.name == deed.study).join(tables.leases, lease.study == own.uuid)
    asked = (deed.action == "stop") & (deed.detail == DONE) & (deed.study == study)
    last_sitting = (own.state == "stopped") & (deed.at >= lease.acquired_at)
    with database.read() as connection:
        query = select(*columns).select_from(stopped).where(asked, last_sitting).order_by(deed.id.desc()).limit(1)
        row = connection.execute(query).one_or_none()
    return None if row is None else Deed(*row)


def _short(text: str | None, most: int) -> str | None:
    return None if text is None else text.replace("\0", "")[:most]

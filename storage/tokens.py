"""Tokens: who may use the service, and what for. Only a salted hash of each secret is kept.

A secret is 256 random bits, so there is nothing to guess and no dictionary to go through: a slow hash, which protects
weak passwords, would only make every request slow. The salt keeps equal secrets from looking equal.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime, timedelta
from hashlib import blake2b
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from storage import tables
from storage.database import Database
from storage.faults import StorageFault

OPERATE, READ = "operate", "read"
ROLES = (OPERATE, READ)
"""What a token lets its bearer do: all, or look only."""

SECRET_BYTES, SALT_BYTES = 32, 16
LONGEST_SECRET = 200
"""Characters; what is longer is no secret of ours and is not hashed."""

_HOLDING = select(tables.tokens).where(tables.tokens.c.revoked_at.is_(None))
_ONE = _HOLDING.where(tables.tokens.c.id == bindparam("key"))
"""Made once: to make a statement takes longer than to carry it out, and every request asks for its token."""

USE_STEP = timedelta(minutes=1)
"""A use is written down no more often than this."""


@dataclass(frozen=True)
class Token:
    """A token, without its secret.

    Attributes:
        id: Its key; one that was revoked keeps it.
        name: By which people and the audit know it.
        role: One of `ROLES`.
        created_at: When it was made.
        last_used_at: When it was last used, to the minute; None where it never was.
        revoked_at: When it was revoked; None where it holds.
    """

    id: int
    name: str
    role: str
    created_at: datetime
    last_used_at: datetime | None
    revoked_at: datetime | None


def make_token(database: Database, role: str, name: str) -> str:
    """Makes a token and returns its secret, which is kept nowhere.

    Args:
        database: Where to.
        role: One of `ROLES`.
        name: Not taken yet, by a revoked token neither.

    Raises:
        StorageFault: where the name is taken.
    """
    try:
        with database.write() as connection:
            return _insert(connection, role, name)
    except IntegrityError as error:
        raise StorageFault(f"token: {name!r} is there already, or was; give another name") from error


def make_first_token(database: Database, name: str) -> str | None:
    """Makes a token that may operate where there was never one, and returns its secret; None where there was.

    Args:
        database: Where to.
        name: Of the token.
    """
    try:
        with database.write() as connection:
            if connection.scalar(select(func.count()).select_from(tables.tokens)):
                return None
            return _insert(connection, OPERATE, name)
    except IntegrityError:  # another service makes it at the same moment
        return None


def list_tokens(database: Database) -> list[Token]:
    """Returns all tokens, revoked ones too, in the order in which they were made."""
    with database.read() as connection:
        return [_read(row) for row in connection.execute(select(tables.tokens).order_by(tables.tokens.c.id))]


def revoke_token(database: Database, name: str) -> bool:
    """Ends a token at once, sessions that began with it too; returns whether it was there and held until now."""
    token = tables.tokens.c
    with database.write() as connection:
        ended = connection.execute(
            update(tables.tokens)
            .where(token.name == name, token.revoked_at.is_(None))
            .values(revoked_at=datetime.now(UTC))
        )
        return ended.rowcount == 1


def find_token(database: Database, secret: str) -> Token | None:
    """Returns the token of a secret, None where it is of none that holds.

    Every token is compared, each in constant time, so that the time that it takes tells nothing.
    """
    if len(secret) > LONGEST_SECRET:
        return None
    found = None
    for row in _holding(database):
        if hmac.compare_digest(_digest(secret, row.salt), row.digest):
            found = _read(row)
    return found


def load_token(database: Database, key: int) -> Token | None:
    """Returns a token by its key, None where it does not hold (any more)."""
    with database.read() as connection:
        row = connection.execute(_ONE, {"key": key}).one_or_none()
    return None if row is None else _read(row)


def note_use(database: Database, token: Token) -> None:
    """Writes down that a token is used now, unless that was done just before."""
    now = datetime.now(UTC)
    if token.last_used_at is not None and now - token.last_used_at < USE_STEP:
        return
    with database.write() as connection:
        connection.execute(update(tables.tokens).where(tables.tokens.c.id == token.id).values(last_used_at=now))


def _insert(connection: Connection, role: str, name: str) -> str:
    secret, salt = secrets.token_urlsafe(SECRET_BYTES), secrets.token_hex(SALT_BYTES)
    row = {"name": name, "role": role, "salt": salt, "digest": _digest(secret, salt), "created_at": datetime.now(UTC)}
    connection.execute(insert(tables.tokens).values(**row))
    return secret


def _digest(secret: str, salt: str) -> str:
    return blake2b(secret.encode(errors="replace"), digest_size=32, salt=bytes.fromhex(salt)).hexdigest()


def _holding(database: Database) -> Sequence[Row[Any]]:
    with database.read() as connection:
        return connection.execute(_HOLDING).all()


def _read(row: Row[Any]) -> Token:
    return Token(**{field.name: getattr(row, field.name) for field in fields(Token)})

"""Tokens: made, listed, revoked, and kept as nothing that opens anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from commands import Run
from postgresql import new_database
from sqlalchemy import event, select, update

from storage import tables, tokens
from storage.audit import list_deeds, write_deed
from storage.database import Database
from storage.faults import StorageFault


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind."""
    if request.param == "sqlite":
        made = Database(f"sqlite:///{tmp_path}/test.db")
    else:
        made = Database(new_database(request.getfixturevalue("server")))
    made.create()
    yield made
    made.engine.dispose()


def test_a_token_is_found_by_its_secret_alone(database: Database) -> None:
    secret = tokens.make_token(database, "read", "one")
    other = tokens.make_token(database, "operate", "two")
    assert secret != other
    found = tokens.find_token(database, secret)
    assert found is not None
    assert (found.name, found.role) == ("one", "read")
    for wrong in ("", "one", secret[:-1], secret + "x", secret.swapcase(), "x" * 10**6, "\ud800", "é"):
        assert tokens.find_token(database, wrong) is None


def test_no_table_holds_the_secret_and_equal_secrets_look_different(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.tokens.secrets.token_urlsafe", lambda _: "same")
    assert tokens.make_token(database, "read", "one") == tokens.make_token(database, "read", "two") == "same"
    with database.read() as connection:
        rows = [dict(row._mapping) for row in connection.execute(select(tables.tokens))]
    assert "same" not in json.dumps(rows, default=str)
    assert rows[0]["digest"] != rows[1]["digest"]


def test_every_token_is_compared_in_constant_time(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = tokens.make_token(database, "read", "one")
    tokens.make_token(database, "read", "two")
    compared: list[Any] = []
    compare = tokens.hmac.compare_digest
    monkeypatch.setattr("storage.tokens.hmac.compare_digest", lambda a, b: compared.append(b) or compare(a, b))
    assert tokens.find_token(database, secret) is not None
    assert len(compared) == 2


def test_one_token_is_read_where_its_key_is_known(database: Database) -> None:
    for name in ("one", "two", "three"):
        tokens.make_token(database, "read", name)
    key = tokens.list_tokens(database)[1].id
    read: list[Any] = []

    @event.listens_for(database.engine, "before_cursor_execute")
    def _(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        read.append(statement)

    found = tokens.load_token(database, key)
    assert found is not None
    assert (found.id, found.name) == (key, "two")
    assert tokens.load_token(database, key + 7) is None
    asked = [statement for statement in read if "paretune_tokens" in statement]
    assert len(asked) == 2
    assert all("paretune_tokens.id = " in statement for statement in asked)


def test_a_revoked_token_is_none_and_its_name_stays_taken(database: Database) -> None:
    secret = tokens.make_token(database, "read", "one")
    key = tokens.list_tokens(database)[0].id
    assert tokens.load_token(database, key) is not None
    assert tokens.revoke_token(database, "one")
    assert not tokens.revoke_token(database, "one")
    assert tokens.find_token(database, secret) is tokens.load_token(database, key) is None
    with pytest.raises(StorageFault, match="token: 'one' is there already, or was; give another name"):
        tokens.make_token(database, "read", "one")


def test_the_first_token_is_made_once_even_where_it_was_revoked(database: Database) -> None:
    secret = tokens.make_first_token(database, "first")
    assert secret is not None
    assert tokens.find_token(database, secret) is not None
    tokens.revoke_token(database, "first")
    assert tokens.make_first_token(database, "first") is None
    assert tokens.make_first_token(database, "second") is None


def test_a_use_is_written_once_a_minute(database: Database) -> None:
    tokens.make_token(database, "read", "one")

    def use() -> datetime:
        tokens.note_use(database, tokens.list_tokens(database)[0])
        used_at = tokens.list_tokens(database)[0].last_used_at
        assert used_at is not None
        return used_at

    first = use()
    assert use() == first
    before = datetime.now(UTC) - timedelta(minutes=2)
    with database.write() as connection:
        connection.execute(update(tables.tokens).values(last_used_at=before))
    assert use() > first


def test_the_audit_keeps_the_beginning_of_whatever_is_sent(database: Database) -> None:
    write_deed(database, "one", "stop", "a\0" + "b" * 10**5, "c" * 10**5)
    write_deed(database, "one", "login")
    newest, oldest = list_deeds(database, 10)
    assert (newest.action, newest.study, newest.detail) == ("login", None, None)
    assert (oldest.study, oldest.detail) == ("a" + "b" * 99, "c" * 1000)
    assert list_deeds(database, 1) == [newest]


def test_the_commands_make_list_and_revoke(paretune: Run) -> None:
    made = json.loads(paretune("token", "add", "--role", "read", "--name", "wall", "--json", check=True).stdout)
    assert (made["name"], made["role"]) == ("wall", "read")
    plain = paretune("token", "add", "--role", "operate", check=True)
    assert plain.stdout.count("\n") == 1
    listed = paretune("token", "list", "--json", check=True).stdout
    assert made["token"] not in listed
    assert plain.stdout.strip() not in listed
    assert [(token["role"], token["revoked_at"]) for token in json.loads(listed)] == [("read", None), ("operate", None)]
    assert paretune("token", "revoke", "wall", check=True).stdout == "revoked wall\n"
    assert "wall" in paretune("token", "list", check=True).stdout


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (
            ["add", "--role", "admin", "--name", "a b"],
            [
                "--role: operate or read is needed, but got 'admin'",
                "--name: 1 to 100 of A-Z a-z 0-9 . _ - are needed, a letter or digit first, but got 'a b'",
            ],
        ),
        (["revoke", "wal"], ["token: there is no 'wal'; did you mean 'wall'? (known: wall)"]),
        (["add", "--role", "read", "--name", "wall"], ["token: 'wall' is there already, or was; give another name"]),
    ],
)
def test_a_mistake_is_one_line(arguments: list[str], lines: list[str], paretune: Run, database: Database) -> None:
    tokens.make_token(database, "read", "wall")
    done = paretune("token", *arguments, "--storage", database.url.render_as_string(hide_password=False))
    assert (done.returncode, done.stdout, done.stderr.splitlines()) == (2, "", lines)

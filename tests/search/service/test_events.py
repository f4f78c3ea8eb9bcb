"""Events of a study as a stream: live, from a cursor on, bounded, and only for as long as the token holds."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import pytest
from commands import wait_for
from pages import add_epoch, write_study
from service import Service, serving, slow_spec
from sqlalchemy import update
from synthetic import trial

from search.service import events
from search.service.events import Cursor
from storage import tables
from storage.database import Database
from storage.faults import StorageFault
from storage.leases import acquire, find_holding
from storage.studies import delete_study
from storage.tokens import revoke_token


@contextmanager
def listening(client: httpx.Client, name: str, **headers: str) -> Iterator[Iterator[tuple[str, str, Any]]]:
    """Opens a stream; gives its events: kind, id, data. A line of life is the kind `:`."""

    def told(answer: httpx.Response) -> Iterator[tuple[str, str, Any]]:
        own: dict[str, str] = {}
        for line in answer.iter_lines():
            if line.startswith(":"):
                yield ":", "", line
            elif line:
                key, _, value = line.partition(": ")
                own[key] = value
            elif "event" in own:
                yield own["event"], own.get("id", ""), json.loads(own["data"])
                own = {}

    with client.stream("GET", f"/api/studies/{name}/events", headers=headers) as answer:
        assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")
        yield told(answer)


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GLANCE_SECONDS", "BEAT_SECONDS", "CHECK_SECONDS"):
        monkeypatch.setattr(events, name, 0.1)


def run(database: Database, name: str = "full") -> str:
    """Writes a study that this process seems to run."""
    uuid = write_study(database, name, 4)
    acquire(database, uuid)
    with database.write() as connection:
        connection.execute(update(tables.studies).values(state="running"))
    return uuid


def end(database: Database) -> None:
    with database.write() as connection:
        connection.execute(update(tables.studies).values(state="complete"))


@pytest.mark.usefixtures("own_code")
def test_a_sweep_is_watched_from_its_first_epoch_to_its_end(database: Database) -> None:
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:
        try:
            assert client.post("/api/studies", json=slow_spec(8)).status_code == 201
            with listening(client, "slow") as told:
                found = list(told)
            shown = client.get("/api/studies/slow").json()
        finally:
            if (holding := find_holding(database, "slow")) is not None:
                os.kill(holding.pid, signal.SIGKILL)
    assert (found[0][0], found[0][2]["state"]) == ("study", "running")
    assert (found[-1][0], found[-1][2]["state"], found[-1][2]["num_ended"]) == ("end", "complete", 8)
    trials = [data for kind, _, data in found if kind == "trial"]
    assert {data["number"]: data for data in trials} == {data["number"]: data for data in shown["trials"]}
    assert len(trials) > 8  # they were told while they ran


@pytest.mark.usefixtures("at_once")
def test_whoever_goes_on_after_a_cut_misses_nothing_and_hears_nothing_twice(fresh: Service) -> None:
    uuid = run(fresh.database)
    with fresh.client(fresh.read) as client:
        with listening(client, "full") as told:
            seen = [next(told) for _ in range(4)]  # the study, and three of its trials
        with listening(client, "full", **{"last-event-id": seen[-1][1]}) as told:
            rest = [next(told) for _ in range(2)]
        assert [data.get("number") for _, _, data in [*seen, *rest]] == [None, 0, 1, 2, None, 3]
        add_epoch(fresh.database, uuid)  # while nobody listens
        end(fresh.database)
        with listening(client, "full", **{"last-event-id": rest[-1][1]}) as told:
            last = list(told)
    # The epoch that came late is of a trial that had ended: such a one is not told again.
    assert [kind for kind, _, _ in last] == ["study", "end"]


def test_a_cursor_knows_what_was_told() -> None:
    ended, running = trial(0, [(900, 1.0)]), trial(2, [(900, 1.0)], state="running")
    later = trial(1, [(800, 1.0), (900, 1.0)])
    trials = {each.number: each for each in (ended, later, running)}
    cursor = Cursor("3f0c0a5e").after(running, trials).after(later, trials)
    assert (cursor.base, sorted(cursor.told)) == (0, [1, 2])
    cursor = cursor.after(ended, trials)
    assert (cursor.base, sorted(cursor.told)) == (2, [2])
    assert Cursor.read(cursor.write()) == cursor
    assert all(cursor.knows(each) for each in trials.values())
    assert not cursor.knows(trial(2, [(900, 1.0), (910, 1.0)], state="running"))
    assert not cursor.knows(trial(2, [(900, 1.0)]))
    many = Cursor("3f0c0a5e", 0, dict.fromkeys(range(5000), "1r1"))
    assert len(many.write()) < 1500


@pytest.mark.usefixtures("at_once")
def test_a_stream_lives_while_nothing_happens_and_ends_with_the_study_or_the_token(fresh: Service) -> None:
    run(fresh.database)
    with fresh.client(fresh.read) as client, fresh.client(fresh.operate) as other:
        with listening(client, "full") as told, listening(other, "full") as too:
            kinds = [next(told)[0] for _ in range(8)]
            assert kinds == ["study", *["trial"] * 4, ":", ":", ":"]
            assert revoke_token(fresh.database, "read-token")
            assert "end" not in [kind for kind, _, _ in told]  # it is cut
            end(fresh.database)
            delete_study(fresh.database, "full")
            [*_, last] = too
        assert (last[0], last[2]["state"] in ("deleted", "complete")) == ("end", True)


@pytest.mark.usefixtures("at_once")
def test_a_stream_outlives_a_moment_in_which_the_database_is_away(
    fresh: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(fresh.database)
    with fresh.client(fresh.read) as client, listening(client, "full") as told:
        assert next(told)[0] == "study"
        with monkeypatch.context() as context:

            def fail(*_arguments: object) -> None:
                raise StorageFault("storage: it is away")

            context.setattr("search.service.auth.find_token", fail)
            context.setattr("search.service.events.find_waiting", fail)
            kinds = [next(told)[0] for _ in range(7)]
            assert kinds[-3:] == [":"] * 3
        end(fresh.database)
        assert [kind for kind, _, _ in told][-1] == "end"


@pytest.mark.usefixtures("at_once")
def test_a_token_has_so_many_streams_at_a_time(fresh: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_STREAMS", 2)
    run(fresh.database)
    with ExitStack() as stack:
        client = stack.enter_context(fresh.client(fresh.read))
        held = [stack.enter_context(listening(client, "full")) for _ in range(2)]
        assert [next(told)[0] for told in held] == ["study", "study"]
        refused = client.get("/api/studies/full/events")
        assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
        other = stack.enter_context(fresh.client(fresh.operate))
        held += [stack.enter_context(listening(other, "full"))]
        assert next(held[-1])[0] == "study"

    def is_free() -> bool:
        with fresh.client(fresh.read) as client, client.stream("GET", "/api/studies/full/events") as answer:
            return answer.status_code == 200

    wait_for(is_free, 10)
    end(fresh.database)


def test_what_is_no_stream_is_a_problem(fresh: Service) -> None:
    with fresh.client(fresh.read) as client:
        assert client.get("/api/studies/gone/events").status_code == 404
        for cursor in ("x", "3f0c0a5e", "3f0c0a5e.1.2", "3f0c0a5e.1.2-1r1.", "3f0c0a5e." + "9" * 5000):
            answer = client.get("/api/studies/made/events", headers={"last-event-id": cursor})
            assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    with fresh.client() as nobody:
        assert nobody.get("/api/studies/made/events").status_code == 401

"""What waits for slots: it keeps its place through a restart, begins by itself, and can be taken out."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import httpx
import pytest
from commands import wait_for, workers_of
from service import INSTANT, SPEC, Service, serving, slow_spec, started

from search.service.coordinators import Coordinators
from search.service.rules import make_rules
from search.service.toml import write_toml
from storage.audit import list_deeds
from storage.database import Database
from storage.leases import find_holding
from storage.queue import Order, join_queue, list_queue
from storage.reading import load_study
from storage.studies import create_study, list_studies

CORES = sorted(os.sched_getaffinity(0))


def is_(database: Database, name: str, state: str) -> bool:
    return any((line.name, line.state) == (name, state) for line in list_studies(database))


def pinned(pids: list[int]) -> list[int]:
    """The cores of all slots."""
    return [core for pid in pids for slot in workers_of(pid) for core in slot.cpu_affinity()]


def end(database: Database, *names: str) -> None:
    for name in names:
        if (holding := find_holding(database, name)) is not None:
            os.kill(holding.pid, signal.SIGKILL)


@pytest.mark.usefixtures("own_code")
@pytest.mark.skipif(len(CORES) < 2, reason="there is one core alone")
def test_two_sweeps_at_once_have_cores_of_their_own(database: Database) -> None:
    names = ("slow", "other")
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:
        try:
            for name in names:
                assert client.post("/api/studies", json={**slow_spec(200), "name": name}).status_code == 201
            pids = [holding.pid for name in names if (holding := find_holding(database, name))]
            wait_for(lambda: sorted(pinned(pids)) == CORES[:2], 20)
        finally:
            end(database, *names)


@pytest.mark.usefixtures("own_code")
def test_what_is_queued_keeps_its_place_through_a_restart_and_begins_once_slots_are_free(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/test.db")
    try:
        with started(tmp_path, "--allow-import") as (url, token):
            headers = {"authorization": f"Bearer {token}"}
            with httpx.Client(base_url=url, headers=headers, timeout=60) as client:
                whole = slow_spec(200, threads=len(CORES))
                assert client.post("/api/studies", json=whole).status_code == 201
                asked = [
                    client.post("/api/studies", json={**INSTANT, "name": name}) for name in ("one", "two", "three")
                ]
                assert [(answer.status_code, answer.json()["place"]) for answer in asked] == [
                    (202, 1),
                    (202, 2),
                    (202, 3),
                ]
                assert asked[0].headers["location"] == "/api/queue"
                again = client.post("/api/studies", json={**INSTANT, "name": "two"})
                assert (again.status_code, again.json()["detail"]) == (
                    409, "study: 'two' is queued already; cancel that first",
                )  # fmt: skip
                assert client.delete("/api/queue/two").json()["action"] == "cancel"
                assert client.delete("/api/queue/two").status_code == 404
        with started(tmp_path) as (url, _), httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            waiting = client.get("/api/queue").json()["queue"]
            assert [(one["study"], one["place"], one["num_cores"], one["token"]) for one in waiting] == [
                ("one", 1, 1, "first"), ("three", 2, 1, "first"),
            ]  # fmt: skip
            assert client.post("/api/studies/slow/stop").status_code == 202
            wait_for(lambda: is_(database, "one", "complete") and is_(database, "three", "complete"))
            wait_for(lambda: client.get("/api/queue").json() == {"queue": []})
            deeds = [(deed.action, deed.study, deed.token, deed.detail) for deed in list_deeds(database, 99)]
            assert ("launch", "one", "first", "queued") in deeds
            assert ("launch", "one", "first", "begun, slots were free") in deeds
            assert not is_(database, "two", "complete")
            assert load_study(database, "slow").state == "stopped"
    finally:
        end(database, "slow")


@pytest.mark.usefixtures("own_code")
def test_what_cannot_begin_says_why_and_lets_the_next_one_pass(database: Database) -> None:
    bad = {**INSTANT, "name": "bad", "objective": {**INSTANT["objective"], "train": "instant:nothing"}}
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:
        try:
            assert client.post("/api/studies", json=slow_spec(200, threads=len(CORES))).status_code == 201
            assert client.post("/api/studies", json=bad).json()["place"] == 1
            assert client.post("/api/studies", json=INSTANT).json()["place"] == 2
            assert client.post("/api/studies/bad/stop").json()["detail"] == (
                "study: 'bad' is queued, and not running; cancel that"
            )
            client.post("/api/studies/slow/stop")
            wait_for(lambda: is_(database, "tiny", "complete"))
            wait_for(lambda: len(list_queue(database)) == 1)
            [failed] = client.get("/api/queue").json()["queue"]
            assert (failed["study"], failed["place"]) == ("bad", None)
            assert failed["faults"][0].startswith("objective.train: instant:nothing")
        finally:
            end(database, "slow")


@pytest.mark.usefixtures("own_code")
def test_a_resume_waits_too_and_its_study_cannot_be_deleted_meanwhile(database: Database) -> None:
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:
        try:
            client.post("/api/studies", json=INSTANT)
            wait_for(lambda: is_(database, "tiny", "complete"))
            client.post("/api/studies", json=slow_spec(200, threads=len(CORES)))
            wait_for(lambda: is_(database, "slow", "running"))  # the slots are free once tiny's process has ended
            wait_for(lambda: list_queue(database) == [])
            resumed = client.post("/api/studies/tiny/resume", json={"trials": 2})
            assert (resumed.status_code, resumed.json()["place"]) == (202, 1)
            places = {study["name"]: study["place"] for study in client.get("/api/studies").json()["studies"]}
            assert places == {"tiny": 1, "slow": None}
            assert client.delete("/api/studies/tiny").status_code == 409
            client.post("/api/studies/slow/stop")
            wait_for(lambda: len(load_study(database, "tiny").trials) == 5)
            wait_for(lambda: is_(database, "tiny", "complete"))
        finally:
            end(database, "slow")


def test_a_sweep_that_this_machine_can_never_run_is_refused_at_once(service: Service) -> None:
    spec: dict[str, Any] = {**INSTANT, "objective": {"epochs": 1}, "space": {"lr": 0.1}}
    spec["compute"] = {"device": "cpu", "slots": 1, "threads": 1000}
    with service.client(service.operate) as client:
        answer = client.post("/api/studies", json=spec)
    assert (answer.status_code, "slots x threads <= cores must hold" in answer.json()["detail"]) == (422, True)


def test_what_waits_for_more_than_its_machine_has_now_is_given_up(database: Database) -> None:
    """A service that is started again may have fewer cores than when it queued a sweep of all."""
    told: list[str] = []
    join_queue(database, Order("wide", "launch", "ours", 10_000, 0, "x = 1"))
    Coordinators(database, make_rules("127.0.0.1", 1)).advance(lambda _order, words: told.append(words))
    [waiting] = list_queue(database)
    assert (waiting.place, waiting.fault) == (None, told[0].removeprefix("refused; "))
    assert str(waiting.fault).startswith("compute: 10000 cores needed, but slots have ")


@pytest.mark.usefixtures("own_code")
@pytest.mark.skipif(len(CORES) < 2, reason="there is one core alone")
def test_who_came_first_goes_first_even_where_a_later_one_would_fit(database: Database) -> None:
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:
        try:
            assert client.post("/api/studies", json=slow_spec(200)).status_code == 201
            wide = {**INSTANT, "name": "wide", "compute": {**INSTANT["compute"], "threads": len(CORES)}}
            assert client.post("/api/studies", json=wide).json()["place"] == 1
            assert client.post("/api/studies", json=INSTANT).json()["place"] == 2
            assert client.delete("/api/queue/wide").status_code == 200
            wait_for(lambda: is_(database, "tiny", "complete"))
            assert is_(database, "slow", "running")
        finally:
            end(database, "slow")


@pytest.mark.parametrize("action", ["launch", "remeasure"])
def test_what_a_service_that_was_killed_had_begun_is_not_begun_again(
    action: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    create_study(database, "made", SPEC, 1, {}, state="stopped")
    join_queue(database, Order("made", action, "ours", 1, 0, write_toml(INSTANT) if action == "launch" else None))
    monkeypatch.setattr(Coordinators, "_run", lambda *_: pytest.fail("it is begun again"))
    Coordinators(database, make_rules("127.0.0.1", 1)).advance(lambda *_: None)
    assert list_queue(database) == []

"""This machine as the service tells of it."""

from __future__ import annotations

import os
import subprocess

import pytest
from commands import wait_for
from service import Service, serving, slow_spec

from dashboards.machine import Place
from objectives.doctor import CHECKS, check_contention
from search.commands.examining import SLOW
from search.service.machine import Lookout, find_places
from search.service.slots import Share, Slots
from storage.database import Database
from storage.reading import load_study


def test_each_part_is_told_with_whose_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.service.machine.cpu_name", lambda: "a processor")
    monkeypatch.setattr("search.service.machine.name_device", lambda device: ("cuda", f"card of {device}"))
    machine = Share((0, 1, 2, 3, 4), ("0", "1"))
    assert find_places(machine, {"a": Share((0, 1), ("1",)), "b": Share((3,))}) == [
        Place("a processor", "cores 0-1", "a"),
        Place("a processor", "cores 2, 4", None),
        Place("a processor", "core 3", "b"),
        Place("card of cuda:0", "GPU 0", None),
        Place("card of cuda:1", "GPU 1", "a"),
    ]


def test_to_look_trains_nothing_is_kept_and_is_what_the_doctor_finds(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[list[str]] = []
    run = subprocess.run
    monkeypatch.setattr(
        "search.service.machine.subprocess.run", lambda command, **how: asked.append(command) or run(command, **how)
    )
    monkeypatch.setenv("PARETUNE_SERVER", "http://127.0.0.1:9")  # the service's own environment may have it
    lookout = Lookout(Slots(database))
    first = lookout.look()
    assert lookout.look() == first
    assert [command[-3:] for command in asked] == [["doctor", "--quick", "--json"]]
    assert list(first.findings) == [name for name in CHECKS if name not in SLOW]
    assert first.findings["waiting for cores"].grade == check_contention().grade


def test_a_machine_that_cannot_be_looked_at_says_so(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.service.machine.COMMAND", ("/nowhere/python",))
    [(name, finding)] = Lookout(Slots(database)).look().findings.items()
    assert (name, finding.grade, "the log has why" in finding.text) == ("all", "absent", True)


@pytest.mark.usefixtures("own_code")
def test_what_runs_now_is_told(database: Database) -> None:
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:
        assert {place["study"] for place in client.get("/api/machine").json()["places"]} == {None}
        assert client.post("/api/studies", json=slow_spec(200)).status_code == 201
        told = client.get("/api/machine").json()
        places = {place["study"]: place["part"] for place in told["places"]}
        assert places["slow"] == f"core {min(os.sched_getaffinity(0))}"
        assert {finding["grade"] for finding in told["measures"].values()} <= {"good", "poor", "absent"}
        client.post("/api/studies/slow/stop")
        wait_for(lambda: load_study(database, "slow").state == "stopped")
        wait_for(lambda: {place["study"] for place in client.get("/api/machine").json()["places"]} == {None})


def test_who_may_only_read_sees_the_machine(service: Service) -> None:
    with service.client(service.read) as client:
        assert client.get("/api/machine").status_code == 200

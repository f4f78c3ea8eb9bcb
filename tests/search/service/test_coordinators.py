"""Sweeps over REST: they begin once, go on without the service, and are found again."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest
from commands import wait_for
from service import INSTANT, SPEC, serving, slow_spec, started
from sqlalchemy import update

from dashboards.actions import Begun, Refused
from dashboards.pages.reading import Reader
from dashboards.pages.studies import read_cards
from search.service.changes import Change
from search.service.coordinators import Coordinators
from search.service.problems import Missing, Unfit
from search.service.rules import make_rules
from search.service.toml import write_toml
from storage import tables
from storage.database import Database
from storage.leases import Holding, find_holding
from storage.queue import Order, join_queue, list_queue
from storage.reading import load_study
from storage.studies import create_study, delete_study


@pytest.mark.usefixtures("own_code")
def test_a_sweep_is_launched_watched_resumed_and_deleted_over_rest(database: Database) -> None:
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:

        def ended() -> bool:
            return bool(client.get("/api/studies/tiny").json()["state"] == "complete")

        launched = client.post("/api/studies", json=INSTANT)
        assert (launched.status_code, launched.headers["location"]) == (201, "/api/studies/tiny")
        wait_for(ended)
        again = client.post("/api/studies", json=INSTANT)
        assert (again.status_code, again.json()["detail"]) == (
            409,
            "name: 'tiny' is there already; resume it, or give another name",
        )
        assert (
            client.post("/api/studies/tiny/resume").json()["detail"] == "study: 'tiny' is complete; ask for more trials"
        )
        assert client.post("/api/studies/tiny/resume", json={"trials": -1}).status_code == 422
        assert client.post("/api/studies/tiny/resume", json={"trials": 2}).status_code == 202
        wait_for(ended)
        shown = client.get("/api/studies/tiny").json()
        pages = [client.get("/api/studies/tiny/trials?limit=3").json()]
        pages += [client.get(f"/api/studies/tiny/trials?limit=3&after={pages[0]['next']}").json()]
        assert [trial for page in pages for trial in page["trials"]] == shown["trials"]
        assert [len(shown["trials"]), pages[1]["next"]] == [5, None]
        front = client.get("/api/studies/tiny/front").json()["front"]
        assert [{key: point[key] for key in ("trial", "epoch")} for point in front] == shown["front"]
        assert client.get("/api/studies/tiny/trials/4").json()["number"] == 4
        assert client.delete("/api/studies/tiny").status_code == 200
        assert client.get("/api/studies/tiny").status_code == 404
        deeds = client.get("/api/audit").json()["deeds"]
        told = [(deed["action"], deed["study"], deed["detail"]) for deed in deeds]
        assert told[-2:] == [("launch", "tiny", "done"), ("launch", None, "asked")]
        assert told[:2] == [("delete", "tiny", "done"), ("delete", "tiny", "asked")]
        assert ("resume", "tiny", "asked; 2 more trials") in told
        assert {deed["token"] for deed in deeds} == {"operate-token"}
        assert client.get("/api/audit", headers={"authorization": f"Bearer {service.read}"}).status_code == 403


@pytest.mark.usefixtures("own_code")
def test_a_coordinator_that_cannot_begin_says_why(database: Database) -> None:
    spec = {**INSTANT, "objective": {"train": "instant:nothing", "epochs": 1, "minimize": ["train_flops"]}}
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:
        answer = client.post("/api/studies", json=spec)
    assert answer.status_code == 409
    assert answer.json()["detail"].startswith("objective.train: instant:nothing: instant (")


@pytest.mark.usefixtures("own_code")
def test_a_coordinator_outlives_the_service_and_is_found_again(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path}/test.db")

    def is_(state: str) -> bool:
        return load_study(database, "slow").state == state

    try:
        with started(tmp_path, "--allow-import") as (url, token):
            headers = {"authorization": f"Bearer {token}"}
            assert httpx.post(f"{url}/api/studies", json=slow_spec(200), headers=headers, timeout=60).status_code == 201
            before = find_holding(database, "slow")
            assert before is not None
        num_trials = len(load_study(database, "slow").trials)
        wait_for(lambda: len(load_study(database, "slow").trials) > num_trials)
        with started(tmp_path) as (url, no_token), httpx.Client(base_url=url, headers=headers, timeout=60) as client:
            assert no_token is None  # it is printed once
            shown = client.get("/api/studies/slow").json()
            assert (shown["state"], shown["coordinator"]["pid"]) == ("running", before.pid)
            assert shown["stopped"] is None
            assert client.delete("/api/studies/slow").status_code == 409
            assert client.post("/api/studies/slow/resume").status_code == 409
            assert client.post("/api/studies/slow/stop").status_code == 202
            wait_for(lambda: is_("stopped"))
            wait_for(lambda: not psutil.pid_exists(before.pid))
            assert client.post("/api/studies/slow/resume").status_code == 202
            assert client.get("/api/studies/slow").json()["stopped"] is None
            assert client.post("/api/studies/slow/stop").status_code == 202
            wait_for(lambda: is_("stopped"))
            shown = client.get("/api/studies/slow").json()
            assert (shown["coordinator"], shown["stopped"]["by"]) == (None, "first")
            [card], _ = read_cards(Reader(database), {})
            assert (card.name, str(card.reason).rpartition(" at ")[0]) == ("slow", "Stopped by first")
    finally:
        if (holding := find_holding(database, "slow")) is not None:
            os.kill(holding.pid, signal.SIGKILL)


@pytest.mark.usefixtures("own_code")
def test_one_name_is_launched_once_however_often_it_is_asked_for_at_once(database: Database) -> None:
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:
        with ThreadPoolExecutor() as pool:
            answers = list(pool.map(lambda _: client.post("/api/studies", json=INSTANT), range(3)))
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
        wait_for(lambda: load_study(database, "tiny").state == "complete")
        log = database.artifacts / "coordinators" / "tiny.log"
        assert "is there already" not in log.read_text()  # no second process was begun


@pytest.mark.usefixtures("own_code")
def test_what_a_coordinator_is_given_is_for_its_user_alone(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []
    popen = subprocess.Popen

    def look(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
        path = next((Path(word) for word in command if word.endswith(".toml")), None)
        if path is not None:
            seen.extend([path, path.stat().st_mode & 0o777, options["start_new_session"], str(database.url) in command])
        return popen(command, **options)

    monkeypatch.setattr("search.service.processes.subprocess.Popen", look)
    with serving(database, allow_import=True) as service, service.client(service.operate) as client:
        assert client.post("/api/studies", json=INSTANT).status_code == 201
    assert seen[1:] == [0o600, True, False]
    assert not seen[0].exists()


class Meanwhile(threading.Condition):
    """A lock that is taken only after something else has come to pass."""

    def __init__(self, happens: Callable[[], object]) -> None:
        super().__init__()
        self._happens: Callable[[], object] | None = happens

    def __enter__(self) -> bool:
        if self._happens is not None:
            self._happens()
        self._happens = None
        return super().__enter__()


def test_a_study_is_looked_at_only_once_nobody_else_starts_it(database: Database) -> None:
    create_study(database, "made", SPEC, 1, {}, state="stopped")

    def end() -> None:
        with database.write() as connection:
            connection.execute(update(tables.studies).values(state="complete"))

    lock = Meanwhile(end)
    coordinators = Coordinators(database, make_rules("127.0.0.1", 1), _is_free=lock)
    with pytest.raises(Refused, match="'made' is complete; ask for more trials"):
        coordinators.resume("made", Change(), "ours")
    lock = Meanwhile(lambda: delete_study(database, "made"))
    with pytest.raises(Missing, match="there is no 'made'"):
        Coordinators(database, make_rules("127.0.0.1", 1), _is_free=lock).delete("made")


@pytest.mark.usefixtures("own_code")
@pytest.mark.parametrize("fault", ["folder", "file", "program"])
def test_no_spec_is_left_behind_where_its_coordinator_cannot_be_started(
    fault: str, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    specs = tmp_path / "specs"
    specs.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(specs))
    if fault == "folder":
        database.artifacts.write_text("in the way")
    elif fault == "file":
        (database.artifacts / "coordinators" / "tiny.log").mkdir(parents=True)
    else:
        monkeypatch.setattr("search.service.processes.COMMAND", ("/nowhere/python",))
    coordinators = Coordinators(database, make_rules("127.0.0.1", 1, allow_import=True))
    with pytest.raises(Refused):
        coordinators.launch(write_toml(INSTANT), "ours")
    assert list(specs.glob("*.toml")) == []


@pytest.mark.usefixtures("own_code")
def test_its_share_is_given_back_whatever_keeps_a_coordinator_from_starting(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_arguments: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr("search.service.coordinators.start_coordinator", fail)
    coordinators = Coordinators(database, make_rules("127.0.0.1", 1, allow_import=True))
    with pytest.raises(RuntimeError, match="of ours"):
        coordinators.launch(write_toml(INSTANT), "ours")
    assert coordinators.slots.taken() == {}


@pytest.mark.usefixtures("own_code")
def test_a_spec_that_no_file_can_hold_is_refused(database: Database) -> None:
    coordinators = Coordinators(database, make_rules("127.0.0.1", 1, allow_import=True))
    with pytest.raises(Unfit, match="surrogates not allowed"):
        coordinators.launch(write_toml(INSTANT) + "# \ud800", "ours")
    assert coordinators.slots.taken() == {}


@pytest.mark.usefixtures("own_code")
def test_a_coordinator_that_runs_is_not_told_as_refused_where_the_database_cannot_be_asked(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def find(given: Database, name: str) -> Holding | None:
        asked.append(name)
        return find_holding(given if len(asked) > 1 else Database("sqlite:////nowhere/none.db"), name)

    monkeypatch.setattr("search.service.processes.find_holding", find)
    coordinators = Coordinators(database, make_rules("127.0.0.1", 1, allow_import=True))
    assert coordinators.launch(write_toml(INSTANT), "ours") == Begun("tiny")
    assert len(asked) > 1
    wait_for(lambda: load_study(database, "tiny").state == "complete")


def test_who_cancels_waits_for_whoever_looks_at_the_queue_but_not_for_long(database: Database) -> None:
    coordinators = Coordinators(database, make_rules("127.0.0.1", 1))
    join_queue(database, Order("waits", "launch", "ours", 1, 0, write_toml(INSTANT)))
    taken, may_go = threading.Event(), threading.Event()

    def look() -> None:
        with coordinators._alone("waits"):
            taken.set()
            may_go.wait(30)

    looking = threading.Thread(target=look)
    looking.start()
    taken.wait(30)
    with pytest.raises(Refused, match="at this moment"), coordinators._alone("waits", 0.1):
        pass
    threading.Timer(0.5, may_go.set).start()
    coordinators.cancel("waits")
    looking.join()
    assert list_queue(database) == []

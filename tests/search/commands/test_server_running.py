"""Sweeps and models of a service by `paretune --server URL`: launched, watched, changed, stopped, exported."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from commands import INLINE, start, wait_for, write_quick_spec
from line import Line
from pages import write_study
from service import INSTANT, Service, serving, slow_spec, started

from search import sweeps
from search.reading import read_spec
from search.service.exports import read_pieces
from search.service.toml import write_toml
from storage.audit import list_deeds
from storage.database import Database
from storage.leases import find_holding
from storage.queue import Order, join_queue, list_queue
from storage.reading import load_study
from storage.studies import list_studies


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of a study that was really trained."""
    folder = tmp_path_factory.mktemp("trained")
    database = Database(f"sqlite:///{folder}/test.db")
    keys = [INLINE[1], "search.trials=3", "search.baseline=false", "objective.epochs=1"]
    sweeps.launch(read_spec(write_quick_spec(folder), keys), database, lambda *_: None)
    with serving(database) as served:
        yield served


@pytest.mark.usefixtures("own_code")
def test_a_sweep_is_launched_watched_resumed_stopped_and_deleted_from_afar(
    database: Database, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.toml").write_text(write_toml(INSTANT))
    (tmp_path / "slow.toml").write_text(write_toml(slow_spec(200, threads=len(os.sched_getaffinity(0)))))
    with serving(database, allow_import=True) as service:
        monkeypatch.setenv("PARETUNE_TOKEN", service.operate)
        monkeypatch.setenv("PARETUNE_SERVER", service.url)
        try:
            code, out, told = line("launch", "tiny.toml", "--json")
            assert code == 0, told
            assert (code, json.loads(out)["state"], len(json.loads(out)["trials"])) == (0, "complete", 3)
            lines = [text for text in told.splitlines() if text.startswith("[")]
            assert [text.partition("]")[0] for text in lines] == ["[1/3", "[2/3", "[3/3"]
            code, out, told = line("resume", "tiny", "--trials", "1")
            assert (code, "complete, 4/4 trials" in out) == (0, True)
            assert [text.partition("]")[0] for text in told.splitlines() if text.startswith("[")] == ["[4/4"]
            with start(tmp_path, "launch", "slow.toml") as slow:
                wait_for(lambda: find_holding(database, "slow") is not None)
                with start(tmp_path, "resume", "tiny", "--trials", "1") as queued:
                    assert queued.stderr is not None
                    assert queued.stderr.readline().startswith("tiny is queued, 1st in line on ")
                    assert line("stop", "slow")[:2] == (0, "stopped slow; `paretune resume slow` continues it\n")
                    assert queued.wait(60) == 0
                assert slow.wait(30) == 0  # what was stopped is a result
            assert load_study(database, "slow").state == "stopped"
            with start(tmp_path, "resume", "slow") as slow:
                wait_for(lambda: load_study(database, "slow").state == "running")
                slow.send_signal(signal.SIGINT)
                assert slow.wait(30) == 130
                assert slow.stderr is not None
                assert f"paretune --server {service.url} stop slow" in slow.stderr.read()
            assert load_study(database, "slow").state == "running"
            assert line("delete", "slow")[0] == 2
            assert line("stop", "slow")[0] == 0
            assert line("delete", "slow")[:2] == (0, "deleted slow\n")
            assert line("list", "--json")[1].count('"name"') == 1
        finally:
            if (holding := find_holding(database, "slow")) is not None:
                os.kill(holding.pid, signal.SIGKILL)


@pytest.mark.usefixtures("own_code")
def test_a_study_is_changed_as_it_is_resumed_and_a_new_one_begins_with_its_trials(
    database: Database, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.toml").write_text(write_toml({**INSTANT, "budget": {"device_hours": 9.0, "wall": "9h"}}))
    with serving(database, allow_import=True) as service:
        monkeypatch.setenv("PARETUNE_TOKEN", service.operate)
        monkeypatch.setenv("PARETUNE_SERVER", service.url)
        assert line("launch", "tiny.toml", "-q")[0] == 0
        words = "resume tiny --trials 1 --set space.lr.high=0.2 --set prices.pue.ratio=1.5 --budget wall=4h"
        code, out, told = line(*words.split(), "--budget", "device_hours=none", "--slots", "2", "--engine", "process")
        assert (code, "complete, 4/4 trials" in out) == (0, True), told
        study = load_study(database, "tiny")
        changed = {key["key"]: (key["before"], key["now"]) for key in study.changes[0]["keys"]}
        assert changed == {
            "space.lr.high": (0.1, 0.2), "prices.pue": (None, {"ratio": 1.5}), "budget.device_hours": (9.0, None),
            "budget.wall": (32400.0, 14400.0),
        }  # fmt: skip
        assert [sitting.num_slots for sitting in study.sittings] == [1, 2]
        code, _, told = line("resume", "tiny", "--set", "space.lr.high=0.1", "--set", "search.seed=7")
        assert (code, [text.partition(":")[0] for text in told.splitlines()]) == (2, ["space.lr.high", "search.seed"])
        words = "launch --from tiny --study next --set space.lr.high=0.3 --trials 2"
        code, out, told = line(*words.split())
        assert (code, "next" in out, "6/6 trials" in out) == (0, True, True), told
        assert [text.partition("]")[0] for text in told.splitlines() if text[0] == "["] == ["[5/6", "[6/6"]
        sources = [trial.source and trial.source["study"] for trial in load_study(database, "next").trials]
        assert sources == ["tiny"] * 4 + [None] * 2
        told = line(*words.replace("next", "third").split(), "--set", "objective.epochs=2")[2]
        assert told.startswith("--from tiny: objective.epochs is 1 there and 2 here")
    details = {deed.detail for deed in list_deeds(database, 99)}
    asked = 'asked; 1 more trials; --set=space.lr.high=0.2; --set=prices.pue.ratio=1.5; --set=budget.wall="4h"; '
    assert {"asked; from tiny", asked + "--budget=device_hours=none; --engine=process; --slots=2"} <= details


@pytest.mark.usefixtures("own_code")
def test_what_is_trained_again_from_afar_has_the_machine_to_itself(
    database: Database, line: Line, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny.toml").write_text(write_toml(INSTANT))
    (tmp_path / "slow.toml").write_text(write_toml(slow_spec(200)))
    with serving(database, allow_import=True) as service:
        monkeypatch.setenv("PARETUNE_TOKEN", service.operate)
        monkeypatch.setenv("PARETUNE_SERVER", service.url)
        assert line("launch", "tiny.toml", "-q")[0] == 0
        words = ("remeasure", "tiny", "--trial", "0", "--trial", "2", "--repeats", "2", "--budget", "wall=4h")
        with start(tmp_path, "launch", "slow.toml", "-q") as slow:
            wait_for(lambda: is_running(database))
            with start(tmp_path, *words, "--json") as queued:
                assert queued.stderr is not None
                assert queued.stderr.readline().startswith("tiny-remeasured is queued, 1st in line on ")
                assert line("stop", "slow")[0] == 0
                assert queued.wait(60) == 0
                assert queued.stdout is not None
                answer = json.loads(queued.stdout.read())
            assert slow.wait(30) == 0
        assert (answer["study"], answer["remeasured"]) == ("tiny", "tiny-remeasured")
        assert len(load_study(database, "tiny-remeasured").trials) == 4
        assert answer["remeasurement"]["points"]
        assert load_study(database, "tiny-remeasured").spec["budget"]["wall"] == 14400.0
        monkeypatch.delenv("PARETUNE_SERVER")
        again = json.loads(line("show", "tiny", "--json", "--storage", str(database.url))[1])
        assert again["remeasurement"] == answer["remeasurement"]
        taken = line("--server", service.url, *words, "--study", "slow")
        assert taken[::2] == (2, "study: 'slow' is there already; give another name\n")
        taken = line("--server", service.url, *words, "--study", "../x")
        assert taken[::2] == (2, "study: '../x' is no name of ours\n")
    deeds = [(deed.action, deed.study, deed.detail) for deed in list_deeds(database, 99)]
    assert ("remeasure", None, "asked; trials 0, 2 of tiny, 2 seeds") in deeds
    assert ("remeasure", "tiny-remeasured", "begun, slots were free") in deeds


@pytest.mark.parametrize("ending", ["pth", "onnx"])
def test_a_model_that_is_exported_from_afar_is_the_same(
    ending: str, line: Line, trained: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARETUNE_TOKEN", trained.operate)
    storage = ("--storage", str(trained.database.url))
    for words in ("", "--json"):
        here = line("export", "quick", "1", "-o", f"m.{ending}", *words.split(), *storage)
        content = Path(f"m.{ending}").read_bytes()
        assert line("--server", trained.url, "export", "quick", "1", "-o", f"m.{ending}", *words.split()) == here
        assert here[0] == 0, here
        assert len(Path(f"m.{ending}").read_bytes()) == len(content)
    asked = ("infer", f"m.{ending}", "--random", "1x1x8x8", "--json")
    assert line("--server", trained.url, *asked) == line(*asked)  # nobody is asked


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda content: content[:-1], "cannot be reached: "),
        (lambda content: content[::-1], "the model did not come as it was sent; export it again"),
    ],
    ids=["cut off", "changed"],
)
def test_a_model_that_does_not_come_as_it_was_sent_is_not_written(
    line: Line, trained: Service, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[bytes], bytes], words: str
) -> None:
    monkeypatch.setenv("PARETUNE_TOKEN", trained.operate)
    Path("m.pth").write_text("before")
    monkeypatch.setattr("search.service.deeds.read_pieces", lambda file: [spoil(b"".join(read_pieces(file)))])
    code, _, told = line("--server", trained.url, "export", "quick", "-o", "m.pth")
    assert code == 2
    assert told.startswith("--server: ")
    assert words in told
    assert [path.name for path in Path().iterdir() if path.is_file()] == ["m.pth"]
    assert Path("m.pth").read_text() == "before"


def test_what_is_deleted_unasked_is_not_read_first(
    database: Database, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_study(database, "full", 4)
    monkeypatch.setattr("search.service.studies.list_remeasurements", lambda *_: pytest.fail("it is read whole"))
    with serving(database) as service:
        monkeypatch.setenv("PARETUNE_TOKEN", service.operate)
        for storage in ((), ("--storage", str(database.url))):
            server = () if storage else ("--server", service.url)
            assert line(*server, "delete", "gone", *storage)[2].startswith("study: there is no 'gone'")
        assert line("--server", service.url, "delete", "full") == (0, "deleted full\n", "")


def test_stop_takes_what_is_queued_out_of_the_queue(
    database: Database, line: Line, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(database) as service:
        monkeypatch.setenv("PARETUNE_SERVER", service.url)
        join_queue(database, Order("waits", "launch", "ours", 10_000, 0, write_toml(INSTANT)))
        monkeypatch.setenv("PARETUNE_TOKEN", service.read)
        assert line("stop", "waits")[::2] == (
            2, "token: this one may only read; one with the role operate is needed\n",
        )  # fmt: skip
        monkeypatch.setenv("PARETUNE_TOKEN", service.operate)
        assert line("stop", "waits") == (0, "waits is not in the queue any more\n", "")
        assert list_queue(database) == []
        assert line("stop", "waits")[::2] == (2, "study: there is no 'waits'\n")


@pytest.mark.usefixtures("own_code")
def test_a_watched_sweep_goes_on_though_the_service_is_killed_and_started_again(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow.toml").write_text(write_toml(slow_spec(8)))
    with started(tmp_path, "--allow-import") as (url, token):
        monkeypatch.setenv("PARETUNE_TOKEN", str(token))
        watched = start(tmp_path, "--server", url, "launch", "slow.toml", "--json")
        wait_for(lambda: is_running(database))
    with started(tmp_path, "--port", url.rpartition(":")[2]), watched:
        assert watched.wait(60) == 0
        assert watched.stdout is not None
        assert watched.stderr is not None
        assert json.loads(watched.stdout.read())["state"] == "complete"
        told = [text.partition("]")[0] for text in watched.stderr.read().splitlines()]
        assert told == [f"[{number}/8" for number in range(1, 9)]  # each once


@pytest.mark.usefixtures("own_code")
def test_who_watches_is_told_that_the_coordinator_was_killed(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slow.toml").write_text(write_toml(slow_spec(200)))
    with serving(database, allow_import=True) as service:
        monkeypatch.setenv("PARETUNE_TOKEN", service.operate)
        with start(tmp_path, "--server", service.url, "launch", "slow.toml") as watched:
            wait_for(lambda: is_running(database))
            holding = find_holding(database, "slow")
            assert holding is not None
            os.kill(holding.pid, signal.SIGKILL)
            assert watched.wait(60) == 2
            assert watched.stderr is not None
            last = watched.stderr.read().splitlines()[-1]
            assert last.startswith("study: 'slow' is interrupted: its coordinator is gone")


def is_running(database: Database) -> bool:
    return any(line.name == "slow" and line.num_ended > 0 for line in list_studies(database))

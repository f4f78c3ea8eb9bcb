"""`paretune --server URL`: the same answers as at home, and one line for what cannot be done from afar."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import INLINE, start, wait_for, write_quick_spec
from pages import write_study
from service import INSTANT, Service, serving, slow_spec, started
from sqlalchemy import insert
from synthetic import NOW

from search import sweeps
from search.cli import main
from search.reading import read_spec
from search.service.exports import read_pieces
from search.service.toml import write_toml
from storage import tables
from storage.audit import list_deeds
from storage.database import Database
from storage.leases import find_holding
from storage.queue import Order, join_queue, list_queue
from storage.reading import load_study
from storage.studies import create_study, list_studies


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of four studies: one trains settings of another again, one was tested, one has a spec that is whole."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('server')}/test.db")
    database.create()
    uuid = write_study(database, "full", 12)
    write_study(database, "hostile", 4, 1, hostile=True)
    again = write_study(database, "again", 12)
    whole = read_spec(None, ["objective.dataset=digits", "compute.threads=1", "prices.pue.ratio=1.5"]).model_dump(
        mode="json"
    )
    create_study(database, "real", {**whole, "name": "real"}, 3, {}, state="complete")
    with database.write() as connection:
        spec = load_study(database, "again").spec
        spec = {**spec, "search": {**spec.get("search", {}), "remeasures": uuid}}
        connection.execute(tables.studies.update().where(tables.studies.c.uuid == again).values(spec=spec))
        for trial in range(12):
            for epoch in load_study(database, "full").trials[trial].epochs:
                row = {"study": uuid, "trial": trial, "epoch": epoch.epoch, "num_correct": 900, "num_images": 1000}
                connection.execute(insert(tables.test_results).values(**row, computed_at=NOW))
    with serving(database) as served:
        yield served


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service of a study that was really trained."""
    folder = tmp_path_factory.mktemp("trained")
    database = Database(f"sqlite:///{folder}/test.db")
    keys = [INLINE[1], "search.trials=3", "search.baseline=false", "objective.epochs=1"]
    sweeps.launch(read_spec(write_quick_spec(folder), keys), database, lambda *_: None)
    with serving(database) as served:
        yield served


class Line:
    """The command line in this process: exit code, standard output, standard error."""

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._monkeypatch = capsys, monkeypatch

    def __call__(self, *words: str) -> tuple[Any, str, str]:
        self._monkeypatch.setattr(sys, "argv", ["paretune", *words])
        with pytest.raises(SystemExit) as end:
            main()
        told = self._capsys.readouterr()
        return end.value.code or 0, told.out, told.err


@pytest.fixture
def line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Line:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    return Line(capsys, monkeypatch)


@pytest.mark.parametrize(
    "words",
    [
        "list",
        "list --json",
        "show full",
        "show full --json",
        "show hostile",
        "show full 3",
        "show full 3 --json",
        "show full --table epochs",
        "show full --table costs --json",
        "show full --figure tradeoff",
        "show full --figure compare --with hostile --json",
        "pick full",
        "pick full --min-accuracy 0.9 --json",
        "pick full --max-cost money=nothing",
        "pick full --min-accuracy 1",
        "show full 99",
        "stop full",
        "stop full --json",
        "resume full",
        "resume real --slots 2 --json",
        "resume real --set space.lr.low=1 --set search.seed=3 --set space.lr.log=false",
        "resume real --set compute=5",
        "resume real --set space.lr.high.x=5",
        "resume real --set nothing",
        "resume real --set objective.model=mlp --trials 1",
        "resume real --budget wall=never",
        "resume real --budget nothing=1",
        "resume real --trials 1 --engine nothing --slots 0",
        "resume real --trials 1 --slots many",
        "prices",
        "prices real --json",
        "remeasure full --repeats 1 --trial 99",
        "remeasure full --front --knee",
        "remeasure again",
        "remeasure real",
        "export full -o a.pth",
        "export full 99 -o a.pth",
        "export full 3 --epoch 99 -o a.onnx",
        "export full 3 --knee -o a.pth",
        "launch --from full",
        "launch --from real",
        "launch --from again --study new",
    ],
)
def test_a_service_answers_as_the_database_does(
    words: str, line: Line, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = line(*words.split(), "--storage", str(service.database.url))
    monkeypatch.setenv("PARETUNE_TOKEN", service.operate)
    assert line("--server", service.url, *words.split()) == here
    assert here[1] or here[0]


def test_the_machine_of_the_service_is_what_the_doctor_tells_of(
    line: Line, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARETUNE_TOKEN", service.read)
    there, here = (json.loads(line(*words, "--json")[1]) for words in (
        ("--server", service.url, "doctor"), ("doctor", "--quick"),
    ))  # fmt: skip
    grades = [{name: finding["grade"] for name, finding in found.items()} for found in (there, here)]
    assert grades[0] == grades[1]
    assert "waiting for cores" in line("--server", service.url, "doctor")[1]


def test_files_are_the_same_too(line: Line, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARETUNE_TOKEN", service.read)
    monkeypatch.setenv("PARETUNE_SERVER", service.url)
    for name, words in {"rows.csv": "show full --table trials -o", "report.html": "report full -o"}.items():
        assert line(*words.split(), f"there-{name}")[0] == 0
        with monkeypatch.context() as context:
            context.delenv("PARETUNE_SERVER")
            assert line(*words.split(), f"here-{name}", "--storage", str(service.database.url))[0] == 0
        assert Path(f"there-{name}").read_bytes() == Path(f"here-{name}").read_bytes()


@pytest.mark.parametrize(
    ("words", "law"),
    [
        ("gc", "--server: `gc` works on its own machine alone"),
        ("remeasure full", "token: this one may only read"),
        ("export real -o a.pth", "token: this one may only read"),
        ("export real -o ../../../nothing/a.pth", "../../../nothing/a.pth: there is no folder"),
        ("export real -o a.txt", "a.txt: a model's ending says what kind it is"),
        ("token list", "--server: `token` works on its own machine alone"),
        ("launch --from real --study x", "token: this one may only read"),
        ("resume full --budget wall=1h", "token: this one may only read"),
        ("resume real --set prices.pue.ratio=nan", "--server: what is to be sent cannot be said in JSON: Out of range"),
        ("show gone", "study: there is no 'gone'"),
        ("stop gone", "study: there is no 'gone'"),
        ("resume full --trials 1", "token: this one may only read"),
        ("launch --set search.trials=0", "token: this one may only read"),
        ("launch --set nothing", "--set: key=value is needed"),
        ("launch --set space.lr.high=inf", "--server: what is to be sent cannot be said in JSON: Out of range float"),
    ],
)
def test_what_cannot_be_done_is_a_line_each(
    words: str, law: str, line: Line, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARETUNE_TOKEN", service.read)
    code, out, told = line("--server", service.url, *words.split())
    assert (code, out) == (2, "")
    assert told.splitlines()[0].startswith(law)
    assert len(told.splitlines()) == 1


def test_every_fault_of_a_spec_that_is_sent_has_a_line(
    line: Line, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARETUNE_TOKEN", service.operate)
    code, _, told = line("--server", service.url, "launch", "--set", "search.trials=0", "--set", "objective.epochs=x")
    assert (code, [text.partition(":")[0] for text in told.splitlines()]) == (2, ["objective.epochs", "search.trials"])


def test_the_token_is_of_the_environment_or_of_a_file(
    line: Line, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PARETUNE_TOKEN", raising=False)
    ask = ("--server", service.url, "list")
    assert line(*ask)[0::2] == (
        2,
        "token: PARETUNE_TOKEN, or a file that holds it (PARETUNE_TOKEN_FILE, or ~/.config/paretune/token), is needed "
        "for --server\n",
    )
    own = tmp_path / ".config" / "paretune" / "token"
    own.parent.mkdir(parents=True)
    own.write_text(service.read + "\n")
    assert line(*ask)[0] == 0
    other = tmp_path / "other"
    other.write_text("wrong")
    monkeypatch.setenv("PARETUNE_TOKEN_FILE", str(other))
    assert line(*ask)[0::2] == (2, "token: one that holds is needed: Authorization: Bearer TOKEN\n")
    for odd in ("ä", "one\ntwo"):  # no header can bring it
        monkeypatch.setenv("PARETUNE_TOKEN", odd)
        assert line(*ask)[2].startswith("token: PARETUNE_TOKEN, or a file that holds it")
    monkeypatch.setenv("PARETUNE_TOKEN", service.read)
    assert line(*ask)[0] == 0


@pytest.mark.parametrize(
    ("url", "law"),
    [
        ("127.0.0.1:8000", "--server: http://HOST:PORT or https://HOST is needed"),
        ("http://me:secret@127.0.0.1", "--server: http://HOST:PORT or https://HOST is needed"),
        ("http://127.0.0.1:9", "--server: http://127.0.0.1:9 cannot be reached"),
    ],
)
def test_what_is_no_service_is_one_line(url: str, law: str, line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARETUNE_TOKEN", "any")
    code, _, told = line("--server", url, "list")
    assert (code, told.startswith(law), len(told.splitlines())) == (2, True, 1)


def test_who_goes_there_without_encryption_is_told(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARETUNE_TOKEN", "any")
    told = line("--server", "http://gpu1.invalid:8000", "list")[2].splitlines()
    assert "is not encrypted" in told[0]
    assert "cannot be reached" in told[1]


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


def test_a_model_that_does_not_come_whole_is_not_written(
    line: Line, trained: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARETUNE_TOKEN", trained.operate)
    Path("m.pth").write_text("before")
    monkeypatch.setattr("search.service.deeds.read_pieces", lambda file: list(read_pieces(file))[:0])
    code, _, told = line("--server", trained.url, "export", "quick", "-o", "m.pth")
    assert (code, told) == (2, "--server: the model did not come as it was sent; export it again\n")
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

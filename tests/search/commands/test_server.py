"""`paretune --server URL`: the same answers as at home, and one line for what cannot be done from afar."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from line import Line
from pages import write_study
from plain_optuna import MEANING, make_optuna
from service import Service, serving
from sqlalchemy import insert
from synthetic import NOW

from search.reading import read_spec
from storage import tables
from storage.audit import list_deeds
from storage.database import Database
from storage.reading import load_study
from storage.studies import create_study


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


def test_what_nothing_needs_is_removed_there(line: Line, service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    uuid = load_study(service.database, "full").uuid
    kept, useless = (service.database.artifacts / uuid / name for name in ("notes.txt", "trial-00000/checkpoint.pt"))
    useless.parent.mkdir(parents=True)
    for path in (kept, useless):
        path.write_bytes(b"x" * 2000)
    monkeypatch.setenv("PARETUNE_SERVER", service.url)
    monkeypatch.setenv("PARETUNE_TOKEN", service.operate)
    looked = line("gc", "--dry-run")
    with monkeypatch.context() as context:
        context.delenv("PARETUNE_SERVER")
        assert line("gc", "--dry-run", "--storage", str(service.database.url)) == looked
    assert looked[1].splitlines()[-2].split()[-2:] == ["2", "kB"]
    assert useless.exists()
    assert json.loads(line("gc", "--json")[1])["removed_bytes"] == 2000
    assert (useless.exists(), kept.exists()) == (False, True)
    done = [(deed.action, deed.detail) for deed in list_deeds(service.database, 4)]
    assert done == [("clear", "done"), ("clear", "asked"), ("clear", "done"), ("clear", "asked; to look")]


def test_a_study_of_optuna_is_read_here_and_made_there(
    line: Line, service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = make_optuna(tmp_path)
    here = f"sqlite:///{tmp_path}/here.db"
    assert line("import", url, "plain", *MEANING, "--storage", here)[0] == 0
    monkeypatch.setenv("PARETUNE_SERVER", service.url)
    monkeypatch.setenv("PARETUNE_TOKEN", service.read)
    assert line("import", url, "plain", *MEANING)[2].startswith("token: this one may only read")
    monkeypatch.setenv("PARETUNE_TOKEN", service.operate)
    code, out, err = line("import", url, "plain", *MEANING)
    assert (code, out) == (0, "`paretune show plain` shows it\n")
    assert "imported 9 of 10 trials of plain as plain; left there: 1 running" in err
    there, own = (load_study(database, "plain") for database in (service.database, Database(here)))
    assert (there.trials, there.spec, there.state) == (own.trials, own.spec, "complete")
    assert json.loads(line("import", url, "plain", *MEANING, "--name", "b", "--json")[1])["study"] == "b"
    assert line("import", url, "plain", *MEANING)[2].endswith("study: 'plain' is there already; give another name\n")
    assert "was imported and has no training to continue" in line("resume", "plain")[2]
    assert line("import", url, "plain", *MEANING, "--name", "a b")[2].startswith("--name: 1 to 100 of")
    deeds = [(deed.action, deed.study, deed.detail) for deed in list_deeds(service.database, 6)]
    asked = f"asked; 9 trials of plain from {url}"
    assert deeds[2:] == [("import", "b", "done"), ("import", "b", asked), ("import", "plain", "done"), (
        "import", "plain", asked)]  # fmt: skip


@pytest.mark.parametrize(
    ("words", "law"),
    [
        ("gc", "token: this one may only read"),
        ("gc --orphans", "--orphans: a folder may be another database's; ask on the service's machine"),
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

"""What is asked of a study as it is resumed: said to its coordinator as it was sent, and nothing besides."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from pages import write_study
from service import Service, hold_all_slots, serving
from sqlalchemy import update

from dashboards.actions import Refused
from search.growing import grow
from search.reading import merge_settings, read_spec
from search.service.changes import MOST_CHARACTERS, Change, find_compute
from search.service.rules import make_rules
from search.service.slots import find_machine
from storage import tables
from storage.database import Database
from storage.queue import list_queue
from storage.reading import load_study
from storage.studies import create_study

RULES = make_rules("127.0.0.1", 1)


@pytest.fixture
def real(database: Database) -> Database:
    """A database with a stopped study whose spec is whole."""
    spec = read_spec(
        None, ["name=real", "objective.dataset=digits", "compute.threads=1", "compute.slots=1", "budget.kwh=2"]
    )
    create_study(database, "real", spec.model_dump(mode="json"), 3, {}, state="stopped")
    return database


@pytest.mark.parametrize(
    "value",
    ["a b", 'quote " and \\', "\n\x00\x7f", "true", "1", 1, 1.5, 1e300, -0.0, True, [1, ["a"]], {"low": 1, "é": {}}],
)
def test_a_value_reaches_the_coordinator_as_it_was_sent(value: Any) -> None:
    [argument] = Change(keys={"space.lr": value}).arguments()
    flag, _, setting = argument.partition("=")
    assert flag == "--set"
    faults: list[str] = []
    assert merge_settings({}, [setting], {}, faults) == {"space": {"lr": value}}
    assert faults == []


def test_what_is_taken_away_and_the_slots_are_flags_of_their_own() -> None:
    told = Change(2, {"budget.wall": None, "budget.kwh": 1.5}, "process", "auto").arguments()
    assert told == ("--budget=wall=none", "--set=budget.kwh=1.5", "--engine=process", "--slots=auto")


@pytest.mark.parametrize(
    ("more", "status", "law"),
    [
        ({"changes": {"objective.train": "spy:train"}}, 403, "objective.train: import paths"),
        ({"changes": {"objective": {"model": "spy:Model"}}}, 403, "objective.model: import paths"),
        ({"changes": {"objective.data_root": "/etc"}}, 403, "objective.data_root: folders"),
        ({"changes": {"objective.dataset": "folder:/etc"}}, 403, "objective.dataset: folders"),
        ({"changes": {"objective.train=spy:train #": 1}}, 422, "changes."),
        ({"changes": {" objective.train": "spy:train"}}, 422, "changes."),
        ({"changes": {"space..lr": 1}}, 422, "changes."),
        ({"changes": {"space.l\x00r": 1}}, 422, "changes."),
        ({"changes": {"": 1}}, 422, "changes."),
        ({"changes": {f"space.a{number}": 1 for number in range(101)}}, 422, "changes: "),
        ({"changes": {"space.lr.high": None}}, 422, "space.lr.high: null is no value of it"),
        ({"changes": {"budget": {"wall": None}}}, 422, "budget: null is no value of it"),
        ({"changes": {"prices.source": "a" * MOST_CHARACTERS}}, 422, "changes: at most"),
        ({"changes": {"search.seed": 1}}, 422, "search.seed: "),
        ({"changes": {"budget.wall": "never"}}, 422, "budget.wall: "),
        ({"changes": {"compute": 1}}, 422, "compute: a table is needed"),
        ({"engine": "-h"}, 422, "compute.engine: "),
        ({"slots": 0}, 422, "compute.slots: "),
        ({"slots": True}, 422, "slots"),
        ({"output": "/etc/passwd"}, 422, "output: "),
    ],
)
def test_a_change_reaches_no_code_no_folder_and_no_other_flag(
    more: dict[str, Any], status: int, law: str, real: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spy.py").write_text("open('imported', 'w').close()\n")
    with serving(real) as service, service.client(service.operate) as client:
        answer = client.post("/api/studies/real/resume", json=more)
        assert (answer.status_code, answer.json()["detail"][: len(law)]) == (status, law), answer.text
        read = client.post("/api/studies/real/resume", json=more, headers={"authorization": f"Bearer {service.read}"})
        assert read.status_code == 403
        assert client.post("/api/studies/real/resume", json=more, headers={"authorization": ""}).status_code == 401
    assert not (tmp_path / "imported").exists()
    assert not list(tmp_path.rglob("*.log"))
    assert load_study(real, "real").changes == ()


@pytest.mark.parametrize("body", [b'{"changes": {"prices.source": "\\ud800"}}', b'{"changes": {"a\\ud800": 1}}'])
def test_half_of_a_surrogate_pair_is_no_text(body: bytes, fresh: Service) -> None:
    with fresh.client(fresh.operate) as client:
        kind = {"content-type": "application/json"}
        assert client.post("/api/studies/made/resume", content=body, headers=kind).status_code == 422


def test_a_sitting_needs_what_its_change_says(real: Database) -> None:
    study = load_study(real, "real")
    assert find_compute(study, Change(), RULES).slots == 1
    assert find_compute(study, Change(slots=2), RULES).slots == 2
    assert find_compute(study, Change(keys={"compute.slots": 3}), RULES).slots == 3
    assert find_compute(study, Change(slots=2), RULES).threads == "auto"
    with pytest.raises(Refused, match="folders are taken only"):
        find_compute(study, Change(keys={"objective.data_root": "/data"}), RULES)
    find_compute(study, Change(keys={"objective.data_root": "/data"}), make_rules("", 1, allow_folders=True))


def test_what_is_asked_keeps_in_the_queue(real: Database) -> None:
    hold_all_slots(real)
    cores = len(find_machine().cores)
    with serving(real) as service, service.client(service.operate) as client:
        more = {"trials": 1, "changes": {"budget.kwh": None}, "slots": cores}
        assert client.post("/api/studies/real/resume", json=more).json()["place"] == 1
        [told] = client.get("/api/queue").json()["queue"]
    assert (told["num_more"], told["num_cores"]) == (1, cores)
    assert told["arguments"] == ["--budget=kwh=none", f"--slots={cores}"]
    assert list_queue(real)[0].order.arguments == tuple(told["arguments"])


def test_a_study_stores_what_a_launch_would(real: Database) -> None:
    study = load_study(real, "real")
    growth = grow(study, ["objective.data_root=images"], {"budget.wall": "4h", "budget.kwh": 2})
    assert growth.change is not None
    assert growth.spec["budget"]["wall"] == 14400.0
    assert growth.spec["objective"]["data_root"] == str(Path("images").absolute())
    assert [key["key"] for key in growth.change["keys"]] == ["objective.data_root", "budget.wall"]
    assert math.isclose(growth.spec["budget"]["kwh"], 2.0)


@pytest.mark.parametrize(
    ("asked", "status", "law"),
    [
        ({"repeats": 1}, 422, "--repeats: 2 seeds or more"),
        ({"trials": [99]}, 422, "--trial: full has no trial 99"),
        ({"trials": ["0 --force"]}, 422, "trials.0: "),
        ({"study": "../x"}, 422, "study: '../x' is no name of ours"),
        ({"study": "--force"}, 422, "study: '--force' is no name of ours"),
        ({"study": "real"}, 409, "study: 'real' is there already"),
        ({"budget": {"wall=1 --force": 1}}, 422, "budget.wall=1 --force.[key]: "),
        ({"budget": {"wall": "never"}}, 422, "budget.wall: "),
        ({"output": "/etc/passwd"}, 422, "output: "),
    ],
)
def test_what_cannot_be_trained_again_is_a_line(
    asked: dict[str, Any], status: int, law: str, real: Database, tmp_path: Path
) -> None:
    write_whole(real)
    with serving(real) as service, service.client(service.operate) as client:
        answer = client.post("/api/studies/full/remeasure", json=asked)
        assert (answer.status_code, answer.json()["detail"][: len(law)]) == (status, law), answer.text
        assert client.post("/api/studies/gone/remeasure", json={}).status_code == 404
        for secret, refused in [(service.read, 403), ("none", 401)]:
            client.headers["authorization"] = f"Bearer {secret}"
            assert client.post("/api/studies/full/remeasure", json=asked).status_code == refused
    assert not list(tmp_path.rglob("*.log"))


def test_what_is_trained_again_waits_for_the_whole_machine_unless_it_is_forced(real: Database) -> None:
    write_whole(real)
    hold_all_slots(real)
    with serving(real) as service, service.client(service.operate) as client:
        for number, asked in enumerate(
            [{"trials": [0, 1], "budget": {"wall": None}}, {"force": True, "knee": True}], 1
        ):
            begun = client.post("/api/studies/full/remeasure", json=asked).json()
            assert (begun["action"], begun["place"]) == ("remeasure", number)
        alone, forced = client.get("/api/queue").json()["queue"]
    assert (alone["num_cores"], forced["num_cores"]) == (len(find_machine().cores), 1)
    told = ["--study=full-remeasured", "--repeats=5", "--trial=0", "--trial=1", "--budget=wall=none", "--", "full"]
    assert alone["arguments"] == told
    assert forced["arguments"] == ["--study=full-remeasured-2", "--repeats=5", "--knee", "--force", "--", "full"]


def write_whole(database: Database) -> None:
    """Writes a study that has a front, and a spec that is whole."""
    uuid = write_study(database, "full", 12)
    whole = {**load_study(database, "real").spec, "name": "full"}
    with database.write() as connection:
        connection.execute(update(tables.studies).where(tables.studies.c.uuid == uuid).values(spec=whole))

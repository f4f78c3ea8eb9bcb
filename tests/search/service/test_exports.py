"""Models over REST: made by a process of its own, sent whole, and nothing of the service's disk besides."""

from __future__ import annotations

import time
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from commands import INLINE, QUICK
from service import Service, raw_request, serving

from objectives.export import decode_model
from search import sweeps
from search.exporting import Wanted
from search.pricing import load_summary
from search.reading import read_spec
from search.service import exports as room
from search.service.exports import Exports
from storage.audit import list_deeds
from storage.database import Database


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Database:
    """A database with a study of two trials that was really trained."""
    folder = tmp_path_factory.mktemp("exports")
    (folder / "quick.toml").write_text(QUICK)
    database = Database(f"sqlite:///{folder}/test.db")
    keys = [INLINE[1], "search.trials=2", "search.baseline=false", "objective.epochs=1"]
    sweeps.launch(read_spec(folder / "quick.toml", keys), database, lambda *_: None)
    return database


@pytest.fixture(scope="module")
def service(trained: Database) -> Iterator[Service]:
    with serving(trained) as served:
        yield served


def test_a_model_is_exported_and_sent_whole(service: Service) -> None:
    with service.client(service.operate) as client:
        made = client.post("/api/studies/quick/exports", json={"trial": 1.0, "epoch": 1})
        assert made.status_code == 201, made.text
        told = made.json()
        assert made.headers["location"] == f"/api/exports/{told['id']}"
        sent = client.get(made.headers["location"])
        assert (sent.status_code, sent.headers["content-type"]) == (200, "application/octet-stream")
        assert sent.headers["content-disposition"] == 'attachment; filename="model.pth"'
        assert len(sent.content) == told["told"]["bytes"]
        plain = client.get(made.headers["location"], headers={"accept-encoding": "identity"})
        assert int(plain.headers["content-length"]) == told["told"]["bytes"]
        assert sha256(sent.content).hexdigest() == told["sha256"]
        assert decode_model(sent.content)[0].provenance.trial == 1
        assert "file" not in told["told"]
        assert client.get(made.headers["location"]).content == sent.content
    deeds = [(deed.action, deed.study, deed.detail) for deed in list_deeds(service.database, 2)]
    assert deeds == [("export", "quick", "done"), ("export", "quick", "asked; trial 1, epoch 1 as .pth")]


def test_a_token_to_read_and_none_export_nothing(service: Service) -> None:
    with service.client(service.operate) as client:
        place = client.post("/api/studies/quick/exports").headers["location"]
        for secret, status in [(service.read, 403), ("none", 401), ("wrong", 401)]:
            client.headers["authorization"] = f"Bearer {secret}"
            for method, path in [("POST", "/api/studies/quick/exports"), ("GET", place)]:
                assert client.request(method, path).status_code == status, (method, secret)
    assert len(list_deeds(service.database, 99)) % 2 == 0


@pytest.mark.parametrize(
    ("asked", "status", "law"),
    [
        ({"trial": 99}, 404, "trial: "),
        ({"trial": -1}, 404, "trial: "),
        ({"trial": 1, "epoch": 9}, 409, "--epoch: trial 1 has the epochs 1 to 1"),
        ({"epoch": 1}, 422, "--epoch: the number of a trial is needed"),
        ({"trial": 1, "knee": True}, 422, "--knee: it does not go with"),
        ({"knee": True}, 409, "pick: "),
        ({"format": "../../x.pth"}, 422, "format: "),
        ({"output": "/etc/passwd"}, 422, "output: "),
        ({"trial": "1 --output=/tmp/x.pth"}, 422, "trial: "),
    ],
)
def test_what_cannot_be_exported_is_a_line_and_no_process(
    asked: dict[str, Any], status: int, law: str, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room.subprocess, "Popen", lambda *_, **__: pytest.fail("a process was begun"))
    with service.client(service.operate) as client:
        answer = client.post("/api/studies/quick/exports", json=asked)
    assert (answer.status_code, answer.json()["detail"][: len(law)]) == (status, law), answer.text


@pytest.mark.parametrize("key", ["..", "..%2f..%2ftest.db", "%2e%2e/test.db", "a%00", "%ff", "*", "a" * 5000])
def test_no_key_leads_to_another_file(key: str, service: Service) -> None:
    with service.client(service.operate) as client:
        assert client.send(raw_request(client, "GET", f"/api/exports/{key}")).status_code == 404
        assert client.send(raw_request(client, "POST", f"/api/studies/{key}/exports")).status_code in (404, 405)


def test_files_are_kept_for_a_while_and_gone_with_the_service(
    trained: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary, wanted = load_summary(trained, "quick"), Wanted(Path("model.pth"), 0)
    exports = Exports(trained)
    with monkeypatch.context() as context:
        context.setattr(room, "MOST_KEPT", 2)
        made = [exports.make(summary, wanted) for _ in range(3)]
        assert [one.path.exists() for one in made] == [False, True, True]
        assert made[0].path.parent.stat().st_mode & 0o077 == 0
        with pytest.raises(room.Missing, match="any more"):
            exports.open(made[0].key)
        later = time.monotonic() + room.KEPT_SECONDS + 1
        context.setattr(room.time, "monotonic", lambda: later)
        with pytest.raises(room.Missing):
            exports.open(made[2].key)
        assert not made[2].path.exists()
    exports.close()
    assert not made[0].path.parent.exists()


def test_a_service_that_ends_leaves_no_model_behind(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[Exports] = []

    def close(self: Exports) -> None:
        closed.append(self)

    monkeypatch.setattr(Exports, "close", close)
    with serving(database):
        assert closed == []
    assert len(closed) == 1


def test_one_model_is_exported_at_a_time_and_what_its_process_says_is_told(
    trained: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    summary, wanted = load_summary(trained, "quick"), Wanted(Path("model.pth"), 0)
    exports = Exports(trained)
    exports._making.acquire()
    with pytest.raises(room.Refused, match="another model is being exported"):
        exports.make(summary, wanted)
    exports._making.release()
    monkeypatch.setenv("PARETUNE_ARTIFACTS", "/nowhere")
    with pytest.raises(room.Refused, match="were not kept"):
        exports.make(summary, wanted)
    monkeypatch.undo()
    monkeypatch.setattr(room, "PATIENCE_SECONDS", 0.01)
    with pytest.raises(room.Refused, match="not made within"):
        exports.make(summary, wanted)
    monkeypatch.undo()
    assert exports.make(summary, wanted).told["num_correct"] >= 0
    exports.close()

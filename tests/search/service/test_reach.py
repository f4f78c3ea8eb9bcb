"""How far a spec that is sent reaches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from service import Service

from dashboards.actions import Refused
from search.service.reach import check_reach
from search.service.rules import make_rules


@pytest.mark.parametrize(
    ("objective", "lines"),
    [
        ({"train": "spy:train"}, ["objective.train: import paths"]),
        ({"train": "spy"}, ["objective.train: import paths"]),
        ({"model": "spy:Model"}, ["objective.model: import paths"]),
        ({"dataset": "spy:images"}, ["objective.dataset: import paths"]),
        ({"dataset": "folder:/etc"}, ["objective.dataset: folders"]),
        ({"data_root": "/etc"}, ["objective.data_root: folders"]),
        (
            {"model": "spy:Model", "dataset": "folder:~"},
            ["objective.model: import paths", "objective.dataset: folders"],
        ),
    ],
)
def test_a_spec_reaches_no_code_and_no_folder(
    objective: dict[str, Any], lines: list[str], fresh: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spy.py").write_text("open('imported', 'w').close()\n")
    with fresh.client(fresh.operate) as client:
        answer = client.post("/api/studies", json={"name": "spied", "objective": objective})
    assert answer.status_code == 403
    assert [line[: len(law)] for line, law in zip(answer.json()["faults"], lines, strict=True)] == lines
    assert not (tmp_path / "imported").exists()
    assert not list(tmp_path.rglob("*.log"))


def test_a_spec_reaches_what_the_operator_allows() -> None:
    raw = {"objective": {"train": "spy:train", "dataset": "folder:/x", "data_root": "/y"}}
    check_reach(raw, make_rules("127.0.0.1", 1, allow_import=True, allow_folders=True))
    for rules, keys in [
        (make_rules("127.0.0.1", 1, allow_import=True), ["objective.dataset", "objective.data_root"]),
        (make_rules("127.0.0.1", 1, allow_folders=True), ["objective.train"]),
    ]:
        with pytest.raises(Refused) as refused:
            check_reach(raw, rules)
        assert [line.partition(":")[0] for line in refused.value.lines] == keys

"""What a launch may begin with: the operator's templates, and the specs of studies."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from service import Service, serving

from dashboards.actions import Refused
from search.reading import example, read_spec, validate
from search.service.drafts import Drafts
from storage.database import Database
from storage.queue import Order, join_queue
from storage.reading import load_study
from storage.studies import create_study

SETTINGS = [
    'search.baseline={lr=0.01, optimizer="adam"}',
    "space.momentum={low=0.5, high=0.95, step=0.05, when={optimizer='nesterov'}}",
    'space.batch_size=[1, 64, "full"]',
    'budget.wall="2h"',
    "search.trials=7",
    "prices.price_per_device_hour=2.5",
]


def make(database: Database, name: str, settings: list[str] | None = None) -> dict[str, Any]:
    spec = read_spec(None, settings or []).model_dump(mode="json")
    create_study(database, name, {**spec, "name": name}, spec["search"]["trials"], {}, state="stopped")
    return spec


@pytest.mark.parametrize("settings", [[], SETTINGS])
def test_a_clone_is_the_same_sweep_under_a_new_name(settings: list[str], database: Database) -> None:
    spec = make(database, "a", settings)
    text = Drafts(database).clone("a")
    assert validate(tomllib.loads(text)).model_dump(mode="json") == {**spec, "name": "a-2"}
    assert len(text.splitlines()) < 25  # what a spec says anyway is not said
    assert "data_root" not in text  # else it would be refused as a folder of the machine


def test_a_new_name_is_none_that_is_there_or_queued(database: Database) -> None:
    for name in ("a", "a-2", "b" * 100):
        make(database, name)
    join_queue(database, Order("a-3", "launch", "ours", 1, 0))
    drafts = Drafts(database)
    names = [tomllib.loads(drafts.clone(name))["name"] for name in ("a", "a-2", "b" * 100)]
    assert names == ["a-4", "a-4", "b" * 98 + "-2"]


def test_what_has_no_spec_of_its_own_is_not_cloned(database: Database) -> None:
    create_study(database, "imported", {}, 1, {"imported": {"from": "elsewhere"}})
    create_study(database, "again", {"search": {"remeasures": "uuid"}}, 1, {})
    for name, law in [("imported", "was imported"), ("again", "another study's"), ("gone", "there is no 'gone'")]:
        with pytest.raises(Refused, match=law):
            Drafts(database).clone(name)


def test_templates_are_the_files_of_one_folder(database: Database, tmp_path: Path) -> None:
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "wide.toml").write_text("x = 1")
    (folder / "notes.txt").write_text("secret")
    (folder / "odd.toml").write_bytes(b"\xff")
    (tmp_path / "outside.toml").write_text("secret")
    with serving(database, templates=folder) as service, service.client(service.read) as client:
        assert client.get("/api/templates").json() == {"templates": ["example", "odd", "wide"]}
        assert client.get("/api/templates/wide").json() == {"name": "wide", "toml": "x = 1"}
        assert client.get("/api/templates/example").json()["toml"] == example()
        for name in ("..%2foutside", "notes", "notes.txt", "wide.toml", "%2e%2e%2foutside"):
            assert client.get(f"/api/templates/{name}").status_code == 404
        assert client.get("/api/templates/odd").status_code == 409
        (folder / "example.toml").write_text("y = 1")  # the operator's own comes first
        assert client.get("/api/templates/example").json()["toml"] == "y = 1"


def test_a_study_is_cloned_over_rest(fresh: Service) -> None:
    make(fresh.database, "a")
    with fresh.client(fresh.read) as client:
        draft = client.get("/api/studies/a/clone").json()
        assert client.get("/api/studies/gone/clone").status_code == 404
    assert (draft["name"], tomllib.loads(draft["toml"])["name"]) == ("a", "a-2")
    assert load_study(fresh.database, "a").name == "a"

"""A study of Optuna's comes over REST: checked whole, made whole, by those alone who may operate."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from service import Service

from search.service.bodies import MOST_BYTES
from storage.reading import load_study

TRIAL = {"number": 0, "state": "complete", "params": {"lr": 0.1}, "num_correct": 90, "wall_seconds": 2.0}
STUDY: dict[str, Any] = {
    "name": "brought",
    "url": "sqlite:///optuna.db",
    "study": "plain",
    "num_images": 100,
    "space": {"lr": {"low": 0.001, "high": 1, "log": True}, "optimizer": ["sgd", True, 3]},
    "trials": [TRIAL],
}


def test_a_study_larger_than_other_bodies_is_made(fresh: Service) -> None:
    trials = [{**TRIAL, "number": number, "params": {"lr": 0.1, "note": "x" * 100}} for number in range(9000)]
    with fresh.client(fresh.operate) as client:
        answer = client.post("/api/imports", json={**STUDY, "trials": trials})
        assert (answer.status_code, answer.headers["location"]) == (201, "/api/studies/brought")
        assert int(answer.request.headers["content-length"]) > MOST_BYTES
        assert answer.json() == {"study": "brought", "action": "import"}
        assert client.get("/api/studies/brought").json()["trials"][8999]["accuracy"] == 0.9
        assert client.post("/api/imports", json=STUDY).status_code == 409
    study = load_study(fresh.database, "brought", ())
    assert (study.state, study.spec["space"]) == ("complete", STUDY["space"])
    with fresh.client(fresh.read) as client:
        assert client.post("/api/imports", json={**STUDY, "name": "other"}).status_code == 403


def test_a_study_of_optunas_own_that_has_its_name_stays(fresh: Service) -> None:
    url = str(fresh.database.url)
    optuna.create_study(study_name="brought", storage=url)
    with fresh.client(fresh.operate) as client:
        assert client.post("/api/imports", json=STUDY).status_code == 201
        assert client.delete("/api/studies/brought").status_code == 200
    assert optuna.study.get_all_study_names(url) == ["brought"]


@pytest.mark.parametrize(
    ("changed", "law"),
    [
        ({"name": "../up"}, "name: "),
        ({"num_images": 0}, "num_images: "),
        ({"trials": []}, "trials: "),
        ({"trials": [{**TRIAL, "num_correct": 101}]}, "num_correct is at most num_images, 100"),
        ({"trials": [{**TRIAL, "num_correct": None}]}, "num_correct is needed unless it failed"),
        (
            {"trials": [{**TRIAL, "number": number} for number in range(20_001)]},
            "are taken, but got 20,001",
        ),
        ({"trials": [TRIAL, {**TRIAL, "state": "failed"}]}, "each number must be larger than the one before"),
        ({"trials": [TRIAL, {**TRIAL, "number": 1, "state": "failed"}]}, "and only then null"),
        ({"trials": [{**TRIAL, "wall_seconds": 0}]}, "wall_seconds: "),
        ({"trials": [{**TRIAL, "state": "running"}]}, "state: "),
        ({"trials": [{**TRIAL, "params": {"lr": [1]}}]}, "params.lr"),
        ({"space": {"lr": {"low": 1}}}, "space.lr"),
        ({"spec": {}}, "spec: "),
        ({"trials": [{"number": 0}]}, "trials.0.state: it is missing"),
        ({"space": {"a\nb": [1]}}, "space"),
        ({"trials": [{"number": number} for number in range(50)]}, "and 100 more"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_made(service: Service, changed: dict[str, Any], law: str) -> None:
    with service.client(service.operate) as client:
        answer = client.post("/api/imports", json=STUDY | changed)
        assert answer.status_code == 422
        lines = answer.json()["faults"]
        assert any(law in line for line in lines), lines
        assert len(lines) <= 101
        assert not any("Value error" in line for line in lines)
        assert client.get("/api/studies/brought").status_code == 404

"""The API: what it says of itself and of studies, and what it makes of names."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from pages import add_epoch, write_study
from postgresql import new_database
from service import Service, raw_request, serving
from sqlalchemy import Table, null, update

from dashboards.rows import TABLES
from search.pricing import load_summary
from storage import tables
from storage.audit import list_deeds
from storage.database import Database
from storage.reading import load_study

HOSTILE = "<script>alert(1)</script>\r\nX-Evil: 1 '\"; DROP TABLE studies; ../../etc/passwd \x1b[31m"


def test_the_api_describes_itself(service: Service) -> None:
    with service.client(service.read) as client:
        described = client.get("/api/openapi.json").json()
    parts = described["components"]["schemas"]
    refs = set(re.findall(r'"\$ref": "#/components/schemas/(\w+)"', json.dumps(described)))
    assert refs <= {*parts}
    assert {"SweepSpec", "ProblemDetails"} <= refs
    assert {"objective", "space", "search", "budget"} <= {*parts["SweepSpec"]["properties"]}
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            errors = {status: told for status, told in operation["responses"].items() if status >= "400"}
            assert {"401", "422", "429"} <= {*errors}, (method, path)
            assert all([*told["content"]] == ["application/problem+json"] for told in errors.values())
            assert operation["description"]


def test_what_is_not_there_is_told_as_a_problem_and_not_as_a_page(service: Service) -> None:
    with service.client(service.operate) as client:
        for method, path, status in [
            ("GET", "/api", 404),
            ("GET", "/api/nothing", 404),
            ("GET", "/api/studies/", 404),
            ("GET", "/api/studies/nothing", 404),
            ("GET", "/api/studies/made/trials/7", 404),
            ("GET", "/api/studies/made/trials/x", 422),
            ("GET", "/api/studies/made/trials?limit=0", 422),
            ("POST", "/api/nothing", 405),
            ("PUT", "/api/studies", 405),
            ("GET", "/api/imports", 405),
            ("GET", "/api/queue/nothing", 405),
            ("POST", "/api/studies/nothing/stop", 404),
            ("POST", "/api/studies/nothing/resume", 404),
            ("DELETE", "/api/studies/nothing", 404),
            ("POST", "/api/studies/made/stop", 409),
        ]:
            answer = client.request(method, path)
            assert (path, answer.status_code) == (path, status)
            assert answer.headers["content-type"] == "application/problem+json"
            assert {"type", "title", "status", "detail", "request_id"} <= {*answer.json()}
            assert answer.json()["status"] == status


def test_a_study_is_read_whole_only_where_something_of_it_is_new(
    fresh: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole: list[str] = []
    monkeypatch.setattr(
        "dashboards.pages.reading.load_study", lambda given, name: whole.append(name) or load_study(given, name)
    )
    monkeypatch.setattr("search.service.coordinators.list_studies", lambda _: pytest.fail("all studies are listed"))
    uuid = write_study(fresh.database, "full", 4)
    with fresh.client(fresh.read) as client:
        shown = client.get("/api/studies/full").json()
        assert client.get("/api/studies/full/trials").json() == {"trials": shown["trials"], "next": None}
        page = client.get("/api/studies/full/trials?after=0&limit=2").json()
        assert page == {"trials": shown["trials"][1:3], "next": 2}
        assert client.get("/api/studies/full/trials?after=3").json() == {"trials": [], "next": None}
        for path in ("/front", "/trials/1"):
            assert client.get(f"/api/studies/full{path}").status_code == 200
        assert whole == ["full"]
        add_epoch(fresh.database, uuid)
        assert client.get("/api/studies/full").json()["trials"] != shown["trials"]
    assert whole == ["full", "full"]


def test_picks_and_rows_are_those_of_the_command_line(fresh: Service) -> None:
    write_study(fresh.database, "full", 12)
    summary = load_summary(fresh.database, "full")
    with fresh.client(fresh.read) as client:
        for name, rows in TABLES.items():
            assert client.get(f"/api/studies/full/tables/{name}").json() == {"rows": rows(summary)}
        picked = client.get("/api/studies/full/pick?min_accuracy=0.9&max_cost=device_seconds%3D100").json()
        assert (picked["study"], picked["accuracy"] >= 0.9, picked["test_accuracy"]) == ("full", True, None)
        assert "not tested yet" in picked["test_absent"]
        for query, status, law in [
            ("min_accuracy=1", 404, "no checkpoint has an accuracy of 1"),
            ("min_accuracy=2", 422, "min_accuracy: "),
            ("max_cost=device_second%3D1", 422, "max_cost: no such cost: 'device_second'; did you mean"),
            ("max_cost=1", 422, "max_cost: COST=VALUE is needed"),
        ]:
            answer = client.get(f"/api/studies/full/pick?{query}")
            assert (answer.status_code, law in answer.json()["detail"]) == (status, True), answer.text
        assert client.get("/api/studies/full/tables/nothing").status_code == 404


@pytest.mark.parametrize(
    ("table", "values"),
    [
        (tables.attempts, {"device": {"kind": "cpu", "name": "another", "threads": 1}}),
        (tables.trials, {"reason": "another"}),
        (tables.studies, {"environments": [{"torch": "another"}]}),
    ],
)
def test_what_comes_between_two_epochs_is_told_at_once(table: Table, values: dict[str, Any], fresh: Service) -> None:
    write_study(fresh.database, "full", 4)
    with fresh.database.write() as connection:
        connection.execute(update(tables.attempts).values(device=null()))
    with fresh.client(fresh.read) as client:

        def told() -> str:
            return client.get("/api/studies/full").text + client.get("/api/studies/full/trials/0").text

        assert "another" not in told()
        with fresh.database.write() as connection:
            connection.execute(update(table).values(**values))
        assert "another" in told()


def test_the_prices_are_those_that_held_as_the_service_began(
    database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = tmp_path / "prices.toml"
    monkeypatch.setenv("PARETUNE_PRICES", str(book))
    book.write_text('title = "ours"\ndate = 2026-01-31\ncurrency = "XYZ"\nsource = "our contracts"\n')
    write_study(database, "full", 4)
    with serving(database) as service, service.client(service.read) as client:
        assert client.get("/api/studies/full").json()["prices"]["currency"] == "XYZ"
        book.write_text("nothing")
        write_study(database, "other", 4)
        assert client.get("/api/studies/other").json()["prices"]["currency"] == "XYZ"


def test_a_database_server_is_asked_for_no_name_that_it_cannot_hold(server: str, tmp_path: Path) -> None:
    database = Database(new_database(server))
    database.create()
    with serving(database) as service, service.client(service.read) as client:
        for path in ("", "/trials", "/front", "/trials/1", "/clone", "/record", "/events", "/pick", "/tables/epochs"):
            answer = client.get(f"/api/studies/a%00{path}")
            assert (answer.status_code, answer.json()["detail"]) == (404, "study: there is no 'a\\x00'"), path
        client.headers["authorization"] = f"Bearer {service.operate}"
        for method, path in [("POST", "studies/a%00/stop"), ("POST", "studies/a%00/resume"), ("DELETE", "studies/a%00"),
                             ("DELETE", "queue/a%00"), ("GET", "templates/a%00")]:  # fmt: skip
            assert client.request(method, f"/api/{path}").status_code == 404, path


@pytest.mark.parametrize(
    "name", ["..", "../made", "..%2f..%2fetc%2fpasswd", "%2e%2e/%2e%2e/made", "made%00", "..\\made", "--help", "%ff%fe"]
)
def test_no_name_leads_out_of_its_place(name: str, service: Service) -> None:
    with service.client(service.operate) as client:
        for method, path in [("GET", ""), ("GET", "/trials/0"), ("POST", "/resume"), ("DELETE", "")]:
            answer = client.send(raw_request(client, method, f"/api/studies/{name}{path}"))
            assert answer.status_code in (404, 405)
    assert load_study(service.database, "made").state == "stopped"
    assert not list(service.database.file.parent.rglob("*.log"))


def test_hostile_names_and_reasons_stay_text(fresh: Service) -> None:
    name = HOSTILE.replace("/", "_")[:100]
    quoted = "".join(f"%{byte:02x}" for byte in name.encode())
    with fresh.database.write() as connection:
        connection.execute(update(tables.studies).values(name=name, reason=HOSTILE))
    with fresh.client(fresh.operate) as client:

        def ask(method: str, path: str) -> httpx.Response:
            answer = client.send(raw_request(client, method, f"/api/studies/{quoted}{path}"))
            assert answer.headers["content-type"] in ("application/json", "application/problem+json")
            assert "x-evil" not in answer.headers
            return answer

        shown = ask("GET", "").json()
        assert (shown["study"], shown["reason"]) == (name, HOSTILE)
        resumed = ask("POST", "/resume")
        assert (resumed.status_code, resumed.json()["detail"]) == (409, f"study: {name!r} is no name of ours")
        assert ask("POST", "/stop").status_code == 409
        assert ask("DELETE", "").json() == {"study": name, "action": "delete"}
    assert not list(fresh.database.file.parent.rglob("*.log"))  # no coordinator was started under such a name
    assert [
        (deed.action, deed.study, (deed.detail or "").partition(";")[0]) for deed in list_deeds(fresh.database, 9)
    ] == [
        ("delete", name, "done"), ("delete", name, "asked"),
        ("stop", name, "refused"), ("stop", name, "asked"),
        ("resume", name, "refused"), ("resume", name, "asked"),
    ]  # fmt: skip


def test_every_fault_of_a_spec_has_a_line(service: Service) -> None:
    spec = {"name": "a b", "objective": {"epochs": 0, "model": "cmm"}, "nothing": 1}
    with service.client(service.operate) as client:
        answer = client.post("/api/studies", json=spec)
    assert answer.status_code == 422
    assert [line.partition(":")[0] for line in answer.json()["faults"]] == [
        "name", "objective.model", "objective.epochs", "nothing",
    ]  # fmt: skip

"""Hosts and origins: what names this service, and what comes from a page of it."""

from __future__ import annotations

import pytest
from service import Service

from search.service.rules import make_rules


@pytest.mark.parametrize("path", ["/api/me", "/", "/login"])
@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "127.0.0.1@evil.example", "", "localhost/x", "127.0.0.1:x", "[::1"],
)
def test_only_names_of_this_service_are_answered(host: str, path: str, service: Service) -> None:
    with service.client(service.operate) as client:
        answer = client.get(path, headers={"host": host})
        assert answer.status_code in (400, 421)  # uvicorn itself refuses what is no host at all
        for ours in ("127.0.0.1", f"LOCALHOST:{service.port}", "[::1]:80"):
            assert client.get(path, headers={"host": ours}).status_code == 200


def test_a_name_that_the_operator_allows_is_one_of_ours() -> None:
    rules = make_rules("0.0.0.0", 8000, ["GPU1.example.org"])
    assert rules.hosts == {"127.0.0.1", "localhost", "::1", "0.0.0.0", "gpu1.example.org"}


@pytest.mark.parametrize("path", ["/api/studies/made/stop", "/login", "/logout"])
@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "null"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "http://evil.example", "sec-fetch-site": "same-origin"},
        {"origin": "file://{host}"},
        {"origin": ""},
        {},
    ],
)
def test_what_changes_something_must_come_from_a_page_of_ours(
    headers: dict[str, str], path: str, service: Service
) -> None:
    host = f"127.0.0.1:{service.port}"
    told = {key: value.format(host=host) for key, value in headers.items()}
    with service.browser(service.operate) as browser:
        ours = browser.post(path, data={"token": service.operate}, headers={"origin": f"http://{host}"})
        assert ours.status_code in (303, 409)
    with service.browser(service.operate) as browser:
        del browser.headers["origin"]
        answer = browser.post(path, data={"token": service.operate}, headers=told)
        assert (answer.status_code, answer.json()["detail"].partition(":")[0]) == (403, "origin")
        assert "set-cookie" not in answer.headers
        assert browser.get("/api/me").status_code == 200


def test_a_browser_that_hides_its_origin_says_that_the_site_is_the_same(service: Service) -> None:
    with service.browser(service.operate) as browser:
        told = {"origin": "null", "sec-fetch-site": "same-origin"}
        assert browser.post("/api/studies/made/stop", headers=told).status_code == 409


def test_a_program_with_a_token_needs_no_origin_but_has_no_foreign_one(service: Service) -> None:
    with service.client(service.operate) as client:
        assert client.post("/api/studies/made/stop").status_code == 409
        answer = client.post("/api/studies/made/stop", headers={"origin": "http://evil.example"})
        assert answer.status_code == 403

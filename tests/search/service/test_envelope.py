"""What every request gets: strict headers and a line in the log."""

from __future__ import annotations

import logging
import re

import pytest
from service import Service, logged


@pytest.mark.parametrize("path", ["/api/me", "/login", "/healthz", "/", "/api/nothing"])
def test_every_answer_keeps_browsers_strict(path: str, service: Service) -> None:
    with service.client(service.read) as client:
        headers = client.get(path, headers={"x-request-id": "forged"}).headers
    policy = headers["content-security-policy"]
    scripts = policy.partition("script-src ")[2].partition(";")[0]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in scripts
    assert "http" not in policy
    assert (headers["x-frame-options"], headers["x-content-type-options"]) == ("DENY", "nosniff")
    assert headers["referrer-policy"] == "same-origin"
    assert re.fullmatch("[0-9a-f]{16}", headers["x-request-id"])
    assert ("no-store" in headers["cache-control"]) == path.startswith(("/api", "/login"))


def test_the_log_names_each_request_on_one_line(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "paretune.service"), service.client(service.read) as client:
        answer = client.get("/api/studies/a%0Ab%1b[31m", headers={"x-request-id": "forged"})
        line = logged(caplog, "/api/studies")
    assert line.startswith(f"{answer.headers['x-request-id']} GET /api/studies/a%0Ab%1B%5B31m 404 ")
    assert line.endswith(" read-token")


def test_the_log_leaves_out_what_an_open_page_asks_again_and_again(
    service: Service, caplog: pytest.LogCaptureFixture
) -> None:
    output = {"id": "page", "property": "children"}
    inputs = [{"id": "url", "property": name, "value": value} for name, value in [("pathname", "/"), ("search", "")]]
    body = {"output": "page.children", "outputs": output, "inputs": inputs, "changedPropIds": ["url.pathname"]}
    call = " POST /_dash-update-component "
    with caplog.at_level(logging.DEBUG, "paretune.service"), service.client(service.read) as client:
        assert client.post("/_dash-update-component", json=body).status_code == 200
        assert client.get("/_dash-layout").status_code == 200
        logged(caplog, f"{call}200 ")
        logged(caplog, " GET /_dash-layout 200 ")
    with caplog.at_level(logging.DEBUG, "paretune.service"), service.client() as client:
        assert client.post("/_dash-update-component", json=body).status_code == 401
        logged(caplog, f"{call}401 ")
    records = [record for record in caplog.records if record.name == "paretune.service"]
    assert {" ".join(record.getMessage().split()[1:4]): record.levelname for record in records} == {
        "POST /_dash-update-component 200": "DEBUG",
        "GET /_dash-layout 200": "INFO",
        "POST /_dash-update-component 401": "INFO",
    }


def test_the_log_names_who_was_refused_what(service: Service, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "paretune.service"), service.client(service.read) as client:
        client.delete("/api/studies/made")
        assert logged(caplog, " DELETE /api/studies/made 403 ").endswith(" read-token")

"""The service's other addresses: health, and the files of the pages."""

from __future__ import annotations

from service import Service, raw_request


def test_health_is_told_without_a_token_and_tells_nothing(service: Service) -> None:
    with service.client() as client:
        for path in ("/healthz", "/readyz"):
            assert client.get(path, headers={"host": "10.1.2.3:8000"}).json() == {"status": "ok"}
            assert client.post(path, headers={"origin": service.url}).status_code == 405


def test_a_database_that_is_gone_is_told_to_whoever_asks_if_the_service_is_ready(fresh: Service) -> None:
    fresh.database.file.rename(fresh.database.file.with_name("moved.db"))
    with fresh.client() as client:
        assert (client.get("/healthz").status_code, client.get("/readyz").status_code) == (200, 503)


def test_assets_lie_within_their_packages(service: Service) -> None:
    with service.client(service.operate) as client:
        for path in ("/_dash-component-suites/dash/../../../etc/passwd", "/assets/..%2f..%2fpyproject.toml"):
            text = client.send(raw_request(client, "GET", path)).text
            assert "root:" not in text
            assert "[project]" not in text

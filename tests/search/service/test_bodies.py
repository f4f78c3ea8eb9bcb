"""Bodies of requests: what is taken, up to which size."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from service import Service
from starlette.requests import HTTPConnection

from search.service import bodies
from search.service.problems import Problem


@pytest.mark.parametrize(
    ("body", "kind", "status", "law"),
    [
        (b"", "application/json", 422, "no JSON"),
        (b"{", "application/json", 422, "no JSON"),
        (b"[]", "application/json", 422, "a spec is a JSON object, but got list"),
        (b"\xff\xfe", "application/json", 422, "no JSON"),
        (b'{"name": NaN}', "application/json", 422, "no JSON"),
        (b'{"space": {"lr": [0.1, null]}}', "application/json", 422, "a list holds null"),
        (b'{"name": null}', "application/json", 422, "name: null is no value of it"),
        (b'{"objective": {"epochs": null}}', "application/json", 422, "objective.epochs: null is no value of it"),
        (b'{"space": {"lr": null}}', "application/json", 422, "space.lr: null is no value of it"),
        (b'{"name": "\\ud800"}', "application/json", 422, "no JSON"),
        (b'{"search": {"seed": 1' + b"0" * 5000 + b"}}", "application/json", 422, "no JSON"),
        (b'{"space": ' + b"[" * 100_000, "application/json", 422, "no JSON"),
        (b'{"space": {"a": ' + b'{"a":' * 300 + b"1" + b"}" * 300 + b"}}", "application/json", 422, ""),
        (b"{}", "text/plain", 415, "application/json"),
        (b"name=a", "application/x-www-form-urlencoded", 415, "application/json"),
        (b'{"name": "' + b"a" * bodies.MOST_BYTES + b'"}', "application/json", 413, "at most"),
    ],
)
def test_a_body_that_is_none_is_refused(body: bytes, kind: str, status: int, law: str, service: Service) -> None:
    with service.client(service.operate) as client:
        answer = client.post("/api/studies", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert law in answer.json()["detail"]


def test_a_body_whose_size_is_not_told_is_cut_off(service: Service) -> None:
    sent: list[int] = []

    def stream() -> Iterator[bytes]:
        for _ in range(64):
            sent.append(2**16)
            yield b" " * 2**16

    with service.client(service.operate) as client:
        assert client.post("/api/studies", content=stream()).status_code == 413
    with service.client() as client:
        big = {"origin": service.url}
        assert client.post("/login", content=b"token=" + b"a" * bodies.OPEN_BYTES, headers=big).status_code == 413


def test_a_body_in_many_pieces_takes_no_longer_than_its_size() -> None:
    class Piece(bytes):
        num_counted = 0

        def __len__(self) -> int:
            Piece.num_counted += 1
            return super().__len__()

    left = [Piece(b"ab") for _ in range(300)]

    async def receive() -> Any:
        return {"type": "http.request", "body": left.pop(), "more_body": bool(left)}

    def read(most: int) -> bytes:
        return asyncio.run(bodies.read_body(HTTPConnection({"type": "http", "headers": []}), receive, most))

    assert read(600) == b"ab" * 300
    assert Piece.num_counted <= 300
    left += [Piece(b"ab") for _ in range(300)]
    with pytest.raises(Problem, match="at most 100 bytes"):
        read(100)
    assert len(left) == 249  # what is behind the limit is not waited for


@pytest.mark.parametrize(
    ("path", "who", "size", "status"),
    [
        ("/_dash-update-component", "", 100, 401),
        ("/api/studies", "", 100, 401),
        ("/api/studies", "Authorization: Bearer {operate}\r\n", 10**12, 413),
        ("/login", "Origin: http://127.0.0.1\r\n", 10**12, 413),
    ],
)
def test_who_is_refused_is_refused_before_a_body_is_read(
    path: str, who: str, size: int, status: int, service: Service
) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n"
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as connection:
        connection.sendall(f"{head}{who.format(operate=service.operate)}\r\n".encode())
        assert connection.recv(2**16).startswith(f"HTTP/1.1 {status} ".encode())

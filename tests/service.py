"""The service on a real server: a thread of this process, on a free port."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from commands import COMMAND, wait_for
from fastapi import FastAPI
from pages import write_study
from sqlalchemy import event, update

from search.service.app import build_app
from search.service.rules import make_rules
from storage import tables
from storage.database import Database
from storage.leases import acquire
from storage.tokens import make_token

SPEC = {"objective": {"minimize": ["device_seconds"], "model": "cnn", "dataset": "digits"}, "space": {}, "search": {}}

INSTANT: dict[str, Any] = {
    "name": "tiny",
    "objective": {"train": "instant:train", "epochs": 1, "minimize": ["train_flops"]},
    "space": {"lr": {"low": 0.001, "high": 0.1, "log": True}, "width": {"low": 0.5, "high": 2.0}, "batch_size": 64},
    "search": {"trials": 3, "sampler": "random", "baseline": False},
    "compute": {"engine": "process", "slots": 1, "threads": 1, "device": "cpu"},
}


@dataclass(frozen=True)
class Service:
    """A service that runs, and the secrets of two of its tokens."""

    app: FastAPI
    database: Database
    port: int
    operate: str
    read: str

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, secret: str | None = None) -> httpx.Client:
        """A program that brings a token, or none."""
        headers = {} if secret is None else {"authorization": f"Bearer {secret}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=90)

    @contextmanager
    def browser(self, secret: str) -> Iterator[httpx.Client]:
        """A browser that has logged in: a cookie, and an Origin with what changes something."""
        with httpx.Client(base_url=self.url, headers={"origin": self.url}, timeout=90) as client:
            assert client.post("/login", data={"token": secret}).status_code == 303
            yield client


def talk(
    app: FastAPI, path: str, headers: Mapping[str, str], steps: Sequence[str | Callable[[], object]]
) -> list[dict[str, Any]]:
    """Opens a websocket, by ASGI: sends the texts and calls the others; returns what the app sent."""
    left = [{"type": "websocket.connect"}]
    left += [step if callable(step) else {"type": "websocket.receive", "text": step} for step in steps]
    sent: list[dict[str, Any]] = []

    async def receive() -> Any:
        while left:
            await asyncio.sleep(0.05)  # what was asked before is answered meanwhile
            step = left.pop(0)
            if not callable(step):
                return step
            step()
        await asyncio.sleep(0.05)
        return {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "client": ("127.0.0.1", 1),
        "scheme": "ws",
    }
    asyncio.run(app(scope, receive, send))
    return sent


@contextmanager
def serving(
    database: Database, *, allow_import: bool = False, allow_folders: bool = False, templates: Path | None = None
) -> Iterator[Service]:
    """Serves a database meanwhile."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    rules = make_rules("127.0.0.1", port, allow_import=allow_import, allow_folders=allow_folders)
    app = build_app(database, rules, templates)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, proxy_headers=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        wait_for(lambda: server.started, 20)
        secrets = (make_token(database, role, f"{role}-token") for role in ("operate", "read"))
        yield Service(app, database, port, *secrets)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def hold_all_slots(database: Database) -> None:
    """From now on a study has the whole machine, so that specs that are sent are queued and no sweep begins."""
    uuid = write_study(database, "held", 4)
    acquire(database, uuid)
    with database.write() as connection:
        connection.execute(update(tables.studies).where(tables.studies.c.uuid == uuid).values(state="running"))
        far = datetime(2999, 1, 1, tzinfo=UTC)
        connection.execute(update(tables.leases).values(expires_at=far))


def raw_request(client: httpx.Client, method: str, path: str) -> httpx.Request:
    """A request whose path is sent as it is written."""
    request = client.build_request(method, "/")
    request.url = request.url.copy_with(raw_path=path.encode())
    return request


def logged(caplog: pytest.LogCaptureFixture, words: str) -> str:
    """What the log says of a request, which it does once the answer is sent."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for record in caplog.records:
            if words in record.getMessage():
                return record.getMessage()
        time.sleep(0.01)
    raise AssertionError(f"the log says nothing of {words}")


def cannot_be_written(database: Database) -> None:
    """From now on a database can only be read."""
    event.listen(database.engine, "checkout", lambda raw, *_: raw.execute("PRAGMA query_only=ON"))


@contextmanager
def started(folder: Path, *flags: str) -> Iterator[tuple[str, str | None]]:
    """Runs the command; yields where it serves, and the token that it prints where it is the first start; kills it."""
    command = [COMMAND, "serve", "--port", "0", "--storage", "sqlite:///test.db", *flags]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[3].rstrip("/;")
            wait_for(lambda: is_up(url), 20)
            os.set_blocking(process.stdout.fileno(), False)
            told = process.stdout.readline().split()
            yield url, told[-1] if told else None
        finally:
            process.kill()


def is_up(url: str) -> bool:
    try:
        return httpx.get(f"{url}/readyz").status_code == 200
    except httpx.HTTPError:
        return False


def slow_spec(num_trials: int, **compute: int) -> dict[str, Any]:
    """A sweep of two epochs of 0.2 to 0.4 s a trial."""
    return {
        **INSTANT,
        "name": "slow",
        "objective": {"train": "sleepers:sleep", "epochs": 2, "minimize": ["wall_seconds"]},
        "space": {"pause": {"low": 0.2, "high": 0.4}},
        "search": {"trials": num_trials, "sampler": "random", "baseline": False},
        "compute": {**INSTANT["compute"], **compute},
    }

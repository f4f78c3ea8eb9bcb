"""The service on a real server: a thread of this process, on a free port."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import uvicorn
from commands import wait_for
from fastapi import FastAPI

from search.service.app import build_app
from search.service.rules import make_rules
from storage.database import Database
from storage.tokens import make_token


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
def serving(database: Database, *, allow_import: bool = False, allow_folders: bool = False) -> Iterator[Service]:
    """Serves a database meanwhile."""
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    rules = make_rules("127.0.0.1", port, allow_import=allow_import, allow_folders=allow_folders)
    app = build_app(database, rules)
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

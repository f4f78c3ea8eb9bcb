"""A service as the command line sees it: one HTTP client, whose errors are lines for a person."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx

from search.faults import Faults

TOKEN, TOKEN_FILE = "PARETUNE_TOKEN", "PARETUNE_TOKEN_FILE"
USER_FILE = "~/.config/paretune/token"
TEXT = re.compile(r"[!-~]+")
"""What a header can bring: else the whole header, with the secret, would be in the fault of whoever writes it."""

SECONDS, CONNECT_SECONDS = 90.0, 10.0  # a coordinator may take its time to begin
NOT_READY = (502, 503, 504)
"""What a service answers whose database is away, and a proxy whose service is."""


class Away(Faults):
    """A service cannot be reached, or cannot answer, at this moment: to ask again may help."""


@dataclass(frozen=True)
class Event:
    """One of the events of a study.

    Attributes:
        kind: `study`, `trial` or `end`.
        id: From where to go on after a cut.
        data: What it tells.
    """

    kind: str
    id: str
    data: Mapping[str, Any]


class Client:
    """Asks a service. What cannot be done is told as `Faults`, in the service's own words.

    Args:
        url: Of the service.
        token: Secret of a token.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = url.rstrip("/")
        headers = {"authorization": f"Bearer {token}"}
        # A redirect is not followed: the token is for this service alone.
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=_timeout(SECONDS), follow_redirects=False)

    def close(self) -> None:
        """Ends its connections."""
        self._http.close()

    def ask(self, method: str, *path: str, body: Any = None, seconds: float = SECONDS, **query: Any) -> Any:
        """Returns what the service answers, as plain values.

        Args:
            method: Of HTTP.
            path: Parts of the address behind `/api`.
            body: To send as JSON.
            seconds: How long it may take its time.
            query: Behind the address.

        Raises:
            Away: where it cannot be reached, or is not ready.
            Faults: where it refuses, or the body is none.
        """
        try:
            answer = self._http.request(method, _address(path), json=body, params=query, timeout=_timeout(seconds))
        except httpx.HTTPError as error:
            raise self._lost(error) from error
        except (TypeError, ValueError) as error:  # TOML has dates, nan and inf
            raise Faults(f"--server: what is to be sent cannot be said in JSON: {error}") from error
        return self._read(answer)

    def fetch(self, *path: str) -> Iterator[bytes]:
        """Yields a file that the service sends.

        Args:
            path: Parts of the address behind `/api`.

        Raises:
            Away: where it cannot be reached (any more), or is not ready.
            Faults: where it refuses.
        """
        with self._stream(path, {"accept-encoding": "identity"}) as answer:  # weights hardly get smaller
            yield from answer.iter_bytes()

    def listen(self, study: str, last: str) -> Iterator[Event]:
        """Yields the events of a study, until the service ends the stream or the connection is cut.

        Args:
            study: Its name.
            last: The id of the last event that was told; empty for none.

        Raises:
            Away: where it cannot be reached (any more), or is not ready.
            Faults: where it refuses.
        """
        with self._stream(("studies", study, "events"), {"last-event-id": last} if last else {}) as answer:
            yield from _read_events(answer.iter_lines())

    @contextmanager
    def _stream(self, path: tuple[str, ...], headers: Mapping[str, str] | None = None) -> Iterator[httpx.Response]:
        """Gives an answer that is read as it comes."""
        try:
            with self._http.stream("GET", _address(path), headers=headers) as answer:
                if answer.status_code != httpx.codes.OK:
                    answer.read()
                    self._read(answer)
                yield answer
        except httpx.HTTPError as error:
            raise self._lost(error) from error

    def _read(self, answer: httpx.Response) -> Any:
        kind = Away if answer.status_code in NOT_READY else Faults
        try:
            told = answer.json()
        except ValueError as error:
            raise kind(f"--server: {self.url} is no Paretune: it answers {answer.status_code} without JSON") from error
        if answer.is_success:
            return told
        is_told = isinstance(told, Mapping) and "detail" in told
        if not is_told:
            raise kind(f"--server: {self.url} is no Paretune: it answers {answer.status_code}")
        raise kind(*(told.get("faults") or [told["detail"]]))

    def _lost(self, error: httpx.HTTPError) -> Away:
        return Away(f"--server: {self.url} cannot be reached: {error or type(error).__name__}")


def _read_events(lines: Iterator[str]) -> Iterator[Event]:
    own: dict[str, str] = {}
    for line in lines:
        key, _, value = line.partition(": ")
        if line:
            own[key] = value
            continue
        if "event" in own:
            yield Event(own["event"], own.get("id", ""), json.loads(own["data"]))
        own = {}


def find_token() -> str:
    """Returns the secret of the environment or of a file.

    Raises:
        Faults: where there is none, or its file cannot be read.
    """
    secret = os.environ.get(TOKEN, "").strip() or _read_token()
    if not TEXT.fullmatch(secret):
        raise Faults(f"token: {TOKEN}, or a file that holds it ({TOKEN_FILE}, or {USER_FILE}), is needed for --server")
    return secret


def _read_token() -> str:
    named = os.environ.get(TOKEN_FILE)
    path = Path(os.path.expanduser(named or USER_FILE))  # noqa: PTH111  Path.expanduser raises without a home
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return ""
    except (OSError, UnicodeDecodeError) as error:
        raise Faults(f"{path}: the token's file cannot be read: {error}") from error


def check_url(url: str) -> str | None:
    """Returns what a person should know of a service's address, None where it is nothing.

    Raises:
        Faults: where it is none.
    """
    try:
        parts = urlsplit(url)
        is_url = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_url = False
    if not is_url or parts.username is not None:
        raise Faults(f"--server: http://HOST:PORT or https://HOST is needed, without a user, but got {url!r}")
    if parts.scheme == "http" and not _is_loopback(parts.hostname or ""):
        return f"{url} is not encrypted: whoever is on the way can read the token; https:// keeps it"
    return None


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _address(path: tuple[str, ...]) -> str:
    return "/api/" + "/".join(quote(part, safe="") for part in path)


def _timeout(seconds: float) -> httpx.Timeout:
    return httpx.Timeout(seconds, connect=CONNECT_SECONDS)

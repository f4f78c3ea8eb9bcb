"""Which requests are ours to answer: the Host that they name, and the Origin that they come from.

A page of another site may make a browser send requests here, with the cookie where SameSite does not hold it back, and
may point a name of its own at this address (DNS rebinding). The first is told by its Origin, the second by its Host.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

from search.service.problems import Problem

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Rules:
    """What the operator allows.

    Attributes:
        hosts: Names by which this service may be called, lower case, without port.
        port: Where it listens.
        allow_import: Whether a spec that is sent here may name the user's own code by import path.
        allow_folders: Whether it may name folders of this machine.
    """

    hosts: frozenset[str]
    port: int
    allow_import: bool = False
    allow_folders: bool = False

    @property
    def cookie(self) -> str:
        """Name of the session's cookie: browsers share cookies among all ports of a host."""
        return f"paretune_{self.port}"

    def check_host(self, connection: HTTPConnection) -> None:
        """Makes sure that a request means this service.

        Raises:
            Problem: where its Host is none of ours.
        """
        named = connection.headers.getlist("host")
        if len(named) != 1 or _host(f"//{named[0]}") not in self.hosts:
            raise Problem(421, f"host: {', '.join(sorted(self.hosts))} are served here; --allow-host adds another")

    def check_origin(self, connection: HTTPConnection, *, is_required: bool) -> None:
        """Makes sure that what changes something was sent by a page of ours, or by no page at all.

        A browser that keeps the Origin to itself (`null`) still says whether the site is the same.

        Args:
            connection: What came.
            is_required: Whether it must say where it comes from.

        Raises:
            Problem: where it comes from elsewhere, or does not say.
        """
        origins = connection.headers.getlist("origin")
        is_told = bool(origins) and origins != ["null"]
        if is_told and not _is_same(origins, connection.headers.get("host", "")):
            raise Problem(403, "origin: requests from pages of other sites are refused")
        if is_told or not (is_required or origins):
            return
        if connection.headers.get("sec-fetch-site") != "same-origin":
            raise Problem(403, "origin: a page of this service is needed; programs send Authorization: Bearer TOKEN")


def make_rules(
    host: str, port: int, more: Iterable[str] = (), *, allow_import: bool = False, allow_folders: bool = False
) -> Rules:
    """Returns the rules of a service.

    Args:
        host: The address that it is bound to.
        port: Where it listens.
        more: Names by which it may be called besides.
        allow_import: See `Rules`.
        allow_folders: See `Rules`.
    """
    hosts = frozenset(name.lower().strip("[]") for name in (*LOOPBACK, host, *more))
    return Rules(hosts, port, allow_import, allow_folders)


def _host(url: str) -> str | None:
    """Returns the host of a URL, lower case, None where there is none."""
    try:
        parts = urlsplit(url)
        _ = parts.port  # a ValueError where it is no number
    except ValueError:
        return None
    return None if parts.username is not None or parts.path or parts.query else parts.hostname


def _is_same(origins: list[str], host: str) -> bool:
    """Says whether one origin is named and is ours; a proxy may have taken TLS off, so both schemes will do."""
    scheme, _, place = origins[0].partition("://")
    return len(origins) == 1 and scheme in ("http", "https") and place.lower() == host.lower()

"""Running sweeps through a service: they run where it is, and are watched from here."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from search.client import Client
from search.commands.console import tell
from search.faults import Faults
from search.watching import Follower

INTERRUPTED = 130
STOP_SECONDS = 120


def launch_remote(client: Client, spec: Mapping[str, Any], source: str | None, *, quiet: bool) -> str:
    """Launches a sweep there, watches it to its end, and returns its name.

    Args:
        client: Asks the service.
        spec: As plain tables; the service checks them.
        source: A study of the service whose finished trials are taken over; None for none.
        quiet: Show nothing while it runs.

    Raises:
        Faults: where the service refuses, a line for each reason.
    """
    with _left_to_go_on(client, str(spec.get("name", "NAME"))):
        query: dict[str, Any] = {} if source is None else {"from": source}
        begun = client.ask("POST", "studies", body=spec, **query)
        _watch(client, begun, quiet=quiet, is_new=True)
    return str(begun["study"])


def resume_remote(client: Client, name: str, more: Mapping[str, Any], *, quiet: bool) -> None:
    """Continues a study there, and watches it to its end.

    Args:
        client: Asks the service.
        name: The study.
        more: What it is continued with, as the service takes it.
        quiet: Show nothing while it runs.

    Raises:
        Faults: where the service refuses, a line for each reason.
    """
    with _left_to_go_on(client, name):
        begun = client.ask("POST", "studies", name, "resume", body=more)
        _watch(client, begun, quiet=quiet, is_new=False)


def remeasure_remote(client: Client, name: str, wish: Mapping[str, Any], *, quiet: bool) -> str:
    """Trains settings of a study again there, watches that to its end, and returns the new study's name.

    Args:
        client: Asks the service.
        name: The study.
        wish: What of it, as the service takes it.
        quiet: Show nothing while it runs.

    Raises:
        Faults: where the service refuses, a line for each reason.
    """
    begun = client.ask("POST", "studies", name, "remeasure", body=wish)
    with _left_to_go_on(client, begun["study"]):
        _watch(client, begun, quiet=quiet, is_new=True)
    return str(begun["study"])


def cancel_remote(client: Client, name: str) -> bool:
    """Takes what is asked of a study out of the queue; returns whether it was there.

    Raises:
        Faults: where the service refuses.
    """
    is_queued = any(waiting["study"] == name for waiting in client.ask("GET", "queue")["queue"])
    if is_queued:
        client.ask("DELETE", "queue", name)
    return is_queued


def stop_remote(client: Client, name: str) -> bool:
    """Asks a study's coordinator to stop and waits until it has; returns whether one was there.

    Raises:
        Faults: where there is no such study, or its coordinator does not answer.
    """
    if remote_state(client, name) != "running":
        return False
    client.ask("POST", "studies", name, "stop")
    deadline = time.monotonic() + STOP_SECONDS
    while remote_state(client, name) == "running":
        if time.monotonic() > deadline:
            raise Faults(f"study: {name!r} did not stop within {STOP_SECONDS} s; the request stays")
        time.sleep(0.2)
    return True


def remote_state(client: Client, name: str) -> str:
    """Returns the state of a study there.

    Raises:
        Faults: where there is none of that name.
    """
    studies = client.ask("GET", "studies")["studies"]
    state = next((str(study["state"]) for study in studies if study["name"] == name), None)
    if state is None:
        raise Faults(f"study: there is no {name!r}")
    return state


def _watch(client: Client, begun: Mapping[str, Any], *, quiet: bool, is_new: bool) -> None:
    follower = Follower(client, str(begun["study"]), quiet=quiet)
    if begun["place"] is not None:
        follower.wait_in_queue()
    follower.follow(is_new=is_new)


@contextmanager
def _left_to_go_on(client: Client, name: str) -> Iterator[None]:
    """Ends this process on an interrupt, and says what becomes of the sweep."""
    try:
        yield
    except KeyboardInterrupt:
        tell(f"not watched any more; what runs there goes on. Stop it with: paretune --server {client.url} stop {name}")
        sys.exit(INTERRUPTED)

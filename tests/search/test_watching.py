"""A sweep that runs elsewhere is watched on, though its service or its proxy cannot answer for a while."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from search import watching
from search.client import Client
from search.faults import Faults
from search.watching import Follower

QUEUED = {"queue": [{"study": "a", "place": 1, "host": "there", "faults": []}]}
STUDY = {"num_trials": 1, "spec": {"objective": {"minimize": ["device_seconds"]}}, "trials": []}
END = f"event: end\ndata: {json.dumps({'state': 'complete'})}\n\n"


def follower(answers: Iterator[httpx.Response | httpx.HTTPError]) -> Follower:
    def answer(_request: httpx.Request) -> httpx.Response:
        told = next(answers)
        if isinstance(told, httpx.HTTPError):
            raise told
        return told

    client = Client("http://127.0.0.1:1", "secret")
    client._http = httpx.Client(base_url=client.url, transport=httpx.MockTransport(answer))
    return Follower(client, "a", quiet=True)


def away() -> list[httpx.Response | httpx.HTTPError]:
    """What is answered while a service is started again behind its proxy, and while its database is away."""
    return [
        httpx.ConnectError("refused"),
        httpx.Response(502, text="<h1>Bad Gateway</h1>"),
        httpx.Response(503, json={"detail": "the database cannot be used"}),
    ]


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "GLANCE_SECONDS", 0)


def test_a_service_that_is_away_for_a_while_is_asked_again() -> None:
    answers = [*away(), httpx.Response(200, json=QUEUED), *away(), httpx.Response(200, json={"queue": []})]
    answers += [*away(), httpx.Response(200, json=STUDY), *away(), httpx.Response(200, text=END)]
    left = iter(answers)
    watcher = follower(left)
    watcher.wait_in_queue()
    watcher.follow(is_new=True)
    assert list(left) == []


def test_a_service_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "PATIENCE_SECONDS", -1)
    with pytest.raises(Faults, match=r"127.0.0.1:1 cannot be reached: refused; its sweeps go on"):
        follower(iter(away())).wait_in_queue()


def test_what_a_service_refuses_is_not_asked_again() -> None:
    refused = httpx.Response(401, json={"detail": "token: one that holds is needed"})
    with pytest.raises(Faults, match="one that holds"):
        follower(iter([refused])).wait_in_queue()

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from browser import opening
from fastapi import FastAPI
from pages import MACHINE, Noting, Pages, serving
from playwright.sync_api import Page
from synthetic import summary_of, trial

from dashboards.summary import Summary
from dashboards.web import add_pages
from search.service.envelope import Envelope, security_policy
from storage.database import Database

PATIENCE_MILLISECONDS = 30_000


@pytest.fixture
def summary() -> Summary:
    """Six trials: three on the way to the front, one infeasible, one failed, one that has not begun."""
    return summary_of(
        trial(0, [(500, 2.0), (800, 2.0)]),
        trial(1, [(900, 1.0), (960, 1.0)]),
        trial(2, [(960, 3.0), (980, 6.0)], optimizer="sgd"),
        trial(3, [(990, 0.5)], "infeasible"),
        trial(4, [(970, 0.1)], "failed"),
        trial(5, []),
    )


@pytest.fixture
def pages(tmp_path: Path, database: Database) -> Iterator[Pages]:
    made = Pages(tmp_path, database)
    with serving(made.server) as address, httpx.Client(base_url=address) as made.client:
        yield made


@pytest.fixture
def address(tmp_path: Path, database: Database) -> Iterator[str]:
    server = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    pages = add_pages(server, database, Noting(tmp_path).actions, lambda: True, lambda: MACHINE)
    server.add_middleware(Envelope, policy=security_policy(pages.hashes))  # what a browser lets the pages do
    with serving(server) as address:
        yield address


@pytest.fixture
def page(address: str, request: Any) -> Iterator[Page]:
    """A window of the width that the test asks for, in dark; at its end nothing went wrong or was fetched elsewhere."""
    with opening(getattr(request, "param", 1280), 1000, color_scheme="dark", base_url=address) as window:
        window.page.set_default_timeout(PATIENCE_MILLISECONDS)
        yield window.page
    assert (window.faults, window.fetched_elsewhere(address, "blob:", "data:")) == ([], [])

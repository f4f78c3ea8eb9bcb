"""A person clones a study, sees it wait, looks at the machine, and takes it out of the queue."""

from __future__ import annotations

import os
import re
import signal

import pytest
from browser import needs_chromium, opening
from pages import write_study
from playwright.sync_api import expect
from service import serving, slow_spec

from storage.database import Database
from storage.leases import find_holding
from storage.queue import list_queue

pytestmark = needs_chromium


@pytest.mark.usefixtures("own_code")
def test_a_clone_waits_is_seen_and_is_cancelled(database: Database) -> None:
    write_study(database, "mnist5k-cnn", 12)
    with serving(database, allow_import=True) as service, opening() as window:
        try:
            page = window.page
            with service.client(service.operate) as client:
                whole = slow_spec(500, threads=len(os.sched_getaffinity(0)))
                assert client.post("/api/studies", json=whole).status_code == 201
            page.goto(f"{service.url}/login")
            page.get_by_label("Token").fill(service.operate)
            page.get_by_role("button", name="Log in").click()
            page.get_by_role("link", name="clone mnist5k-cnn").click()
            spec = page.get_by_label("the sweep, as TOML")
            expect(spec).to_have_value(re.compile(r'name = "mnist5k-cnn-2"'))
            page.get_by_role("button", name="Launch", exact=True).click()
            expect(page.get_by_text("mnist5k-cnn-2 is queued, 1st in line")).to_be_visible(timeout=20_000)
            page.goto(f"{service.url}/machines")
            expect(page.get_by_role("link", name="slow")).to_be_visible(timeout=20_000)
            expect(page.get_by_text("energy of the CPU")).to_be_visible()
            expect(page.get_by_text("queued, 1st in line")).to_be_visible()
            page.get_by_role("button", name="cancel mnist5k-cnn-2").click()
            page.get_by_role("button", name="Take it out of the queue").click()
            expect(page.get_by_text("mnist5k-cnn-2 is not queued any more.")).to_be_visible(timeout=20_000)
            expect(page.get_by_text("Nothing waits.")).to_be_visible(timeout=20_000)
            assert list_queue(database) == []
            assert (window.faults, window.fetched_elsewhere(service.url)) == ([], [])
        finally:
            if (holding := find_holding(database, "slow")) is not None:
                os.kill(holding.pid, signal.SIGKILL)

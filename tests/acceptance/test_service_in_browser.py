"""Logging in and out as a person does: a real browser, which holds the pages to their Content-Security-Policy."""

from __future__ import annotations

import shutil

import pytest
from playwright.sync_api import sync_playwright
from service import serving

from storage.database import Database

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync "
    "--no-first-run"
)


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")
def test_a_person_logs_in_sees_the_pages_and_logs_out(database: Database) -> None:
    with serving(database) as service, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        page = browser.new_page()
        told: list[str] = []
        asked: list[str] = []
        page.on("pageerror", lambda error: told.append(str(error)))
        page.on("console", lambda message: told.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: asked.append(request.url))
        page.goto(f"{service.url}/studies")
        assert page.url == f"{service.url}/login"
        page.fill("#token", "wrong")
        page.click("button")
        assert page.inner_text("[role=alert]") == "That token is not known."
        told.clear()  # a browser reports the refusal
        page.fill("#token", service.operate)
        page.click("button")
        page.get_by_role("heading", name="Studies", exact=True).wait_for()
        assert page.url == f"{service.url}/"
        assert page.evaluate("document.cookie") == ""
        assert page.evaluate("fetch('/api/me').then(answer => answer.json())")["may_operate"]
        page.get_by_role("button", name="Log out").click()
        page.wait_for_url(f"{service.url}/login")
        page.goto(service.url)
        assert page.url == f"{service.url}/login"
        browser.close()
    assert told == []
    assert [url for url in asked if not url.startswith((service.url, "data:"))] == []

"""Logging in and out as a person does: a real browser, which holds the pages to their Content-Security-Policy."""

from __future__ import annotations

from browser import needs_chromium, opening
from service import serving

from storage.database import Database


@needs_chromium
def test_a_person_logs_in_sees_the_pages_and_logs_out(database: Database) -> None:
    with serving(database) as service, opening() as window:
        page = window.page
        page.goto(f"{service.url}/studies")
        assert page.url == f"{service.url}/login"
        page.fill("#token", "wrong")
        page.click("button")
        assert page.inner_text("[role=alert]") == "That token is not known."
        window.faults.clear()  # a browser reports the refusal
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
    assert (window.faults, window.fetched_elsewhere(service.url, "data:")) == ([], [])

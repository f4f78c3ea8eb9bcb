"""A real browser for tests, and all that it told and fetched."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from playwright.sync_api import ConsoleMessage, Page, sync_playwright

CHROMIUM = shutil.which("chromium")
FLAGS = (
    "--no-sandbox --disable-gpu --disable-background-networking --disable-component-update --disable-sync "
    "--no-first-run --enable-unsafe-swiftshader"
)
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium here")


@dataclass(frozen=True)
class Window:
    """A window of the browser.

    Attributes:
        page: What it shows.
        faults: What went wrong in it, and what its console warns of.
        asked: The addresses that it fetched.
    """

    page: Page
    faults: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def fetched_elsewhere(self, *own: str) -> list[str]:
        """Returns the addresses that begin with none of these."""
        return [url for url in self.asked if not url.startswith(own)]


@contextmanager
def opening(width: int = 1280, height: int = 900, **options: Any) -> Iterator[Window]:
    """Opens a window of so many pixels; `options` are those of playwright's `new_page`."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS.split())
        window = Window(browser.new_page(viewport={"width": width, "height": height}, **options))
        window.page.on("pageerror", lambda error: window.faults.append(str(error)))
        window.page.on("console", lambda said: window.faults.append(said.text) if is_fault(said) else None)
        window.page.on("request", lambda request: window.asked.append(request.url))
        yield window
        browser.close()


def is_fault(said: ConsoleMessage) -> bool:
    """What the graphics driver says of its speed is none."""
    return said.type in ("error", "warning") and "GL Driver Message" not in said.text

"""The script that draws our figures in a browser: the parts of plotly that they need."""

from __future__ import annotations

import re
from pathlib import Path

PART = Path(__file__).parent / "pages/browser/plotly-pages.min.js"
"""A third of the whole, which plotly's package has; it draws within the security policy of our pages."""


def read_part() -> str:
    """Returns the script."""
    return PART.read_text(encoding="utf-8")


def find_version() -> str:
    """Returns the version of plotly.js that it is of."""
    found = re.search(r"v(\d+\.\d+\.\d+)", read_part()[:200])
    assert found is not None, PART
    return found[1]

"""The script that draws our figures in a browser: the parts of plotly that they need."""

from __future__ import annotations

import re
from pathlib import Path

import brotli

PART = Path(__file__).parent / "pages/browser/plotly-pages.min.js.br"
"""A third of the whole, which plotly's package has; it draws within the security policy of our pages.

It is kept as most browsers take it: to compress it so far takes seconds.
"""


def read_part() -> str:
    """Returns the script."""
    return bytes(brotli.decompress(PART.read_bytes())).decode()


def find_version() -> str:
    """Returns the version of plotly.js that it is of."""
    found = re.search(r"v(\d+\.\d+\.\d+)", read_part()[:200])
    assert found is not None, PART
    return found[1]

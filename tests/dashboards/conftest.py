from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pages import Pages, serving

from storage.database import Database


@pytest.fixture
def pages(tmp_path: Path, database: Database) -> Iterator[Pages]:
    made = Pages(tmp_path, database)
    with serving(made.server) as address, httpx.Client(base_url=address) as made.client:
        yield made

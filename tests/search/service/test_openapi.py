"""The API holds to what it says of itself, whatever is sent: schemathesis asks a service that runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from pages import write_study
from service import hold_all_slots, serving
from sqlalchemy import update

from search.reading import read_spec
from storage import tables
from storage.database import Database

CONFIG = """
[[operations]]
include-name = [
    "POST /api/studies", "POST /api/studies/{name}/resume", "POST /api/studies/{name}/remeasure",
    "POST /api/studies/{name}/exports", "POST /api/imports",
]
checks.positive_data_acceptance.enabled = false  # they have laws that JSON Schema cannot say
"""
RUN = "from schemathesis.cli import schemathesis; schemathesis()"


def make_whole(database: Database) -> None:
    """Gives all studies a spec that is whole, as launching does."""
    whole = read_spec(None, ["objective.dataset=digits"]).model_dump(mode="json")
    with database.write() as connection:
        connection.execute(update(tables.studies).values(spec=whole))


@pytest.mark.parametrize(
    ("seconds", "examples"), [(10, 4), pytest.param(60, 60, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_whatever_is_sent_the_answer_is_one_that_is_described(
    seconds: int, examples: int, database: Database, tmp_path: Path
) -> None:
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    write_study(database, "full", 6)
    hold_all_slots(database)
    make_whole(database)
    with serving(database) as service:
        flags = ["--max-time", str(seconds), "--max-examples", str(examples), "--seed", "1", "--no-color"]
        flags += ["--generation-database", "none", "--continue-on-failure"]
        flags += ["--exclude-path-regex", "/events$"]  # it lasts as long as its study runs
        flags += ["--header", f"Authorization: Bearer {service.operate}"]
        command = [sys.executable, "-c", RUN, "run", f"{service.url}/api/openapi.json", *flags]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Tested: 2" in done.stdout  # twenty-odd operations, not none

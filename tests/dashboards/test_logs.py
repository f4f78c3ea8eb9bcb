"""The end of a log."""

from __future__ import annotations

from dashboards.logs import MOST_BYTES, read_log
from storage.database import Database


def test_the_end_of_a_log_is_read(database: Database) -> None:
    folder = database.artifacts / "u" / "trial-00003"
    folder.mkdir(parents=True)
    (folder / "log.txt").write_text("begins" + "x" * MOST_BYTES + "ends")
    text = read_log(database, "u", 3)
    assert text is not None
    assert (len(text), text[-4:], "begins" in text) == (MOST_BYTES, "ends", False)
    assert read_log(database, "u", 4) is None

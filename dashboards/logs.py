"""What a trial's own code printed: a file in the trial's folder."""

from __future__ import annotations

import os

from objectives.trial import LOG
from storage.artifacts import trial_folder
from storage.database import Database
from storage.faults import StorageFault

MOST_BYTES = 2**18
"""Bytes of a log that are read: the last ones."""


def read_log(database: Database, study: str, trial: int) -> str | None:
    """Returns the end of what a trial printed, None where nothing is kept.

    Args:
        database: Where the study is.
        study: Its UUID.
        trial: The trial's number.
    """
    try:
        path = trial_folder(database.artifacts / study, trial) / LOG
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - MOST_BYTES))
            return file.read().decode(errors="replace")
    except (OSError, StorageFault):
        return None

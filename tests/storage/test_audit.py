from __future__ import annotations

from storage import leases
from storage.audit import DONE, find_stop, write_deed
from storage.database import Database
from storage.studies import create_study


def test_who_stopped_a_study_is_told_of_its_last_sitting_alone(database: Database) -> None:
    uuid = create_study(database, "a", {}, 1, {}, state="stopped")
    create_study(database, "b", {}, 1, {}, state="stopped")
    leases.acquire(database, uuid)
    for study, detail in [("a", "asked"), ("a", "refused; it is not running"), ("b", DONE)]:
        write_deed(database, "ours", "stop", study, detail)
    write_deed(database, "ours", "resume", "a", DONE)
    assert find_stop(database, "a") is None
    write_deed(database, "theirs", "stop", "a", DONE)
    found = find_stop(database, "a")
    assert found is not None
    assert found.token == "theirs"
    leases.acquire(database, create_study(database, "c", {}, 1, {}))
    write_deed(database, "ours", "stop", "c", DONE)
    assert find_stop(database, "c") is None  # it is asked to stop, and runs still


def test_a_stop_of_the_sitting_before_is_not_told_of_the_next(database: Database) -> None:
    uuid = create_study(database, "a", {}, 1, {}, state="stopped")
    write_deed(database, "ours", "stop", "a", DONE)
    leases.acquire(database, uuid)  # resumed, and stopped again by the command line
    assert find_stop(database, "a") is None

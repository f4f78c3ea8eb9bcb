from __future__ import annotations

import gc
from collections.abc import Callable

import pytest
from sqlalchemy import event, func, select
from sqlalchemy.exc import IntegrityError

from storage import leases, tables
from storage.database import Database
from storage.faults import StorageFault
from storage.ledger import CostValue, Ledger, Page
from storage.marks import mark_studies
from storage.reading import load_study, load_tests
from storage.studies import create_study, delete_study, keep_test, list_studies, request_stop

COSTS = {"device_seconds": CostValue(1.5, "measured", None), "energy_joules": CostValue(None, "absent", "no meter")}


@pytest.fixture
def ledger(database: Database) -> Ledger:
    return Ledger(database, leases.acquire(database, create_study(database, "a", {"x": 1}, 3, {"y": 2})))


def record(page: Page, epoch: int) -> None:
    page.record_epoch(0, 1, epoch=epoch, train_loss=1.0, validation_loss=2.0, num_correct=9, num_images=10, costs=COSTS)


def mark(database: Database, name: str) -> str:
    return mark_studies(database, [name])[name]


def test_what_is_written_is_read_back(database: Database, ledger: Ledger) -> None:
    with ledger.writing() as page:
        page.add_trial(0, {"lr": 0.1}, 7, is_baseline=True)
        page.start_attempt(0, 1, slot=1)
        page.set_device(0, 1, {"kind": "cpu"})
        record(page, 1)
        page.charge(0, 1, {"training": 1.5, "setup": 0.5})
        page.charge(0, 1, {"training": 1.0})
        page.end_attempt(0, 1, "complete")
        page.end_trial(0, "complete", None, COSTS)
    study = load_study(database, "a")
    assert (study.name, study.spec, study.num_trials, study.data) == ("a", {"x": 1}, 3, {"y": 2})
    (trial,) = study.trials
    assert (trial.state, trial.params, trial.seed, trial.is_baseline) == ("complete", {"lr": 0.1}, 7, True)
    assert trial.costs == COSTS
    assert trial.epochs[0].costs == COSTS
    assert trial.epochs[0].num_correct == 9
    assert trial.attempts[0].bill == {"training": 2.5, "setup": 0.5}
    assert trial.attempts[0].device == {"kind": "cpu"}
    assert list_studies(database)[0].num_ended == 1


def test_each_trial_gets_its_own_rows_in_their_order(database: Database, ledger: Ledger) -> None:
    with ledger.writing() as page:
        for number in (1, 0):
            page.add_trial(number, {"lr": float(number)}, 0, is_baseline=False)
            for attempt in (1, 2):
                page.start_attempt(number, attempt, slot=attempt)
                page.charge(number, attempt, {"training": 10.0 * number + attempt})
        for number, epoch in ((1, 1), (0, 1), (0, 2)):
            cost = {"samples": CostValue(100.0 * number + epoch, "counted", None)}
            page.record_epoch(
                number, 1, epoch=epoch, train_loss=1.0, validation_loss=2.0, num_correct=9, num_images=10, costs=cost
            )
    first, second = load_study(database, "a").trials
    assert (first.number, second.number) == (0, 1)
    assert [(row.epoch, row.costs["samples"].value) for row in first.epochs] == [(1, 1.0), (2, 2.0)]
    assert [(row.epoch, row.costs["samples"].value) for row in second.epochs] == [(1, 101.0)]
    assert [(own.attempt, own.slot, own.bill["training"]) for own in second.attempts] == [(1, 1, 11.0), (2, 2, 12.0)]


def test_a_trial_of_a_study_that_nobody_runs_waits(database: Database, ledger: Ledger) -> None:
    with ledger.writing() as page:
        page.add_trial(0, {}, 0, is_baseline=False)
        page.start_attempt(0, 1, slot=0)
        record(page, 1)
    assert [trial.state for trial in load_study(database, "a").trials] == ["running"]
    ledger.close()
    study = load_study(database, "a")
    assert (study.state, [trial.state for trial in study.trials]) == ("interrupted", ["waiting"])
    keep_test(database, ledger.study, 0, 1, 8, 10)
    assert load_tests(database, ledger.study) == load_study(database, "a").tests == {(0, 1): (8, 10)}


def test_the_collector_rests_while_records_are_made(
    database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bool] = []
    monkeypatch.setattr("storage.reading._read_epochs", lambda *_: seen.append(gc.isenabled()) or {})
    load_study(database, "a")  # nobody holds it
    assert (seen, gc.isenabled()) == ([False], True)


def test_an_epoch_is_recorded_once(database: Database, ledger: Ledger) -> None:
    with ledger.writing() as page:
        page.add_trial(0, {}, 0, is_baseline=False)
        page.start_attempt(0, 1, slot=0)
        record(page, 1)
    with pytest.raises(IntegrityError), ledger.writing() as page:  # noqa: PT012  the charge must go with the epoch
        page.charge(0, 1, {"training": 99.0})
        record(page, 1)
    trial = load_study(database, "a").trials[0]
    assert len(trial.epochs) == 1
    assert trial.attempts[0].bill == {}  # all of a page is kept, or nothing


def test_environments_are_kept_in_their_order(database: Database, ledger: Ledger) -> None:
    assert load_study(database, "a").environments == ()
    for host in ("first", "second"):
        with ledger.writing() as page:
            page.add_environment({"host": host})
    assert load_study(database, "a").environments == ({"host": "first"}, {"host": "second"})


def test_a_test_result_is_kept_once(database: Database, ledger: Ledger) -> None:
    with ledger.writing() as page:
        page.add_trial(0, {}, 0, is_baseline=False)
        page.start_attempt(0, 1, slot=0)
        record(page, 1)
    keep_test(database, ledger.study, 0, 1, 8, 10)
    keep_test(database, ledger.study, 0, 1, 9, 10)
    assert load_study(database, "a").tests == {(0, 1): (8, 10)}


def test_a_name_is_taken_once(database: Database) -> None:
    create_study(database, "a", {}, 1, {})
    with pytest.raises(StorageFault, match="`paretune resume a` continues it"):
        create_study(database, "a", {}, 1, {})


def test_a_study_that_is_not_there(database: Database) -> None:
    with pytest.raises(StorageFault, match="there is none yet"):
        load_study(database, "mnist")
    create_study(database, "mnist5k", {}, 1, {})
    with pytest.raises(StorageFault, match="did you mean 'mnist5k'"):
        load_study(database, "mnist5")


def test_a_stop_is_asked_of_a_running_study_only(database: Database, ledger: Ledger) -> None:
    assert request_stop(database, "a")
    with ledger.writing() as page:
        assert page.take_requests() == ["stop"]
    with ledger.writing() as page:
        assert page.take_requests() == []
        page.set_state("complete")
    assert not request_stop(database, "a")


def test_deleting_leaves_no_row(database: Database, ledger: Ledger) -> None:
    with pytest.raises(StorageFault, match="is running"):
        delete_study(database, "a")
    with ledger.writing() as page:
        page.add_trial(0, {}, 0, is_baseline=False)
        page.start_attempt(0, 1, slot=0)
        record(page, 1)
        page.set_state("stopped")
    delete_study(database, "a")
    with database.read() as connection:
        for table in tables.metadata.sorted_tables:
            assert connection.scalar(select(func.count()).select_from(table)) == 0


@pytest.mark.parametrize("name", ["a", "again"])
def test_a_mark_differs_as_soon_as_there_is_something_new_of_a_study_or_of_one_that_trains_it_again(
    name: str, database: Database
) -> None:
    uuid = create_study(database, "a", {}, 3, {})
    again = create_study(database, "again", {"search": {"remeasures": uuid}}, 3, {})
    create_study(database, "other", {}, 3, {})
    ledger = Ledger(database, leases.acquire(database, uuid if name == "a" else again))
    steps: list[Callable[[Page], None]] = [
        lambda page: page.add_trial(0, {"lr": 0.1}, 7, is_baseline=True),
        lambda page: page.start_attempt(0, 1, slot=1),
        lambda page: page.set_device(0, 1, {"kind": "cpu"}),
        lambda page: record(page, 1),
        lambda page: page.charge(0, 1, {"training": 1.5}),
        lambda page: page.note_trial(0, "what to know of it"),
        lambda page: page.end_attempt(0, 1, "complete"),
        lambda page: page.end_trial(0, "complete", "what to know of it", COSTS),
    ]
    marks, others = [mark(database, "a")], {mark(database, "other")}
    for step in steps:
        with ledger.writing() as page:
            step(page)
        marks.append(mark(database, "a"))
        others.add(mark(database, "other"))
    keep_test(database, ledger.study, 0, 1, 9, 10)
    marks.append(mark(database, "a"))
    assert len(set(marks)) == len(marks)
    assert (marks[-1], len(others)) == (mark(database, "a"), 1)
    create_study(database, "again too", {"search": {"remeasures": uuid}}, 3, {})
    assert mark(database, "a") != marks[-1]


def test_many_studies_are_marked_for_as_many_statements_as_one(database: Database) -> None:
    names = [f"study {number}" for number in range(24)]
    for name in names:
        create_study(database, name, {}, 3, {}, state="complete")
    asked: list[str] = []
    event.listen(database.engine, "before_cursor_execute", lambda *told: asked.append(told[2]))
    mark(database, names[0])
    num_for_one = len(asked)
    marks = mark_studies(database, [*names, "gone"])
    assert len(asked) == 2 * num_for_one
    assert marks == {name: mark(database, name) for name in names}

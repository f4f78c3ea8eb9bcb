from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime

import optuna
import pytest
from postgresql import new_database
from sqlalchemy import Connection

from search.proposals import Proposals
from search.reading import read_spec
from storage import leases
from storage.audit import DONE, find_stop, write_deed
from storage.database import Database
from storage.faults import StorageFault
from storage.leases import LeaseLost
from storage.ledger import CostValue, Ledger
from storage.projection import optuna_storage
from storage.queue import Order, join_queue, leave_queue, list_queue, note_fault
from storage.reading import load_study
from storage.studies import create_study, list_remeasurements, list_running_here


@pytest.fixture
def postgresql(server: str) -> Database:
    made = Database(new_database(server))
    made.create()
    return made


def test_the_schema_is_created_once(postgresql: Database) -> None:
    postgresql.create()
    Database(str(postgresql.url.render_as_string(hide_password=False))).check()


def test_a_sweep_is_the_same_in_the_ledger_and_in_optuna(postgresql: Database) -> None:
    spec = read_spec(None, ["search.sampler_options.n_startup_trials=4", "search.trials=8"])
    study = create_study(postgresql, spec.name, spec.model_dump(mode="json"), 8, {"num_classes": 10})
    ledger = Ledger(postgresql, leases.acquire(postgresql, study))
    asked = []
    for sitting in (range(5), range(5, 8)):
        proposals = Proposals(postgresql, spec)
        for number in sitting:
            asked.append(proposals.ask(number))
            with ledger.writing() as page:
                page.add_trial(number, asked[-1], 0, is_baseline=number == 0)
                page.add(*proposals.take_steps())
            with ledger.writing() as page:
                page.end_trial(number, "complete", None, {})
                proposals.tell(number, float(asked[-1]["lr"]), [float(asked[-1]["width"])], feasible=True)
                page.add(*proposals.take_steps())
    trials = optuna.load_study(study_name=spec.name, storage=optuna_storage(postgresql)).trials
    assert [trial.params for trial in trials[1:]] == asked[1:]
    assert [trial.values for trial in trials] == [[params["lr"], params["width"]] for params in asked]
    assert [dict(trial.params) for trial in load_study(postgresql, spec.name).trials] == asked


@pytest.mark.parametrize("was_held", [False, True])
def test_a_lease_that_is_held_off_is_waited_for(postgresql: Database, was_held: bool) -> None:
    study = create_study(postgresql, "a", {}, 1, {})
    if was_held:
        with postgresql.engine.begin() as connection:
            leases.acquire(postgresql, study).renew(connection, datetime.now(UTC), release=True)
    with ThreadPoolExecutor(1) as thread:
        with leases.held_off(postgresql, study) as is_free:
            assert is_free
            taken = thread.submit(leases.acquire, postgresql, study)
            with pytest.raises(TimeoutError):
                taken.result(0.5)
        assert taken.result().token == 1 + was_held


def test_who_lost_the_lease_writes_neither_ledger_nor_optuna(postgresql: Database) -> None:
    spec = read_spec(None)
    study = create_study(postgresql, spec.name, spec.model_dump(mode="json"), 8, {"num_classes": 10})
    lease = leases.acquire(postgresql, study)
    ledger, proposals = Ledger(postgresql, lease), Proposals(postgresql, spec)
    with postgresql.engine.begin() as connection:
        lease.renew(connection, datetime.now(UTC), release=True)
    leases.acquire(postgresql, study)
    asked = proposals.ask(0)
    with pytest.raises(LeaseLost), ledger.writing() as page:  # noqa: PT012
        page.add_trial(0, asked, 0, is_baseline=True)
        page.add(*proposals.take_steps())
    assert load_study(postgresql, spec.name).trials == ()
    assert optuna.get_all_study_names(optuna_storage(postgresql)) == []


def test_studies_that_name_another_and_that_run_here_are_found(postgresql: Database) -> None:
    create_study(postgresql, "first", {"search": {"remeasures": None}}, 1, {})
    create_study(postgresql, "other", {"search": {"remeasures": "b"}}, 1, {})
    again = [create_study(postgresql, name, {"search": {"remeasures": "a"}}, 1, {}) for name in ("older", "newer")]
    assert list_remeasurements(postgresql, "a") == ["newer", "older"]
    assert [study.name for study in list_running_here(postgresql)] == []
    leases.acquire(postgresql, again[0])
    assert [study.name for study in list_running_here(postgresql)] == ["older"]


def test_the_queue_and_who_stopped_a_study_are_kept(postgresql: Database) -> None:
    for name in ("a", "b"):
        join_queue(postgresql, Order(name, "launch", "ours", 1, 0, spec="x = 1"))
    with pytest.raises(StorageFault, match="'a' is queued already"):
        join_queue(postgresql, Order("a", "resume", "ours", 1, 0))
    note_fault(postgresql, "a", "one\ntwo")
    assert [(one.order.study, one.place) for one in list_queue(postgresql)] == [("a", None), ("b", 1)]
    assert leave_queue(postgresql, "a")
    uuid = create_study(postgresql, "stopped", {}, 1, {}, state="stopped")
    leases.acquire(postgresql, uuid)
    write_deed(postgresql, "ours", "stop", "stopped", DONE)
    found = find_stop(postgresql, "stopped")
    assert found is not None
    assert found.token == "ours"


def test_two_studies_may_write_what_a_signature_costs_at_the_same_moment(postgresql: Database) -> None:
    ledgers = [
        Ledger(postgresql, leases.acquire(postgresql, create_study(postgresql, name, {}, 1, {}))) for name in "ab"
    ]

    def keep(ledger: Ledger, seconds: float) -> None:
        with ledger.writing() as page:
            page.keep_calibration("s", "d", {}, {"device_seconds": CostValue(seconds, "calibrated", None)})

    with ThreadPoolExecutor(1) as thread:
        with ledgers[0].writing() as page:
            page.keep_calibration("s", "d", {}, {"device_seconds": CostValue(1.0, "calibrated", None)})
            other: list[Future[None]] = []

            def meanwhile(_connection: Connection) -> None:
                other.append(thread.submit(keep, ledgers[1], 2.0))
                with pytest.raises(TimeoutError):
                    other[0].result(0.5)

            page.add(meanwhile)
        other[0].result(10)
    with ledgers[1].writing() as page:
        assert page.find_calibrations("s")["d"]["device_seconds"].value == 1.0

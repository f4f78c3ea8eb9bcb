from __future__ import annotations

import time
from pathlib import Path

import pytest

from objectives.trial import EpochEnded, Event
from search import sweeps
from search.faults import Faults
from search.reading import read_spec
from search.spec import SweepSpec
from search.trials import Trial
from storage.database import Database
from storage.reading import load_study
from storage.rows import StudyRow


def spec_of(path: Path, *settings: str) -> SweepSpec:
    return read_spec(path, ["compute.engine=inline", *settings])


def silent(_trial: Trial, _event: Event) -> None:
    pass


def outcome(study: StudyRow) -> list[object]:
    return [
        (trial.number, trial.state, trial.params, [(row.epoch, row.train_loss) for row in trial.epochs])
        for trial in study.trials
    ]  # fmt: skip


def test_a_sweep_is_recorded_whole(quick_spec: Path, database: Database) -> None:
    study = sweeps.launch(spec_of(quick_spec), database, silent)
    assert study.state == "complete"
    assert [trial.number for trial in study.trials] == [0, 1, 2, 3]
    for trial in study.trials:
        assert trial.state == "complete"
        assert [epoch.epoch for epoch in trial.epochs] == [1, 2]
        sums = sum(epoch.costs["train_flops"].value or 0 for epoch in trial.epochs)
        assert trial.costs["train_flops"].value == pytest.approx(sums)
        assert trial.costs["energy_joules"].reason is not None
        (attempt,) = trial.attempts
        assert attempt.outcome == "complete"
        assert attempt.device is not None
        assert set(attempt.bill) == {"setup", "training", "metering", "evaluation", "saving"}
        measured = sum(epoch.costs["device_seconds"].value or 0 for epoch in trial.epochs)
        assert attempt.bill["training"] == pytest.approx(measured)
    assert study.reference is not None
    assert study.reference["worst"] == [pytest.approx(10 * (study.trials[0].costs["train_flops"].value or 0))]


def test_weights_are_kept_for_the_front_and_the_last_epochs(quick_spec: Path, database: Database) -> None:
    from dashboards.summary import summarize

    study = sweeps.launch(spec_of(quick_spec, "objective.epochs=4"), database, silent)
    kept = {str(path.relative_to(database.artifacts / study.uuid)) for path in database.artifacts.rglob("*.pt")}
    front = {(point.trial, point.epoch) for point in summarize(study).front}
    wanted = front | {(number, 4) for number in range(4)}
    assert kept == {f"trial-{trial:05}/epoch-{epoch:04}.pt" for trial, epoch in wanted}


def test_what_a_kill_between_an_end_and_its_tidying_leaves_is_tidied_at_resume(
    quick_spec: Path, database: Database
) -> None:
    study = sweeps.launch(spec_of(quick_spec, "objective.epochs=3"), database, silent)
    folder = database.artifacts / study.uuid
    kept = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    for number in range(4):
        for name in ("epoch-0001.pt", "epoch-0002.pt", "checkpoint.pt", "checkpoint.part"):
            path = folder / f"trial-{number:05}" / name
            if not path.exists():
                path.write_bytes(b"left over")
    sweeps.resume("quick", database, silent, num_more=1)
    left = {path.relative_to(folder) for path in folder.rglob("*") if path.is_file()}
    assert {path for path in left if path.parts[0] != "trial-00004"} <= kept


class Interruption:
    """Raises KeyboardInterrupt after a number of epochs, as Ctrl-C does, and some time after the last event."""

    def __init__(self, num_epochs: int, seconds: float = 0.0) -> None:
        self.left, self.seconds = num_epochs, seconds

    def __call__(self, _trial: Trial, event: Event) -> None:
        self.left -= isinstance(event, EpochEnded)
        if self.left == 0:
            time.sleep(self.seconds)
            raise KeyboardInterrupt


@pytest.mark.parametrize("num_epochs", [1, 2, 5])
def test_an_interrupted_sweep_ends_as_an_undisturbed_one(
    quick_spec: Path, database: Database, tmp_path: Path, num_epochs: int
) -> None:
    other = Database(f"sqlite:///{tmp_path}/other.db")
    undisturbed = sweeps.launch(spec_of(quick_spec), other, silent)
    with pytest.raises(KeyboardInterrupt):
        sweeps.launch(spec_of(quick_spec), database, Interruption(num_epochs))
    assert load_study(database, "quick").state == "interrupted"
    assert not any(trial.state == "running" for trial in load_study(database, "quick").trials)
    resumed = sweeps.resume("quick", database, silent)
    assert outcome(resumed) == outcome(undisturbed)
    assert sum(len(trial.attempts) for trial in resumed.trials) == 5


def test_what_an_interrupt_destroys_is_billed_as_lost(quick_spec: Path, database: Database) -> None:
    with pytest.raises(KeyboardInterrupt):
        sweeps.launch(spec_of(quick_spec), database, Interruption(1, seconds=0.3))
    (attempt,) = load_study(database, "quick").trials[0].attempts
    assert attempt.bill["lost"] >= 0.3


def test_resuming_adds_trials_and_a_complete_study_is_left_alone(quick_spec: Path, database: Database) -> None:
    sweeps.launch(spec_of(quick_spec, "search.trials=2"), database, silent)
    again = sweeps.resume("quick", database, silent)
    assert len(again.trials) == 2
    more = sweeps.resume("quick", database, silent, num_more=2)
    assert (more.state, more.num_trials, len(more.trials)) == ("complete", 4, 4)
    other = Database(f"{database.url}2")
    assert outcome(sweeps.launch(spec_of(quick_spec), other, silent)) == outcome(more)


def test_a_setting_that_cannot_be_trained_is_infeasible_and_the_sweep_goes_on(
    quick_spec: Path, database: Database
) -> None:
    spec = spec_of(quick_spec, "space.lr=[1e9, 1e8]", "space.optimizer=gd", "search.trials=3")
    study = sweeps.launch(spec, database, silent)
    assert [trial.state for trial in study.trials] == ["complete", "infeasible", "infeasible"]
    assert "diverged" in str(study.trials[1].reason)
    assert not list((database.artifacts / study.uuid).glob("trial-00001"))


def test_energy_is_not_minimised_where_it_is_not_measured(quick_spec: Path, database: Database) -> None:
    with pytest.raises(Faults, match="energy_joules cannot be measured here"):
        sweeps.launch(
            spec_of(quick_spec, "objective.minimize=['energy_joules']", "compute.device=cpu"), database, silent
        )

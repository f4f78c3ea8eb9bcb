from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from commands import Run, run_paretune
from synthetic import SPEC, summary_of, trial

from objectives.trial import EpochEnded, Event
from search import sweeps
from search.cleanup import clean, find_removable, needed_weights, survey
from search.reading import read_spec
from search.trials import Trial
from storage import leases
from storage.artifacts import Artifact
from storage.database import Database
from storage.reading import load_study
from storage.rows import StudyRow
from storage.studies import create_study, delete_study

INLINE = "compute.engine=inline"


def silent(_trial: Trial, _event: Event) -> None:
    pass


def names(database: Database) -> set[str]:
    """Returns the files under the artifacts, without the study's UUID."""
    files = (path.relative_to(database.artifacts) for path in database.artifacts.rglob("*") if path.is_file())
    return {str(Path(*file.parts[1:])) for file in files}


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study: trials 0 and 3 complete, 1 and 2 infeasible."""
    folder = tmp_path_factory.mktemp("swept")
    spec = read_spec(
        None,
        [INLINE, "name=quick", "objective.dataset=digits", "objective.epochs=4", "objective.minimize=['train_flops']",
         "space={lr=[1e9, 0.01, 1e8], optimizer='gd', batch_size=64, width=0.25}", "search.trials=4",
         "search.sampler=grid"],
    )  # fmt: skip
    study = sweeps.launch(spec, Database(f"sqlite:///{folder}/paretune.db"), silent)
    assert sorted(row.state for row in study.trials) == ["complete", "complete", "infeasible", "infeasible"]
    return folder


@pytest.fixture
def study(swept: Path, tmp_path: Path) -> StudyRow:
    shutil.copytree(swept, tmp_path, dirs_exist_ok=True)
    return load_study(Database(f"sqlite:///{tmp_path}/paretune.db"), "quick")


@pytest.fixture
def database(tmp_path: Path) -> Database:
    return Database(f"sqlite:///{tmp_path}/paretune.db")


def test_weights_of_the_front_of_ended_trials_and_last_ones_are_needed() -> None:
    summary = summary_of(
        trial(0, [(500, 1.0), (600, 1.0)]),
        trial(1, [(550, 1.0), (540, 1.0)]),
        trial(2, [(990, 0.5), (991, 0.5)], "waiting"),
        trial(3, [(999, 0.1)], "infeasible"),
    )
    assert {(point.trial, point.epoch) for point in summary.front} == {(2, 1), (2, 2)}
    assert needed_weights(summary.study) == {(0, 2), (1, 1), (1, 2), (2, 1), (2, 2)}
    ended = [replace(row, state="complete") if row.number == 2 else row for row in summary.study.trials]
    assert needed_weights(replace(summary.study, trials=tuple(ended))) == {(0, 2), (1, 2), (2, 1), (2, 2)}


def test_weights_of_settings_on_the_front_are_needed_with_all_their_seeds() -> None:
    spec = {**SPEC, "search": {"sampler": "tpe", "repeats": 2}}
    summary = summary_of(
        trial(0, [(700, 1.0), (500, 1.0), (100, 1.0)]),
        trial(1, [(900, 1.0), (920, 1.0), (930, 1.0)]),
        trial(2, [(860, 1.5), (870, 2.0)]),
        trial(3, [(860, 1.5), (870, 2.0)]),
        trial(4, [(999, 0.1), (999, 0.1)]),
        trial(5, [(999, 0.1)], "waiting"),
        trial(6, [(200, 3.0), (100, 3.0)]),
        spec=spec,
    )
    lasts = {(0, 3), (1, 3), (2, 2), (3, 2)}
    by_means = {(0, 1), (1, 1), (2, 1), (3, 1), (2, 2), (3, 2)}
    assert needed_weights(summary.study) == lasts | by_means | {(4, 1), (4, 2), (5, 1), (6, 1), (6, 2)}


@pytest.mark.parametrize("settings", [[], ["search.repeats=2", "search.trials=6", "objective.epochs=5"]])
def test_what_a_coordinator_keeps_is_not_removed(quick_spec: Path, database: Database, settings: list[str]) -> None:
    sweeps.launch(read_spec(quick_spec, [INLINE, *settings]), database, silent)
    assert [holding.removable for holding in survey(database)] == [()]


def test_a_sweep_leaves_nothing_to_remove(database: Database, study: StudyRow) -> None:
    (holding,) = survey(database)
    assert holding.files
    assert holding.removable == ()
    assert {(file.trial, int(file.path.stem[-4:])) for file in holding.files} == needed_weights(study)


def test_what_nothing_needs_goes_and_the_rest_stays(database: Database, study: StudyRow, paretune: Run) -> None:
    before = names(database)
    complete, useless = [next(row.number for row in study.trials if row.state == state) for state in
                         ("complete", "infeasible")]  # fmt: skip
    unneeded = next(epoch for epoch in (1, 2, 3, 9) if (complete, epoch) not in needed_weights(study))
    folder = database.artifacts / study.uuid
    leftovers = {
        f"trial-{complete:05}/checkpoint.pt", f"trial-{complete:05}/epoch-{unneeded:04}.pt",
        f"trial-{complete:05}/epoch-0002.part", f"trial-{useless:05}/epoch-0001.pt", f"trial-{useless:05}/notes.txt",
    }  # fmt: skip
    unknown = {
        "notes.txt",
        f"trial-{complete:05}/log.txt",
        f"trial-{complete:05}/notes.txt",
        "trial-00099/epoch-0001.pt",
    }
    for name in leftovers | unknown:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x" * 1000)
    told = json.loads(paretune("gc", "--dry-run", "--json", check=True).stdout)
    assert (told["removable_bytes"], told["removed_bytes"]) == (1000 * len(leftovers), 0)
    assert "removable" in paretune("gc", "--dry-run", check=True).stdout
    assert names(database) == before | leftovers | unknown
    table = paretune("gc", check=True).stdout.splitlines()
    assert table[-1].split()[-2:] == ["5", "kB"]
    assert names(database) == before | unknown
    assert not (folder / f"trial-{useless:05}").exists()
    assert json.loads(paretune("gc", "--json", check=True).stdout)["removed_bytes"] == 0
    assert "test accuracy" in paretune("pick", "quick", "--min-accuracy", "0.01", check=True).stdout


def make_orphan(database: Database) -> Path:
    path = database.artifacts / str(uuid4()) / "trial-00000" / "epoch-0001.pt"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x" * 1000)
    return path


def test_a_folder_of_a_deleted_study_goes(database: Database, study: StudyRow, paretune: Run) -> None:
    before = names(database)
    delete_study(database, "quick")
    assert names(database) == before
    answer = json.loads(paretune("gc", "--json", check=True).stdout)
    assert [(row["study"], row["uuid"], row["state"]) for row in answer["studies"]] == [(None, study.uuid, "gone")]
    assert answer["removed_bytes"] > 0
    assert not list(database.artifacts.iterdir())


def test_in_a_folder_that_was_set_orphans_may_be_another_databases(
    database: Database, study: StudyRow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paretune: Run
) -> None:
    monkeypatch.setenv("PARETUNE_ARTIFACTS", str(database.artifacts))
    orphan = make_orphan(database)
    told = paretune("gc", check=True).stdout
    assert "perhaps another database's: left alone without --orphans" in told
    assert orphan.exists()
    paretune("gc", "--orphans", check=True)
    assert not orphan.parent.parent.exists()


class Interruption:
    def __init__(self, num_epochs: int) -> None:
        self.left = num_epochs

    def __call__(self, _trial: Trial, event: Event) -> None:
        self.left -= isinstance(event, EpochEnded)
        if self.left == 0:
            raise KeyboardInterrupt


def curves(study: StudyRow) -> list[Any]:
    return [(row.number, row.params, [epoch.train_loss for epoch in row.epochs]) for row in study.trials]


@pytest.mark.usefixtures("saves_always")
def test_an_interrupted_study_is_continued_after_it_as_without(quick_spec: Path, database: Database) -> None:
    other = Database(f"{database.url}.other")
    spec = read_spec(quick_spec, [INLINE, "objective.epochs=4"])
    for place in (database, other):
        with pytest.raises(KeyboardInterrupt):
            sweeps.launch(spec, place, Interruption(7))
    before = names(database)
    assert "trial-00001/checkpoint.pt" in before
    for holding in survey(database):
        clean(database, holding)
    assert names(database) == before
    resumed, undisturbed = sweeps.resume("quick", database, silent), sweeps.resume("quick", other, silent)
    assert curves(resumed) == curves(undisturbed)
    replayed = [attempt for row in resumed.trials for attempt in row.attempts]
    assert len(replayed) == 5
    assert names(database) == names(other)


def test_a_running_study_is_left_alone(database: Database, paretune: Run) -> None:
    uuid = create_study(database, "quick", {}, 1, {})
    part = database.artifacts / uuid / "trial-00000" / "checkpoint.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(b"x" * 10)
    lease = leases.acquire(database, uuid)
    told = paretune("gc", check=True).stdout
    assert "running: left alone" in told
    assert part.exists()
    with database.engine.begin() as connection:
        lease.renew(connection, datetime.now(UTC), release=True)


def test_a_study_that_began_to_run_after_the_survey_is_left_alone(database: Database, study: StudyRow) -> None:
    part = database.artifacts / study.uuid / "trial-00000" / "checkpoint.part"
    part.write_bytes(b"x" * 10)
    (holding,) = survey(database)
    assert [file.path for file in holding.removable] == [part]
    leases.acquire(database, study.uuid)
    assert clean(database, holding) == ([], [])
    assert part.exists()


def test_a_file_that_cannot_be_removed_is_told_in_one_line(
    database: Database, study: StudyRow, tmp_path: Path, paretune: Run
) -> None:
    part = database.artifacts / study.uuid / "trial-00000" / "checkpoint.part"
    part.write_bytes(b"x" * 10)
    if subprocess.run(["chattr", "+i", part], check=False, capture_output=True).returncode:
        pytest.skip("files cannot be made immutable here")
    try:
        done = run_paretune(tmp_path, "gc")
    finally:
        subprocess.run(["chattr", "-i", part], check=True)
    assert done.returncode == 2
    assert done.stderr == f"{part}: it cannot be removed: Operation not permitted\n"
    assert "quick" in done.stdout


def test_a_database_that_is_not_there_removes_nothing(tmp_path: Path) -> None:
    orphan = tmp_path / "none.db.artifacts" / str(uuid4()) / "epoch-0001.pt"
    orphan.parent.mkdir(parents=True)
    orphan.write_bytes(b"x")
    done = run_paretune(tmp_path, "gc", "--storage", f"sqlite:///{tmp_path}/none.db")
    assert (done.returncode, done.stdout) == (2, "")
    assert "there is no Paretune database" in done.stderr
    assert orphan.exists()


def test_the_log_of_a_trial_that_failed_is_kept() -> None:
    study = summary_of(trial(0, [(700, 1.0)], "failed")).study
    files = [Artifact(0, Path(name), 1) for name in ("log.txt", "epoch-0001.pt")]
    assert find_removable(study, files) == files[1:]

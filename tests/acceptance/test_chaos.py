"""A sweep under a storm of kills ends as an undisturbed one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos import Storm, assess
from commands import run_paretune
from postgresql import find_postgresql, new_database, running_postgresql

from storage.database import Database
from storage.reading import load_study
from storage.rows import StudyRow

SPEC = """
name = "chaos"
[objective]
dataset = "digits"
epochs = 5
minimize = ["train_flops"]
[space]
lr = { low = 1e-3, high = 0.1, log = true }
optimizer = ["sgd", "nesterov", "adam"]
batch_size = { low = 16, high = 64, log = true }
width = { low = 0.25, high = 1.0 }
schedule = ["constant", "cosine"]
augmentation = ["none", "shift"]
[search]
sampler = "random"
trials = 24
[compute]
slots = 2
threads = 1
"""


def undisturbed(tmp_path: Path) -> StudyRow:
    folder = tmp_path / "undisturbed"
    folder.mkdir()
    (folder / "spec.toml").write_text(SPEC)
    run_paretune(folder, "launch", "spec.toml", "--quiet", check=True)
    return load_study(Database(f"sqlite:///{folder}/paretune.db"), "chaos")


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/storm.db"
        return
    if find_postgresql() is None:
        pytest.skip("there is no PostgreSQL here")
    with running_postgresql() as server:
        yield new_database(server)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_a_sweep_under_a_storm_of_kills_ends_as_an_undisturbed_one(url: str, tmp_path: Path) -> None:
    whole = undisturbed(tmp_path)
    (tmp_path / "spec.toml").write_text(SPEC)
    storm = Storm(tmp_path, url, seed=11)
    storm.run(tmp_path / "spec.toml", "chaos", num_kills=24)
    print(f"kills: {dict(storm.kills)}")
    damage = assess(storm, "chaos", whole)
    assert not damage, damage
    assert storm.kills.total() >= 12
    assert min(storm.kills[victim] for victim in ("slot", "coordinator", "all")) > 0
    assert sum(len(trial.attempts) for trial in load_study(Database(url), "chaos").trials) > 24

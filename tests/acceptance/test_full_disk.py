"""A disk that is full, a real one: small, and in memory."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import COMMAND, run_paretune, write_quick_spec

from storage.database import Database
from storage.faults import StorageFault
from storage.reading import load_study

LONG = ("--set", "objective.epochs=12", "--set", "search.baseline=false")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=16M", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"nothing can be mounted here: {mounted.stderr.decode().strip()}")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill(folder: Path) -> Path:
    path = folder / "filler"
    with path.open("wb", buffering=0) as file:
        for size in (2**16, 2**12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue
    return path


def results(folder: Path) -> list[Any]:
    answer = json.loads(run_paretune(folder, "show", "quick", "--json", check=True).stdout)
    keys = ("number", "state", "params", "accuracy", "epochs")
    return [[trial[key] for key in keys] + [trial["costs"]["train_flops"]] for trial in answer["trials"]]


def num_epochs(folder: Path) -> int:
    try:
        study = load_study(Database(f"sqlite:///{folder}/paretune.db"), "quick")
    except StorageFault:
        return 0
    return sum(len(trial.epochs) for trial in study.trials)


@pytest.mark.slow
@pytest.mark.parametrize("engine", ["inline", "process"])
def test_a_sweep_whose_database_finds_no_room_ends_in_one_line_and_resumes_to_the_same(
    small_disk: Path, tmp_path: Path, engine: str
) -> None:
    spec = write_quick_spec(tmp_path)
    run_paretune(tmp_path, "launch", str(spec), *LONG, "--engine", "inline", check=True)
    running = subprocess.Popen(
        [COMMAND, "launch", str(spec), *LONG, "--engine", engine], cwd=small_disk, stderr=subprocess.PIPE, text=True
    )
    deadline = time.monotonic() + 120
    while num_epochs(small_disk) < 3:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    filler = fill(small_disk)
    errors = running.communicate(timeout=120)[1]
    assert running.returncode == 2, errors
    assert "Traceback" not in errors
    last = errors.strip().splitlines()[-1]
    assert "the disk of sqlite:///paretune.db is full" in last
    assert "free some space, then continue with: paretune resume quick" in last
    filler.unlink()
    before = num_epochs(small_disk)
    assert 3 <= before < 48
    run_paretune(small_disk, "resume", "quick", check=True)
    assert results(small_disk) == results(tmp_path)


@pytest.mark.slow
def test_a_sweep_whose_weights_find_no_room_goes_on_and_says_so(
    small_disk: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = write_quick_spec(tmp_path)
    run_paretune(tmp_path, "launch", str(spec), "--engine", "inline", check=True)
    other = tmp_path / "other"
    other.mkdir()
    fill(small_disk)
    monkeypatch.setenv("PARETUNE_ARTIFACTS", str(small_disk))
    done = run_paretune(other, "launch", str(spec), check=True)
    assert "trial 0: its files could not all be written: No space left on device" in done.stderr
    assert results(other) == results(tmp_path)
    picked = run_paretune(other, "pick", "quick", "--min-accuracy", "0.01", check=True)
    assert "there was no room" in picked.stdout
    assert not [path for path in small_disk.rglob("*") if path.suffix in (".pt", ".part") and path.stat().st_size > 0]

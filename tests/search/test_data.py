from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from commands import COMMAND, Run
from PIL import Image

from objectives.trial import Event
from search import sweeps
from search.data import describe
from search.faults import Faults
from search.reading import read_spec
from search.spec import SweepSpec
from search.trials import Trial
from storage.database import Database
from storage.reading import load_study

BIRDS = """
import numpy as np
from objectives.data import split

def birds():
    rng = np.random.default_rng({seed})
    labels = np.arange({num_images}) % 3
    images = rng.integers(0, 80, ({num_images}, 1, 12, 12), dtype=np.uint8)
    images[np.arange({num_images}), 0, 3 + 3 * labels] = 255
    return split(images, labels, ["sparrow", "tit", "wren"])
"""


def silent(_trial: Trial, _event: Event) -> None:
    pass


@pytest.fixture
def birds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A data set of the user's, in a module in the working directory."""
    name = f"birds_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(BIRDS.format(seed=0, num_images=90))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    return f"{name}:birds"


def spec_of(path: Path, dataset: str) -> SweepSpec:
    settings = ["compute.engine=inline", "search.trials=2", f"objective.dataset={dataset}"]
    return read_spec(path, settings)


def write_folder(folder: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for number in range(10):
            Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8)).save(folder / name / f"{number}.png")
    return folder


def test_the_description_of_what_comes_with_the_package() -> None:
    described = describe("mnist5k", Path("nowhere"))
    assert (described.num_classes, described.image_CHW) == (10, (1, 32, 32))
    assert (described.num_train, described.num_validation, described.num_test) == (3000, 1000, 1000)


def test_the_users_code_is_not_run_in_this_process(tmp_path: Path, birds: str) -> None:
    described = describe(birds, tmp_path)
    assert (described.num_classes, described.image_CHW, described.num_train) == (3, (1, 12, 12), 54)
    assert birds.partition(":")[0] not in sys.modules


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("raise ValueError('no birds today')", "raised ValueError: no birds today (broken.py:4)"),
        ("raise MemoryError", "raised MemoryError (broken.py:4)"),
        ("os._exit(7)", "broken:birds: the process that opened it died (exit code 7)"),
    ],
)
def test_whatever_goes_wrong_in_the_other_process_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, line: str
) -> None:
    (tmp_path / "broken.py").write_text(f"import os\n\ndef birds():\n    {body}\n")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(Faults) as caught:
        describe("broken:birds", tmp_path)
    (found,) = caught.value.lines
    assert found.startswith("objective.dataset: broken:birds")
    assert line in found


def test_a_sweep_on_data_of_ones_own(tmp_path: Path, quick_spec: Path, database: Database, birds: str) -> None:
    study = sweeps.launch(spec_of(quick_spec, birds), database, silent)
    assert [trial.state for trial in study.trials] == ["complete", "complete"]
    assert (study.data["num_classes"], study.data["image_CHW"]) == (3, [1, 12, 12])
    assert study.reference is not None
    assert study.reference["chance"] == 1 / 3
    assert study.trials[0].epochs[0].num_images == 18


def test_a_study_is_not_resumed_on_other_data(tmp_path: Path, quick_spec: Path, database: Database, birds: str) -> None:
    sweeps.launch(spec_of(quick_spec, birds), database, silent)
    module = tmp_path / f"{birds.partition(':')[0]}.py"
    assert len(sweeps.resume("quick", database, silent, num_more=1).trials) == 3
    module.write_text(BIRDS.format(seed=1, num_images=120))
    with pytest.raises(Faults) as caught:
        sweeps.resume("quick", database, silent, num_more=1)
    (line,) = caught.value.lines
    assert line.startswith(
        f"objective.dataset: {birds} has changed since study 'quick' began (54/18/18 images, 3 classes"
    )
    assert "72/24/24 images, 3 classes, fingerprint" in line
    assert load_study(database, "quick").num_trials == 3


@pytest.mark.slow
def test_launching_on_a_folder_tells_what_was_left_out(paretune: Run, quick_spec: Path, tmp_path: Path) -> None:
    (write_folder(tmp_path / "pets") / "cat" / "broken.png").write_text("")
    arguments = ("launch", str(quick_spec), "--trials", "2", "--set", "objective.dataset=folder:pets", "--json")
    done = paretune(*arguments, check=True)
    assert "1 of 21 files could not be read and are left out: cat/broken.png" in done.stderr
    assert {trial["state"] for trial in json.loads(done.stdout)["trials"]} == {"complete"}
    (tmp_path / "pets").rename(tmp_path / "gone")
    resumed = paretune("resume", "quick", "--trials", "1")
    assert (resumed.returncode, resumed.stdout) == (2, "")
    assert resumed.stderr == f"objective.dataset: folder:{tmp_path}/pets: there is no such folder\n"
    picked = json.loads(paretune("pick", "quick", "--min-accuracy", "0", "--json", check=True).stdout)
    assert picked["test_absent"].startswith("the test images cannot be opened: ")
    (tmp_path / "gone").rename(tmp_path / "pets")
    picked = json.loads(paretune("pick", "quick", "--min-accuracy", "0", "--json", check=True).stdout)
    assert picked["test_accuracy"] is not None


def test_without_internet_one_line_says_what_to_put_where_and_nothing_is_made(
    paretune: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "https_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    root = tmp_path / "root"
    done = paretune("launch", "--set", "objective.dataset=mnist", "--set", f"objective.data_root={root}")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"objective.dataset: mnist is not whole in {root}/MNIST/raw and could not be downloaded (")
    assert "put train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz, t10k-images-idx3-ubyte.gz" in line
    assert not list(tmp_path.glob("*.db*"))


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_an_end_while_the_data_set_is_opened_leaves_nothing(tmp_path: Path, sent: signal.Signals) -> None:
    (tmp_path / "slow.py").write_text(
        "import time\n\ndef birds():\n    open('begun', 'w').close()\n    time.sleep(60)\n"
    )
    running = subprocess.Popen(
        [COMMAND, "launch", "--set", "objective.dataset=slow:birds"],
        cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not (tmp_path / "begun").exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    everyone = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(sent)
    errors = running.communicate(timeout=20)[1]
    if sent == signal.SIGINT:
        assert (running.returncode, errors) == (130, "interrupted before it began; nothing was changed\n")
    psutil.wait_procs(everyone, timeout=10)
    assert not any(process.is_running() for process in everyone)
    assert not list(tmp_path.glob("*.db*"))

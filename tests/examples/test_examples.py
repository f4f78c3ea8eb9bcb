"""The examples, run as they are printed: from the folder that holds `tests/`."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import run_paretune

from objectives.slot import run_bundle
from objectives.states import read_state
from objectives.trial import SAVED, Device, EpochEnded, Event, FunctionConfig, Started

ROOT = Path(__file__).parents[2]
CPU = Device("cpu", "a CPU", "here", 1, "2.14.1")


def test_a_residual_network_on_a_data_set_of_ones_own(tmp_path: Path) -> None:
    storage = ("--storage", f"sqlite:///{tmp_path}/a.db")
    run_paretune(ROOT, "launch", "tests/examples/residual.toml", *storage, check=True)
    answer = json.loads(run_paretune(ROOT, "show", "residual", "--json", *storage, check=True).stdout)
    assert answer["state"] == "complete"
    assert [trial["state"] for trial in answer["trials"]] == ["complete"] * 4
    assert answer["trials"][0]["params"] | {"channels": 16, "num_blocks": 2} == answer["trials"][0]["params"]
    assert {trial["params"]["channels"] for trial in answer["trials"][1:]} <= {4, 8}
    assert max(trial["accuracy"] for trial in answer["trials"]) > 0.7
    picked = json.loads(run_paretune(ROOT, "pick", "residual", "--json", *storage, check=True).stdout)
    assert 0.4 < picked["test_accuracy"] <= 1.0


def sweep(tmp_path: Path, name: str) -> dict[str, Any]:
    storage = ("--storage", f"sqlite:///{tmp_path}/a.db")
    run_paretune(ROOT, "launch", f"tests/examples/{name}.toml", *storage, check=True)
    answer: dict[str, Any] = json.loads(run_paretune(ROOT, "show", "--json", *storage, name.replace("_", "-")).stdout)
    assert answer["state"] == "complete"
    assert {trial["state"] for trial in answer["trials"]} == {"complete"}
    return answer


def test_a_plain_loop(tmp_path: Path) -> None:
    answer = sweep(tmp_path, "plain_loop")
    assert answer["trials"][0]["params"] == {"lr": 0.001, "batch_size": 64, "hidden": 32}
    assert answer["trials"][0]["is_baseline"]
    assert max(trial["accuracy"] for trial in answer["trials"]) > 0.8
    assert answer["trials"][0]["costs"]["device_seconds"] > 0
    assert answer["trials"][0]["absent"]["train_flops"] == "the training function did not tell it"
    picked = run_paretune(ROOT, "pick", "plain-loop", "--storage", f"sqlite:///{tmp_path}/a.db", check=True).stdout
    assert "a training function tells of its validation data alone" in picked
    report = tmp_path / "report.html"
    run_paretune(ROOT, "report", "plain-loop", "-o", str(report), "--storage", f"sqlite:///{tmp_path}/a.db", check=True)
    assert "tests.examples.plain_loop:train" in report.read_text()


def test_a_model_without_torch(tmp_path: Path) -> None:
    answer = sweep(tmp_path, "linear")
    for trial in answer["trials"]:
        assert ("l1_ratio" in trial["params"]) == (trial["params"]["penalty"] == "elasticnet")
        assert trial["accuracy"] > 0.8
    script = """
import sys
from objectives.slot import open_device, run_bundle
from objectives.trial import FunctionConfig, Placement
path = "tests.examples.linear:train"
config = FunctionConfig(0, path, {"loss": "hinge"}, epochs=2, seed=0)
*_, last = run_bundle([config], open_device(Placement(0, "cpu", 1, preload=path)))
print(type(last).__name__, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "Finished False\n"


@pytest.mark.usefixtures("saves_always")
@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("plain_loop", {"lr": 0.01, "batch_size": 64, "hidden": 16}),
        ("linear", {"loss": "log_loss", "penalty": "l1", "alpha": 1e-4}),
    ],
)
def test_an_example_continues_and_ends_equal(tmp_path: Path, name: str, params: dict[str, Any]) -> None:
    config = FunctionConfig(0, f"tests.examples.{name}:train", params, 4, 7, tmp_path / "undisturbed")
    path = str(ROOT)
    sys.path.insert(0, path)
    try:
        whole = correct(run_bundle([config], CPU))
        cut_off = run_bundle([replace(config, folder=tmp_path / "cut_off")], CPU)
        told = 0
        while told < 3:  # and two are saved
            told += isinstance(next(cut_off), EpochEnded)
        cut_off.close()  # type: ignore[attr-defined]
        started, *rest = run_bundle([replace(config, folder=tmp_path / "cut_off")], CPU)
    finally:
        sys.path.remove(path)
    assert isinstance(started, Started)
    assert started.epoch == 2
    assert correct(iter(rest)) == whole
    ends = [read_state(tmp_path / folder / SAVED)["state"] for folder in ("undisturbed", "cut_off")]
    assert str(ends[0]) == str(ends[1])


def correct(events: Iterator[Event]) -> list[tuple[int, float | None]]:
    ended = [event.record for event in events if isinstance(event, EpochEnded)]
    return [(record.num_correct, record.train_loss) for record in ended]


MODELS = """
import torch
from torch import nn
def no_default(num_channels, num_classes, depth): ...
def one(num_channels): ...
def wrong_shape(num_channels, num_classes): return nn.Flatten()
def breaks(num_channels, num_classes): raise RuntimeError("no luck")
constant = 3
"""


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("mine:no_default", "but got no default of depth"),
        ("mine:one", "is needed, but got (num_channels)"),
        ("mine:wrong_shape", "must give logits of shape (2, 10), but got (2, 1024)"),
        ("mine:breaks", "with its defaults it raised RuntimeError: no luck (mine.py:7)"),
        ("mine:constant", "a callable is needed, but got int"),
        ("mine:wrong_shapes", "did you mean 'wrong_shape'?"),
        ("yours:model", "there is no module 'yours'"),
        ("cnnn", "did you mean 'cnn'?"),
    ],
)
def test_a_model_that_cannot_be_used_is_told_in_one_line(tmp_path: Path, name: str, words: str) -> None:
    (tmp_path / "mine.py").write_text(MODELS)
    done = run_paretune(tmp_path, "launch", "--set", f"objective.model={name}", "--set", "objective.dataset=digits")
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.db*"))


ASKING = """
import torch
from torch import nn
class Asks(nn.Linear):
    def __init__(self, num_channels, num_classes):
        super().__init__(1024, num_classes)
    def forward(self, images_NCHW):
        flat = images_NCHW.flatten(start_dim=1)
        return super().forward(flat * float(flat.max() > 0))  # a question to the data
class Branches(Asks):
    def forward(self, images_NCHW):
        flat = images_NCHW.flatten(start_dim=1)
        seen = torch.cond(flat.max() > 0, lambda values: values * 1.0, lambda values: values * 2.0, (flat,))
        return nn.Linear.forward(self, seen)
"""


@pytest.mark.slow
def test_a_model_that_asks_its_data_is_counted_and_one_that_cannot_be_is_trained_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(ASKING)
    shared = [text for key in ("dataset=digits", "epochs=1") for text in ("--set", f"objective.{key}")]
    shared += ["--trials", "1"]
    asks, branches = ([*shared, "--set", f"objective.model=mine:{name}"] for name in ("Asks", "Branches"))
    done = run_paretune(tmp_path, "launch", *asks, "--study", "asks", "--json", check=True)
    assert json.loads(done.stdout)["trials"][0]["costs"]["train_flops"] == 1078 * 4 * 1024 * 10

    done = run_paretune(tmp_path, "launch", *branches, "--study", "branches", "--json", check=True)
    (trial,) = json.loads(done.stdout)["trials"]
    assert (trial["state"], trial["costs"]["train_flops"]) == ("complete", None)
    assert trial["absent"]["train_flops"].startswith("the model cannot be counted: ")
    refused = run_paretune(
        tmp_path, "launch", *branches, "--set", "objective.minimize=['train_flops']", "--study", "refused"
    )
    assert refused.returncode == 3
    shown = run_paretune(tmp_path, "show", "refused", check=True).stdout
    assert "a cost to minimise is absent: the model cannot be counted" in shown


FUNCTIONS = """
def one(params): ...
"""


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            ("objective.train=own:one",),
            "objective.train: own:one: a function (params, context) is needed, but got (params)",
        ),
        (("objective.train=own:two",), "objective.train: own:two: own ("),
        (("objective.train=own:one", "objective.model=cnn"), "objective.model: it does not go with objective.train"),
        (("objective.train=own:one", "space.C={low=3,high=1}"), "space.C: low <= high must hold"),
        (("objective.train=own:one", "space.C=[1,2]", "search.baseline={D=1}"), "search.baseline.D: no such parameter"),
        (("objective.train=own:one", "space.C=[1,2]", "search.baseline={}"), "search.baseline.C: the space has this"),
        (("objective.train=own",), "package.module:name of a function train(params, context) is needed, but got 'own'"),
    ],
)
def test_a_function_that_cannot_be_used_is_told_in_one_line(
    tmp_path: Path, settings: tuple[str, ...], words: str
) -> None:
    (tmp_path / "own.py").write_text(FUNCTIONS)
    done = run_paretune(tmp_path, "launch", *(text for setting in settings for text in ("--set", setting)))
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("*.db*"))

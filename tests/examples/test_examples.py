"""The examples, run as they are printed: from the folder that holds `tests/`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from commands import run_paretune

ROOT = Path(__file__).parents[2]


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

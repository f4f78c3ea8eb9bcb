"""`paretune profile`: what an exported model costs, by a process that has the cores and threads that were asked for."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch
from commands import Run

from objectives.card import Card, Provenance
from objectives.costs import COSTS, ONCE
from objectives.export import Classifier, encode_model, encode_onnx
from objectives.meters.flops import flops_per_image
from objectives.models import build_model
from search.faults import Faults
from search.profiling import profile_file

WITNESS = """
import json, os
from pathlib import Path
import torch

class Model(torch.nn.Module):
    def __init__(self, num_channels, num_classes):
        super().__init__()
        self.weights = torch.nn.Linear(64, num_classes)

    def forward(self, images):
        seen = {"pid": os.getpid(), "cores": sorted(os.sched_getaffinity(0)), "threads": torch.get_num_threads()}
        print("this is no answer")
        if images.device.type != "meta":
            Path("seen.json").write_text(json.dumps(seen))
        return self.weights(images.flatten(1))
"""


def card_of(model: str, **options: Any) -> Card:
    source = Provenance("quick", 3, 2, {"lr": 0.1}, "digits", 9, 10, 0.9, (0.8, 0.95), None, None, "no", "2")
    return Card(model, options, 1, (8, 8), tuple("0123456789"), (0.5,), (0.25,), source)


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    card = card_of("cnn", width=1.0)
    path = tmp_path / "model.pth"
    path.write_bytes(encode_model(card, build_model("cnn", 1, 10, {"width": 1.0}).state_dict()))
    return path


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    (tmp_path / "witness.py").write_text(WITNESS)
    path = tmp_path / "theirs.pth"
    path.write_bytes(
        encode_model(card_of("witness:Model"), torch.nn.ModuleDict({"weights": torch.nn.Linear(64, 10)}).state_dict())
    )
    return path


def test_the_costs_are_those_of_the_file_on_this_device(paretune: Run, ours: Path) -> None:
    answer = json.loads(paretune("profile", ours.name, "--device", "cpu", "--json", check=True).stdout)
    costs = answer["costs"]
    assert set(costs) == set(ONCE)
    assert {name: cost["unit"] for name, cost in costs.items()} == {name: COSTS[name].unit for name in ONCE}
    model = build_model("cnn", 1, 10, {"width": 1.0})
    assert costs["parameters"]["value"] == sum(values.numel() for values in model.parameters())
    assert costs["model_bytes"]["value"] == ours.stat().st_size
    assert costs["inference_flops"]["value"] == flops_per_image("cnn", {"width": 1.0}, (1, 8, 8), 10).inference
    latency, late = (costs[f"inference_latency_{name}"] for name in ("seconds", "p95_seconds"))
    assert 0 < costs["inference_seconds_per_image"]["value"] < latency["value"] <= late["value"] < 0.1
    assert late["error"] is not None  # of a second of passes even this is known
    assert costs["inference_peak_memory_bytes"]["value"] > 4 * answer["num_images"] * 64
    assert (answer["device"]["kind"], answer["device"]["threads"]) == ("cpu", 1)
    assert answer["model"]["provenance"]["trial"] == 3


def test_a_process_of_its_own_has_the_threads_and_the_cores(paretune: Run, theirs: Path, tmp_path: Path) -> None:
    done = paretune("profile", theirs.name, "--allow-import", "--device", "cpu", "--threads", "1", "--json", check=True)
    assert json.loads(done.stdout)["costs"]["parameters"]["value"] == 650
    assert "this is no answer" in done.stderr
    seen = json.loads((tmp_path / "seen.json").read_text())
    assert seen["cores"] == sorted(os.sched_getaffinity(0))[:1]
    assert seen["threads"] == 1


@pytest.mark.slow
def test_the_table_tells_what_is_absent_and_why(paretune: Run, ours: Path) -> None:
    pytest.importorskip("onnxruntime")
    card, model = card_of("cnn", width=1.0), build_model("cnn", 1, 10, {"width": 1.0}).eval()
    ours.with_suffix(".onnx").write_bytes(encode_onnx(Classifier(model, card.mean, card.deviation).eval(), card))
    told = paretune("profile", "model.onnx", check=True).stdout
    assert "trial 3 of quick after epoch 2" in told
    assert "1 CPU thread" in told
    rows = {line.partition("  ")[0]: line for line in told.splitlines()}
    assert "absent: onnxruntime does not tell what it allocates" in rows["inference peak memory"]
    assert "±" in rows["inference latency"]
    num_weights = sum(values.numel() for values in model.parameters())
    assert f"{num_weights:,} weights" in rows["parameters"] or f"{num_weights} weights" in rows["parameters"]


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("model.pth", "--threads", "1000"), "--threads: {cores} cores are there, but got 1000"),
        (("model.onnx", "--device", "cuda"), "--device: an .onnx runs on the CPU here; a .pth may do"),
        (("none.pth",), "none.pth: there is no such file"),
        (("seen.txt",), "seen.txt: a model's ending says what kind it is; no such ending: '.txt'"),
        (("theirs.pth",), "theirs.pth: it holds no built-in model but the import path witness:Model"),
        (("broken.pth",), "broken.pth: it is not a plain torch file, or is damaged"),
    ],
)
def test_a_mistake_is_a_line(
    paretune: Run, ours: Path, theirs: Path, tmp_path: Path, arguments: tuple[str, ...], fault: str
) -> None:
    (tmp_path / "broken.pth").write_bytes(ours.read_bytes()[:100])
    done = paretune("profile", *arguments)
    assert done.returncode == 2
    assert fault.format(cores=len(os.sched_getaffinity(0))) in " ".join(done.stderr.split())
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == ""


@pytest.mark.skipif(torch.cuda.is_available(), reason="torch sees a GPU here")
def test_a_gpu_that_torch_does_not_see_is_no_fault_of_the_model(ours: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("search.profiling.find_gpus", lambda: [0])
    with pytest.raises(Faults, match=r"^--device: cuda:0 is not there: this torch sees no CUDA device$"):
        profile_file(ours, "auto", 1, allows_import=False)

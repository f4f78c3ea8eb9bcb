"""A model that was trained is exported: it says what the trial that was recorded said."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from commands import run_paretune
from exported import DIGITS, Command, num_right, write_images
from PIL import Image
from rich.console import Console
from synthetic import SPEC, summary_of, trial

import objectives
import search
import search.exporting
from objectives.data import open_dataset
from objectives.export import decode_model
from objectives.files import Unusable, write_sealed
from objectives.models import build_model
from search.exporting import Wanted, choose_checkpoint, compare
from search.faults import Faults
from search.model_tables import print_exported
from search.runtimes import ONNX_PACKAGES, open_torch


def test_an_exported_model_has_the_accuracy_that_was_recorded(
    command: Command, study: search.Study, tmp_path: Path
) -> None:
    exported = command("export", study.name, "-o", "model.pth", "--json").json
    picked = command("pick", "quick", "--json").json
    validation = open_dataset("digits").validation
    write_images(tmp_path / "images", validation.images_NCHW, validation.labels_N)
    asked = run_paretune(tmp_path, "infer", "model.pth", "images", "--json", check=True)
    answer = json.loads(asked.stdout)
    assert len(answer["images"]) == len(validation.labels_N)
    assert num_right(answer["images"]) / len(validation.labels_N) == picked["accuracy"] > 0.5
    source = answer["model"]["provenance"]
    assert (source["trial"], source["epoch"]) == (picked["trial"], picked["epoch"])
    assert source["accuracy_interval"] == picked["accuracy_interval"]
    assert exported["num_correct"] == source["num_correct"] == num_right(answer["images"])


def test_every_trial_and_epoch_can_be_exported(command: Command, study: search.Study) -> None:
    for row in study.summary.study.trials:
        answer = command("export", "quick", row.number, "-o", "model.pth", "--json").json
        assert answer["num_correct"] == row.epochs[-1].num_correct
    point = study.front()[0]
    told = command("export", "quick", point.trial, "--epoch", point.epoch, "-o", "model.pth")
    row = study.summary.study.trials[point.trial]
    correct = row.epochs[point.epoch - 1].num_correct
    assert f"{correct} of 360 validation images are classified correctly, as recorded" in told.out
    assert decode_model(Path("model.pth").read_bytes())[0].provenance.epoch == point.epoch


def test_a_test_accuracy_that_was_computed_goes_with_the_model(command: Command, study: search.Study) -> None:
    assert command("export", "quick", "-o", "model.pth", "--json").json["provenance"]["test_absent"]
    picked = command("pick", "quick", "--json").json
    source = command("export", "quick", "-o", "model.pth", "--json").json["provenance"]
    assert source["test_accuracy"] == picked["test_accuracy"]
    assert source["test_accuracy_interval"] == picked["test_accuracy_interval"]
    assert source["test_absent"] is None


def test_a_graph_in_onnx_says_the_same_as_torch(command: Command, study: search.Study, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    exported = command("export", "quick", 0, "-o", "model.onnx", "--json").json
    assert 0 < exported["onnx_difference"] < 1e-4
    assert exported["num_correct"] == study.summary.study.trials[0].epochs[-1].num_correct
    command("export", "quick", 0, "-o", "model.pth")
    assert {path.name for path in tmp_path.glob("model*")} == {"model.onnx", "model.pth"}  # no data beside it
    for folder in (objectives, torch):  # where code lies on a machine is nobody's business elsewhere
        for file in tmp_path.glob("model*"):
            assert str(Path(folder.__path__[0]).parent).encode() not in file.read_bytes()
    validation = open_dataset("digits").validation
    write_images(tmp_path / "images", validation.images_NCHW[:20], validation.labels_N[:20])
    ours, theirs = (command("infer", f"model.{kind}", "images", "--json").json for kind in ("pth", "onnx"))
    assert theirs["model"] == ours["model"]
    assert [answer["class"] for answer in theirs["images"]] == [answer["class"] for answer in ours["images"]]
    noise = [command("infer", f"model.{kind}", "--random", "3x1x32x32", "--json").json for kind in ("pth", "onnx")]
    confidences = [[answer["confidence"] for answer in told["answers"]] for told in noise]
    assert confidences[1] == pytest.approx(confidences[0], abs=1e-5)


def test_a_graph_that_says_something_else_is_never_written(
    command: Command, study: search.Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("onnxruntime")
    Path("model.onnx").write_text("the one before")
    with monkeypatch.context() as patched:
        patched.setattr(search.exporting, "CLOSE", 0.0)
        done = command("export", "quick", 0, "-o", "model.onnx")
    assert done.code == 2
    assert "in ONNX is not the one in torch" in done.err
    assert Path("model.onnx").read_text() == "the one before"
    runtimes = []
    for number in (0, 1):
        study.export("model.pth", number)
        runtimes.append(open_torch(Path("model.pth").read_bytes()))
    with pytest.raises(Unusable, match="get another class"):
        compare(*runtimes, open_dataset("digits").validation)


def test_onnx_asks_for_its_extra(command: Command, study: search.Study, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ONNX_PACKAGES:
        monkeypatch.setitem(sys.modules, name, None)  # as if it were not installed
    for arguments in (("export", "quick", "-o", "model.onnx"), ("infer", "model.onnx", "a.png")):
        done = command(*arguments)
        assert done.code == 2
        told = "model.onnx: ONNX needs onnx, onnxscript, onnxruntime: pip install 'paretune[onnx]'\n"
        assert done.err == told


def test_what_the_checks_found_is_told(command: Command, study: search.Study) -> None:
    exported = study.export("model.pth", 0)
    recorded, console = exported.num_correct, Console(width=200, file=io.StringIO())
    print_exported(replace(exported, num_correct=recorded - 1, onnx_difference=3e-7), console)
    told = console.file.getvalue()  # type: ignore[attr-defined]
    assert f"{recorded - 1} of 360 validation images are classified correctly; {recorded} were recorded" in told
    assert "logits at most 3e-07 from torch's" in told


def test_a_program_exports_as_the_command_does(study: search.Study, tmp_path: Path) -> None:
    point = study.front()[0]
    exported = study.export(tmp_path / "model.pth", point.trial, epoch=point.epoch)
    assert decode_model((tmp_path / "model.pth").read_bytes())[0] == exported.card
    assert exported.card.provenance.accuracy == point.accuracy
    with pytest.raises(Faults, match=r"no such ending: '\.pt'"):
        study.export(tmp_path / "model.pt")


@pytest.mark.parametrize(
    ("arguments", "lines"),
    [
        (("quick", "-o", "model.pt"), ["model.pt: a model's ending says what kind it is; no such ending: '.pt'"]),
        (("quick", "-o", "there/model.pth"), ["there/model.pth: there is no folder there to write to"]),
        (("quick", "0", "--knee", "-o", "m.pth"), ["--knee: it does not go with the number of a trial"]),
        (("quick", "--epoch", "1", "-o", "m.pth"), ["--epoch: the number of a trial is needed with it"]),
        (("quick", "--knee", "1", "-o", "m.zip"), ["--knee: it does not go", "m.zip: a model's ending says"]),
        (("quick", "9", "-o", "m.pth"), ["trial: quick has no trial 9; there are 0 to 3"]),
        (("quick", "0", "--epoch", "4", "-o", "m.pth"), ["--epoch: trial 0 has the epochs 1 to 3, but got 4"]),
        (("quicker", "-o", "m.pth"), ["study: there is no 'quicker'; there are quick; did you mean 'quick'?"]),
    ],
)
def test_what_cannot_be_exported_is_told(
    arguments: tuple[str, ...], lines: list[str], command: Command, study: search.Study, tmp_path: Path
) -> None:
    before = set(tmp_path.iterdir())
    done = command("export", *arguments)
    assert (done.code, done.out) == (2, "")
    told = done.err.splitlines()
    assert len(told) == len(lines)
    assert all(line in found for found, line in zip(told, lines, strict=True)), told
    assert {path for path in tmp_path.iterdir() if ".db-" not in path.name} <= before


def test_weights_that_are_gone_or_damaged_are_told(command: Command, study: search.Study, tmp_path: Path) -> None:
    folder = next((tmp_path / "paretune.db.artifacts").glob("*/trial-00000"))
    last = folder / "epoch-0003.pt"
    last.write_bytes(last.read_bytes()[:-100])
    assert "the weights of trial 0 after epoch 3 is cut short" in command("export", "quick", 0, "-o", "m.pth").err
    for file in folder.glob("epoch-*.pt"):
        file.unlink()
    done = command("export", "quick", 0, "-o", "m.pth")
    assert done.code == 2
    assert "after epoch 3 were not kept" in done.err
    assert "there are none of this trial" in done.err
    assert not Path("m.pth").exists()


def test_weights_that_were_never_recorded_are_found_out(command: Command, study: search.Study, tmp_path: Path) -> None:
    width = study.summary.study.trials[0].params["width"]
    torch.manual_seed(0)
    buffer = io.BytesIO()
    torch.save(build_model("cnn", 1, 10, {"width": width}).state_dict(), buffer)
    (last,) = (tmp_path / "paretune.db.artifacts").glob("*/trial-00000/epoch-0003.pt")
    write_sealed(last, buffer.getvalue(), durable=False)
    done = command("export", "quick", 0, "-o", "m.pth")
    assert done.code == 2
    assert "were recorded: its code or its weights have changed since" in done.err
    assert not Path("m.pth").exists()


def test_data_that_changed_is_found_out(command: Command, tmp_path: Path) -> None:
    dice = np.random.default_rng(0)
    images = write_images(tmp_path / "images", dice.integers(0, 256, (20, 1, 32, 32), np.uint8), np.arange(20) % 2)
    spec: dict[str, Any] = {
        **DIGITS, "objective": {"dataset": f"folder:{images}", "epochs": 1}, "search": {"trials": 1}
    }  # fmt: skip
    search.launch(spec, storage=f"sqlite:///{tmp_path}/paretune.db", quiet=True)
    Image.fromarray(np.zeros((32, 32), np.uint8)).save(images / "0" / "0000.png")
    done = command("export", "quick", "-o", "m.pth")
    assert done.code == 2
    assert "is not the data set any more that quick was trained on" in done.err


def test_a_training_function_keeps_its_model_to_itself(command: Command, tmp_path: Path) -> None:
    spec = {
        "name": "made",
        "objective": {"train": "instant:train", "epochs": 1, "minimize": ["train_flops"]},
        "space": {"lr": 0.01, "width": 1.0, "batch_size": 64},
        "search": {"trials": 1, "baseline": False},
        "compute": {"engine": "inline"},
    }
    search.launch(spec, storage=f"sqlite:///{tmp_path}/paretune.db", quiet=True)
    done = command("export", "made", "-o", "m.pth")
    assert done.code == 2
    assert done.err == (
        "export: made was made by the training function instant:train, and only that knows how its model is built; it "
        "saved nothing in this trial that is still there\n"
    )


def test_of_several_seeds_the_first_is_taken() -> None:
    trials = [trial(number, [(500 + number, 1.0)], lr=0.01 * (1 + number // 2)) for number in range(4)]
    summary = summary_of(*trials, spec={**SPEC, "search": {"sampler": "tpe", "repeats": 2}})
    chosen = choose_checkpoint(summary, Wanted(Path("m.pth")))
    assert chosen.trial.number == 2
    assert chosen.why.endswith("the first of the setting's 2 seeds")
    assert choose_checkpoint(summary, Wanted(Path("m.pth"), trial=3)).trial.number == 3

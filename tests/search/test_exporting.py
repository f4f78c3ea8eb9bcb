"""A model that was trained is exported and asked: it says what the trial that was recorded said."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
from commands import run_paretune
from PIL import Image
from rich.console import Console
from synthetic import SPEC, summary_of, trial

import search
import search.exporting
from objectives.data import open_dataset
from objectives.export import decode_model, encode_model
from objectives.files import Unusable, write_sealed
from objectives.models import build_model
from objectives.resident import load_resident
from search.cli import main
from search.exporting import Wanted, choose_checkpoint, compare
from search.faults import Faults
from search.model_tables import print_exported
from search.runtimes import ONNX_PACKAGES, open_torch

DIGITS = {
    "name": "quick",
    "objective": {"dataset": "digits", "epochs": 3, "minimize": ["train_flops"]},
    "space": {"optimizer": "adam", "lr": [0.005, 0.01], "width": [0.25, 0.5], "batch_size": 64},
    "search": {"trials": 4, "sampler": "random", "baseline": False},
    "compute": {"engine": "inline", "threads": 1},
}


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out, self.err
        return json.loads(self.out)


Command = Callable[..., Done]


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Runs the command line in this process, in a folder of its own: torch is loaded once."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["paretune", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        assert "Traceback" not in captured.err
        return Done(int(ended.value.code or 0), captured.out, captured.err)

    return run


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a study that nobody changes."""
    folder = tmp_path_factory.mktemp("trained")
    search.launch(DIGITS, storage=f"sqlite:///{folder}/paretune.db", quiet=True)
    return folder


@pytest.fixture
def study(trained: Path, tmp_path: Path) -> search.Study:
    """A copy of it, in the folder where the command runs."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return search.load("quick", storage=f"sqlite:///{tmp_path}/paretune.db")


def write_images(folder: Path, images_NCHW: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.int64]) -> Path:
    """Writes images as files, each class into a folder of its own."""
    for number, (image_CHW, label) in enumerate(zip(images_NCHW, labels_N, strict=True)):
        path = folder / str(label) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image_CHW[0] if len(image_CHW) == 1 else image_CHW.transpose(1, 2, 0)).save(path)
    return folder


def num_right(answers: list[dict[str, Any]]) -> int:
    return sum(answer["class"] == Path(answer["file"]).parent.name for answer in answers)


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
    validation = open_dataset("digits").validation
    write_images(tmp_path / "images", validation.images_NCHW[:20], validation.labels_N[:20])
    ours, theirs = (command("infer", f"model.{kind}", "images", "--json").json for kind in ("pth", "onnx"))
    assert theirs["model"] == ours["model"]
    assert [answer["class"] for answer in theirs["images"]] == [answer["class"] for answer in ours["images"]]
    noise = [command("infer", f"model.{kind}", "--random", "3x1x32x32", "--json").json for kind in ("pth", "onnx")]
    confidences = [[answer["confidence"] for answer in told["answers"]] for told in noise]
    assert confidences[1] == pytest.approx(confidences[0], abs=1e-5)


def test_a_graph_in_onnx_is_asked_without_torch(study: search.Study, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    study.export(tmp_path / "model.onnx", 0)
    validation = open_dataset("digits").validation
    write_images(tmp_path / "images", validation.images_NCHW[:3], validation.labels_N[:3])
    code = (
        "import sys; from search.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code, end.code\n"
        "sys.exit('torch' in sys.modules)"
    )
    asked = [sys.executable, "-c", code, "infer", "model.onnx", "images"]
    assert subprocess.run(asked, cwd=tmp_path, capture_output=True, check=False).returncode == 0


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


def test_images_are_read_as_in_training(command: Command, tmp_path: Path) -> None:
    """Coloured pictures of several sizes, some larger than what training keeps of them."""
    dice = np.random.default_rng(0)
    for part, count in (("train", 8), ("validation", 4), ("test", 1)):
        for name, level in (("dark", 90), ("light", 130)):
            (tmp_path / "images" / part / name).mkdir(parents=True)
            for number in range(count):
                sides = (250, 300) if number == 0 else (20 + number, 30)
                pixels = np.clip(dice.normal(level, 40, (*sides, 3)), 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(tmp_path / "images" / part / name / f"{number}.png")
    spec: dict[str, Any] = {
        **DIGITS,
        "objective": {"dataset": f"folder:{tmp_path}/images", "epochs": 1},
        "search": {"trials": 1, "sampler": "random"},
    }
    study = search.launch(spec, storage=f"sqlite:///{tmp_path}/paretune.db", quiet=True)
    study.export("model.pth", 0)
    runtime = open_torch(Path("model.pth").read_bytes())
    seen = load_resident(f"folder:{tmp_path}/images", torch.device("cpu")).validation.images_NCHW.numpy()
    logits_NK = runtime.ask(seen, is_normalised=True)
    expected = torch.from_numpy(logits_NK).softmax(dim=1).max(dim=1).values.tolist()
    done = command("infer", "model.pth", "images/validation", "--json")
    assert [answer["confidence"] for answer in done.json["images"]] == pytest.approx(expected, abs=1e-6)
    assert {tuple(answer["asked_size"]) for answer in done.json["images"]} == {runtime.card.image_size[::-1]}
    table = command("infer", "model.pth", "images/validation")
    assert "8 of 8 images were cut and resized to" in table.err
    assert command("infer", "model.pth", "images/validation", "--keep-size").err == ""


def test_noise_shows_that_the_model_runs(command: Command, study: search.Study) -> None:
    command("export", "quick", 0, "-o", "model.pth")
    told = command("infer", "model.pth", "--random", "1x1x224x224", "--seed", 3, "--top", 2)
    assert "input (1, 1, 224, 224): N(0, 1), seed 3; logits (1, 10)" in told.out
    assert "mean nothing" in told.err
    answer = command("infer", "model.pth", "--random", "1x1x224x224", "--seed", 3, "--top", 2, "--json").json
    card, weights = decode_model(Path("model.pth").read_bytes())
    torch.manual_seed(3)
    with torch.inference_mode():  # as the background text runs it
        logits_NK = search.exporting.open_torch(encode_model(card, weights)).on_normalised(
            torch.randn(1, 1, 224, 224).numpy()
        )
    expected = torch.from_numpy(logits_NK).softmax(dim=1)[0]
    assert answer["answers"][0]["class"] == card.classes[int(expected.argmax())]
    assert answer["answers"][0]["confidence"] == pytest.approx(float(expected.max()), abs=1e-6)
    assert len(answer["answers"][0]["top"]) == 2
    assert answer["logits_shape"] == [1, 10]


def test_broken_files_are_told_after_the_good_ones(command: Command, study: search.Study, tmp_path: Path) -> None:
    command("export", "quick", "-o", "model.pth")
    validation = open_dataset("digits").validation
    folder = write_images(tmp_path / "images", validation.images_NCHW[:2], validation.labels_N[:2])
    (folder / "notes.txt").write_text("no image")
    (folder / ".hidden").write_text("no image either")
    done = command("infer", "model.pth", "images", "missing.png")
    assert done.code == 2
    assert done.err == "images/notes.txt: it is no image of a known kind\nmissing.png: there is no such file\n"
    assert done.out.count(".png") == 2
    done = command("infer", "model.pth", "images", "missing.png", "--json")
    assert done.code == 2
    assert [answer.get("error") for answer in done.json["images"]] == [
        None, None, "it is no image of a known kind", "there is no such file",
    ]  # fmt: skip


def test_a_coloured_image_is_grey_to_a_model_of_one_channel(command: Command, study: search.Study) -> None:
    study.export("model.pth", 0)
    grey_HW = open_dataset("digits").validation.images_NCHW[0, 0]
    coloured = Image.fromarray(np.stack([grey_HW, grey_HW // 2, 255 - grey_HW], axis=2))
    coloured.save("coloured.png")
    coloured.convert("L").save("grey.png")
    one, other = command("infer", "model.pth", "coloured.png", "grey.png", "--json").json["images"]
    assert one["top"] == other["top"]


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


FOREIGN = """
from pathlib import Path
from objectives.models.cnn import CNN
Path("imported").touch()
"""


def test_code_is_imported_only_where_it_is_allowed(command: Command, study: search.Study, tmp_path: Path) -> None:
    study.export("model.pth", 0)
    card, weights = decode_model(Path("model.pth").read_bytes())
    Path("foreign_model.py").write_text(FOREIGN)
    Path("model.pth").write_bytes(encode_model(replace(card, model="foreign_model:CNN"), weights))
    done = command("infer", "model.pth", "--random", "1x1x32x32")
    assert done.code == 2
    assert "--allow-import runs that code" in done.err
    assert not Path("imported").exists()
    assert command("infer", "model.pth", "--random", "1x1x32x32", "--allow-import").code == 0
    assert Path("imported").exists()
    Path("model.pth").write_bytes(encode_model(replace(card, model="nowhere:CNN"), weights))
    done = command("infer", "model.pth", "--random", "1x1x32x32", "--allow-import")
    assert "model.pth: its model cannot be imported: nowhere:CNN: there is no module 'nowhere'" in done.err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("model.pth",), "infer: images, or --random SHAPE, are needed, but got neither"),
        (("model.pth", "a.png", "--random", "1x1x8x8"), "--random SHAPE, are needed, but got both"),
        (("model.pth", "a.png", "--seed", "1"), "--seed: it goes with --random alone"),
        (("model.pth", "--random", "1x1x8"), "such as 1x1x224x224, but got '1x1x8'"),
        (("model.pth", "--random", "1x0x8x8"), "such as 1x1x224x224, but got '1x0x8x8'"),
        (("model.pth", "--random", "1x3x32x32"), "--random: this model takes 1 channels, but got 3"),
        (("model.pth", "--random", "1x1x99999x99999"), "--random: at most 134,217,728 values fit"),
        (("model.pth", "--random", "1x1x32x32", "--keep-size"), "--keep-size: it does not go with --random"),
        (("model.onnx", "a.png", "--keep-size"), "--keep-size: an .onnx takes images of one size alone"),
        (("model.pth", "empty"), "empty: there is no file in this folder"),
        (("nowhere.pth", "a.png"), "nowhere.pth: there is no such file"),
        (("empty.pth", "a.png"), "empty.pth: it is not a plain torch file, or is damaged"),
        (("empty.onnx", "a.png"), "empty.onnx: it is not an ONNX file, or is damaged"),
        (("model.bin", "a.png"), "model.bin: a model's ending says what kind it is; no such ending: '.bin'"),
    ],
)
def test_what_cannot_be_asked_is_told(
    arguments: tuple[str, ...], line: str, command: Command, study: search.Study, tmp_path: Path
) -> None:
    if "onnx" in arguments[0]:
        pytest.importorskip("onnxruntime")
    study.export("model.pth", 0)
    (tmp_path / "empty").mkdir()
    for name in ("empty.pth", "empty.onnx"):
        Path(name).touch()
    done = command("infer", *arguments)
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert line in done.err

"""An exported model is asked: of images, of noise, with and without torch."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from exported import DIGITS, Command, write_images
from PIL import Image

import search
import search.exporting
from objectives.data import open_dataset
from objectives.export import decode_model, encode_model
from objectives.resident import load_resident
from search.runtimes import open_torch


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

"""An exported model: a plain torch file that holds all that is needed to use it, and nothing that runs."""

from __future__ import annotations

import io
import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from objectives.card import Card, Provenance
from objectives.data import open_dataset
from objectives.export import build_classifier, decode_model, encode_model
from objectives.files import Unusable, write_whole
from objectives.models import build_model
from objectives.resident import channel_levels, load_resident

SOURCE = Provenance(
    "quick", 3, 2, {"lr": 0.01, "batch_size": "full"}, "digits", 300, 360, 300 / 360, (0.8, 0.9), None, None, "", "2"
)  # fmt: skip
CARD = Card("cnn", {"width": 0.25}, 1, (32, 32), tuple("0123456789"), (0.3,), (0.4,), SOURCE)


def weights_of(card: Card, seed: int = 0) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    return build_model(card.model, card.num_channels, len(card.classes), card.options).state_dict()


def file_of(**changes: Any) -> bytes:
    """The content of a file some of whose values were changed; None takes one away."""
    plain = {**CARD.plain(), "state_dict": weights_of(CARD), **changes}
    buffer = io.BytesIO()
    torch.save({name: value for name, value in plain.items() if value is not None}, buffer)
    return buffer.getvalue()


def test_what_is_written_is_read() -> None:
    weights = weights_of(CARD)
    card, read = decode_model(encode_model(CARD, weights))
    assert card == CARD
    assert list(read) == list(weights)
    assert all(torch.equal(read[name], weights[name]) for name in weights)


def test_the_file_is_plain_for_anybody_with_torch(tmp_path: Path) -> None:
    write_whole(tmp_path / "model.pth", encode_model(CARD, weights_of(CARD)))
    plain = torch.load(tmp_path / "model.pth", weights_only=True)
    assert (plain["classes"], plain["mean"], plain["deviation"]) == (CARD.classes, (0.3,), (0.4,))
    build_model(plain["model"], 1, 10, plain["options"]).load_state_dict(plain["state_dict"])
    assert Card.of(json.loads(json.dumps(CARD.plain()))) == CARD  # as in the metadata of ONNX


def test_the_normalisation_is_that_of_training_to_the_bit() -> None:
    data, resident = open_dataset("digits"), load_resident("digits", torch.device("cpu"))
    mean_C, deviation_C = channel_levels(data.train)
    card = replace(CARD, mean=tuple(mean_C.tolist()), deviation=tuple(deviation_C.tolist()))
    classifier = build_classifier(*decode_model(encode_model(card, weights_of(card))))
    seen: list[Tensor] = []
    classifier.model.register_forward_pre_hook(lambda _model, arguments: seen.append(arguments[0]))
    with torch.inference_mode():
        classifier(torch.from_numpy(data.validation.images_NCHW).float() / 255)
    assert torch.equal(seen[0], resident.validation.images_NCHW)


def test_building_a_model_draws_nothing_from_the_random_state() -> None:
    weights = weights_of(CARD)
    before = torch.random.get_rng_state()
    build_classifier(CARD, weights)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "is not a plain torch file, or is damaged"),
        (b"\x89PNG and so on", "is not a plain torch file, or is damaged"),
        (file_of()[:-500], "is not a plain torch file, or is damaged"),
        (file_of(format=None), "is not a model that `paretune export` wrote"),
        (file_of(version=2), "is in version 2 of the format, but version 1 is needed"),
        (file_of(classes=None), "is not whole: KeyError: 'classes'"),
        (file_of(image_size=32), "is not whole: TypeError"),
        (file_of(state_dict=None), "has no weights"),
        (file_of(state_dict={"conv1.weight": 1}), "has no weights"),
        (file_of(classes=["0"]), "at least 2 classes must hold"),
        (file_of(deviation=[0.0]), "each channel has a mean and a deviation above 0 must hold"),
        (file_of(mean=[float("nan")]), "each channel has a mean"),
        (file_of(mean=[0.1, 0.1]), "each channel has a mean"),
        (file_of(options={"width": 1e9}), "options keep the family's law must hold"),
        (file_of(options={"depth": 3}), "options keep the family's law must hold"),
        (file_of(options={"width": [1]}), "options and params are finite numbers, flags or words must hold"),
        (file_of(provenance={**asdict(SOURCE), "params": {"lr": float("nan")}}), "options and params are finite"),
        (file_of(provenance={**asdict(SOURCE), "accuracy": float("nan")}), "accuracies are from 0 to 1 must hold"),
        (file_of(provenance={**asdict(SOURCE), "epoch": None}), "is not whole: TypeError"),
        (file_of(model="resnet"), "the model is one of ours or package.module:name must hold"),
    ],
)
def test_anything_else_is_told_in_one_line(content: bytes, fault: str) -> None:
    with pytest.raises(Unusable) as caught:
        decode_model(content)
    (line,) = str(caught.value).splitlines()
    assert fault in line


def test_no_code_in_a_file_is_run(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "sprung",)

    buffer = io.BytesIO()
    torch.save({**CARD.plain(), "state_dict": Trap()}, buffer)
    with pytest.raises(Unusable, match="is not a plain torch file"):
        decode_model(buffer.getvalue())
    assert not (tmp_path / "sprung").exists()


def test_weights_of_another_model_are_told() -> None:
    with pytest.raises(Unusable, match="does not fit cnn: RuntimeError"):
        build_classifier(replace(CARD, options={"width": 0.5}), weights_of(CARD))


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    (tmp_path / "model.part").write_bytes(b"the user's")
    write_whole(tmp_path / "model.pth", b"old")
    write_whole(tmp_path / "model.pth", b"new")
    assert (tmp_path / "model.pth").read_bytes() == b"new"
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_whole(tmp_path / "folder.pth", b"new")
    assert {path.name for path in tmp_path.iterdir()} == {"model.pth", "model.part", "folder.pth"}
    assert (tmp_path / "model.part").read_bytes() == b"the user's"

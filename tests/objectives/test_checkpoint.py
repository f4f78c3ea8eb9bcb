"""A trial that was cut off at any step goes on from its last checkpoint, and ends as if nothing had been."""

from __future__ import annotations

import random
import resource
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import objectives.checkpoint
from objectives.checkpoint import load_weights
from objectives.costs import measured
from objectives.files import Unusable, read_newest, read_sealed, write_sealed
from objectives.meters.time import Stopwatch
from objectives.pace import Pace
from objectives.slot import Requests, open_device, run_bundle
from objectives.trial import (
    CHECKPOINT,
    Checkpointed,
    EpochEnded,
    EpochRecord,
    Event,
    Finished,
    Noted,
    Placement,
    Profiled,
    Recipe,
    Started,
    Stopped,
    TrialConfig,
    previous,
)

CONFIG = TrialConfig(0, "cnn", "digits", 3, 5, 0.01, "adam", 256, {"width": 0.25}, {}, study="a study")
NUM_STEPS = 5
"""Of an epoch: 1,078 images."""


class Dropping(nn.Module):
    """Draws from all the global random states, and remembers more than its weights."""

    def __init__(self, num_channels: int, num_classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Flatten(),
            nn.Linear(num_channels * 1024, 16),
            nn.BatchNorm1d(16),
            nn.Dropout(0.5),
            nn.Linear(16, num_classes),
        )

    def forward(self, images_NCHW: Tensor) -> Tensor:
        if not self.training or images_NCHW.is_meta:
            return self.layers(images_NCHW)  # type: ignore[no-any-return]
        return self.layers(images_NCHW) * (0.5 + random.random()) + float(np.random.rand())  # type: ignore[no-any-return]


SETTINGS = {
    "sgd with momentum": replace(CONFIG, optimizer="sgd", optimizer_options={"momentum": 0.9}),
    "adam": CONFIG,
    "one cycle": replace(CONFIG, recipe=Recipe(schedule="one_cycle", warmup_epochs=0.7)),
    "cosine": replace(CONFIG, recipe=Recipe(schedule="cosine", warmup_epochs=0.5, label_smoothing=0.1)),
    "augmentation": replace(CONFIG, optimizer="rmsprop", recipe=Recipe(augmentation="crop+flip")),
    "full batch": replace(CONFIG, batch_size="full"),
    "dropout": replace(CONFIG, model="own_models:Dropping", model_options={}),
}


@pytest.fixture(autouse=True)
def own_models(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("own_models")
    module.Dropping = Dropping  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "own_models", module)


def begin(config: TrialConfig) -> Iterator[Event]:
    return run_bundle([config], open_device(Placement(0, "cpu", 1)))


def cut_off_after(config: TrialConfig, num_events: int) -> list[Event]:
    running = begin(config)
    events = [next(running) for _ in range(num_events)]
    running.close()  # type: ignore[attr-defined]
    return events


def outcome(events: list[Event]) -> list[tuple[Any, ...]]:
    return [
        (record.epoch, record.train_loss, record.validation_loss, record.num_correct) for record in records_of(events)
    ]


def weights_hash(folder: Path, epoch: int = 3) -> str:
    digest = sha256()
    for name, value in load_weights(folder, epoch).items():
        digest.update(name.encode() + value.contiguous().numpy().tobytes())
    return digest.hexdigest()


def notes(events: list[Event]) -> list[str]:
    return [event.text for event in events if isinstance(event, Noted)]


@pytest.mark.usefixtures("saves_always")
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in ("one cycle", "cosine") else name for name in SETTINGS],
)
def test_a_trial_cut_off_at_any_step_ends_bit_equal(name: str, tmp_path: Path) -> None:
    config = replace(SETTINGS[name], folder=tmp_path / "whole")
    whole = list(begin(config))
    assert isinstance(whole[-1], Finished)
    num_within = sum(isinstance(event, Checkpointed) for event in whole)
    assert num_within == (0 if name == "full batch" else 3 * (NUM_STEPS - 1))
    for num_events in range(1, len(whole)):
        again = replace(config, folder=tmp_path / f"cut-{num_events}")
        seen = cut_off_after(again, num_events)
        events = list(begin(again))
        started = events[0]
        assert isinstance(started, Started)
        assert started.epoch == min(2, sum(isinstance(event, EpochEnded) for event in seen))
        assert sum(isinstance(event, Checkpointed) for event in [*seen, *events]) == num_within
        assert outcome(events) == outcome(whole)
        assert weights_hash(tmp_path / f"cut-{num_events}") == weights_hash(tmp_path / "whole")
        assert notes(events) == []


@pytest.mark.parametrize("name", ["dropout", "full batch"])
def test_a_trial_suspended_after_every_step_ends_bit_equal(name: str, tmp_path: Path) -> None:
    config = replace(SETTINGS[name], folder=tmp_path / "whole")
    whole = list(begin(config))
    again = replace(config, folder=tmp_path / "suspended")
    for _ in range(3 * (1 if name == "full batch" else NUM_STEPS) - 1):
        *_, before, stopped = suspend(again)
        assert isinstance(stopped, Stopped)
        assert set(stopped.bill) == ({"saving"} if isinstance(before, EpochEnded) else set())
    events = suspend(again)
    assert isinstance(events[-1], Finished), "there was a step left, and it is the trial's last"
    assert outcome(events) == outcome(whole)
    assert weights_hash(tmp_path / "suspended") == weights_hash(tmp_path / "whole")


def test_what_others_found_out_meanwhile_makes_it_no_other_trial(tmp_path: Path) -> None:
    config = replace(CONFIG, folder=tmp_path)
    for _ in range(NUM_STEPS):
        suspend(config)
    known = {"a device": {"device_seconds": measured(1.0)}}
    told = replace(config, is_profiled=True, signature="s", calibrations=known, family="f", profiles={"n": known})
    started, *events = begin(told)
    assert isinstance(started, Started)
    assert (started.epoch, notes(events)) == (1, [])


def test_what_a_suspended_trial_cannot_save_is_lost() -> None:
    *_, profiled, stopped = suspend(CONFIG)
    assert isinstance(profiled, Profiled)
    assert isinstance(stopped, Stopped)
    assert (list(stopped.bill), stopped.bill["lost"] > 0) == (["lost"], True)


def suspend(config: TrialConfig) -> list[Event]:
    return list(run_bundle([config], open_device(Placement(0, "cpu", 1)), Requests(to_suspend={config.number})))


@pytest.mark.usefixtures("saves_always")
def test_a_trial_cut_off_again_and_again_ends_bit_equal(tmp_path: Path) -> None:
    config = replace(SETTINGS["dropout"], folder=tmp_path / "whole")
    whole = list(begin(config))
    again = replace(config, folder=tmp_path / "cut")
    for _ in range(3 * NUM_STEPS + 2):
        running = begin(again)
        for event in running:
            if isinstance(event, Checkpointed | Finished) or (isinstance(event, EpochEnded) and not event.replayed):
                break
        running.close()  # type: ignore[attr-defined]
    assert outcome(list(begin(again))) == outcome(whole)
    assert weights_hash(tmp_path / "cut") == weights_hash(tmp_path / "whole")


@pytest.mark.usefixtures("saves_always")
@pytest.mark.parametrize("num_done", [1, 3, 4])
def test_the_costs_of_an_epoch_in_two_sittings_count_each_step_once(
    num_done: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [0.0]

    def take_a_second(images: Tensor, *_: object) -> Tensor:
        now[0] += 1.0
        return images

    monkeypatch.setattr(Stopwatch, "_now", lambda _: now[0])
    monkeypatch.setattr("objectives.gradients.augment", take_a_second)
    (whole,) = records_of(list(begin(replace(CONFIG, epochs=1))))
    config = replace(CONFIG, epochs=1, folder=tmp_path)
    seen = cut_off_after(config, 2 + num_done)
    events = list(begin(config))
    (record,) = records_of(events)
    for name in ("device_seconds", "wall_seconds", "samples", "train_flops", "energy_joules"):
        assert record.costs[name] == whole.costs[name]
    assert record.costs["device_seconds"].value == NUM_STEPS
    billed = [event.bill.get("training", 0.0) for event in [*seen, *events] if isinstance(event, Checkpointed)]
    assert billed == [1.0] * (NUM_STEPS - 1)
    assert record.bill["training"] == 1.0
    assert (record.costs["peak_memory_bytes"].value or 0) > 1e7
    assert (record.costs["cpu_seconds"].value or 0) > 0


def records_of(events: list[Event]) -> list[EpochRecord]:
    return [event.record for event in events if isinstance(event, EpochEnded)]


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0x10
    path.write_bytes(content)


def empty(path: Path) -> None:
    path.write_bytes(b"")


DAMAGES: list[tuple[Callable[[Path], None], str]] = [
    (cut_short, "is cut short, or from another version"),
    (empty, "is cut short, or from another version"),
    (flip, "is damaged"),
]


@pytest.mark.usefixtures("saves_always")
@pytest.mark.parametrize(("damage", "words"), DAMAGES)
def test_of_a_damaged_checkpoint_the_one_before_is_used(
    damage: Callable[[Path], None], words: str, tmp_path: Path
) -> None:
    config = replace(CONFIG, folder=tmp_path / "whole")
    whole = list(begin(config))
    folder = tmp_path / "cut"
    cut_off_after(replace(config, folder=folder), 2 + NUM_STEPS + 1)  # one step into the second epoch
    damage(folder / CHECKPOINT)
    events = list(begin(replace(config, folder=folder)))
    assert notes(events) == [f"checkpoint.pt {words}: the trial went on from the one before"]
    assert isinstance(events[0], Started)
    assert events[0].epoch == 1
    assert outcome(events) == outcome(whole)
    assert weights_hash(folder) == weights_hash(tmp_path / "whole")


@pytest.mark.usefixtures("saves_always")
def test_where_both_checkpoints_are_damaged_the_trial_begins_anew(tmp_path: Path) -> None:
    config = replace(CONFIG, folder=tmp_path / "whole")
    whole = list(begin(config))
    folder = tmp_path / "cut"
    cut_off_after(replace(config, folder=folder), 2 + NUM_STEPS + 1)
    flip(folder / CHECKPOINT)
    cut_short(previous(folder / CHECKPOINT))
    events = list(begin(replace(config, folder=folder)))
    assert notes(events) == [
        "checkpoint.pt is damaged and checkpoint-previous.pt is cut short, or from another version: "
        "the trial began anew"
    ]
    assert isinstance(events[0], Started)
    assert events[0].epoch == 0
    assert outcome(events) == outcome(whole)


@pytest.mark.usefixtures("saves_always")
def test_a_kill_between_the_two_renames_leaves_the_one_before(tmp_path: Path) -> None:
    config = replace(CONFIG, folder=tmp_path)
    cut_off_after(config, 4)
    (tmp_path / CHECKPOINT).replace(previous(tmp_path / CHECKPOINT))
    events = list(begin(config))
    assert notes(events) == []
    assert outcome(events) == outcome(list(begin(CONFIG)))


@pytest.mark.usefixtures("saves_always")
@pytest.mark.parametrize(
    "changed",
    [
        {"study": "another"},
        {"number": 1},
        {"lr": 0.02},
        {"epochs": 4},
        {"recipe": Recipe(label_smoothing=0.1)},
        {"seed": 6},
    ],
)
def test_a_checkpoint_of_another_trial_spec_or_study_is_not_used(changed: dict[str, Any], tmp_path: Path) -> None:
    cut_off_after(replace(CONFIG, folder=tmp_path), 2 + NUM_STEPS + 1)
    other = replace(CONFIG, **changed)
    events = list(begin(replace(other, folder=tmp_path)))
    assert notes(events) == [
        "checkpoint.pt is of another spec, study or model and checkpoint-previous.pt is of another spec, study or "
        "model: the trial began anew"
    ]
    assert outcome(events) == outcome(list(begin(other)))


@pytest.mark.usefixtures("saves_always")
def test_a_checkpoint_of_another_version_or_model_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off_after(replace(CONFIG, folder=tmp_path), 3)
    monkeypatch.setattr(objectives.checkpoint, "FORMAT", 2)
    assert notes(list(begin(replace(CONFIG, folder=tmp_path)))) == [
        "checkpoint.pt is from another version: the trial began anew"
    ]
    config = replace(SETTINGS["dropout"], folder=tmp_path / "model")
    cut_off_after(config, 3)
    sys.modules["own_models"].Dropping = lambda *_: Dropping(1, 11)  # type: ignore[attr-defined]
    assert notes(list(begin(config))) == ["checkpoint.pt is of another spec, study or model: the trial began anew"]


@pytest.mark.usefixtures("saves_always")
def test_checkpoints_move_with_their_folder_and_data(tmp_path: Path) -> None:
    config = replace(CONFIG, folder=tmp_path / "here")
    cut_off_after(config, 3)
    (tmp_path / "here").rename(tmp_path / "there")
    events = list(begin(replace(config, folder=tmp_path / "there", data_root=tmp_path)))
    assert notes(events) == []
    assert outcome(events) == outcome(list(begin(CONFIG)))


@pytest.mark.usefixtures("saves_always")
def test_files_hold_no_code_and_torch_reads_them(tmp_path: Path) -> None:
    cut_off_after(replace(CONFIG, folder=tmp_path), 9)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "checkpoint-previous.pt", "checkpoint.pt", "epoch-0001.pt"
    ]  # fmt: skip
    for path in tmp_path.iterdir():
        torch.load(path, weights_only=True)


@pytest.mark.usefixtures("saves_always")
@pytest.mark.parametrize("limit_bytes", [0, 5_000, 30_000])
def test_a_full_disk_is_told_once_and_the_trial_trains_on(limit_bytes: int, tmp_path: Path) -> None:
    whole = outcome(list(begin(CONFIG)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit_bytes, before[1]))
    try:
        events = list(begin(replace(CONFIG, folder=tmp_path)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert isinstance(events[-1], Finished)
    assert outcome(events) == whole
    assert notes(events) == ["its files could not all be written: File too large"]
    assert not any(isinstance(event, Checkpointed) for event in events)  # nothing was made safe
    assert not list(tmp_path.glob("*.part"))


def test_a_disk_that_has_room_again_gets_checkpoints_again(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_sealed(path, b"first", durable=True)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_sealed(path, b"second", durable=True, keeps_previous=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert [name.name for name in tmp_path.iterdir()] == ["a.bin"]
    assert read_newest(path, bytes) == (b"first", None)
    write_sealed(path, b"second", durable=True, keeps_previous=True)
    assert read_newest(path, bytes) == (b"second", None)
    assert bytes(read_sealed(previous(path))) == b"first"


def test_any_flipped_bit_is_found(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_sealed(path, b"content", durable=False)
    whole = path.read_bytes()
    for position in range(len(whole)):
        for bit in range(8):
            content = bytearray(whole)
            content[position] ^= 1 << bit
            path.write_bytes(content)
            with pytest.raises(Unusable):
                read_sealed(path)


def test_saving_is_spaced_by_what_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr("objectives.pace.time.perf_counter", lambda: now[0])
    pace, spent, num_saves = Pace(), 0.0, 0
    for step in range(100_000):
        now[0] += 0.01
        if pace.is_due:
            took = 0.001 * (1 + step % 7)
            now[0] += took
            pace.saved(took)
            spent, num_saves = spent + took, num_saves + 1
    assert num_saves > 100
    assert spent / (now[0] - 100.0) < 0.005


def test_a_short_trial_saves_no_checkpoint_and_its_last_weights_all_the_same(tmp_path: Path) -> None:
    events = list(begin(replace(CONFIG, epochs=2, folder=tmp_path)))
    assert isinstance(events[-1], Finished)
    assert (tmp_path / "epoch-0002.pt").exists()
    assert not (tmp_path / CHECKPOINT).exists()

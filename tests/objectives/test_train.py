from __future__ import annotations

import copy
import gc
import math
import re
import weakref
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import objectives.resident
from objectives.batches import draw_batches, draw_order
from objectives.costs import COSTS, ONCE, measured
from objectives.data import Part
from objectives.evaluation import evaluate
from objectives.gradients import Eager
from objectives.models import build_model
from objectives.optimizers import build_optimizer
from objectives.resident import ResidentPart, channel_levels, load_resident
from objectives.slot import Requests, keep_loaded, open_device, run_bundle
from objectives.train import load_kernels, rehearse, train_epoch
from objectives.trial import (
    LINES,
    EpochEnded,
    EpochRecord,
    Event,
    Failed,
    Finished,
    Infeasible,
    Placement,
    Profiled,
    Recipe,
    Started,
    Stopped,
    TrialConfig,
)

CONFIG = TrialConfig(0, "cnn", "digits", 3, 5, 0.01, "adam", 64, {"width": 0.5}, {})


def events_of(config: TrialConfig, device: str = "cpu") -> list[Event]:
    return list(run_bundle([config], open_device(Placement(0, device, 1))))


def records_of(events: list[Event]) -> list[EpochRecord]:
    return [event.record for event in events if isinstance(event, EpochEnded)]


def outcome(records: list[EpochRecord]) -> list[tuple[float, float, int]]:
    return [(record.train_loss, record.validation_loss, record.num_correct) for record in records]


def one_pass(
    model: nn.Module, optimizer: torch.optim.Optimizer, part: ResidentPart, batch_size: int, lr: float = 0.1
) -> None:
    device, num_images = part.labels_N.device, len(part.labels_N)
    lrs = [lr] * math.ceil(num_images / batch_size)
    batches = draw_batches(part, torch.arange(num_images, device=device), batch_size)
    loss_sum, generator = torch.zeros((), device=device), torch.Generator(device)
    gradients = Eager(model, Recipe())
    for _ in train_epoch(model, gradients, optimizer, batches, lrs=lrs, generator=generator, loss_sum=loss_sum):
        pass


def test_a_trial_tells_its_life_and_learns() -> None:
    events = events_of(CONFIG)
    assert [type(event) for event in events] == [Started, Profiled, EpochEnded, EpochEnded, EpochEnded, Finished]
    records = records_of(events)
    assert [record.epoch for record in records] == [1, 2, 3]
    assert records[-1].num_correct / records[-1].num_images > 0.8
    for record in records:
        assert set(record.costs) == set(COSTS) - set(ONCE)
        assert record.costs["samples"].value == 1078
        assert record.costs["energy_joules"].value is None
        assert "no energy counter" in str(record.costs["energy_joules"].reason)
        assert set(record.bill) <= set(LINES)


def test_a_trial_is_bit_reproducible_on_the_cpu() -> None:
    assert outcome(records_of(events_of(CONFIG))) == outcome(records_of(events_of(CONFIG)))
    other = records_of(events_of(replace(CONFIG, seed=6)))
    assert outcome(other) != outcome(records_of(events_of(CONFIG)))


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(schedule="cosine", warmup_epochs=0.5),
        Recipe(schedule="one_cycle", label_smoothing=0.1),
        Recipe(augmentation="shift+flip"),
        Recipe(augmentation="crop"),
    ],
)
def test_every_recipe_trains_otherwise(recipe: Recipe) -> None:
    assert outcome(records_of(events_of(replace(CONFIG, recipe=recipe)))) != outcome(records_of(events_of(CONFIG)))


def test_a_schedule_decides_the_learning_rate_of_each_step() -> None:
    train = load_resident("digits", torch.device("cpu")).train
    model = build_model("cnn", 1, 10, {"width": 0.25})
    optimizer = build_optimizer("gd", model.parameters(), 0.1, {})
    used: list[float] = []
    optimizer.register_step_pre_hook(lambda *_: used.append(optimizer.param_groups[0]["lr"]))
    lrs = [0.1, 0.2, 0.3]
    steps = train_epoch(
        model, Eager(model, Recipe()), optimizer, draw_batches(train, torch.arange(90), 30), lrs=lrs,
        generator=torch.Generator(), loss_sum=torch.zeros(()),
    )  # fmt: skip
    assert len(list(steps)) == 3
    assert used == lrs


@pytest.mark.parametrize("batch_size", [300, 1078])
def test_micro_batches_give_the_gradients_of_the_whole_batch(batch_size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    train = load_resident("digits", torch.device("cpu")).train
    torch.manual_seed(0)
    once = build_model("cnn", 1, 10, {"width": 0.5}).double()
    images_NCHW = train.images_NCHW.double()
    ended = []
    for at_once in (1078, 100):
        monkeypatch.setitem(objectives.resident.VALUES_AT_ONCE, "cpu", at_once * 32 * 32)
        model = copy.deepcopy(once)
        part = ResidentPart(images_NCHW, train.labels_N)
        one_pass(model, build_optimizer("gd", model.parameters(), 0.1, {}), part, batch_size)
        ended.append(torch.cat([weights.flatten() for weights in model.parameters()]))
    assert torch.allclose(ended[0], ended[1], rtol=0, atol=1e-12)
    start = torch.cat([weights.flatten() for weights in once.parameters()])
    assert (ended[0] - start).abs().max() > 1e-4


def test_a_full_batch_takes_one_step_and_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    train = load_resident("digits", torch.device("cpu")).train
    model = build_model("cnn", 1, 10, {"width": 0.25})
    optimizer = build_optimizer("gd", model.parameters(), 0.1, {})
    sizes, steps = [], []
    model.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    optimizer.register_step_post_hook(lambda *_: steps.append(1))
    one_pass(model, optimizer, train, len(train.labels_N))
    assert len(steps) == 1
    assert max(sizes) <= 256
    assert sum(sizes) == 1078


def test_batch_size_one_and_full_are_trials_like_others() -> None:
    for batch_size in (1, "full"):
        events = events_of(replace(CONFIG, epochs=1, batch_size=batch_size))  # type: ignore[arg-type]
        assert isinstance(events[-1], Finished)


def test_divergence_is_infeasible_and_its_time_is_billed() -> None:
    events = events_of(replace(CONFIG, optimizer="gd", lr=1e6))
    assert isinstance(events[-1], Infeasible)
    assert "diverged" in events[-1].reason
    assert events[-1].bill["training"] > 0


def test_a_fault_of_the_code_is_a_failure_with_its_place() -> None:
    events = events_of(replace(CONFIG, optimizer_options={"nonsense": 1.0}))
    assert isinstance(events[-1], Failed)
    assert "optimizers.py" in events[-1].reason


def exhaust(*_: object) -> None:
    raise torch.OutOfMemoryError("CUDA out of memory")


def test_running_out_of_memory_is_infeasible(monkeypatch: pytest.MonkeyPatch) -> None:
    def exhaust(*_: object) -> None:
        torch.empty(2**55)

    monkeypatch.setattr(objectives.train, "rehearse", exhaust)
    events = events_of(CONFIG)
    assert isinstance(events[-1], Infeasible)
    assert "out of memory" in events[-1].reason


def test_normalisation_comes_from_the_training_part() -> None:
    data = load_resident("mnist5k", torch.device("cpu"))
    assert data.train.images_NCHW.mean().item() == pytest.approx(0, abs=1e-4)
    assert data.train.images_NCHW.std().item() == pytest.approx(1, abs=1e-4)
    assert abs(data.validation.images_NCHW.mean().item()) > 1e-4


def test_the_levels_of_each_channel() -> None:
    images = np.random.default_rng(0).integers(0, 200, (50, 3, 7, 5), dtype=np.uint8)
    images[:, 1] //= 3
    mean_C, deviation_C = channel_levels(Part(images, np.zeros(50, np.int64)))
    assert mean_C.numpy() == pytest.approx(images.mean(axis=(0, 2, 3)) / 255, rel=1e-12)
    assert deviation_C.numpy() == pytest.approx(images.std(axis=(0, 2, 3), ddof=1) / 255, rel=1e-12)


def test_each_epoch_has_an_order_of_its_own() -> None:
    first, second = draw_order(0, 1, 100), draw_order(0, 2, 100)
    assert sorted(first.tolist()) == list(range(100))
    assert not torch.equal(first, second)
    assert torch.equal(first, draw_order(0, 1, 100))


def test_batches_are_the_images_in_their_order() -> None:
    part = load_resident("digits", torch.device("cpu")).train
    order_N = draw_order(0, 1, len(part.labels_N))[:100]
    batches = list(draw_batches(part, order_N, 30))
    assert [len(labels_B) for _images, labels_B in batches] == [30, 30, 30, 10]
    assert torch.equal(torch.cat([images for images, _labels in batches]), part.images_NCHW[order_N])
    assert torch.equal(torch.cat([labels for _images, labels in batches]), part.labels_N[order_N])


def test_evaluation_counts_what_is_right() -> None:
    data = load_resident("digits", torch.device("cpu"))
    loss, num_correct = evaluate(build_model("cnn", 1, 10, {"width": 0.25}), data.validation)
    assert loss == pytest.approx(2.3, abs=0.1)
    assert 0 <= num_correct <= 360


@pytest.mark.gpu
def test_a_trial_on_a_gpu_measures_all_its_costs() -> None:
    config = replace(CONFIG, dataset="mnist5k", epochs=5, batch_size=16)
    records = records_of(events_of(config, "cuda:0"))
    absent = {name for record in records for name, cost in record.costs.items() if cost.value is None}
    assert absent == {"contention_seconds"}
    for record in records:
        seconds, joules = record.costs["device_seconds"].value or 0.0, record.costs["energy_joules"].value or 0.0
        assert 30 < joules / seconds < 800
        assert record.costs["event_seconds"].value == pytest.approx(seconds, rel=0.02, abs=2e-4)
        assert record.bill["training"] == pytest.approx(seconds)


@pytest.mark.gpu
def test_a_trial_on_a_gpu_learns_as_on_the_cpu() -> None:
    config = replace(CONFIG, dataset="mnist5k", epochs=3)
    here, there = (records_of(events_of(config, device)) for device in ("cpu", "cuda:0"))
    for ours, theirs in zip(here, there, strict=True):
        assert theirs.train_loss == pytest.approx(ours.train_loss, rel=0.1)
        assert theirs.num_correct == pytest.approx(ours.num_correct, abs=40)


@pytest.mark.gpu
def test_a_trial_on_a_gpu_that_is_suspended_goes_on_from_there(tmp_path: Path) -> None:
    config, device = replace(CONFIG, dataset="mnist5k", epochs=2), open_device(Placement(0, "cuda:0", 1))
    whole, folder = records_of(list(run_bundle([config], device))), tmp_path / "trial-00000"
    for _ in range(3):
        suspended = replace(config, folder=folder)
        *_, stopped = run_bundle([suspended], device, Requests(to_suspend={0}))
        assert isinstance(stopped, Stopped)
        assert "lost" not in stopped.bill
    again = records_of(list(run_bundle([replace(config, folder=folder)], device)))
    for ours, theirs in zip(again, whole, strict=True):
        assert ours.train_loss == pytest.approx(theirs.train_loss, rel=0.1)
        assert ours.costs["train_flops"] == theirs.costs["train_flops"]


def test_what_is_known_of_its_network_is_not_measured_again() -> None:
    config = replace(CONFIG, family="a family")
    started, found, *_ = events_of(config)
    assert isinstance(started, Started)
    assert isinstance(found, Profiled)
    assert (found.device, len(found.network)) == (started.device, 64)
    known = {started.device.digest: dict.fromkeys(ONCE, measured(1.0))}
    told = events_of(replace(config, profiles={found.network: known}))[1]
    assert told == Profiled(config.number, known[started.device.digest])
    again = events_of(replace(config, profiles={"of another": known}))[1]
    assert isinstance(again, Profiled)
    assert again.network == found.network


def test_a_loss_that_has_exploded_is_infeasible_though_it_is_finite() -> None:
    *_, last = events_of(replace(CONFIG, lr=1000.0))
    assert isinstance(last, Infeasible)
    told = r"diverged in epoch 1: the validation loss is \S+, over 1,000 times that of guessing"
    assert re.fullmatch(told, last.reason)


def test_the_models_own_costs_are_told_once_and_change_nothing() -> None:
    events, known = events_of(CONFIG), events_of(replace(CONFIG, is_profiled=True))
    assert [type(event) for event in events[:3]] == [Started, Profiled, EpochEnded]
    assert not any(isinstance(event, Profiled) for event in known)
    assert outcome(records_of(events)) == outcome(records_of(known))
    told = next(event for event in events if isinstance(event, Profiled))
    assert set(told.costs) == set(ONCE)
    assert [name for name, cost in told.costs.items() if not cost.value] in ([], ["inference_joules_per_1000_images"])


def test_a_model_that_cannot_take_one_image_is_trained_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise ValueError("two images are the least")

    monkeypatch.setattr("objectives.train.profile_model", refuse)
    events = events_of(CONFIG)
    told = next(event for event in events if isinstance(event, Profiled))
    reasons = {cost.reason for cost in told.costs.values()}
    assert len(reasons) == 1
    assert "the model cannot be used as it is trained: ValueError: two images are the least" in str(reasons)
    assert isinstance(events[-1], Finished)


def test_bf16_is_another_arithmetic_that_learns_as_well() -> None:
    wide = replace(CONFIG, model_options={"width": 1.0})
    full = records_of(events_of(wide))
    short = records_of(events_of(replace(wide, recipe=Recipe(precision="bf16"))))
    assert outcome(short) != outcome(full)
    assert short[-1].num_correct == pytest.approx(full[-1].num_correct, abs=20)
    assert outcome(short) == outcome(records_of(events_of(replace(wide, recipe=Recipe(precision="bf16")))))


def test_evaluation_is_at_the_precision_of_the_training() -> None:
    data = load_resident("digits", torch.device("cpu"))
    torch.manual_seed(0)
    model = build_model("cnn", 1, 10, {"width": 1.0})
    assert evaluate(model, data.validation, "bf16")[0] != evaluate(model, data.validation)[0]
    assert evaluate(model, data.validation, "bf16")[0] == pytest.approx(evaluate(model, data.validation)[0], rel=0.01)


def test_a_batch_may_be_larger_than_the_training_part(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(objectives.resident.VALUES_AT_ONCE, "cpu", 2**30)
    (large, full) = (records_of(events_of(replace(CONFIG, batch_size=size))) for size in (5000, "full"))
    assert outcome(large) == outcome(full)
    assert len(large) == CONFIG.epochs


def test_a_rehearsal_leaves_the_model_as_it_is() -> None:
    data, model = load_resident("digits", torch.device("cpu")), build_model("cnn", 1, 10, {"width": 0.5})
    before = copy.deepcopy(model.state_dict())
    rehearse(model, CONFIG, data, 64)
    assert all(torch.equal(before[name], values) for name, values in model.state_dict().items())
    assert [weights for weights in model.parameters() if weights.grad is not None] == []


def test_kernels_are_loaded_by_a_step_and_an_evaluation(monkeypatch: pytest.MonkeyPatch) -> None:
    data, copied = load_resident("digits", torch.device("cpu")), build_model("cnn", 1, 10, {"width": 0.5})
    for weights in copied.parameters():
        weights.grad = torch.ones_like(weights)
    before = copy.deepcopy(copied.state_dict())
    evaluated: list[int] = []
    monkeypatch.setattr("objectives.train.evaluate", lambda _model, part, _: evaluated.append(len(part.labels_N)))
    load_kernels(copied.train(), CONFIG, data)
    assert not any(torch.equal(before[name], values) for name, values in copied.state_dict().items())
    assert len(evaluated) == 1
    monkeypatch.setattr("objectives.train.evaluate", exhaust)
    load_kernels(copied, CONFIG, data)  # that memory does not suffice for the copy is no fault of the trial


class Looped:
    """What only the garbage collector frees."""

    def __init__(self) -> None:
        self.own = self


def test_what_a_slot_has_loaded_is_not_looked_through_for_garbage_in_mid_epoch() -> None:
    gc.unfreeze()
    garbage = Looped()
    weakly = weakref.ref(garbage)
    del garbage
    keep_loaded()
    assert weakly() is None
    assert gc.get_freeze_count() > 50_000, "torch alone brings more"
    assert len(gc.get_objects()) < 5_000

"""Captured graphs give what is computed operation by operation. What is captured needs a GPU."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from objectives.batches import draw_batches
from objectives.gradients import Captured, Eager, Gradients, backpropagate, build_gradients
from objectives.models import build_model
from objectives.optimizers import OPTIMIZERS, build_optimizer
from objectives.precision import prepare
from objectives.resident import ResidentPart, load_resident
from objectives.train import train_epoch
from objectives.trial import Recipe

BATCH_SIZE, NUM_IMAGES = 64, 200  # the last batch has 8 images
SIZES = (BATCH_SIZE, NUM_IMAGES % BATCH_SIZE)


def images_on(device: str) -> ResidentPart:
    part = load_resident("mnist5k", torch.device(device)).train
    return ResidentPart(part.images_NCHW[:NUM_IMAGES], part.labels_N[:NUM_IMAGES])


def epochs(model: nn.Module, gradients: Gradients, part: ResidentPart, optimizer: str) -> list[float]:
    """Returns the loss of two epochs."""
    device, found = part.labels_N.device, []
    stepping = build_optimizer(optimizer, model.parameters(), 0.003, {})
    generator = torch.Generator(device).manual_seed(3)
    for epoch in range(2):
        order_N = torch.randperm(NUM_IMAGES, generator=torch.Generator().manual_seed(epoch)).to(device)
        loss_sum = torch.zeros((), device=device)
        for _ in train_epoch(
            model, gradients, stepping, draw_batches(part, order_N, BATCH_SIZE),
            lrs=[0.001, 0.002, 0.003, 0.004], generator=generator, loss_sum=loss_sum,
        ):  # fmt: skip
            pass
        found.append(loss_sum.item())
    return found


def weights_of(model: nn.Module) -> Tensor:
    return torch.cat([weights.detach().flatten() for weights in model.parameters()])


def test_on_a_cpu_nothing_is_captured() -> None:
    model = build_model("cnn", 1, 10, {})
    assert isinstance(build_gradients(model, "cnn", Recipe(), images_on("cpu"), SIZES), Eager)


@pytest.mark.gpu
@pytest.mark.parametrize("recipe", [Recipe(), Recipe(label_smoothing=0.1, augmentation="shift+flip")])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_captured_pass_trains_as_an_eager_one(optimizer: str, recipe: Recipe) -> None:
    part = images_on("cuda")
    prepare("fp32", "cuda")
    torch.manual_seed(0)
    eager = build_model("cnn", 1, 10, {}).to("cuda")
    replayed, start = copy.deepcopy(eager), weights_of(eager)
    captured = build_gradients(replayed, "cnn", recipe, part, SIZES)
    assert isinstance(captured, Captured)
    assert torch.equal(weights_of(replayed), start), "to capture is not to train"
    first = epochs(eager, Eager(eager, recipe), part, optimizer)
    assert epochs(replayed, captured, part, optimizer) == pytest.approx(first, rel=1e-3)
    moved = (weights_of(eager) - start).norm()
    assert (weights_of(eager) - weights_of(replayed)).norm() < 0.02 * moved


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["tf32", "bf16"])
def test_a_graph_keeps_its_precision_and_reads_weights_anew(precision: str) -> None:
    part, recipe = images_on("cuda"), Recipe(precision=precision)
    prepare(precision, "cuda")
    torch.manual_seed(0)
    eager = build_model("cnn", 1, 10, {}).to("cuda")
    replayed = copy.deepcopy(eager)
    captured = build_gradients(replayed, "cnn", recipe, part, SIZES)
    first = epochs(eager, Eager(eager, recipe), part, "sgd")
    assert epochs(replayed, captured, part, "sgd") == pytest.approx(first, rel=0.02)
    assert first[1] < first[0]


@pytest.mark.gpu
def test_graphs_that_are_gone_hold_no_memory() -> None:
    part, held = images_on("cuda"), []
    for _ in range(4):
        model = build_model("cnn", 1, 10, {}).to("cuda")
        captured = build_gradients(model, "cnn", Recipe(), part, SIZES)
        epochs(model, captured, part, "sgd")
        del model, captured
        torch.cuda.empty_cache()
        held.append(torch.cuda.memory_reserved())
    assert max(held[1:]) <= held[0]


@pytest.mark.gpu
def test_a_graphs_own_memory_is_that_of_a_pass_and_grows_with_the_batch() -> None:
    part, told = images_on("cuda"), []
    for size in (50, 100, 200):
        model = build_model("cnn", 1, 10, {"width": 4.0}).to("cuda")
        captured = build_gradients(model, "cnn", Recipe(), part, (size,))
        backpropagate(model, part.images_NCHW[:size], part.labels_N[:size], size, Recipe())
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        backpropagate(model, part.images_NCHW[:size], part.labels_N[:size], size, Recipe())
        told.append(captured.graph_bytes)
        assert captured.graph_bytes == pytest.approx(torch.cuda.max_memory_allocated() - before, rel=0.25)
    assert told == sorted(set(told))


@pytest.mark.gpu
def test_what_cannot_be_captured_is_eager_and_leaves_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    part, stream = images_on("cuda"), torch.cuda.current_stream()
    model = build_model("cnn", 1, 10, {}).to("cuda")

    def wait(*given: Any) -> Tensor:
        loss = backpropagate(*given)
        if torch.cuda.is_current_stream_capturing():
            loss.item()  # no graph can hold it
        return loss

    monkeypatch.setattr("objectives.gradients.backpropagate", wait)
    gradients = build_gradients(model, "cnn", Recipe(), part, SIZES)
    assert isinstance(gradients, Eager)
    assert torch.cuda.current_stream() == stream
    first, second = epochs(model, gradients, part, "sgd")
    assert second < first


@pytest.mark.gpu
def test_what_may_do_other_things_in_each_pass_is_not_captured() -> None:
    part = images_on("cuda")
    model = build_model("cnn", 1, 10, {}).to("cuda")
    assert isinstance(build_gradients(model, "own.models:Net", Recipe(), part, SIZES), Eager)
    assert isinstance(build_gradients(model, "cnn", Recipe(), part, (10**6,)), Eager)


@pytest.mark.gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("kind", [Eager, Captured])
def test_an_epoch_never_waits_for_the_gpu(kind: type[Gradients], optimizer: str) -> None:
    part = images_on("cuda")
    model = build_model("cnn", 1, 10, {}).to("cuda")
    gradients = Eager(model, Recipe()) if kind is Eager else build_gradients(model, "cnn", Recipe(), part, SIZES)
    stepping = build_optimizer(optimizer, model.parameters(), 0.001, {})
    order_N, lrs = torch.arange(NUM_IMAGES, device="cuda"), [0.001] * 4
    generator, loss_sum = torch.Generator("cuda"), torch.zeros((), device="cuda")

    def run() -> None:
        batches = draw_batches(part, order_N, BATCH_SIZE)
        for _ in train_epoch(model, gradients, stepping, batches, lrs=lrs, generator=generator, loss_sum=loss_sum):
            pass

    run()
    torch.cuda.set_sync_debug_mode("error")
    try:
        run()
        with pytest.raises(RuntimeError, match="synchronizing"):
            loss_sum.item()
    finally:
        torch.cuda.set_sync_debug_mode("default")

from __future__ import annotations

import copy
import math
import random
import time
from itertools import groupby
from statistics import stdev

import pytest
import torch
from replay import Replay
from torch import Tensor, nn

from objectives.costs import ONCE, counted, measured
from objectives.meters.flops import flops_per_image
from objectives.meters.inference import identify_network, profile_model
from objectives.meters.latency import quantile, quantile_of_bursts, time_in_bursts, time_passes
from objectives.models import build_model

FLOPS = counted(1.0)
NO_COUNTER = "there is no counter"


class Wide(nn.Module):
    """Maps 100 values to 1,000 and those to 10: 4,000 bytes for each image in between."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.narrow = nn.Linear(100, 1000, bias=False), nn.Linear(1000, 10, bias=False)
        self.register_buffer("kept", torch.zeros(7))

    def forward(self, images_NCHW: Tensor) -> Tensor:
        logits: Tensor = self.narrow(self.wide(images_NCHW.flatten(1)))
        return logits


class Slow(nn.Module):
    """Takes its time, draws at random, and moves a buffer as it is used."""

    def __init__(self) -> None:
        super().__init__()
        self.weights = nn.Linear(4, 2)
        self.norm = nn.BatchNorm1d(4)
        self.num_calls = 0

    def forward(self, images_NCHW: Tensor) -> Tensor:
        self.num_calls += 1
        time.sleep(0.002)
        noise_N4 = torch.randn(len(images_NCHW), 4)
        logits: Tensor = self.weights(self.norm(images_NCHW.flatten(1) + noise_N4))
        return logits


def test_size_and_flops_are_those_by_hand() -> None:
    model = build_model("cnn", 1, 10, {"width": 1.0})
    flops = flops_per_image("cnn", {"width": 1.0}, (1, 32, 32), 10)
    costs = profile_model(model, torch.randn(8, 1, 32, 32), counted(float(flops.inference)), NO_COUNTER)
    assert set(costs) == set(ONCE)
    assert costs["parameters"].value == 61_706
    conv1, conv2, linear = 6 * 25 * 28**2, 16 * 6 * 25 * 10**2, 400 * 120 + 120 * 84 + 84 * 10
    assert costs["inference_flops"].value == 2 * (conv1 + conv2 + linear)
    assert 4 * 61_706 < (costs["model_bytes"].value or 0) < 4 * 61_706 + 10_000


def test_latency_is_that_of_one_image_and_batches_are_cheaper_by_the_image() -> None:
    costs = profile_model(Slow(), torch.randn(16, 1, 2, 2), FLOPS, NO_COUNTER)
    latency, late, each = (
        costs[f"inference_{name}"] for name in ("latency_seconds", "latency_p95_seconds", "seconds_per_image")
    )
    assert latency.value is not None
    assert late.value is not None
    assert each.value is not None
    assert 0.002 <= latency.value <= late.value
    assert 0.002 / 16 <= each.value < latency.value
    assert latency.error is not None


def test_the_model_and_the_random_state_are_left_as_they_were() -> None:
    model = Slow()
    before, drawn = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    profile_model(model, torch.randn(4, 1, 2, 2, generator=torch.Generator()), FLOPS, NO_COUNTER)
    assert torch.equal(torch.get_rng_state(), drawn)
    assert model.training
    assert model.num_calls == 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("num_images", [1, 64])
def test_peak_memory_is_weights_images_and_what_a_pass_allocates(num_images: int) -> None:
    held = 4 * (100 * 1000 + 1000 * 10 + 7 + num_images * 100)
    allocated = 4 * num_images * (1000 + 10)
    for _ in range(2):  # whatever the process holds and freed before
        costs = profile_model(Wide(), torch.randn(num_images, 1, 10, 10), FLOPS, NO_COUNTER)
        assert costs["inference_peak_memory_bytes"] == measured(float(held + allocated))
        del costs
        torch.ones(10_000_000)


def test_energy_is_that_of_1000_images_by_the_devices_counter() -> None:
    device = Replay.steady(2.0, 1.0, 400.0)
    device.tick_seconds = 0.001

    class Playing(Slow):
        """Takes a second of the played device for each pass, 2 J."""

        def forward(self, images_NCHW: Tensor) -> Tensor:
            device.play(1.0)
            return super().forward(images_NCHW)

        def __deepcopy__(self, _memo: object) -> Playing:
            return Playing()

    costs = profile_model(Playing(), torch.randn(16, 1, 2, 2), FLOPS, device)
    assert costs["inference_joules_per_1000_images"].value == pytest.approx(2.0 * 1000 / 16)
    assert costs["inference_joules_per_1000_images"].error is not None
    absent = profile_model(Slow(), torch.randn(16, 1, 2, 2), FLOPS, NO_COUNTER)
    assert absent["inference_joules_per_1000_images"].reason == NO_COUNTER


def test_passes_are_as_many_as_fit_and_at_least_the_least() -> None:
    assert len(time_passes(lambda: time.sleep(0.01), "cpu", least=4)) == 4
    assert len(time_passes(lambda: None, "cpu")) == 400


@pytest.mark.parametrize("share", [0.5, 0.95])
def test_the_error_of_a_quantile_covers_it(share: float) -> None:
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(400):
        found = quantile(torch.rand(100, generator=generator).tolist(), share)
        assert found.value is not None
        assert found.error is not None
        covered += abs(found.value - share) <= 2 * found.error
    assert covered > 0.9 * 400


def test_of_too_few_values_the_error_of_a_high_quantile_is_not_known() -> None:
    few = [float(number) for number in range(20)]
    assert quantile(few, 0.95).error is None
    assert quantile(few, 0.5).error is not None
    assert quantile([float(number) for number in range(100)], 0.95).error is not None


def test_bursts_of_two_kinds_take_turns_and_hold_the_least_passes() -> None:
    told: list[str] = []

    def small() -> None:
        told.append("small")
        time.sleep(0.005)

    def large() -> None:
        told.append("large")
        time.sleep(0.01)

    found = time_in_bursts([small, large], "cpu", [20, 5])
    assert [[len(burst) for burst in bursts] for bursts in found] == [[4] * 5, [1] * 5]
    assert [kind for kind, _ in groupby(told)] == ["small", "large"] * 5
    few = time_in_bursts([lambda: None], "cpu", [20])[0]
    assert [len(burst) for burst in few] == [80] * 5


def test_what_slows_a_whole_burst_is_in_the_error() -> None:
    generator = random.Random(0)
    levels = (1.0, 1.1, 1.0, 1.2, 1.1)
    bursts = [[level + generator.gauss(0, 0.001) for _ in range(80)] for level in levels]
    found, alike = quantile_of_bursts(bursts, 0.5), quantile([value for burst in bursts for value in burst], 0.5)
    assert found.value == alike.value
    assert found.error == pytest.approx(2.7764 * stdev(levels) / math.sqrt(5), rel=0.02)
    assert quantile_of_bursts([[1.0, 2.0]] * 5, 0.95).error is None
    steady = [[generator.gauss(1, 0.1) for _ in range(80)] for _ in range(5)]
    assert quantile_of_bursts(steady, 0.5).error == pytest.approx(0.0125, rel=0.8)


def test_a_network_is_known_by_its_structure_its_work_and_its_family() -> None:
    def build(num_hidden: int = 4, activation: type[nn.Module] = nn.ReLU) -> nn.Module:
        return nn.Sequential(nn.Linear(8, num_hidden), activation(), nn.Linear(num_hidden, 2))

    known = identify_network(build(), "family", FLOPS)
    assert identify_network(build(), "family", FLOPS) == known, "whatever its weights are"
    others = [
        identify_network(build(num_hidden=5), "family", FLOPS),
        identify_network(build(activation=nn.Sigmoid), "family", FLOPS),
        identify_network(build().double(), "family", FLOPS),
        identify_network(build(), "another family", FLOPS),
        identify_network(build(), "family", counted((FLOPS.value or 0.0) + 1)),
    ]
    assert len({known, *others}) == 6
    assert identify_network(build(), "", FLOPS) == "", "it is not to be known again"

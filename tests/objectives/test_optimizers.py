from __future__ import annotations

import pytest
import torch

from objectives.optimizers import OPTIMIZERS, build_optimizer
from objectives.parameters import FLAG


def descend(name: str, num_steps: int, **options: float) -> tuple[float, torch.optim.Optimizer]:
    weight = torch.nn.Parameter(torch.tensor([3.0]))
    optimizer = build_optimizer(name, [weight], 0.05, options)
    for _ in range(num_steps):
        optimizer.zero_grad()
        torch.autograd.backward((weight**2).sum())
        optimizer.step()
    return weight.item(), optimizer


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_goes_downhill_and_takes_all_its_options(name: str) -> None:
    assert abs(descend(name, 50)[0]) < 3.0
    options = {key: True if law == FLAG else 0.5 for key, law in OPTIMIZERS[name].options.items()}
    assert abs(descend(name, 1, **options)[0]) < 3.0


def test_gd_is_plain_and_sgd_has_the_momentum_of_the_background_text() -> None:
    assert descend("gd", 1)[0] == pytest.approx(3.0 - 0.05 * 6.0)
    assert descend("gd", 2)[0] == pytest.approx(2.7 - 0.05 * 5.4)
    assert descend("sgd", 2)[0] == pytest.approx(2.7 - 0.05 * (0.9 * 6.0 + 5.4))
    assert descend("sgd", 2, momentum=0.5)[0] == pytest.approx(2.7 - 0.05 * (0.5 * 6.0 + 5.4))
    assert descend("nesterov", 1)[1].defaults["nesterov"]


def test_betas_are_passed_on() -> None:
    assert descend("adam", 1, beta1=0.8)[1].defaults["betas"] == (0.8, 0.999)


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(KeyError, match="no option momentum"):
        descend("adam", 1, momentum=0.9)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_fused_step_is_torchs_own_step(name: str) -> None:
    is_fused = bool(OPTIMIZERS[name].fused_on)
    value, optimizer = descend(name, 5)
    assert bool(optimizer.defaults.get("fused")) is is_fused
    weight = torch.nn.Parameter(torch.tensor([3.0]))
    options = {
        key: value for key, value in optimizer.defaults.items() if key not in ("fused", "decoupled_weight_decay")
    }
    plain = type(optimizer)([weight], **options)
    for _ in range(5):
        plain.zero_grad()
        torch.autograd.backward((weight**2).sum())
        plain.step()
    assert value == pytest.approx(weight.item(), rel=1e-4)


def test_complex_weights_are_stepped_one_by_one() -> None:
    weight = torch.nn.Parameter(torch.tensor([1 + 1j]))
    assert not build_optimizer("adam", [weight], 0.05, {}).defaults["fused"]

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

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
    plain = getattr(torch.optim, OPTIMIZERS[name].torch_name)([weight], **options)
    for _ in range(5):
        plain.zero_grad()
        torch.autograd.backward((weight**2).sum())
        plain.step()
    assert value == pytest.approx(weight.item(), rel=1e-4)


def test_complex_weights_are_stepped_one_by_one() -> None:
    weight = torch.nn.Parameter(torch.tensor([1 + 1j]))
    assert not build_optimizer("adam", [weight], 0.05, {}).defaults["fused"]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_that_is_saved_and_loaded_goes_on_as_it_was(name: str) -> None:
    value, _ = descend(name, 6)
    first, optimizer = descend(name, 3)
    weight = torch.nn.Parameter(torch.tensor([first]))
    again = build_optimizer(name, [weight], 0.05, {})
    again.load_state_dict(optimizer.state_dict())
    for _ in range(3):
        again.zero_grad()
        torch.autograd.backward((weight**2).sum())
        again.step()
    assert weight.item() == value


def test_to_train_and_to_save_loads_no_compiler(tmp_path: Path) -> None:
    """It would be half a second of each process, and the sweep waits for it."""
    code = f"""
import sys
from pathlib import Path
from objectives.slot import open_device, run_bundle
from objectives.trial import Placement, TrialConfig
for optimizer in {list(OPTIMIZERS)}:
    folder = Path({str(tmp_path)!r}) / optimizer
    config = TrialConfig(0, "cnn", "digits", 2, 0, 0.01, optimizer, 64, {{"width": 0.25}}, {{}}, folder=folder)
    *_, last = run_bundle([config], open_device(Placement(0, "cpu", 1)))
    print(type(last).__name__)
print(sorted({{"torch._dynamo", "sympy"}} & set(sys.modules)))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.split() == [*["Finished"] * len(OPTIMIZERS), "[]"]

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from objectives.states import StateFault, flatten_state, read_state, write_state


def test_a_state_comes_back_as_it_was(tmp_path: Path) -> None:
    model = torch.nn.Linear(2, 3)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.ones(4, 2)).sum().backward()
    optimizer.step()
    state: dict[Any, Any] = {
        "plain": [None, True, 3, 0.1, "word", math.inf],
        7: ("a", {"nested": ()}),
        "array": np.arange(6, dtype=np.uint8).reshape(2, 3),
        "scalar": np.float32(1.5),
        "words": np.array(["a", "bc"]),
        "half": torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
        "flags": torch.tensor([True, False]),
        "zero": torch.tensor(3),
        "optimizer": optimizer.state_dict(),
        "model": dict(model.state_dict()),
    }
    write_state(tmp_path / "a.npz", flatten_state({"state": state}))
    read = read_state(tmp_path / "a.npz")["state"]
    assert not list(tmp_path.glob("*.part"))
    for name in ("plain", 7):
        assert read[name] == state[name]
    for name in ("array", "words", "scalar"):
        assert read[name].dtype == state[name].dtype
        assert np.array_equal(read[name], state[name])
    for name in ("half", "flags", "zero"):
        assert read[name].dtype == state[name].dtype
        assert torch.equal(read[name], state[name])
    fresh = torch.optim.AdamW(model.parameters(), lr=0.5)
    fresh.load_state_dict(read["optimizer"])
    assert str(fresh.state_dict()) == str(optimizer.state_dict())
    assert all(torch.equal(read["model"][name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ({"model": [torch.nn.Linear(1, 1)]}, r"state\['model'\]\[0\]: a plain value, .* but got Linear"),
        ({"a": np.array([object()])}, r"state\['a'\]: an array of numbers, .* holds objects"),
        (b"bytes", "but got bytes"),
    ],
)
def test_what_would_need_a_pickle_is_refused(tmp_path: Path, state: Any, words: str) -> None:
    with pytest.raises(StateFault, match=words):
        write_state(tmp_path / "a.npz", flatten_state({"state": state}))
    assert not list(tmp_path.iterdir())

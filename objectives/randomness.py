"""The global random states of Python, NumPy and torch, from which the user's models and training functions may draw.

NumPy and torch are touched only where they are loaded.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from typing import Any


def seed_everything(seed: int) -> None:
    """Sets all of them from a seed."""
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def take_states(*, on_cuda: bool) -> dict[str, Any]:
    """Returns the states as plain values and tensors, a CUDA device's too where one is used."""
    import numpy as np
    import torch

    numpy = dict(np.random.get_state(legacy=False))
    numpy["state"] = {"key": torch.from_numpy(numpy["state"]["key"].astype("int64")), "pos": numpy["state"]["pos"]}
    return {
        "python": random.getstate(),
        "numpy": numpy,
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state() if on_cuda else None,
    }


def restore_states(states: Mapping[str, Any]) -> None:
    """Sets the states as they were taken."""
    import numpy as np
    import torch

    numpy, (version, numbers, gauss) = states["numpy"], states["python"]
    random.setstate((version, tuple(numbers), gauss))
    key = numpy["state"]["key"].numpy().astype("uint32")
    np.random.set_state({**numpy, "state": {"key": key, "pos": numpy["state"]["pos"]}})
    torch.set_rng_state(states["torch"])
    if states["cuda"] is not None:
        torch.cuda.set_rng_state(states["cuda"])

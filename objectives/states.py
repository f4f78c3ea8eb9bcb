"""States of a user's own as files: plain values, arrays and tensors in containers, never a pickle.

A file is NumPy's zip of arrays; one of them holds the containers as JSON, with the arrays' numbers in their place.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from objectives.files import read_sealed, write_sealed

Array = np.ndarray[Any, np.dtype[Any]]


class StateFault(ValueError):
    """A state that cannot be kept; the text is one clear line."""


@dataclass(frozen=True)
class State:
    """Values as they are kept: nothing that happens to them later changes it.

    Attributes:
        plain: JSON of the containers, with numbers of arrays in their place.
        arrays: The arrays.
    """

    plain: str
    arrays: list[Array]

    def copy(self) -> State:
        """Returns one whose arrays nobody else changes."""
        return State(self.plain, [array.copy() for array in self.arrays])

    def beside(self, more: State) -> State:
        """Returns one that has the values of another one too, which holds no arrays."""
        assert not more.arrays
        return State(json.dumps({**json.loads(more.plain), **json.loads(self.plain)}), self.arrays)


def flatten_state(named: Mapping[str, Any]) -> State:
    """Returns values by name as they are kept; the arrays are still the caller's.

    Args:
        named: None, flags, numbers, words, NumPy arrays of these and torch tensors, in lists, tuples and dicts.

    Raises:
        StateFault: for anything else, saying where it stands.
    """
    arrays: list[Array] = []
    return State(json.dumps({name: _flatten(value, arrays, name) for name, value in named.items()}), arrays)


def write_state(path: Path, state: State) -> None:
    """Writes a state, durably; the one before is kept too.

    Raises:
        OSError: where it cannot be written, as on a full disk.
    """
    buffer = io.BytesIO()
    numbered = {str(index): array for index, array in enumerate(state.arrays)}
    np.savez(buffer, plain=np.frombuffer(state.plain.encode(), dtype=np.uint8), **numbered)  # type: ignore[arg-type]  # NumPy's stubs take the names for options
    write_sealed(path, buffer.getbuffer(), durable=True, keeps_previous=True)


def decode_state(content: memoryview) -> dict[str, Any]:
    """Returns the values as they were flattened; tensors are on the CPU.

    Raises:
        ValueError: where it is not one of ours.
    """
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        plain = json.loads(file["plain"].tobytes())
        return {name: _restore(value, file) for name, value in plain.items()}


def read_state(path: Path) -> dict[str, Any]:
    """Returns the values of a file.

    Raises:
        OSError: where there is no such file.
        Unusable: where it is not what was written.
    """
    return decode_state(read_sealed(path))


def _flatten(value: Any, arrays: list[Array], where: str) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, np.generic):
        return {"scalar": _keep(np.asarray(value), arrays, where)}
    if isinstance(value, np.ndarray):
        return {"array": _keep(value, arrays, where)}
    if "torch" in sys.modules and isinstance(value, sys.modules["torch"].Tensor):
        return _flatten_tensor(value, arrays, where)
    if isinstance(value, Mapping):
        pairs = [
            [_flatten(key, arrays, f"a key of {where}"), _flatten(inner, arrays, f"{where}[{key!r}]")]
            for key, inner in value.items()
        ]
        return {"dict": pairs}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_flatten(inner, arrays, f"{where}[{index}]") for index, inner in enumerate(value)]}
    raise StateFault(
        f"{where}: a plain value, a NumPy array, a torch tensor, or a list, tuple or dict of these is needed, but got "
        f"{type(value).__name__}"
    )


def _flatten_tensor(tensor: Any, arrays: list[Array], where: str) -> Any:
    import torch

    plain = tensor.detach().cpu().contiguous()
    dtype = str(plain.dtype).removeprefix("torch.")
    if plain.dtype == torch.bfloat16:  # NumPy has no such type
        plain = plain.view(torch.int16)
    return {"tensor": _keep(plain.numpy(), arrays, where), "dtype": dtype}


def _keep(array: Array, arrays: list[Array], where: str) -> int:
    if array.dtype.hasobject:
        raise StateFault(f"{where}: an array of numbers, flags or words is needed, but this one holds objects")
    arrays.append(array)
    return len(arrays) - 1


def _restore(value: Any, file: Mapping[str, Array]) -> Any:
    if not isinstance(value, dict):
        return value
    kind, content = next(iter(value.items()))
    return _RESTORE[kind](content, value, file)


def _restore_tensor(index: int, value: Mapping[str, Any], file: Mapping[str, Array]) -> Any:
    import torch

    return torch.from_numpy(file[str(index)]).view(getattr(torch, value["dtype"]))


_RESTORE: dict[str, Callable[[Any, Mapping[str, Any], Mapping[str, Array]], Any]] = {
    "array": lambda index, _, file: file[str(index)],
    "scalar": lambda index, _, file: file[str(index)][()],
    "tensor": _restore_tensor,
    "dict": lambda pairs, _, file: {_restore(key, file): _restore(inner, file) for key, inner in pairs},
    "list": lambda inner, _, file: [_restore(one, file) for one in inner],
    "tuple": lambda inner, _, file: tuple(_restore(one, file) for one in inner),
}

"""What tests of exported models share: a small study, and the command that is run in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

DIGITS = {
    "name": "quick",
    "objective": {"dataset": "digits", "epochs": 3, "minimize": ["train_flops"]},
    "space": {"optimizer": "adam", "lr": [0.005, 0.01], "width": [0.25, 0.5], "batch_size": 64},
    "search": {"trials": 4, "sampler": "random", "baseline": False},
    "compute": {"engine": "inline", "threads": 1},
}


class Done(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.out, self.err
        return json.loads(self.out)


Command = Callable[..., Done]


def write_images(folder: Path, images_NCHW: npt.NDArray[np.uint8], labels_N: npt.NDArray[np.int64]) -> Path:
    """Writes images as files, each class into a folder of its own."""
    for number, (image_CHW, label) in enumerate(zip(images_NCHW, labels_N, strict=True)):
        path = folder / str(label) / f"{number:04}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image_CHW[0] if len(image_CHW) == 1 else image_CHW.transpose(1, 2, 0)).save(path)
    return folder


def num_right(answers: list[dict[str, Any]]) -> int:
    return sum(answer["class"] == Path(answer["file"]).parent.name for answer in answers)

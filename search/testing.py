"""The test accuracy of a checkpoint that a person picked. The search never sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboards.summary import Checkpoint
from objectives.data import DataFault
from objectives.intervals import wilson_interval
from storage.database import Database
from storage.studies import StudyRow, keep_test


@dataclass(frozen=True)
class TestAccuracy:
    """Share of the test images that a checkpoint classifies correctly, with Wilson's 95 % interval, or why not."""

    accuracy: float | None
    interval: tuple[float, float] | None
    reason: str | None

    def as_json(self) -> dict[str, Any]:
        """Returns plain values."""
        interval = None if self.interval is None else list(self.interval)
        return {
            "test_accuracy": self.accuracy,
            "test_accuracy_interval": interval,
            "test_absent": self.reason,
        }


def test_accuracy(database: Database, study: StudyRow, point: Checkpoint) -> TestAccuracy:
    """Returns the test accuracy of a checkpoint: computed once from its stored weights, on the CPU, and kept."""
    if (point.trial, point.epoch) in study.tests:
        return _tested(*study.tests[point.trial, point.epoch])
    objective = study.spec["objective"]
    if objective["model"] is None:
        return TestAccuracy(None, None, "a training function tells of its validation data alone")
    import torch

    from objectives.checkpoint import load_weights
    from objectives.models import build_model, read_family
    from objectives.train import evaluate, load_resident

    folder = database.artifacts / study.uuid / f"trial-{point.trial:05}"
    weights = load_weights(folder, point.epoch)
    if weights is None:
        reason = f"the weights of trial {point.trial} after epoch {point.epoch} were not kept: it was not on the front"
        return TestAccuracy(None, None, reason)
    try:
        data = load_resident(objective["dataset"], torch.device("cpu"), Path(objective["data_root"]))
    except DataFault as fault:
        return TestAccuracy(None, None, f"the test images cannot be opened: {fault}")
    names = read_family(objective["model"]).parameters
    options = {name: point.params[name] for name in names if name in point.params}
    model = build_model(objective["model"], data.test.images_NCHW.shape[1], data.num_classes, options)
    model.load_state_dict(weights)
    num_correct, num_images = evaluate(model, data.test)[1], len(data.test.labels_N)
    keep_test(database, study.uuid, point.trial, point.epoch, num_correct, num_images)
    return _tested(num_correct, num_images)


def _tested(num_correct: int, num_images: int) -> TestAccuracy:
    return TestAccuracy(num_correct / num_images, wilson_interval(num_correct, num_images), None)

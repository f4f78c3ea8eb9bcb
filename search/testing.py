"""The test accuracy of a checkpoint that a person picked. The search never sees it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dashboards.summary import Checkpoint
from objectives.data import DataFault
from objectives.intervals import seeds_interval
from objectives.trial import weights_path
from storage.artifacts import trial_folder
from storage.database import Database
from storage.rows import StudyRow
from storage.studies import keep_test

FUNCTION = "a training function tells of its validation data alone"


@dataclass(frozen=True)
class TestAccuracy:
    """Share of the test images that a checkpoint classifies correctly, with its 95 % interval, or why it is unknown."""

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
    """Returns the test accuracy of a checkpoint, the mean over its seeds: computed once, on the CPU, and kept."""
    counts = [_count_correct(database, study, number, point) for number in point.seeds]
    known = [count for count in counts if not isinstance(count, str)]
    if len(known) < len(counts):
        return TestAccuracy(None, None, next(count for count in counts if isinstance(count, str)))
    return TestAccuracy(*seeds_interval(known), None)


NOT_TESTED = "it was not tested yet: `paretune pick` or `report` where the study is kept does that"


def kept_accuracy(study: StudyRow, point: Checkpoint) -> TestAccuracy:
    """Returns the test accuracy of a checkpoint, the mean over its seeds, where it was computed before."""
    if study.spec["objective"].get("train") is not None:
        return TestAccuracy(None, None, FUNCTION)
    counts = [study.tests.get((number, point.epoch)) for number in point.seeds]
    known = [count for count in counts if count is not None]
    if len(known) < len(counts):
        return TestAccuracy(None, None, NOT_TESTED)
    return TestAccuracy(*seeds_interval(known), None)


def _count_correct(database: Database, study: StudyRow, trial: int, point: Checkpoint) -> tuple[int, int] | str:
    """Returns how many test images the stored weights of one seed get right, of how many; or why that is unknown."""
    if (trial, point.epoch) in study.tests:
        return study.tests[trial, point.epoch]
    objective = study.spec["objective"]
    if objective.get("train") is not None:
        return FUNCTION
    folder = trial_folder(database.artifacts / study.uuid, trial)
    if not weights_path(folder, point.epoch).exists():
        which = f"the weights of trial {trial} after epoch {point.epoch}"
        return f"{which} were not kept: it was not on the front, or there was no room"

    import torch

    from objectives.checkpoint import load_weights
    from objectives.evaluation import evaluate
    from objectives.files import Unusable
    from objectives.models import build_model, read_family
    from objectives.resident import load_resident

    try:
        data = load_resident(objective["dataset"], torch.device("cpu"), Path(objective["data_root"]))
    except DataFault as fault:
        return f"the test images cannot be opened: {fault}"
    names = read_family(objective["model"]).parameters
    options = {name: point.params[name] for name in names if name in point.params}
    model = build_model(objective["model"], data.test.images_NCHW.shape[1], data.num_classes, options)
    try:
        model.load_state_dict(load_weights(folder, point.epoch))
    except Unusable as fault:
        return f"the file of the weights of trial {trial} after epoch {point.epoch} {fault}"
    precision = str(point.params.get("precision", "fp32"))
    num_correct, num_images = evaluate(model, data.test, precision)[1], len(data.test.labels_N)
    keep_test(database, study.uuid, trial, point.epoch, num_correct, num_images)
    return num_correct, num_images

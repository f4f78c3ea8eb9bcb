"""What `paretune export` does: finds the weights of a checkpoint, writes them as a model, and checks what it wrote."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from dashboards.choice import NothingFits, pick
from dashboards.summary import Summary
from objectives.card import Card, Provenance
from objectives.data import DataFault, DataSet, Description, Part, open_dataset
from objectives.files import Unusable, write_whole
from objectives.imports import ImportFault
from objectives.intervals import wilson_interval
from objectives.models import read_family
from objectives.trial import SAVED, weights_path
from search.faults import Faults
from search.runtimes import CannotRun, Floats, Runtime, check_kind, open_onnx, open_torch
from storage.artifacts import trial_folder
from storage.database import Database
from storage.rows import StudyRow, TrialRow, find_trial, is_imported

IMAGES_AT_ONCE = 64

CLOSE = 1e-4
"""Most that a logit in ONNX may differ from torch's, as a share of the largest logit or of 1, whichever is more."""


@dataclass(frozen=True)
class Wanted:
    """What a person asks to be exported.

    Attributes:
        output: The file, ending in .pth or .onnx.
        trial: Number of a trial; None for what `pick` picks.
        epoch: Of that trial; None for its last.
        at_knee: Insist on the knee.
    """

    output: Path
    trial: int | None = None
    epoch: int | None = None
    at_knee: bool = False

    def check(self, *, is_made_here: bool = True) -> None:
        """Checks the flags, before anything is read.

        Args:
            is_made_here: Whether this process makes the file, and does not only write it.

        Raises:
            Faults: for each that does not fit.
        """
        faults = []
        if self.at_knee and self.trial is not None:
            faults.append("--knee: it does not go with the number of a trial")
        if self.epoch is not None and self.trial is None:
            faults.append("--epoch: the number of a trial is needed with it")
        if not self.output.absolute().parent.is_dir():
            faults.append(f"{self.output}: there is no folder {self.output.parent} to write to")
        try:
            check_kind(self.output, is_used_here=is_made_here)
        except Faults as found:
            faults += found.lines
        if faults:
            raise Faults(*faults)


@dataclass(frozen=True)
class Chosen:
    """A checkpoint of one trial, and why it was chosen."""

    trial: TrialRow
    epoch: int
    why: str


@dataclass(frozen=True)
class Exported:
    """A model that was written.

    Attributes:
        output: The file.
        num_bytes: Its size.
        num_weights: Numbers in the model's state_dict.
        card: What stands beside the weights.
        why: Why this checkpoint.
        num_correct: Validation images that the file's model classifies correctly.
        onnx_difference: Largest difference of a logit from torch's over the validation images; None for a .pth.
    """

    output: Path
    num_bytes: int
    num_weights: int
    card: Card
    why: str
    num_correct: int
    onnx_difference: float | None

    def as_json(self) -> dict[str, Any]:
        """Returns plain values."""
        return {
            "file": str(self.output.absolute()),
            "bytes": self.num_bytes,
            "num_weights": self.num_weights,
            "why": self.why,
            **self.card.plain(),
            "num_correct": self.num_correct,
            "onnx_difference": self.onnx_difference,
        }


def export_model(database: Database, summary: Summary, wanted: Wanted) -> Exported:
    """Writes a model, once it has classified the validation images as it did when it was recorded.

    Args:
        database: Where the study is.
        summary: The study.
        wanted: What to export, and where to; it was checked.

    Raises:
        Faults: where it cannot be, each with its reason.
    """
    chosen = choose_checkpoint(summary, wanted)
    weights = _find_weights(database, summary.study, chosen)
    data = _open_data(summary.study)
    card = _make_card(summary.study, chosen, data)

    from objectives.export import build_classifier, encode_model, encode_onnx

    try:
        content = encode_model(card, weights)
        runtime = open_torch(content, allows_import=True)
        num_correct, difference = count_correct(runtime, data.validation), None
        _check_accuracy(card, num_correct)
        if wanted.output.suffix == ".onnx":
            content = encode_onnx(build_classifier(card, weights), card)
            graph = open_onnx(content)
            difference = compare(runtime, graph, data.validation)  # the same class for each: the count is the same
    except (Unusable, ImportFault, CannotRun) as fault:
        raise Faults(f"trial {chosen.trial.number}: its model {fault}") from fault
    try:
        write_whole(wanted.output, content)
    except OSError as error:
        raise Faults(f"{wanted.output}: it cannot be written: {error.strerror or error}") from error
    num_weights = sum(value.numel() for value in weights.values())
    return Exported(wanted.output, len(content), num_weights, card, chosen.why, num_correct, difference)


def choose_checkpoint(summary: Summary, wanted: Wanted) -> Chosen:
    """Returns the checkpoint that is wanted: what `pick` picks, or that of a trial.

    Where settings have several seeds, `pick` picks a setting, of which the first seed is taken.

    Raises:
        NoTrial: where that trial is not there.
        Faults: where there is none.
    """
    study = summary.study
    if wanted.trial is None:
        try:
            picked = pick(summary, at_knee=wanted.at_knee)
        except NothingFits as error:
            raise Faults(str(error)) from error
        seeds = picked.point.seeds
        why = picked.why + (f"; the first of the setting's {len(seeds)} seeds" if len(seeds) > 1 else "")
        return Chosen(find_trial(study, picked.point.trial), picked.point.epoch, why)
    trial = find_trial(study, wanted.trial)
    if not trial.epochs:
        reason = f": {trial.reason}" if trial.reason else ""
        raise Faults(f"trial: trial {trial.number} is {trial.state} and has no epoch{reason}")
    last = trial.epochs[-1].epoch
    epoch = last if wanted.epoch is None else wanted.epoch
    if not 1 <= epoch <= last:
        raise Faults(f"--epoch: trial {trial.number} has the epochs 1 to {last}, but got {epoch}")
    return Chosen(trial, epoch, "its last epoch" if wanted.epoch is None else "as told")


def count_correct(runtime: Runtime, part: Part) -> int:
    """Returns how many images of a part a model classifies correctly.

    Raises:
        CannotRun: where the model does not take them.
    """
    return sum(
        int((runtime.ask(images).argmax(axis=1) == labels).sum())
        for images, labels in zip(_batches(part), _split(part.labels_N), strict=True)
    )


def compare(torch_runtime: Runtime, onnx_runtime: Runtime, part: Part) -> float:
    """Returns the largest difference of a logit over the images of a part.

    Raises:
        Unusable: where that is more than `CLOSE`, or an image gets another class.
    """
    largest = 0.0
    for number, images in enumerate(_batches(part)):
        ours, theirs = torch_runtime.ask(images), onnx_runtime.ask(images)
        difference = float(np.abs(ours - theirs).max())
        most = CLOSE * max(1.0, float(np.abs(ours).max()))
        same = ours.argmax(axis=1) == theirs.argmax(axis=1)
        if difference > most or not same.all():
            where = f"among the validation images from {number * IMAGES_AT_ONCE} on"
            raise Unusable(
                f"in ONNX is not the one in torch: {where} a logit differs by {difference:.3g} (at most {most:.3g} is "
                f"allowed), and {int((~same).sum())} of {len(same)} get another class"
            )
        largest = max(largest, difference)
    return largest


def check_kept(database: Database, study: StudyRow, chosen: Chosen) -> Path:
    """Returns the folder in which the weights of a checkpoint are.

    Raises:
        Faults: where there are none.
    """
    objective, trial = study.spec["objective"], chosen.trial
    folder = trial_folder(database.artifacts / study.uuid, trial.number)
    if is_imported(study):
        raise Faults(f"export: {study.name} was imported from Optuna, which keeps no weights")
    if objective.get("train") is not None:
        raise Faults(f"export: {_function_words(study, folder)}")
    if not weights_path(folder, chosen.epoch).exists():
        raise Faults(f"export: {_missing_words(folder, chosen)}")
    return folder


def _find_weights(database: Database, study: StudyRow, chosen: Chosen) -> Mapping[str, Any]:
    folder, trial = check_kept(database, study, chosen), chosen.trial

    from objectives.checkpoint import load_weights

    try:
        return load_weights(folder, chosen.epoch)
    except Unusable as fault:
        raise Faults(
            f"export: the file of the weights of trial {trial.number} after epoch {chosen.epoch} {fault}"
        ) from (fault)
    except OSError as error:
        raise Faults(f"{error.filename}: it cannot be read: {error.strerror or error}") from error


def _function_words(study: StudyRow, folder: Path) -> str:
    function, saved = study.spec["objective"]["train"], folder / SAVED
    law = f"{study.name} was made by the training function {function}, and only that knows how its model is built"
    if saved.exists():
        return f"{law}; what it saved last is {saved}: objectives.states.read_state reads it"
    return f"{law}; it saved nothing in this trial that is still there"


def _missing_words(folder: Path, chosen: Chosen) -> str:
    trial = chosen.trial
    which = f"the weights of trial {trial.number} after epoch {chosen.epoch} were not kept"
    if trial.state in ("failed", "infeasible"):
        return f"{which}: the trial is {trial.state}, and such a trial's files are removed"
    kept = [str(row.epoch) for row in trial.epochs if weights_path(folder, row.epoch).exists()]
    there = f"there are those after epoch {', '.join(kept)}" if kept else "there are none of this trial"
    return f"{which}: they were not on the front, or there was no room; {there}"


def _open_data(study: StudyRow) -> DataSet:
    """Returns the data set that the study was trained on."""
    objective = study.spec["objective"]
    try:
        data = open_dataset(objective["dataset"], Path(objective["data_root"]))
    except DataFault as fault:
        raise Faults(f"export: the images that the normalisation is of cannot be opened: {fault}") from fault
    if Description.of(data).fingerprint != study.data.get("fingerprint"):
        raise Faults(
            f"export: {objective['dataset']} is not the data set any more that {study.name} was trained on, and the "
            "normalisation is that of its images"
        )
    return data


def _make_card(study: StudyRow, chosen: Chosen, data: DataSet) -> Card:
    from objectives.resident import channel_levels

    objective, trial = study.spec["objective"], chosen.trial
    mean_C, deviation_C = channel_levels(data.train)
    try:
        names = read_family(objective["model"]).parameters
    except ImportFault as fault:
        raise Faults(f"export: {fault}") from fault
    _, num_channels, height, width = data.train.images_NCHW.shape
    return Card(
        objective["model"],
        {name: trial.params[name] for name in names if name in trial.params},
        num_channels,
        (height, width),
        data.classes,
        tuple(mean_C.tolist()),
        tuple(deviation_C.tolist()),
        _provenance(study, chosen),
    )


def _provenance(study: StudyRow, chosen: Chosen) -> Provenance:
    trial, row = chosen.trial, chosen.trial.epochs[chosen.epoch - 1]
    tested = study.tests.get((trial.number, chosen.epoch))
    return Provenance(
        study.name,
        trial.number,
        chosen.epoch,
        dict(trial.params),
        study.spec["objective"]["dataset"],
        row.num_correct,
        row.num_images,
        row.num_correct / row.num_images,
        wilson_interval(row.num_correct, row.num_images),
        None if tested is None else tested[0] / tested[1],
        None if tested is None else wilson_interval(*tested),
        "not computed; `paretune pick` computes that of what it picks" if tested is None else None,
        metadata.version("torch"),
    )


def _check_accuracy(card: Card, num_correct: int) -> None:
    """Makes sure that the model is the one that was recorded; bits may differ from one device to another."""
    recorded = card.provenance
    low, high = recorded.accuracy_interval
    if not low <= num_correct / recorded.num_images <= high:
        raise Unusable(
            f"classifies {num_correct} of {recorded.num_images} validation images correctly, but "
            f"{recorded.num_correct} were recorded: its code or its weights have changed since"
        )


def _batches(part: Part) -> Iterator[Floats]:
    return (images.astype(np.float32) / np.float32(255) for images in _split(part.images_NCHW))


def _split(array: Any) -> list[Any]:
    return [array[start : start + IMAGES_AT_ONCE] for start in range(0, len(array), IMAGES_AT_ONCE)]

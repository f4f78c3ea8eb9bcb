"""What stands in an exported model's file beside its weights: how it is built, fed and read. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from objectives.files import Unusable
from objectives.models import MODELS
from objectives.parameters import Value

FORMAT = "paretune model"
VERSION = 1


@dataclass(frozen=True)
class Provenance:
    """Where a model comes from, and how good it was there.

    Attributes:
        study: Its name.
        trial: The trial's number.
        epoch: After which the weights are, from 1.
        params: The trial's setting.
        dataset: What it was trained on, as the spec names it.
        num_correct: Validation images classified correctly.
        num_images: Validation images.
        accuracy: Their quotient, 0 to 1.
        accuracy_interval: 95 %.
        test_accuracy: 0 to 1; None where it was not computed.
        test_accuracy_interval: 95 %; None where it was not computed.
        test_absent: Why there is no test accuracy; None where there is one.
        torch: Version of torch that wrote the file.
    """

    study: str
    trial: int
    epoch: int
    params: Mapping[str, Value]
    dataset: str
    num_correct: int
    num_images: int
    accuracy: float
    accuracy_interval: tuple[float, float]
    test_accuracy: float | None
    test_accuracy_interval: tuple[float, float] | None
    test_absent: str | None
    torch: str

    @property
    def shares(self) -> list[float]:
        """All accuracies and ends of intervals that there are."""
        tested = [] if self.test_accuracy is None else [self.test_accuracy, *(self.test_accuracy_interval or ())]
        return [self.accuracy, *self.accuracy_interval, *tested]


@dataclass(frozen=True)
class Card:
    """All but the weights.

    Attributes:
        model: A key of `MODELS`, or `package.module:name`.
        options: Parameters of the model family.
        num_channels: C of the images.
        image_size: Height and width of the images that it was trained on.
        classes: Names of the K classes.
        mean: Of each channel over the training images, 0 to 1: it is subtracted.
        deviation: Of each channel, above 0: what is left is divided by it.
        provenance: Where it comes from.
    """

    model: str
    options: Mapping[str, Value]
    num_channels: int
    image_size: tuple[int, int]
    classes: tuple[str, ...]
    mean: tuple[float, ...]
    deviation: tuple[float, ...]
    provenance: Provenance

    @property
    def is_foreign(self) -> bool:
        """Whether building it imports code of the user's."""
        return self.model not in MODELS

    def plain(self) -> dict[str, Any]:
        """Returns it as plain values, with the format's name and version before them."""
        return {"format": FORMAT, "version": VERSION, **asdict(self)}

    @classmethod
    def of(cls, plain: object) -> Card:
        """Returns a card from what a file holds, which anybody may have written.

        Raises:
            Unusable: where that is no card, is one of another version, or breaks the law of one.
        """
        if not isinstance(plain, Mapping) or plain.get("format") != FORMAT:
            raise Unusable("is not a model that `paretune export` wrote")
        if plain.get("version") != VERSION:
            raise Unusable(f"is in version {plain.get('version')!r} of the format, but version {VERSION} is needed")
        try:
            card = cls(
                str(plain["model"]),
                dict(plain["options"]),
                int(plain["num_channels"]),
                _pair(plain["image_size"], int),
                tuple(str(name) for name in plain["classes"]),
                tuple(float(value) for value in plain["mean"]),
                tuple(float(value) for value in plain["deviation"]),
                _read_provenance(plain["provenance"]),
            )
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise Unusable(f"is not whole: {type(error).__name__}: {error}") from error
        if faults := card._faults():
            raise Unusable(f"cannot be: {'; '.join(faults)}")
        return card

    def _faults(self) -> list[str]:
        levels = (*self.mean, *self.deviation)
        held = {
            "the model is one of ours or package.module:name": self.model in MODELS or ":" in self.model,
            "options and params are finite numbers, flags or words": _are_values(self.options)
            and _are_values(self.provenance.params),
            "options keep the family's law": self.is_foreign or _keep_law(self.model, self.options),
            "each channel has a mean and a deviation above 0": (
                len(self.mean) == len(self.deviation) == self.num_channels >= 1
                and all(map(math.isfinite, levels))
                and min(self.deviation) > 0
            ),
            "there are at least 2 classes": len(self.classes) >= 2,  # noqa: PLR2004
            "images have a height and a width": min(self.image_size) >= 1,
            "accuracies are from 0 to 1": all(0 <= share <= 1 for share in self.provenance.shares),
        }
        return [f"{law} must hold" for law, is_kept in held.items() if not is_kept]


def _are_values(named: Mapping[Any, Any]) -> bool:
    return all(
        isinstance(name, str) and (isinstance(value, str) or (isinstance(value, int | float) and math.isfinite(value)))
        for name, value in named.items()
    )


def _keep_law(model: str, options: Mapping[str, Value]) -> bool:
    laws = MODELS[model].parameters
    return all(name in laws and laws[name].allows(value) for name, value in options.items())


def _read_provenance(plain: Any) -> Provenance:
    test = plain["test_accuracy"], plain["test_accuracy_interval"], plain["test_absent"]
    return Provenance(
        str(plain["study"]),
        int(plain["trial"]),
        int(plain["epoch"]),
        dict(plain["params"]),
        str(plain["dataset"]),
        int(plain["num_correct"]),
        int(plain["num_images"]),
        float(plain["accuracy"]),
        _pair(plain["accuracy_interval"], float),
        None if test[0] is None else float(test[0]),
        None if test[1] is None else _pair(test[1], float),
        None if test[2] is None else str(test[2]),
        str(plain["torch"]),
    )


def _pair(values: Any, kind: Any) -> tuple[Any, Any]:
    first, second = values
    return kind(first), kind(second)

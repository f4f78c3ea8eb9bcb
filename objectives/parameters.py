"""What values a hyperparameter may take. Torch-free, so that a spec is checked before anything heavy loads."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from objectives.schedules import SCHEDULES

Value = bool | int | float | str


@dataclass(frozen=True)
class Parameter:
    """The law of one hyperparameter.

    Attributes:
        kind: The type of its numbers (`bool` takes true and false, `str` one of `words`, or any where there is none).
        low: Smallest number allowed.
        high: Largest number allowed.
        open_low: Whether `low` itself is forbidden.
        open_high: Whether `high` itself is forbidden.
        words: Words allowed besides the numbers.
    """

    kind: Literal["float", "int", "bool", "str"]
    low: float = -math.inf
    high: float = math.inf
    open_low: bool = False
    open_high: bool = False
    words: tuple[str, ...] = ()

    def law(self) -> str:
        """Returns the law in words.

        >>> Parameter("float", 0, 1, open_high=True).law()
        'a number with 0 <= x < 1'
        >>> Parameter("int", 1, words=("full",)).law()
        "a whole number with x >= 1, or 'full'"
        """
        if self.kind == "bool":
            return "true or false"
        words = " or ".join(repr(word) for word in self.words)
        if self.kind == "str":
            return f"one of {', '.join(self.words)}" if self.words else "a word"
        noun = "a whole number" if self.kind == "int" else "a number"
        below, above = ("<" if self.open_high else "<="), (">" if self.open_low else ">=")
        if math.isfinite(self.low) and math.isfinite(self.high):
            noun += f" with {self.low:g} {'<' if self.open_low else '<='} x {below} {self.high:g}"
        elif math.isfinite(self.low):
            noun += f" with x {above} {self.low:g}"
        return f"{noun}, or {words}" if words else noun

    def allows(self, value: object) -> bool:
        """Says whether `value` keeps the law."""
        if isinstance(value, bool) or self.kind == "bool":
            return isinstance(value, bool) and self.kind == "bool"
        if isinstance(value, str):
            return value in self.words or (self.kind == "str" and not self.words)
        if not isinstance(value, int | float) or self.kind == "str" or not math.isfinite(value):
            return False
        whole = self.kind == "float" or float(value).is_integer()
        above = value > self.low if self.open_low else value >= self.low
        below = value < self.high if self.open_high else value <= self.high
        return whole and above and below

    def convert(self, value: Value) -> Value:
        """Returns an allowed value in the parameter's own type: 1 becomes 1.0 for a float."""
        if isinstance(value, str | bool):
            return value
        return float(value) if self.kind == "float" else int(value)


FRACTION = Parameter("float", 0, 1, open_high=True)
NON_NEGATIVE = Parameter("float", 0)
POSITIVE = Parameter("float", 0, open_low=True)
FLAG = Parameter("bool")

LR = POSITIVE
BATCH_SIZE = Parameter("int", 1, words=("full",))

AUGMENTATIONS = ("none", "shift", "flip", "crop", "shift+flip", "crop+flip")

PRECISIONS = ("fp32", "tf32", "bf16")

DEVICES = ("cpu", "cuda")

THREADS = Parameter("int", 1, 1024)

TRAINING: dict[str, Parameter] = {
    "lr": LR,
    "batch_size": BATCH_SIZE,
    "schedule": Parameter("str", words=tuple(SCHEDULES)),
    "warmup_epochs": NON_NEGATIVE,
    "label_smoothing": FRACTION,
    "augmentation": Parameter("str", words=AUGMENTATIONS),
    "precision": Parameter("str", words=PRECISIONS),
    "threads": THREADS,
    "device": Parameter("str", words=DEVICES),
}
"""What every trial of the built-in training takes, whatever its model and optimizer."""

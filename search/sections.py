"""The tables of a spec, each a typed model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from objectives.costs import MINIMIZABLE
from objectives.data import default_root
from objectives.parameters import Value
from search.engines import ENGINES
from search.samplers import SAMPLERS
from search.values import Amount, Dataset, Devices, Folder, ImportPath, Model, Precisions, Seconds, Threads, known


class Section(BaseModel):
    """A table of the spec: unknown keys are faults, nothing is changed after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


def _unless_function(value: str) -> Callable[[dict[str, Any]], str | None]:
    """Returns the default of a key that only the built-in training has."""
    return lambda known: None if known.get("train") else value


class Objective(Section):
    """What is trained, and what is wanted of it: a model on a data set, or a training function of the user's."""

    train: ImportPath | None = None
    model: Model | None = Field(default_factory=_unless_function("cnn"))
    dataset: Dataset | None = Field(default_factory=_unless_function("mnist5k"))
    data_root: Folder | None = Field(default_factory=lambda known: None if known.get("train") else str(default_root()))
    epochs: int = Field(10, ge=1, le=100_000)
    maximize: list[Literal["accuracy"]] = Field(["accuracy"], min_length=1, max_length=1)
    minimize: list[Annotated[str, known("cost", MINIMIZABLE)]] = ["device_seconds"]

    @field_validator("model", "dataset", "data_root")
    @classmethod
    def _whole(cls, value: str | None, info: ValidationInfo) -> str | None:
        if (value is None) != (info.data.get("train") is not None):
            law = f"it does not go with objective.train, which brings its own; leave {value!r} out"
            raise PydanticCustomError("unknown", "{text}", {"text": law if value else "a name is needed"})
        return value

    @field_validator("minimize")
    @classmethod
    def _differ(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise PydanticCustomError("doubled", "the costs must differ, but got {names}", {"names": ", ".join(names)})
        return names


class Search(Section):
    """How settings are proposed, and how many.

    Attributes:
        settings: What is trained after the baseline, before the sampler is asked.
        remeasures: UUID of the study whose settings these are, trained again; `paretune remeasure` sets it.
    """

    sampler: Annotated[str, known("sampler", SAMPLERS)] = "tpe"
    sampler_options: dict[str, Any] = {}
    seed: int = Field(0, ge=0, lt=2**31)
    trials: int = Field(32, ge=1, le=1_000_000)
    repeats: int = Field(1, ge=1, le=1000)
    baseline: bool | dict[str, Value] = True
    settings: list[dict[str, Any]] = []
    remeasures: str | None = None

    @field_validator("sampler_options")
    @classmethod
    def _taken(cls, options: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        sampler = info.data.get("sampler")
        if sampler is not None:
            faults = SAMPLERS[sampler].faults(options)
            if faults:
                raise PydanticCustomError("faults", "{faults}", {"faults": faults})
        return options


class Compute(Section):
    """Where trials run, and how they compute: several devices, precisions, or threads are searched like a choice."""

    engine: Annotated[str, known("engine", ENGINES)] = "process"
    slots: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    slots_per_device: int = Field(1, ge=1, le=64)
    threads: Threads = "auto"
    device: Devices = "auto"
    precision: Precisions = "fp32"

    @property
    def is_device_searched(self) -> bool:
        """Whether a trial runs on the device of its setting, rather than on any that is free."""
        return isinstance(self.device, list)

    @property
    def most_threads(self) -> int | None:
        """The threads that a slot holds; None where they are found by its machine."""
        several = self.threads if isinstance(self.threads, list) else [self.threads]
        return None if self.threads == "auto" else max(one for one in several if one != "auto")


class Artifacts(Section):
    """What is kept on disk."""

    max_bytes: int = Field(10**10, ge=0)


class Budget(Section):
    """What may be spent, over all sittings and slots; the trials' number is `search.trials`. None has no limit."""

    wall: Seconds = None
    device_hours: Amount | None = None
    kwh: Amount | None = None
    money: Amount | None = None
    min_gain_per_device_hour: Amount | None = None


class Limits(Section):
    """What a trial may take; one that takes more is infeasible. None has no limit."""

    peak_memory_bytes: Amount | None = None
    energy_joules: Amount | None = None
    inference_latency_seconds: Amount | None = None
    inference_peak_memory_bytes: Amount | None = None
    inference_joules_per_1000_images: Amount | None = None
    trial_seconds: Amount | None = None
    epoch_seconds: Amount = 3600.0

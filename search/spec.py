"""The spec of a sweep: one typed model, read from TOML and flags, merged first and validated once."""

from __future__ import annotations

import json
import os
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from objectives.costs import COSTS
from objectives.data import DATASETS, FOLDER, default_root
from objectives.models import MODELS
from search.engines import ENGINES
from search.faults import Faults, suggest
from search.models import find_family
from search.samplers import SAMPLERS, Sweep
from search.space import Entry, parse_space

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
IMPORT_PATH = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")

BUILT_IN_SPACE: dict[str, Any] = {
    "lr": {"low": 1e-4, "high": 1.0, "log": True},
    "optimizer": ["gd", "sgd", "nesterov", "adagrad", "rmsprop", "adam", "adamw"],
    "batch_size": {"low": 16, "high": 512, "log": True},
    "width": {"low": 0.25, "high": 4.0, "log": True},
}


def built_in_space(model: str) -> dict[str, Any]:
    """Returns the space of a sweep that names none; of a user's model all parameters stay at their defaults."""
    return {name: entry for name, entry in BUILT_IN_SPACE.items() if name != "width" or model == "cnn"}


def _known(kind: str, names: Iterable[str]) -> AfterValidator:
    def check(name: str) -> str:
        if name not in names:
            raise PydanticCustomError("unknown", "{text}", {"text": f"no such {kind}: {name!r}{suggest(name, names)}"})
        return name

    return AfterValidator(check)


def _absolute(path: str) -> str:
    """Returns the path as it holds from everywhere: a study may be resumed in another folder."""
    return str(Path(os.path.expanduser(path)).absolute())  # noqa: PTH111  Path.expanduser raises without a home


def _read_model(name: str) -> str:
    """Returns the name of a model; a user's own is imported, by a process of its own."""
    if name not in MODELS and not IMPORT_PATH.fullmatch(name):
        law = "a name or package.module:name is needed, but got" if ":" in name else "no such model:"
        raise PydanticCustomError("unknown", "{text}", {"text": f"{law} {name!r}{suggest(name, MODELS)}"})
    try:
        find_family(name)
    except Faults as faults:
        text = faults.lines[0].removeprefix("objective.model: ")
        raise PydanticCustomError("unknown", "{text}", {"text": text}) from faults
    return name


def _read_dataset(name: str) -> str:
    """Returns the name of a data set; whether a folder or a module is there is found out when it is opened."""
    if name.startswith(FOLDER) and name != FOLDER:
        return FOLDER + _absolute(name.removeprefix(FOLDER))
    if name in DATASETS or IMPORT_PATH.fullmatch(name):
        return name
    if ":" in name:
        law = f"a name, folder:PATH or package.module:name is needed, but got {name!r}"
        raise PydanticCustomError("unknown", "{text}", {"text": law})
    raise PydanticCustomError("unknown", "{text}", {"text": f"no such data set: {name!r}{suggest(name, DATASETS)}"})


class Section(BaseModel):
    """A table of the spec: unknown keys are faults, nothing is changed after validation."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Objective(Section):
    """What is trained, and what is wanted of it."""

    model: Annotated[str, AfterValidator(_read_model)] = "cnn"
    dataset: Annotated[str, AfterValidator(_read_dataset)] = "mnist5k"
    data_root: Annotated[str, AfterValidator(_absolute)] = Field(default_factory=lambda: str(default_root()))
    epochs: int = Field(10, ge=1, le=100_000)
    maximize: list[Literal["accuracy"]] = Field(["accuracy"], min_length=1, max_length=1)
    minimize: list[Annotated[str, _known("cost", COSTS)]] = ["device_seconds"]

    @field_validator("minimize")
    @classmethod
    def _differ(cls, names: list[str]) -> list[str]:
        if len(set(names)) < len(names):
            raise PydanticCustomError("doubled", "the costs must differ, but got {names}", {"names": ", ".join(names)})
        return names


class Search(Section):
    """How settings are proposed, and how many."""

    sampler: Annotated[str, _known("sampler", SAMPLERS)] = "tpe"
    sampler_options: dict[str, Any] = {}
    seed: int = Field(0, ge=0, lt=2**31)
    trials: int = Field(32, ge=1, le=1_000_000)
    baseline: bool = True

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
    """Where trials run."""

    engine: Annotated[str, _known("engine", ENGINES)] = "process"
    slots: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    threads: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = "auto"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    precision: Literal["fp32"] = "fp32"


class SweepSpec(Section):
    """All that defines a sweep: the TOML file, the stored text and the flags' result."""

    name: str = "mnist5k-cnn"
    objective: Objective = Field(default_factory=Objective)
    space: dict[str, Any] = Field(default_factory=lambda known: built_in_space(known["objective"].model))
    search: Search = Search()
    compute: Compute = Compute()

    @field_validator("name")
    @classmethod
    def _printable(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            law = "1 to 100 of A-Z a-z 0-9 . _ - are needed, a letter or digit first, but got {name!r}"
            raise PydanticCustomError("name", "{text}", {"text": law.format(name=name)})
        return name

    @field_validator("space")
    @classmethod
    def _lawful(cls, space: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        objective = info.data.get("objective")
        model = objective.model if objective is not None else "cnn"
        faults = parse_space(model, space)[1]
        if faults:
            raise PydanticCustomError("faults", "{faults}", {"faults": faults})
        return space

    @model_validator(mode="after")
    def _possible(self) -> SweepSpec:
        search = self.search
        sweep = Sweep(self.objective, self.entries, max(0, search.trials - search.baseline))
        faults = SAMPLERS[search.sampler].misfits(sweep)
        if faults:
            raise PydanticCustomError("faults", "{faults}", {"faults": faults})
        return self

    @property
    def entries(self) -> dict[str, Entry]:
        """The space, read."""
        return parse_space(self.objective.model, self.space)[0]


def read_spec(path: Path | None, settings: Sequence[str] = (), flags: Mapping[str, Any] | None = None) -> SweepSpec:
    """Returns the spec of a file, or the built-in one, with the flags merged in: tables merge, all else replaces.

    Args:
        path: A TOML file; None for the built-in spec.
        settings: Flags `key=value`: a dotted path, and a TOML value, or else a string.
        flags: More values by dotted path; None among them says nothing.

    Raises:
        Faults: with every fault that was found, a line each.
    """
    faults: list[str] = []
    changes = [_read_setting(setting, faults) for setting in settings]
    changes += [(key, value) for key, value in (flags or {}).items() if value is not None]
    raw = {"space": built_in_space(dict(changes).get("objective.model", "cnn"))} if path is None else _read_toml(path)
    raw = json.loads(json.dumps(raw, default=str))
    for key, value in changes:
        if key:
            _merge(raw, key.split("."), value, faults)
    return validate(raw, faults)


def validate(raw: Mapping[str, Any], faults: Sequence[str] = ()) -> SweepSpec:
    """Returns the spec that the plain tables mean.

    Args:
        raw: As TOML or JSON gives it.
        faults: Found before; they are listed with the others.

    Raises:
        Faults: with every fault, a line each.
    """
    found = list(faults)
    try:
        spec = SweepSpec.model_validate(raw)
    except ValidationError as error:
        found += _lines(error)
    if found:
        raise Faults(*found)
    return spec


def example() -> str:
    """Returns a commented spec."""
    return files("search").joinpath("example.toml").read_text()


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode()
    except FileNotFoundError as error:
        raise Faults(f"{path}: there is no such file; `paretune launch --example` prints one to start from") from error
    except OSError as error:
        raise Faults(f"{path}: it cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise Faults(f"{path}: a spec is TOML text in UTF-8, but byte {error.start} is not") from error
    if not text.strip():
        raise Faults(f"{path}: the file is empty; `paretune launch --example` prints a spec to start from")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise Faults(f"{path}: it is not TOML: {error}") from error


def _read_setting(setting: str, faults: list[str]) -> tuple[str, Any]:
    key, equals, text = setting.partition("=")
    key = key.strip()
    if not equals or not key or not all(key.split(".")):
        faults.append(f"--set: key=value is needed, such as space.lr.high=0.5, but got {setting!r}")
        return "", None
    try:
        return key, tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return key, text


def _merge(raw: dict[str, Any], path: list[str], value: Any, faults: list[str]) -> None:
    table = raw
    for depth, key in enumerate(path[:-1]):
        inner = table.setdefault(key, {})
        if not isinstance(inner, dict):
            if path[0] != "space":
                faults.append(f"--set {'.'.join(path)}: {'.'.join(path[: depth + 1])} is a value, not a table")
                return
            inner = table[key] = {}
        table = inner
    old = table.get(path[-1])
    if isinstance(old, dict) and isinstance(value, dict) and not _is_another_kind(old, value):
        for key, inner_value in value.items():
            _merge(old, [key], inner_value, faults)
    else:
        table[path[-1]] = value


def _is_another_kind(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Says whether a choice or a value takes the place of a range, or the other way: their keys do not go together."""
    kinds = {"low": "range", "high": "range", "choices": "choice", "value": "value"}
    before, after = ({kinds[key] for key in table if key in kinds} for table in (old, new))
    return bool(before and after and before != after)


def _lines(error: ValidationError) -> list[str]:
    lines: list[str] = []
    for fault in error.errors(include_url=False):
        where = [str(part) for part in fault["loc"] if part not in ("int", "literal['auto']", "constrained-int")]
        got = repr(fault["input"])
        if fault["type"] == "faults":
            lines += [".".join([*where, name]) + f": {text}" for name, text in fault["ctx"]["faults"]]
        elif fault["type"] in ("unknown", "name", "doubled"):
            lines.append(f"{'.'.join(where)}: {fault['msg']}")
        elif fault["type"] == "extra_forbidden":
            lines.append(f"{'.'.join(where)}: no such key{suggest(where[-1], _keys(where[:-1]))}")
        elif fault["type"] == "literal_error":
            lines.append(f"{'.'.join(where)}: {fault['ctx']['expected']} is needed, but got {got}")
        else:
            law = fault["msg"].removeprefix("Input should be ").removeprefix("a valid ")
            lines.append(f"{'.'.join(where)}: {law} is needed, but got {got}")
    return list(dict.fromkeys(lines))


def _keys(path: list[str]) -> list[str]:
    model: Any = SweepSpec
    for key in path:
        model = model.model_fields[key].annotation
    return list(model.model_fields)

"""What the API answers, and what its routes say of their errors."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import Query
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from search.service.coordinators import MOST_TRIALS
from search.service.problems import MEDIA_TYPE, ProblemDetails
from search.values import Whole

MOST_AT_ONCE, MOST_CHANGES = 1000, 100
WORDS = {
    400: "The body is no text.",
    401: "No token, or none that holds.",
    403: "The token may only read, or the spec reaches further than the operator allows.",
    404: "There is no such study, trial or page.",
    409: "The study is in no state for that.",
    413: "The body is too large.",
    415: "The body is no JSON.",
    422: "What was sent is not what is needed; each fault has a line.",
    429: "Too many wrong tokens, or too many streams.",
}

Limit = Annotated[int, Query(ge=1, le=MOST_AT_ONCE, description="At most so many.")]


class Me(BaseModel):
    """Whose token this is."""

    name: str
    role: str
    may_operate: bool


class ListedStudy(BaseModel):
    """A study in a list."""

    name: str
    uuid: str
    state: str
    num_trials: int
    num_ended: int
    created_at: datetime
    place: int | None = Field(description="In the queue to be resumed, from 1; null where it is not there.")


class Studies(BaseModel):
    """All studies, the newest first."""

    studies: list[ListedStudy]


ChangedKey = Annotated[
    str, StringConstraints(pattern=r"^[^=.\s\x00-\x1f\x7f]+(\.[^=.\s\x00-\x1f\x7f]+)*$", max_length=200)
]


BudgetKey = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,40}$")]


class More(BaseModel):
    """How a study is continued."""

    model_config = ConfigDict(extra="forbid", strict=True)

    trials: Whole = Field(0, ge=0, le=MOST_TRIALS, description="Trials to add to its target.")
    changes: dict[ChangedKey, JsonValue] = Field(
        {},
        max_length=MOST_CHANGES,
        json_schema_extra={"additionalProperties": False},
        description="Values of its spec by dotted path, as `paretune resume --set` and `--budget` take them: a range "
        "may widen, `budget`, `prices` and `compute` may be others. A key of the budget that is null is taken away.",
    )
    engine: str | None = Field(None, max_length=20, description="Of this sitting; else that of its spec.")
    slots: Whole | Annotated[str, StringConstraints(max_length=20)] | None = Field(
        None, description="Of this sitting, a number or `auto`; else those of its spec."
    )


class Done(BaseModel):
    """What was done, or is under way."""

    study: str
    action: str


class BegunStudy(Done):
    """What runs, or waits for free slots."""

    place: int | None = Field(description="In the queue, from 1; null where it runs.")


class Remeasurement(BaseModel):
    """What of a study is trained again; without `trials` and `knee` its front."""

    model_config = ConfigDict(extra="forbid", strict=True)

    trials: list[Whole] = Field([], max_length=MOST_CHANGES, description="Numbers of trials whose settings are wanted.")
    knee: bool = Field(False, description="The knee's setting alone.")
    repeats: Whole = Field(5, le=MOST_AT_ONCE, description="New seeds of each setting, two or more.")
    study: str | None = Field(None, max_length=100, description="Name of the new study; else NAME-remeasured.")
    budget: dict[BudgetKey, float | Annotated[str, StringConstraints(max_length=100)] | None] = Field(
        {},
        json_schema_extra={"additionalProperties": False},
        description="Of the new study; the old one's holds no more.",
    )
    force: bool = Field(False, description="Even while another study runs on this machine.")


class ToClear(BaseModel):
    """What of the artifacts is to be cleared away."""

    model_config = ConfigDict(extra="forbid", strict=True)

    dry_run: bool = Field(False, description="Tell what would be removed, and remove nothing.")


class Export(BaseModel):
    """Which model is exported: what `pick` picks, the knee, or a trial."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal["pth", "onnx"] = Field("pth", description="A .pth of torch, or an .onnx compared with it.")
    trial: Whole | None = Field(None, description="Number of a trial.")
    epoch: Whole | None = Field(None, description="Of that trial; else its last.")
    knee: bool = Field(False, description="The knee of the front, and nothing else.")


class ExportedModel(BaseModel):
    """A model that was made, to be fetched from `/api/exports/ID` within ten minutes."""

    id: str
    sha256: str = Field(description="Of the file, hexadecimal.")
    told: dict[str, Any] = Field(description="What `paretune export --json` tells, without where the file is.")


class Templates(BaseModel):
    """What a launch may begin with, the built-in example first."""

    templates: list[str]


class Draft(BaseModel):
    """A spec to begin with."""

    name: str = Field(description="Of the template, or of the study that it is a clone of.")
    toml: str


class QueuedStudy(BaseModel):
    """What waits until enough slots of its machine are free, or could not begin."""

    study: str
    action: str = Field(description="launch, resume or remeasure.")
    num_more: int = Field(description="Trials that a resume adds.")
    arguments: list[str] = Field(description="What more was asked, as arguments of the command line.")
    num_cores: int = Field(description="CPU cores that its slots need together.")
    num_gpus: int = Field(description="GPUs that they need, each of them whole.")
    host: str = Field(description="The machine whose slots it waits for.")
    token: str = Field(description="Name of the token that it was asked with.")
    asked_at: datetime
    place: int | None = Field(description="From 1, on its machine; null where it could not begin.")
    faults: list[str] = Field(description="Why it could not begin; it stays until it is cancelled.")


class Queue(BaseModel):
    """What waits, the first in line first."""

    queue: list[QueuedStudy]


def told(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Returns the descriptions of a route's errors."""
    schema = {"schema": {"$ref": f"#/components/schemas/{ProblemDetails.__name__}"}}
    return {
        status: {"description": WORDS[status], "content": {MEDIA_TYPE: schema}} for status in (401, 422, 429, *statuses)
    }

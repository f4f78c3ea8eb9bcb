"""Our tables. Optuna's stand in the same database; ours are keyed by the study's UUID and the trial's number."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    String,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine import Dialect
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

PREFIX = "paretune_"


class UtcTime(TypeDecorator[datetime]):
    """A moment: stored as naive UTC, read back as aware UTC."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Drops the zone after converting to UTC."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Puts the zone back."""
        return None if value is None else value.replace(tzinfo=UTC)


class Table(DeclarativeBase):
    """Base of all our tables."""

    type_annotation_map = {datetime: UtcTime, dict[str, Any]: JSON, str: String, float: Float, int: Integer}  # noqa: RUF012


def _study() -> Mapped[str]:
    return mapped_column(String(36), ForeignKey(f"{PREFIX}studies.uuid", ondelete="CASCADE"), primary_key=True)


def _of_trial(*columns: str) -> tuple[ForeignKeyConstraint]:
    target = f"{PREFIX}trials"
    return (
        ForeignKeyConstraint(
            ["study", columns[0] if columns else "trial"],
            [f"{target}.study", f"{target}.number"],
            ondelete="CASCADE",
        ),
    )


class Study(Table):
    """A study: `reference` is set once, when the first trial completes; `state` is what its last coordinator left."""

    __tablename__ = f"{PREFIX}studies"

    uuid: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(100), unique=True)
    spec: Mapped[dict[str, Any]]
    num_trials: Mapped[int]
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime]
    reference: Mapped[dict[str, Any] | None]


class Lease(Table):
    """Who coordinates a study. `token` grows by one with each holder; the row stays when the holder leaves."""

    __tablename__ = f"{PREFIX}leases"

    study: Mapped[str] = _study()
    token: Mapped[int]
    host: Mapped[str] = mapped_column(String(255))
    boot: Mapped[str] = mapped_column(String(64))
    pid: Mapped[int]
    pid_started: Mapped[float]
    acquired_at: Mapped[datetime]
    renewed_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]


class Request(Table):
    """Something that others ask of a study's coordinator."""

    __tablename__ = f"{PREFIX}requests"

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    study: Mapped[str] = mapped_column(String(36), ForeignKey(f"{PREFIX}studies.uuid", ondelete="CASCADE"), index=True)
    kind: Mapped[str] = mapped_column(String(16))
    made_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]


class Trial(Table):
    """One setting. `params` holds all parameters, fixed ones too."""

    __tablename__ = f"{PREFIX}trials"

    study: Mapped[str] = _study()
    number: Mapped[int] = mapped_column(Integer, primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    params: Mapped[dict[str, Any]]
    seed: Mapped[int]
    is_baseline: Mapped[bool]
    reason: Mapped[str | None] = mapped_column(Text)
    created_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]


class Attempt(Table):
    """One sitting of a trial on a slot."""

    __tablename__ = f"{PREFIX}attempts"
    __table_args__ = _of_trial()

    study: Mapped[str] = mapped_column(String(36), primary_key=True)
    trial: Mapped[int] = mapped_column(Integer, primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    slot: Mapped[int]
    device: Mapped[dict[str, Any] | None]
    started_at: Mapped[datetime]
    heard_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    outcome: Mapped[str | None] = mapped_column(Text)


class Epoch(Table):
    """What an epoch gave."""

    __tablename__ = f"{PREFIX}epochs"
    __table_args__ = _of_trial()

    study: Mapped[str] = mapped_column(String(36), primary_key=True)
    trial: Mapped[int] = mapped_column(Integer, primary_key=True)
    epoch: Mapped[int] = mapped_column(Integer, primary_key=True)
    attempt: Mapped[int]
    train_loss: Mapped[float]
    validation_loss: Mapped[float]
    num_correct: Mapped[int]
    num_images: Mapped[int]
    recorded_at: Mapped[datetime]


class EpochCost(Table):
    """What an epoch cost: a value in the cost's unit, or NULL with the reason."""

    __tablename__ = f"{PREFIX}epoch_costs"
    __table_args__ = (
        ForeignKeyConstraint(
            ["study", "trial", "epoch"],
            [f"{PREFIX}epochs.study", f"{PREFIX}epochs.trial", f"{PREFIX}epochs.epoch"],
            ondelete="CASCADE",
        ),
    )

    study: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    trial: Mapped[int] = mapped_column(Integer, primary_key=True)
    epoch: Mapped[int] = mapped_column(Integer, primary_key=True)
    value: Mapped[float | None]
    method: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)


class TrialCost(Table):
    """The solo cost of a trial, frozen when it ended."""

    __tablename__ = f"{PREFIX}trial_costs"
    __table_args__ = _of_trial()

    study: Mapped[str] = mapped_column(String(36), primary_key=True)
    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    trial: Mapped[int] = mapped_column(Integer, primary_key=True)
    value: Mapped[float | None]
    method: Mapped[str] = mapped_column(String(16))
    reason: Mapped[str | None] = mapped_column(Text)


class Bill(Table):
    """Seconds that an attempt held its slot, by what they went into."""

    __tablename__ = f"{PREFIX}bills"
    __table_args__ = (
        ForeignKeyConstraint(
            ["study", "trial", "attempt"],
            [f"{PREFIX}attempts.study", f"{PREFIX}attempts.trial", f"{PREFIX}attempts.attempt"],
            ondelete="CASCADE",
        ),
    )

    study: Mapped[str] = mapped_column(String(36), primary_key=True)
    trial: Mapped[int] = mapped_column(Integer, primary_key=True)
    attempt: Mapped[int] = mapped_column(Integer, primary_key=True)
    line: Mapped[str] = mapped_column(String(16), primary_key=True)
    seconds: Mapped[float]

"""Our tables. Optuna's stand in the same database; ours are keyed by the study's UUID and the trial's number.

`studies.data` describes the data set that the study began with, by sizes and a fingerprint; `studies.reference` is set
once, when the first trial completes; `studies.state` is what the last coordinator left, `studies.reason` why it ended
before the target, `studies.wall_seconds` how long all coordinators ran together; `studies.environments` are what
it was run with, a record for each sitting in which that differed from the one before; `studies.changes` are those of
its spec. `trials.source` is where a trial was taken over from: its attempts and bills stayed there. A lease's `token`
grows by one with each holder, and its row stays when the holder leaves. `trials.params` holds all parameters, fixed
ones too. A cost is a value in its unit, or NULL with the reason, and by how much the value may be wrong where that is
known; `trial_costs` are the model's own costs from its first attempt on, and the solo costs, frozen when the trial
ended. `bills` are the seconds that an attempt held its slot, by what they went into; `sittings` are how long a
coordinator, by its lease's token, held how many slots: what no attempt was billed of that they were idle; and what the
energy counters of their devices moved meanwhile, as last read, or NULL with the reason.
`calibrations` are what was measured alone on a device for whatever study asks: what an epoch costs, by the digests of
setting and device, and what a network itself costs, by those of network and device.
`test_results` are computed once, of the checkpoints that a person picked.

`tokens` say who may use the service: of a token's secret only a salted hash is kept, and its row stays when it is
revoked. `audit` says who did what there; a study's name stays in it when the study is gone. `queue` holds what a
service was asked to run on its machine and has no slots for yet, in the order of its keys: a new sweep's `spec`, or the
study to resume, and the `arguments` of its coordinator besides. What could not begin stays in it with the `fault` until
somebody takes it out.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    ForeignKeyConstraint,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.engine import Dialect

PREFIX = "paretune_"

metadata = MetaData()


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


def _key(name: str, kind: Any = Integer) -> Column[Any]:
    return Column(name, kind, primary_key=True, autoincrement=False)


def _study() -> Column[Any]:
    return _key("study", String(36))


def _of(table: str, *columns: str) -> ForeignKeyConstraint:
    """Returns the key of a row in another table that this row belongs to and goes with."""
    target = {"studies": ["uuid"], "trials": ["study", "number"]}.get(table, list(columns))
    return ForeignKeyConstraint(columns, [f"{PREFIX}{table}.{name}" for name in target], ondelete="CASCADE")


def _must(name: str, kind: Any) -> Column[Any]:
    return Column(name, kind, nullable=False)


def _may(name: str, kind: Any) -> Column[Any]:
    return Column(name, kind, nullable=True)


def _cost() -> list[Column[Any]]:
    return [_may("value", Float), _must("method", String(16)), _may("reason", Text), _may("error", Float)]


studies = Table(
    f"{PREFIX}studies",
    metadata,
    _key("uuid", String(36)),
    Column("name", String(100), nullable=False, unique=True),
    _must("spec", JSON),
    _must("data", JSON),
    _must("num_trials", Integer),
    _must("state", String(16)),
    _must("created_at", UtcTime),
    Column("reference", JSON(none_as_null=True), nullable=True),
    Column("environments", JSON, nullable=False, server_default="[]"),
    Column("changes", JSON, nullable=False, server_default="[]"),
    _may("reason", Text),
    Column("wall_seconds", Float, nullable=False, server_default="0"),
)

leases = Table(
    f"{PREFIX}leases",
    metadata,
    _study(),
    _must("token", Integer),
    _must("host", String(255)),
    _must("boot", String(64)),
    _must("pid", Integer),
    _must("pid_started", Float),
    _must("acquired_at", UtcTime),
    _must("renewed_at", UtcTime),
    _may("expires_at", UtcTime),
    _of("studies", "study"),
)

requests = Table(
    f"{PREFIX}requests",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("study", String(36), ForeignKey(f"{PREFIX}studies.uuid", ondelete="CASCADE"), nullable=False, index=True),
    _must("kind", String(16)),
    _must("made_at", UtcTime),
    _may("answered_at", UtcTime),
)

trials = Table(
    f"{PREFIX}trials",
    metadata,
    _study(),
    _key("number"),
    _must("state", String(16)),
    _must("params", JSON),
    _must("seed", Integer),
    _must("is_baseline", Boolean),
    _may("reason", Text),
    _must("created_at", UtcTime),
    _may("ended_at", UtcTime),
    Column("source", JSON(none_as_null=True), nullable=True),
    _of("studies", "study"),
)

attempts = Table(
    f"{PREFIX}attempts",
    metadata,
    _study(),
    _key("trial"),
    _key("attempt"),
    _must("slot", Integer),
    Column("device", JSON(none_as_null=True), nullable=True),
    _must("started_at", UtcTime),
    _must("heard_at", UtcTime),
    _may("ended_at", UtcTime),
    _may("outcome", Text),
    _of("trials", "study", "trial"),
)

epochs = Table(
    f"{PREFIX}epochs",
    metadata,
    _study(),
    _key("trial"),
    _key("epoch"),
    _must("attempt", Integer),
    _may("train_loss", Float),
    _may("validation_loss", Float),
    _must("num_correct", Integer),
    _must("num_images", Integer),
    _must("recorded_at", UtcTime),
    _of("trials", "study", "trial"),
)

epoch_costs = Table(
    f"{PREFIX}epoch_costs",
    metadata,
    _study(),
    _key("name", String(64)),
    _key("trial"),
    _key("epoch"),
    *_cost(),
    _of("epochs", "study", "trial", "epoch"),
)

trial_costs = Table(
    f"{PREFIX}trial_costs",
    metadata,
    _study(),
    _key("name", String(64)),
    _key("trial"),
    *_cost(),
    _of("trials", "study", "trial"),
)

bills = Table(
    f"{PREFIX}bills",
    metadata,
    _study(),
    _key("trial"),
    _key("attempt"),
    _key("line", String(16)),
    _must("seconds", Float),
    _of("attempts", "study", "trial", "attempt"),
)

sittings = Table(
    f"{PREFIX}sittings",
    metadata,
    _study(),
    _key("token"),
    _must("device", JSON),
    _must("num_slots", Integer),
    _must("slots_per_device", Integer),
    _must("started_at", UtcTime),
    _must("seconds", Float),
    _may("joules", Float),
    _may("reason", Text),
    _of("studies", "study"),
)

calibrations = Table(
    f"{PREFIX}calibrations",
    metadata,
    _key("signature", String(64)),
    _key("device", String(64)),
    _key("name", String(64)),
    *_cost(),
    _must("described", JSON),
    _must("measured_at", UtcTime),
)

test_results = Table(
    f"{PREFIX}test_results",
    metadata,
    _study(),
    _key("trial"),
    _key("epoch"),
    _must("num_correct", Integer),
    _must("num_images", Integer),
    _must("computed_at", UtcTime),
    _of("epochs", "study", "trial", "epoch"),
)

tokens = Table(
    f"{PREFIX}tokens",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("name", String(100), nullable=False, unique=True),
    _must("role", String(16)),
    _must("salt", String(32)),
    _must("digest", String(64)),
    _must("created_at", UtcTime),
    _may("last_used_at", UtcTime),
    _may("revoked_at", UtcTime),
)

audit = Table(
    f"{PREFIX}audit",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _must("at", UtcTime),
    _must("token", String(100)),
    _must("action", String(16)),
    _may("study", String(100)),
    _may("detail", Text),
)

queue = Table(
    f"{PREFIX}queue",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=True),
    _must("machine", String(255)),
    _must("host", String(255)),
    Column("study", String(100), nullable=False, unique=True),
    _must("action", String(16)),
    _may("spec", Text),
    _must("num_more", Integer),
    _may("arguments", JSON),
    _must("num_cores", Integer),
    _must("num_gpus", Integer),
    _must("token", String(100)),
    _must("asked_at", UtcTime),
    _may("fault", Text),
)


def trial_of(table: Table) -> Column[Any]:
    """Returns the column that holds the trial's number, of a table of what trials leave or of theirs itself."""
    return trials.c.number if table is trials else table.c.trial

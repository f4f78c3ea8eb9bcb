"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "paretune_studies",
        sa.Column("uuid", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column("spec", sa.JSON(), nullable=False),
        sa.Column("data", sa.JSON(), nullable=False),
        sa.Column("num_trials", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("reference", sa.JSON(), nullable=True),
        sa.PrimaryKeyConstraint("uuid"),
        sa.UniqueConstraint("name"),
    )
    op.create_table(
        "paretune_leases",
        sa.Column("study", sa.String(length=36), nullable=False),
        sa.Column("token", sa.Integer(), nullable=False),
        sa.Column("host", sa.String(length=255), nullable=False),
        sa.Column("boot", sa.String(length=64), nullable=False),
        sa.Column("pid", sa.Integer(), nullable=False),
        sa.Column("pid_started", sa.Float(), nullable=False),
        sa.Column("acquired_at", sa.DateTime(), nullable=False),
        sa.Column("renewed_at", sa.DateTime(), nullable=False),
        sa.Column("expires_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["study"], ["paretune_studies.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("study"),
    )
    op.create_table(
        "paretune_requests",
        sa.Column("id", sa.Integer(), autoincrement=True, nullable=False),
        sa.Column("study", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("answered_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["study"], ["paretune_studies.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("id"),
    )
    with op.batch_alter_table("paretune_requests", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_paretune_requests_study"), ["study"], unique=False)

    op.create_table(
        "paretune_trials",
        sa.Column("study", sa.String(length=36), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("params", sa.JSON(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("is_baseline", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("created_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.ForeignKeyConstraint(["study"], ["paretune_studies.uuid"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("study", "number"),
    )
    op.create_table(
        "paretune_attempts",
        sa.Column("study", sa.String(length=36), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("device", sa.JSON(), nullable=True),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("heard_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study", "trial"], ["paretune_trials.study", "paretune_trials.number"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("study", "trial", "attempt"),
    )
    op.create_table(
        "paretune_epochs",
        sa.Column("study", sa.String(length=36), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("train_loss", sa.Float(), nullable=False),
        sa.Column("validation_loss", sa.Float(), nullable=False),
        sa.Column("num_correct", sa.Integer(), nullable=False),
        sa.Column("num_images", sa.Integer(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study", "trial"], ["paretune_trials.study", "paretune_trials.number"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("study", "trial", "epoch"),
    )
    op.create_table(
        "paretune_trial_costs",
        sa.Column("study", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study", "trial"], ["paretune_trials.study", "paretune_trials.number"], ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("study", "name", "trial"),
    )
    op.create_table(
        "paretune_bills",
        sa.Column("study", sa.String(length=36), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("line", sa.String(length=16), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study", "trial", "attempt"],
            ["paretune_attempts.study", "paretune_attempts.trial", "paretune_attempts.attempt"],
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study", "trial", "attempt", "line"),
    )
    op.create_table(
        "paretune_epoch_costs",
        sa.Column("study", sa.String(length=36), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("method", sa.String(length=16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["study", "trial", "epoch"],
            ["paretune_epochs.study", "paretune_epochs.trial", "paretune_epochs.epoch"],
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study", "name", "trial", "epoch"),
    )
    op.create_table(
        "paretune_test_results",
        sa.Column("study", sa.String(length=36), nullable=False),
        sa.Column("trial", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("num_correct", sa.Integer(), nullable=False),
        sa.Column("num_images", sa.Integer(), nullable=False),
        sa.Column("computed_at", sa.DateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["study", "trial", "epoch"],
            ["paretune_epochs.study", "paretune_epochs.trial", "paretune_epochs.epoch"],
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("study", "trial", "epoch"),
    )

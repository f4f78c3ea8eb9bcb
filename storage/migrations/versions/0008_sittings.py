"""How long each sitting held its slots, and what settings cost that were measured alone on a device."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.create_table(
        "paretune_sittings",
        sa.Column("study", sa.String(36), primary_key=True),
        sa.Column("token", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("device", sa.JSON(), nullable=False),
        sa.Column("num_slots", sa.Integer(), nullable=False),
        sa.Column("slots_per_device", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("seconds", sa.Float(), nullable=False),
        sa.ForeignKeyConstraint(["study"], ["paretune_studies.uuid"], ondelete="CASCADE"),
    )
    op.create_table(
        "paretune_calibrations",
        sa.Column("signature", sa.String(64), primary_key=True),
        sa.Column("device", sa.String(64), primary_key=True),
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("value", sa.Float(), nullable=True),
        sa.Column("method", sa.String(16), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("error", sa.Float(), nullable=True),
        sa.Column("described", sa.JSON(), nullable=False),
        sa.Column("measured_at", sa.DateTime(), nullable=False),
    )

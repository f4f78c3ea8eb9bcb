"""What waits for free slots of a machine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.create_table(
        "paretune_queue",
        sa.Column("id", sa.Integer(), primary_key=True, autoincrement=True),
        sa.Column("machine", sa.String(255), nullable=False),
        sa.Column("host", sa.String(255), nullable=False),
        sa.Column("study", sa.String(100), nullable=False, unique=True),
        sa.Column("action", sa.String(16), nullable=False),
        sa.Column("spec", sa.Text(), nullable=True),
        sa.Column("num_more", sa.Integer(), nullable=False),
        sa.Column("num_cores", sa.Integer(), nullable=False),
        sa.Column("num_gpus", sa.Integer(), nullable=False),
        sa.Column("token", sa.String(100), nullable=False),
        sa.Column("asked_at", sa.DateTime(), nullable=False),
        sa.Column("fault", sa.Text(), nullable=True),
    )

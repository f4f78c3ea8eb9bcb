"""Why a study ended before its target, and how long its coordinators ran."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    with op.batch_alter_table("paretune_studies") as studies:
        studies.add_column(sa.Column("reason", sa.Text(), nullable=True))
        studies.add_column(sa.Column("wall_seconds", sa.Float(), server_default="0", nullable=False))

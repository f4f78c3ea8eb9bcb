"""How a study's spec was changed; from which study a trial was taken over."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.add_column("paretune_studies", sa.Column("changes", sa.JSON(), server_default="[]", nullable=False))
    op.add_column("paretune_trials", sa.Column("source", sa.JSON(), nullable=True))

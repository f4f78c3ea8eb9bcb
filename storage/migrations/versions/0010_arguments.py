"""What more was asked of a sitting that waits for slots."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    with op.batch_alter_table("paretune_queue") as batch:
        batch.add_column(sa.Column("arguments", sa.JSON(), nullable=True))

"""The energy of all devices of a sitting while it held its slots; what was run before has none."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    with op.batch_alter_table("paretune_sittings") as batch:
        batch.add_column(sa.Column("joules", sa.Float(), nullable=True))
        batch.add_column(sa.Column("reason", sa.Text(), nullable=True))
    op.execute("UPDATE paretune_sittings SET reason = 'it was not recorded'")

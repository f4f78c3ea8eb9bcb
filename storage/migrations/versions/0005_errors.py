"""By how much a cost may be wrong."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    for table in ("paretune_epoch_costs", "paretune_trial_costs"):
        op.add_column(table, sa.Column("error", sa.Float(), nullable=True))

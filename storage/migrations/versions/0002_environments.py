"""What a study ran with; losses that a training function of the user's own does not report."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("paretune_studies") as studies:
        studies.add_column(sa.Column("environments", sa.JSON(), server_default="[]", nullable=False))
    with op.batch_alter_table("paretune_epochs") as epochs:
        epochs.alter_column("train_loss", existing_type=sa.Float(), nullable=True)
        epochs.alter_column("validation_loss", existing_type=sa.Float(), nullable=True)

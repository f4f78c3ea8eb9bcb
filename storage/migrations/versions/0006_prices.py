"""A price per device hour moves from the spec's budget to its prices."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    studies = sa.table("paretune_studies", sa.column("uuid", sa.String()), sa.column("spec", sa.JSON()))
    connection = op.get_bind()
    for uuid, spec in connection.execute(sa.select(studies.c.uuid, studies.c.spec)).all():
        budget = dict(spec.get("budget") or {})
        if "price_per_device_hour" not in budget:
            continue
        price = budget.pop("price_per_device_hour")
        own = {} if price is None else {"price_per_device_hour": price}
        changed = {**spec, "budget": budget, "prices": own}
        connection.execute(sa.update(studies).where(studies.c.uuid == uuid).values(spec=changed))

"""Run by Alembic: migrates over the connection that `upgrade` hands in."""

from __future__ import annotations

from typing import Any

from alembic import context

from storage.database import VERSION_TABLE
from storage.tables import PREFIX, metadata


def include_name(name: str | None, kind: str, _parents: Any) -> bool:
    """Keeps Alembic's hands off tables that are not ours."""
    return kind != "table" or (name is not None and name.startswith(PREFIX) and name != VERSION_TABLE)


context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table=VERSION_TABLE,
    include_name=include_name,
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()

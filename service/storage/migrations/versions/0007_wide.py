"""SQLite uses a partial index only for a condition that is written as the index writes it: `wide = 1`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    if op.get_bind().dialect.name != "sqlite":
        return
    for name in ("date", "quantity"):
        op.drop_index(f"ix_search_{name}_wide", f"search_{name}")
        op.create_index(
            f"ix_search_{name}_wide", f"search_{name}", ["parameter", "high", "resource_key"], sqlite_where=sa.text("wide = 1")
        )

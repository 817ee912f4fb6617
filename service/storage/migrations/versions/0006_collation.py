"""Types and ids of resources are compared byte by byte, as the references to them are.

Otherwise PostgreSQL cannot go from a reference to its resource by an index. SQLite compares so anyway.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    if op.get_bind().dialect.name != "postgresql":
        return
    for table in ("resource", "resource_version"):
        for column in ("type", "id"):
            op.alter_column(table, column, type_=sa.Text(collation="C"), existing_nullable=False)

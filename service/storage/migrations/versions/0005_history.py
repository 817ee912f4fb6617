"""Histories in the order of time, so that asking for what is new does not read what is old."""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.drop_index("ix_resource_version_type_sequence", "resource_version")
    op.create_index("ix_resource_version_last_updated", "resource_version", ["last_updated", "sequence"])
    op.create_index("ix_resource_version_type_last_updated", "resource_version", ["type", "last_updated", "sequence"])

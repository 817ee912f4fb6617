"""Resources with all their versions, and the values they are searched by."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_COUNTER = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "resource_version",
        sa.Column("sequence", _COUNTER, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("last_updated", sa.BigInteger, nullable=False),
        sa.Column("method", sa.Text, nullable=False),
        sa.Column("body", sa.Text),
        sa.PrimaryKeyConstraint("sequence", name="pk_resource_version"),
        sa.UniqueConstraint("type", "id", "version", name="uq_resource_version_type_id_version"),
    )
    op.create_index("ix_resource_version_type_sequence", "resource_version", ["type", "sequence"])
    op.create_table(
        "resource",
        sa.Column("key", _COUNTER, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("last_updated", sa.BigInteger, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("key", name="pk_resource"),
        sa.UniqueConstraint("type", "id", name="uq_resource_type_id"),
    )
    op.create_index("ix_resource_type_last_updated", "resource", ["type", "last_updated"])
    _search_table("token", sa.Column("system", sa.Text, nullable=False), sa.Column("code", sa.Text, nullable=False),
                  by=["code", "system"])
    _search_table(
        "reference",
        *(sa.Column(name, sa.Text, nullable=False)
          for name in ("target_type", "target_id", "target_url", "identifier_system", "identifier_value")),
        by=["target_id", "target_type"],
    )
    _search_table("date", sa.Column("low", sa.BigInteger, nullable=False), sa.Column("high", sa.BigInteger, nullable=False),
                  by=["low", "high"])
    _search_table("string", sa.Column("folded", sa.Text, nullable=False), sa.Column("exact", sa.Text, nullable=False),
                  by=["folded"])
    _search_table(
        "quantity",
        sa.Column("low", sa.Float(53), nullable=False),
        sa.Column("high", sa.Float(53), nullable=False),
        sa.Column("system", sa.Text, nullable=False),
        sa.Column("code", sa.Text, nullable=False),
        by=["low", "high"],
    )
    _search_table("uri", sa.Column("value", sa.Text, nullable=False), by=["value"])


def _search_table(name: str, *columns: sa.Column, by: list[str]) -> None:
    table = f"search_{name}"
    op.create_table(
        table,
        sa.Column("resource_key", sa.BigInteger, nullable=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        *columns,
        sa.ForeignKeyConstraint(["resource_key"], ["resource.key"], name=f"fk_{table}_resource_key"),
    )
    op.create_index(f"ix_{table}_value", table, ["type", "name", *by, "resource_key"])
    op.create_index(f"ix_{table}_resource", table, ["resource_key"])

"""Search tables by number of the parameter, with what paging, sorting, versions and composite parameters need.

Their rows are written anew from the resources when the service starts (`service/storage/reindex.py`).
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_KEY = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")


def upgrade() -> None:
    for name in ("token", "reference", "date", "string", "quantity", "uri"):
        op.drop_table(f"search_{name}")
    op.drop_index("ix_resource_type_last_updated", "resource")
    op.create_index("ix_resource_type_last_updated", "resource", ["type", "last_updated", "key"])
    op.create_index("ix_resource_type_key", "resource", ["type", "key"])
    _search_table("token", *_texts("code", "system"), by=["code"], then=["system"])
    _search_table(
        "reference",
        *_texts("target_id", "target_type", "server", "version", "identifier_value", "identifier_system"),
        by=["target_id"],
        then=["target_type"],
    )
    _search_table("date", *_ends(sa.BigInteger), by=["low"], then=["high"])
    _search_table("string", *_texts("start", "folded", "exact"), by=["start"])
    _search_table("quantity", *_ends(sa.Float(53)), *_texts("system", "code"), by=["low"], then=["high"])
    _search_table("uri", *_texts("value", "version"), by=["value"], then=["version"])
    for name in ("date", "quantity"):
        op.create_index(
            f"ix_search_{name}_wide", f"search_{name}", ["parameter", "high", "resource_key"],
            sqlite_where=sa.column("wide"), postgresql_where=sa.column("wide"),
        )  # fmt: skip
    op.create_index(
        "ix_search_reference_identifier", "search_reference", ["parameter", "identifier_value", "resource_key"],
        sqlite_where=sa.column("identifier_value") != "", postgresql_where=sa.column("identifier_value") != "",
    )  # fmt: skip
    op.create_table(
        "search_state",
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name="pk_search_state"),
    )


def _texts(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, _KEY, nullable=False) for name in names]


def _ends(kind: Any) -> list[sa.Column[Any]]:
    return [
        sa.Column("low", kind, nullable=False),
        sa.Column("high", kind, nullable=False),
        sa.Column("wide", sa.Boolean, nullable=False),
    ]


def _search_table(name: str, *columns: sa.Column[Any], by: list[str], then: list[str] | None = None) -> None:
    table = f"search_{name}"
    op.create_table(
        table,
        sa.Column("resource_key", sa.BigInteger, nullable=False),
        sa.Column("parameter", sa.Integer, nullable=False),
        *columns,
        sa.Column("occurrence", sa.Integer, nullable=False),
        sa.Column("smallest", sa.Boolean, nullable=False),
        sa.Column("largest", sa.Boolean, nullable=False),
        sa.ForeignKeyConstraint(["resource_key"], ["resource.key"], name=f"fk_{table}_resource_key"),
    )
    op.create_index(f"ix_{table}_value", table, ["parameter", *by, "resource_key", *(then or ())])
    op.create_index(f"ix_{table}_resource", table, ["resource_key", "parameter"])

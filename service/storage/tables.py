"""The tables. Changing one needs a step in migrations/ as well; a test compares the two.

Times are whole microseconds since 1970 in UTC: both databases sort and compare integers alike, and none of them rounds.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    }
)

# SQLite counts rows by itself only in a column that is called INTEGER.
Counter = BigInteger().with_variant(Integer, "sqlite")

# Every version ever written; rows are added, never changed.
resource_version = Table(
    "resource_version",
    metadata,
    Column("sequence", Counter, primary_key=True),
    Column("type", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("last_updated", BigInteger, nullable=False),
    Column("method", Text, nullable=False),
    Column("body", Text),  # JSON as it is sent; null: this version says that the resource was deleted
    UniqueConstraint("type", "id", "version"),
    Index("ix_resource_version_type_sequence", "type", "sequence"),
)

# One row per resource: which version is the newest. The search tables refer to `key`.
resource = Table(
    "resource",
    metadata,
    Column("key", Counter, primary_key=True),
    Column("type", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("last_updated", BigInteger, nullable=False),
    Column("deleted", Boolean, nullable=False),
    UniqueConstraint("type", "id"),
    Index("ix_resource_type_last_updated", "type", "last_updated"),
)


def _search_table(name: str, *columns: Column[object], by: tuple[str, ...]) -> Table:
    """A table of search values: one row per value of one search parameter (`name`) of one resource that is not deleted.

    Rows have no key of their own: nobody asks for one row, and the index of such a key would be the largest of all.
    """
    return Table(
        f"search_{name}",
        metadata,
        Column("resource_key", BigInteger, ForeignKey("resource.key"), nullable=False),
        Column("type", Text, nullable=False),
        Column("name", Text, nullable=False),
        *columns,
        Index(f"ix_search_{name}_value", "type", "name", *by, "resource_key"),
        Index(f"ix_search_{name}_resource", "resource_key"),
    )


search_token = _search_table(
    "token",
    Column("system", Text, nullable=False),  # empty: the value has none
    Column("code", Text, nullable=False),
    by=("code", "system"),
)
search_reference = _search_table(
    "reference",
    Column("target_type", Text, nullable=False),  # empty: the reference does not tell
    Column("target_id", Text, nullable=False),
    Column("target_url", Text, nullable=False),  # absolute references, urn: and canonicals as they stand
    Column("identifier_system", Text, nullable=False),
    Column("identifier_value", Text, nullable=False),
    by=("target_id", "target_type"),
)
search_date = _search_table(
    "date",
    Column("low", BigInteger, nullable=False),  # first microsecond of the period
    Column("high", BigInteger, nullable=False),  # last microsecond of it
    by=("low", "high"),
)
search_string = _search_table(
    "string",
    Column("folded", Text, nullable=False),  # without case and accents
    Column("exact", Text, nullable=False),
    by=("folded",),
)
search_quantity = _search_table(
    "quantity",  # numbers too: they have neither system nor code
    Column("low", Float(53), nullable=False),
    Column("high", Float(53), nullable=False),
    Column("system", Text, nullable=False),
    Column("code", Text, nullable=False),
    by=("low", "high"),
)
search_uri = _search_table("uri", Column("value", Text, nullable=False), by=("value",))

SEARCH_TABLES = (search_token, search_reference, search_date, search_string, search_quantity, search_uri)

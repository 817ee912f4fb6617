"""The indexes over a part of a table, which the migrations make and which only the comparison with them asks for.

Apart from `tables.py`, because naming a condition for PostgreSQL loads SQLAlchemy's whole dialect of it: a start that uses
SQLite would wait for that.
"""

from __future__ import annotations

from sqlalchemy import Index, text

from service.storage.tables import search_date, search_quantity, search_reference


def add_partial_indexes() -> None:
    """Nothing; the tables have these indexes as well. Once in a process."""
    # Few values are wide, and only these can reach into a period or range from far before it.
    for table in (search_date, search_quantity):
        Index(
            f"ix_{table.name}_wide", table.c.parameter, table.c.high, table.c.resource_key,
            sqlite_where=text("wide = 1"), postgresql_where=table.c.wide,
        )  # fmt: skip
    Index(
        "ix_search_reference_identifier", search_reference.c.parameter, search_reference.c.identifier_value,
        search_reference.c.resource_key,
        sqlite_where=search_reference.c.identifier_value != "", postgresql_where=search_reference.c.identifier_value != "",
    )  # fmt: skip

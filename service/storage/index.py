"""Writing the values a resource is found by into their tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Table, insert

from service.fhir.index_values import (
    DateValue,
    IndexValue,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
)
from service.storage.tables import search_date, search_quantity, search_reference, search_string, search_token, search_uri

# The columns of a table have the names of the fields of its class.
TABLES: Mapping[type[Any], Table] = MappingProxyType(
    {
        TokenValue: search_token,
        ReferenceValue: search_reference,
        DateValue: search_date,
        StringValue: search_string,
        QuantityValue: search_quantity,
        UriValue: search_uri,
    }
)


def insert_values(connection: Connection, resource_key: int, type_name: str, values: Iterable[IndexValue]) -> None:
    """Nothing; the values of one resource are in their tables, equal ones once."""
    rows: dict[type[Any], list[dict[str, Any]]] = {}
    for value in dict.fromkeys(values):
        row = {field.name: getattr(value, field.name) for field in fields(value)}
        rows.setdefault(type(value), []).append({"resource_key": resource_key, "type": type_name, **row})
    for kind, table in TABLES.items():
        if kind in rows:
            connection.execute(insert(table), rows[kind])

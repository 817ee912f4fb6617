"""Writing the values a resource is found by into their tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any
from zlib import crc32

from sqlalchemy import Connection, Table, delete, insert

from service.fhir.index_values import (
    DateValue,
    IndexValue,
    QuantityValue,
    ReferenceValue,
    StringValue,
    TokenValue,
    UriValue,
)
from service.records import dataclass
from service.storage.tables import (
    SEARCH_TABLES,
    search_date,
    search_quantity,
    search_reference,
    search_string,
    search_token,
    search_uri,
)

DAY = 86_400_000_000  # microseconds; a period up to this long is not wide


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of one class are stored: their table, the column they are sorted by, and the row of one."""

    table: Table
    order: str
    row: Callable[[Any], dict[str, Any]]


KINDS: Mapping[type[Any], Kind] = MappingProxyType(
    {
        TokenValue: Kind(search_token, "code", lambda value: {"code": value.code, "system": value.system}),
        ReferenceValue: Kind(
            search_reference,
            "target_id",
            lambda value: {
                "target_id": value.target_id,
                "target_type": value.target_type,
                "server": value.server,
                "version": value.version,
                "identifier_value": value.identifier_value,
                "identifier_system": value.identifier_system,
            },
        ),
        DateValue: Kind(
            search_date,
            "low",
            lambda value: {"low": value.low, "high": value.high, "wide": value.high - value.low >= DAY},
        ),
        StringValue: Kind(
            search_string, "start", lambda value: {"start": value.start, "folded": value.folded, "exact": value.exact}
        ),
        QuantityValue: Kind(
            search_quantity,
            "low",
            lambda value: {
                "low": value.low,
                "high": value.high,
                "wide": value.low != value.high,
                "system": value.system,
                "code": value.code,
            },
        ),
        UriValue: Kind(search_uri, "value", lambda value: {"value": value.value, "version": value.version}),
    }
)


_INSERTS = MappingProxyType({table: insert(table) for table in SEARCH_TABLES})


def parameter_number(type_name: str, name: str) -> int:
    """The number that stands for a search parameter of a type in the tables: a tenth of what its name would take.

    It follows from the name alone, so that no table of numbers has to be kept; a test sees to it that no two are equal.
    """
    return crc32(f"{type_name}.{name}".encode()) & 0x7FFF_FFFF


def insert_values(connection: Connection, resource_key: int, type_name: str, values: Iterable[IndexValue]) -> None:
    """Nothing; the values of one resource are in their tables, equal ones once."""
    insert_rows(connection, rows_of(resource_key, type_name, values))


def insert_rows(connection: Connection, rows: Mapping[Table, list[dict[str, Any]]]) -> None:
    """Nothing; the rows of any number of resources are in their tables."""
    for table, some in rows.items():
        connection.execute(_INSERTS[table], some)


def rows_of(resource_key: int, type_name: str, values: Iterable[IndexValue]) -> dict[Table, list[dict[str, Any]]]:
    """The rows of one resource by table, equal values once."""
    by_name: dict[tuple[type[Any], str], list[dict[str, Any]]] = {}
    for value in dict.fromkeys(values):
        row = KINDS[type(value)].row(value)
        row["occurrence"] = value.occurrence
        by_name.setdefault((type(value), value.name), []).append(row)
    tables: dict[Table, list[dict[str, Any]]] = {}
    for (kind, name), rows in by_name.items():
        stored = KINDS[kind]
        keys = [row[stored.order] for row in rows]
        smallest, largest = keys.index(min(keys)), keys.index(max(keys))
        number = parameter_number(type_name, name)
        for index, row in enumerate(rows):
            row |= {
                "resource_key": resource_key,
                "parameter": number,
                "smallest": index == smallest,
                "largest": index == largest,
            }
        tables.setdefault(stored.table, []).extend(rows)
    return tables


def delete_values(connection: Connection, resource_key: int) -> None:
    """Nothing; the resource is found by no value any more."""
    for table in SEARCH_TABLES:
        connection.execute(delete(table).where(table.c.resource_key == resource_key))

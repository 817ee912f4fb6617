"""Rows of the tables of resources as what they say."""

from __future__ import annotations

from typing import Any

from sqlalchemy import RowMapping, Select, select

from service.fhir.times import moment
from service.storage.store import Version
from service.storage.tables import resource, resource_version

VERSION_COLUMNS = (
    resource_version.c.type,
    resource_version.c.id,
    resource_version.c.version,
    resource_version.c.last_updated,
    resource_version.c.method,
    resource_version.c.body,
    resource_version.c.sequence,
)


def version_of(row: RowMapping) -> Version:
    """A row of `resource_version` as what it says."""
    body = row["body"]
    return Version(
        type=row["type"],
        id=row["id"],
        version=row["version"],
        last_updated=moment(row["last_updated"]),
        method=row["method"],
        body=None if body is None else body.encode(),
        sequence=row["sequence"],
    )


def newest_versions() -> Select[Any]:
    """A query for the newest versions of resources."""
    return select(*VERSION_COLUMNS).join(resource, resource.c.sequence == resource_version.c.sequence)

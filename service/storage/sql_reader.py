"""Reading the store through one connection, in one view of the database."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, func, literal, select, tuple_

from service.fhir.compartment import EverythingQuery
from service.fhir.search import SearchQuery
from service.fhir.times import microseconds
from service.storage.rows import VERSION_COLUMNS, newest_versions, version_of
from service.storage.search import search
from service.storage.search_everything import everything
from service.storage.store import HistoryQuery, Page, Reader, SearchPage, Version
from service.storage.tables import resource, resource_version

_PORTION = 20
_MOST_CHARACTERS = 4_000_000  # of JSON in one page of a history: a thousand assessments would be thirty times that
_MANY = 400  # references asked for in one query: SQLite's limit of parameters is far above twice that


class SqlReader(Reader):
    """A view of the store through one connection, for as long as its database transaction lasts."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection  # for what lives in the same database: search, outbox

    def read(self, type_name: str, resource_id: str) -> Version | None:
        query = newest_versions().where(resource.c.type == type_name, resource.c.id == resource_id)
        return _first(self.connection, query)

    def vread(self, type_name: str, resource_id: str, version: int) -> Version | None:
        query = select(*VERSION_COLUMNS).where(
            resource_version.c.type == type_name, resource_version.c.id == resource_id, resource_version.c.version == version
        )
        return _first(self.connection, query)

    def read_many(self, references: Collection[tuple[str, str]]) -> Mapping[tuple[str, str], Version]:
        wanted = sorted(set(references))
        found: dict[tuple[str, str], Version] = {}
        for start in range(0, len(wanted), _MANY):
            query = newest_versions().where(
                resource.c.deleted.is_(False), tuple_(resource.c.type, resource.c.id).in_(wanted[start : start + _MANY])
            )
            for row in self.connection.execute(query).mappings():
                version = version_of(row)
                found[version.type, version.id] = version
        return found

    def history(self, query: HistoryQuery) -> Page:
        total = None
        if query.id:
            counted = select(func.count()).select_from(resource_version).where(*_of_history(query))
            total = int(self.connection.execute(counted).scalar_one())
        versions, more = self._page(history_statement(query), query.count)
        return Page(versions, more=more, total=total)

    def _page(self, statement: Select[Any], count: int) -> tuple[tuple[Version, ...], bool]:
        """At most `count` versions, fewer if they are large, and whether there are more. Rows come as they are taken."""
        found: list[Version] = []
        taken = 0
        with self.connection.execute(statement.execution_options(yield_per=_PORTION)) as rows:
            for row in rows.mappings():
                if len(found) == count or taken >= _MOST_CHARACTERS:
                    return tuple(found), True
                found.append(version_of(row))
                taken += len(row["body"] or "")
        return tuple(found), False

    def state_of(self, type_name: str) -> tuple[int, int]:
        query = select(func.count(), func.coalesce(func.sum(resource.c.sequence), 0)).where(resource.c.type == type_name)
        number, together = self.connection.execute(query).one()
        return int(number), int(together)

    def search(self, query: SearchQuery) -> SearchPage:
        return search(self.connection, query)

    def everything(self, query: EverythingQuery) -> SearchPage:
        return everything(self.connection, query)


def history_statement(query: HistoryQuery) -> Select[Any]:
    """The versions of one page and one more, which tells whether others follow."""
    place = (resource_version.c.last_updated, resource_version.c.sequence)
    selected = select(*VERSION_COLUMNS).where(*_of_history(query))
    if query.before is not None:
        selected = selected.where(tuple_(*place) < tuple_(*map(literal, query.before)))
    return selected.order_by(*(column.desc() for column in place)).limit(query.count + 1)


def _of_history(query: HistoryQuery) -> Iterator[ColumnElement[bool]]:
    """What is true of every version that the history lists, on whichever page."""
    if query.type:
        yield resource_version.c.type == query.type
    elif query.types:
        yield resource_version.c.type.in_(sorted(query.types))
    if query.id:
        yield resource_version.c.id == query.id
    if query.since is not None:
        yield resource_version.c.last_updated >= microseconds(query.since)


def _first(connection: Connection, query: Any) -> Version | None:
    row = connection.execute(query).mappings().first()
    return None if row is None else version_of(row)

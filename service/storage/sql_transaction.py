"""Writing to the store: versions, the pointer to the newest, search values; and who waits for whom.

On PostgreSQL writers of one resource wait for each other at its row. Each also holds a shared lock of every type it writes; one
that searches before it writes (`conditional`) holds an exclusive one, so that between its search and its commit nothing can
appear that it should have found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from zlib import crc32

from sqlalchemy import Connection, RowMapping, Table, insert, select, text, update

from service.errors import Fault, VersionConflict
from service.fhir.compartment import EverythingQuery
from service.fhir.index_values import Indexer
from service.fhir.r4 import serialise
from service.fhir.search import SearchQuery
from service.fhir.times import instant, microseconds, moment
from service.storage.index import delete_values, insert_rows, rows_of
from service.storage.sql_reader import SqlReader
from service.storage.store import ANY_VERSION, Method, SearchPage, Transaction, Version
from service.storage.tables import resource, resource_version

Resource = dict[str, Any]

_MILLISECOND = timedelta(milliseconds=1)
# Made once: to build a statement anew costs more than to find the text that was made of it before.
_ADD_VERSION = insert(resource_version).returning(resource_version.c.sequence)
_ADD_RESOURCE = insert(resource).returning(resource.c.key)


class SqlTransaction(SqlReader, Transaction):
    """Reads and writes through one connection; the store commits or undoes them."""

    def __init__(
        self, connection: Connection, *, indexer: Indexer, now: Callable[[], datetime], new_id: Callable[[], str]
    ) -> None:
        super().__init__(connection)
        self._indexer = indexer
        self._now = now
        self._new_id = new_id
        self._written: list[Version] = []
        self._values: dict[Table, list[dict[str, Any]]] = {}
        self.calls: list[Callable[[], None]] = []  # for the store to make after the commit
        self._locked: set[str] = set()
        self._fresh: set[str] = set()  # ids made here: nobody has them, so that nobody need be asked

    @property
    def written(self) -> Sequence[Version]:
        return tuple(self._written)

    def afterwards(self, call: Callable[[], None]) -> None:
        self.calls.append(call)

    def new_id(self) -> str:
        made = self._new_id()
        self._fresh.add(made)
        return made

    def create(self, resource: Mapping[str, Any], *, resource_id: str | None = None) -> Version:
        return self._write("POST", {**resource, "id": resource_id or self.new_id()}, expected=0)

    def update(self, resource: Mapping[str, Any], *, expected: int | None = None) -> Version:
        return self._write("PUT", resource, expected=expected)

    def delete(self, type_name: str, resource_id: str, *, expected: int | None = None) -> Version | None:
        self._lock(type_name)
        current = self._current(type_name, resource_id)
        if current is None:
            return None
        if current["deleted"]:
            _check(expected if expected == ANY_VERSION else None, 0)
            return self.read(type_name, resource_id)
        _check(expected, current["version"])
        updated = self._moment(current)
        written = self._add("DELETE", type_name, resource_id, current["version"] + 1, updated, None)
        self._point(current["key"], written)
        self._clear(current["key"])
        return written

    def lock(self, *, conditional: Collection[str], writing: Collection[str]) -> None:
        """Nothing; until the end nobody else writes resources of the conditional types, or searches the others before writing."""
        for type_name in sorted({*conditional, *writing}):  # in one order, so that nobody waits in a circle
            self._lock(type_name, exclusively=type_name in conditional)

    def _write(self, method: Method, given: Mapping[str, Any], *, expected: int | None) -> Version:
        type_name, resource_id = given["resourceType"], given["id"]
        self._lock(type_name)
        current = None if resource_id in self._fresh else self._current(type_name, resource_id)
        self._fresh.discard(resource_id)
        number = current["version"] if current is not None else 0
        _check(expected, 0 if current is None or current["deleted"] else number)
        updated = self._moment(current)
        whole = with_identity(given, resource_id, number + 1, updated)
        created = current is None or bool(current["deleted"])
        written = self._add(method, type_name, resource_id, number + 1, updated, serialise(whole), created=created)
        if current is None:
            values = {
                "type": type_name,
                "id": resource_id,
                "version": written.version,
                "sequence": written.sequence,
                "last_updated": microseconds(updated),
                "deleted": False,
            }
            key = self.connection.execute(_ADD_RESOURCE, values).scalar_one()
        else:
            key = current["key"]
            self._point(key, written)
            if not current["deleted"]:
                self._clear(key)
        for table, rows in rows_of(key, type_name, self._indexer(whole)).items():
            self._values.setdefault(table, []).extend(rows)
        return written

    def search(self, query: SearchQuery) -> SearchPage:
        self.write_values()
        return super().search(query)

    def everything(self, query: EverythingQuery) -> SearchPage:
        self.write_values()
        return super().everything(query)

    def write_values(self) -> None:
        """Nothing; what has been written can be found from now on.

        The search values of all that is written are put into their tables together, at the end or when somebody searches: a
        transaction of many resources takes a few statements for them instead of a few for each.
        """
        insert_rows(self.connection, self._values)
        self._values.clear()

    def _lock(self, type_name: str, *, exclusively: bool = False) -> None:
        """Nothing; whoever searches resources of that type before writing is finished, and starts only when we are.

        SQLite needs none of this: there we are the only writer already.
        """
        if type_name not in self._locked and self.connection.dialect.name == "postgresql":
            kind = "pg_advisory_xact_lock" if exclusively else "pg_advisory_xact_lock_shared"
            self.connection.execute(text(f"SELECT {kind}(:key)"), {"key": _type_key(type_name)})
            self._locked.add(type_name)

    def _current(self, type_name: str, resource_id: str) -> RowMapping | None:
        query = select(resource.c.key, resource.c.version, resource.c.last_updated, resource.c.deleted).where(
            resource.c.type == type_name, resource.c.id == resource_id
        )
        return self.connection.execute(query.with_for_update()).mappings().first()

    def _moment(self, current: RowMapping | None) -> datetime:
        """Now, to the millisecond; later than the version before, also where the clocks of two machines differ."""
        now = self._now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)
        return now if current is None else max(now, moment(current["last_updated"]) + _MILLISECOND)

    def _add(
        self, method: Method, type_name: str, resource_id: str, number: int, updated: datetime, body: bytes | None,
        created: bool = False,
    ) -> Version:
        values = {
            "type": type_name,
            "id": resource_id,
            "version": number,
            "last_updated": microseconds(updated),
            "method": method,
            "body": None if body is None else body.decode(),
        }
        sequence = self.connection.execute(_ADD_VERSION, values).scalar_one()
        written = Version(type_name, resource_id, number, updated, method, body, sequence, created)
        self._written.append(written)
        return written

    def _point(self, key: int, written: Version) -> None:
        self.connection.execute(
            update(resource)
            .where(resource.c.key == key)
            .values(
                version=written.version,
                sequence=written.sequence,
                last_updated=microseconds(written.last_updated),
                deleted=written.deleted,
            )
        )

    def _clear(self, key: int) -> None:
        self.write_values()  # those of the same resource must be there to be removed
        delete_values(self.connection, key)


def with_identity(given: Mapping[str, Any], resource_id: str, version: int, updated: datetime) -> Resource:
    """The resource with its id, and with version and time in meta; all else as given."""
    meta = {**given.get("meta", {}), "versionId": str(version), "lastUpdated": instant(updated)}
    head = {"resourceType": given["resourceType"], "id": resource_id, "meta": meta}
    # What stands beside a primitive (`_lastUpdated`) belonged to the value that was replaced.
    for name in ("_versionId", "_lastUpdated"):
        meta.pop(name, None)
    return {**head, **{name: value for name, value in given.items() if name not in ("resourceType", "id", "_id", "meta")}}


def _check(expected: int | None, current: int) -> None:
    if expected is None or expected == current or (expected == ANY_VERSION and current):
        return
    raise VersionConflict(
        Fault(
            "conflict",
            "The resource is not at the version that the request expects.",
            rule=f"Expected version {expected}; the newest is {current}." if current else "There is no such resource now.",
            repair="Read the resource again, apply the change to what it is now, and send its ETag as If-Match.",
            spec="http://hl7.org/fhir/R4/http.html#concurrency",
        )
    )


def _type_key(type_name: str) -> int:
    """The number under which the writers of a type meet. Two types with one number would only wait more than needed."""
    return 0x6869_0000_0000 + crc32(type_name.encode())

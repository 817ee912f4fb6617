"""The store on SQLite or PostgreSQL, through SQLAlchemy Core.

Who may write when: SQLite has one writer at a time, and ours queue for a lock of their own first, because SQLite's way of
waiting is to sleep and try again. On PostgreSQL writers of one resource wait for each other at its row; a transaction that
searches before it writes (`conditional`) locks out the other writers of these types, so that between its search and its commit
nothing can appear that it should have found. Transactions that wait for each other are undone by the database and run again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zlib import crc32

from sqlalchemy import ColumnElement, Connection, Engine, RowMapping, Select, func, insert, literal, select, text, tuple_, update
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from service.errors import Fault, Unavailable, VersionConflict
from service.fhir.compartment import EverythingQuery
from service.fhir.index_values import Indexer
from service.fhir.r4 import serialise
from service.fhir.search import SearchQuery
from service.fhir.times import instant, microseconds, moment
from service.storage.engine import WRITES
from service.storage.index import delete_values, insert_values
from service.storage.rows import VERSION_COLUMNS, newest_versions, version_of
from service.storage.search import search
from service.storage.search_everything import everything
from service.storage.store import (
    HistoryQuery,
    Method,
    Page,
    Reader,
    ResourceStore,
    SearchPage,
    Transaction,
    Version,
    WriteListener,
)
from service.storage.tables import resource, resource_version

Result = TypeVar("Result")
Resource = dict[str, Any]

log = logging.getLogger("service.storage")

_TRIES = 5
_RETRY_SECONDS = 0.02
# serialization_failure, deadlock_detected: PostgreSQL undid the transaction so that another one could go on.
_UNDONE = frozenset({"40001", "40P01"})
_MILLISECOND = timedelta(milliseconds=1)
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
        versions = tuple(version_of(row) for row in self.connection.execute(history_statement(query)).mappings())
        return Page(versions[: query.count], more=len(versions) > query.count, total=total)

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
        self._locked: set[str] = set()
        self._fresh: set[str] = set()  # ids made here: nobody has them, so that nobody need be asked

    @property
    def written(self) -> Sequence[Version]:
        return tuple(self._written)

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
            key = self.connection.execute(insert(resource).values(**values).returning(resource.c.key)).scalar_one()
        else:
            key = current["key"]
            self._point(key, written)
            if not current["deleted"]:
                self._clear(key)
        insert_values(self.connection, key, type_name, self._indexer(whole))
        return written

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
        added = insert(resource_version).values(**values).returning(resource_version.c.sequence)
        sequence = self.connection.execute(added).scalar_one()
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
        delete_values(self.connection, key)


class SqlStore(ResourceStore):
    """The store of one process. `indexer` reads what a resource is found by; `listeners` see every transaction before its end."""

    def __init__(
        self,
        engine: Engine,
        *,
        indexer: Indexer,
        now: Callable[[], datetime],
        new_id: Callable[[], str],
        listeners: Sequence[WriteListener] = (),
    ) -> None:
        self.engine = engine
        self._indexer = indexer
        self._now = now
        self._new_id = new_id
        self._listeners = list(listeners)
        self._sqlite = engine.dialect.name == "sqlite"
        self._writer = threading.Lock()
        reading = {} if self._sqlite else {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        self._reading = engine.execution_options(**reading)
        self._writing = engine.execution_options(**{WRITES: True})

    @contextmanager
    def reading(self) -> Iterator[SqlReader]:
        try:
            with self._reading.connect() as connection, connection.begin():
                yield SqlReader(connection)
        except (DBAPIError, NoConnectionLeft) as error:
            raise _unavailable(error) from error

    def transact(
        self, work: Callable[[Transaction], Result], *, conditional: Collection[str] = (), writing: Collection[str] = ()
    ) -> Result:
        for attempt in range(1, _TRIES + 1):
            try:
                return self._attempt(work, conditional, writing)
            except (DBAPIError, NoConnectionLeft) as error:
                if attempt == _TRIES or not _worth_another_try(error):
                    raise _unavailable(error) from error
                log.info("transaction is run again attempt=%d error=%s", attempt, type(error).__name__)
                time.sleep(_RETRY_SECONDS * attempt)
        raise AssertionError("unreachable")

    def listen(self, listener: WriteListener) -> None:
        self._listeners.append(listener)

    def check(self) -> None:
        with self.reading() as reader:
            reader.connection.execute(text("SELECT 1"))

    def close(self) -> None:
        self.engine.dispose()

    def _attempt(
        self, work: Callable[[Transaction], Result], conditional: Collection[str], writing: Collection[str]
    ) -> Result:
        with self._writer if self._sqlite else nullcontext(), self._writing.connect() as connection:
            begun = connection.begin()
            try:
                transaction = SqlTransaction(connection, indexer=self._indexer, now=self._now, new_id=self._new_id)
                transaction.lock(conditional=conditional, writing=writing)
                result = work(transaction)
                if transaction.written:
                    for listener in self._listeners:
                        listener(transaction, transaction.written)
            except BaseException:
                begun.rollback()
                raise
            try:
                begun.commit()
            except DBAPIError as error:
                # The answer to the commit is lost, not necessarily the commit: running again could write twice.
                raise Unavailable(_not_answering()) from error
            return result


def with_identity(given: Mapping[str, Any], resource_id: str, version: int, updated: datetime) -> Resource:
    """The resource with its id, and with version and time in meta; all else as given."""
    meta = {**given.get("meta", {}), "versionId": str(version), "lastUpdated": instant(updated)}
    head = {"resourceType": given["resourceType"], "id": resource_id, "meta": meta}
    # What stands beside a primitive (`_lastUpdated`) belonged to the value that was replaced.
    for name in ("_versionId", "_lastUpdated"):
        meta.pop(name, None)
    return {**head, **{name: value for name, value in given.items() if name not in ("resourceType", "id", "_id", "meta")}}


def _first(connection: Connection, query: Any) -> Version | None:
    row = connection.execute(query).mappings().first()
    return None if row is None else version_of(row)


def _check(expected: int | None, current: int) -> None:
    if expected is None or expected == current:
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


def _worth_another_try(error: Exception) -> bool:
    """Whether the database undid the transaction for a reason that may be gone the next time."""
    if isinstance(error, IntegrityError):
        return True  # two created one id at a time: the second one now finds it
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or getattr(error.orig, "sqlstate", None) in _UNDONE
    return False


def _unavailable(error: Exception) -> Unavailable:
    log.warning("database error=%s code=%s", type(error).__name__, getattr(getattr(error, "orig", None), "sqlstate", "none"))
    return Unavailable(_not_answering())


def _not_answering() -> Fault:
    return Fault(
        "transient",
        "The database does not answer.",
        rule="A write without an answer may or may not be stored.",
        repair="Send the request again; conditional creates and updates are safe to repeat.",
    )

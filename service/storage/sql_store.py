"""The store on SQLite or PostgreSQL, through SQLAlchemy Core.

SQLite has one writer at a time, and ours queue for a lock of their own first, because SQLite's way of waiting is to sleep and
try again. On PostgreSQL, transactions that wait for each other are undone by the database and run again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import datetime
from typing import TypeVar

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft

from service.errors import Fault, Unavailable
from service.fhir.index_values import Indexer
from service.storage.engine import WRITES
from service.storage.sql_reader import SqlReader
from service.storage.sql_transaction import SqlTransaction
from service.storage.store import ResourceStore, Transaction, WriteListener

__all__ = ["SqlReader", "SqlStore"]

Result = TypeVar("Result")

log = logging.getLogger("service.storage")

_TRIES = 5
_RETRY_SECONDS = 0.02
# serialization_failure, deadlock_detected: PostgreSQL undid the transaction so that another one could go on.
_UNDONE = frozenset({"40001", "40P01"})


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
        # Said aloud, because a server may have another default: a writer that waited for a lock must then see what it waited for.
        writing = {} if self._sqlite else {"isolation_level": "READ COMMITTED"}
        self._writing = engine.execution_options(**{WRITES: True}, **writing)

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
                transaction.write_values()
            except BaseException:
                begun.rollback()
                raise
            try:
                begun.commit()
            except DBAPIError as error:
                # The answer to the commit is lost, not necessarily the commit: running again could write twice.
                raise Unavailable(_not_answering()) from error
        for call in transaction.calls:
            call()
        return result


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

"""The connection to the database: its URL, its settings for durability, its pool.

SQLite runs in WAL mode with `synchronous=FULL`: a commit returns only after the log is on disk, so what was acknowledged
survives the end of the process, of the operating system and of the power. (`NORMAL` survives the process but not the machine,
and was measured about 0.3 ms cheaper: not worth an assessment.) PostgreSQL sessions ask for `synchronous_commit=on`, whatever
the server's default is.
"""

from __future__ import annotations

import sqlite3
import time
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import QueuePool

from service.errors import Fault, InvalidInput

_BUSY_SECONDS = 10
_POSTGRESQL_OPTIONS = {
    "synchronous_commit": "on",
    "lock_timeout": f"{_BUSY_SECONDS}s",
    "statement_timeout": "30s",
    "idle_in_transaction_session_timeout": "60s",
    "timezone": "UTC",
}
_SQLITE_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    f"busy_timeout={_BUSY_SECONDS * 1000}",
    "cache_size=-4000",  # KiB of pages per connection
    "journal_size_limit=16777216",  # the log shrinks again after a large transaction
)
REST_SECONDS = 0.5
WRITES = "hipspine_writes"  # execution option: the transaction is going to write


def database_url(text: str) -> URL:
    """The URL in the form SQLAlchemy takes; InvalidInput if it is none of ours, without its text (it may hold a password)."""
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):  # ValueError: a port that is no number
        raise InvalidInput(_not_a_url("The database URL is not a URL.")) from None
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername == "sqlite" and url.database not in (None, "", ":memory:"):
        return url
    if url.drivername == "sqlite":
        raise InvalidInput(_not_a_url("The database URL names no file: a database in memory would be lost."))
    raise InvalidInput(_not_a_url(f"Resources cannot be stored in {url.drivername}."))


def open_engine(text: str, *, connections: int) -> Engine:
    """An engine with at most `connections` connections, made as they are needed. Nothing is connected yet."""
    url = database_url(text)
    if url.get_backend_name() == "sqlite":
        return _sqlite(url, connections)
    return _postgresql(url, connections)


def _sqlite(url: URL, connections: int) -> Engine:
    engine = create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_BUSY_SECONDS,
        connect_args={"check_same_thread": False, "timeout": _BUSY_SECONDS, "isolation_level": None},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def prepare(connection: sqlite3.Connection, _: Any) -> None:
        for pragma in _SQLITE_PRAGMAS:
            connection.execute(f"PRAGMA {pragma}").close()

    # The driver would begin by itself, and only at the first write: a reader that turns into a writer may then fail at once,
    # because somebody else wrote in between. A writer says so from the start and waits for its turn.
    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(WRITES) else "BEGIN")

    return engine


def _postgresql(url: URL, connections: int) -> Engine:
    try:
        import psycopg  # noqa: F401  (told apart from a driver that cannot connect)
    except ImportError:
        raise InvalidInput(
            Fault(
                "not-supported",
                "The driver for PostgreSQL is not installed.",
                where="HIPSPINE_DATABASE_URL",
                repair="pip install 'hipspine[postgresql]'",
            )
        ) from None
    given = dict(url.query)
    options = " ".join(f"-c {name}={value}" for name, value in _POSTGRESQL_OPTIONS.items())
    arguments: dict[str, Any] = {"options": f"{given.pop('options', '')} {options}".strip(), "application_name": "hipspine"}
    arguments.setdefault("connect_timeout", int(str(given.pop("connect_timeout", 5))))
    engine = create_engine(
        url.set(query=given),
        pool_size=connections,
        max_overflow=0,
        pool_timeout=_BUSY_SECONDS,
        connect_args=arguments,
        hide_parameters=True,
    )
    _ask_after_a_rest(engine)
    return engine


def _ask_after_a_rest(engine: Engine) -> None:
    """Have a connection that lay idle asked whether it still lives, so that no request fails because the server was restarted.

    To ask before every use (SQLAlchemy's `pool_pre_ping`) would cost each request a round trip.
    """

    @event.listens_for(engine, "checkin")
    def rest(_: Any, record: Any) -> None:
        record.info["resting_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def ask(connection: Any, record: Any, _: Any) -> None:
        if time.monotonic() - record.info.get("resting_since", time.monotonic()) < REST_SECONDS:
            return
        try:
            engine.dialect.do_ping(connection)
        except Exception as error:  # whatever the driver says: a new connection tells whether there is a server
            raise DisconnectionError from error


def _not_a_url(message: str) -> Fault:
    return Fault(
        "value",
        message,
        where="HIPSPINE_DATABASE_URL",
        rule="It begins with sqlite:///, postgresql:// or postgres://: sqlite:///FILE, "
        "postgresql://USER:PASSWORD@HOST:PORT/DATABASE; or it is none.",
        repair="Correct it, or unset it: resources then go to the data folder.",
    )

"""From the setting to a store that is ready: folder, connection, schema."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from service.errors import Fault, InvalidInput
from service.fhir.index_values import Indexer
from service.storage.engine import database_url, open_engine
from service.storage.migrate import upgrade
from service.storage.reindex import bring_up_to_date
from service.storage.sql_store import SqlStore
from service.storage.store import WriteListener

log = logging.getLogger("service.storage")


def open_store(
    url: str,
    *,
    connections: int,
    indexer: Indexer,
    now: Callable[[], datetime],
    new_id: Callable[[], str],
    listeners: Sequence[WriteListener] = (),
) -> SqlStore:
    """The store behind the URL, its schema brought up to date; InvalidInput if it cannot be had.

    `connections` is how many of them this process uses at most: one for each thread that works on requests, and one each for
    whatever works beside them.
    """
    prepare_folder(database_url(url))
    engine = open_engine(url, connections=connections)
    try:
        if upgrade(engine):
            log.info("the database schema was brought up to date")
        bring_up_to_date(engine, indexer)
    except DBAPIError as error:
        engine.dispose()
        raise InvalidInput(
            Fault(
                "value",
                f"The database {place_of(database_url(url))} cannot be opened ({type(error.orig).__name__}).",
                where="HIPSPINE_DATABASE_URL",
                repair="Check that it runs, that its address, user and password are right, and that its folder can be written.",
            )
        ) from error
    return SqlStore(engine, indexer=indexer, now=now, new_id=new_id, listeners=listeners)


def place_of(url: URL) -> str:
    """Where the database is, to be shown: its file, or host, port and name. Never its user or password."""
    if url.get_backend_name() == "sqlite":
        return f"in the file {url.database}"
    at = f"{url.host}:{url.port or 5432}" if url.host else "on this machine (the URL names no host)"
    return f"{url.database or ''} at {at}".strip()


def prepare_folder(url: URL) -> None:
    """Nothing; the file of a SQLite database and its folder exist, readable by this user alone (they hold patient data)."""
    if url.get_backend_name() != "sqlite" or not url.database:
        return
    file = Path(url.database)
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.touch(mode=0o600)
    except OSError as error:
        raise InvalidInput(
            Fault(
                "value",
                f"The file of the database cannot be written ({error.strerror}).",
                where="HIPSPINE_DATABASE_URL",
                repair="Make its folder writable for this user, or set HIPSPINE_DATA_FOLDER to one that is.",
            )
        ) from error

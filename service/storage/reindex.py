"""Writing the search tables anew where they were written by another version of the search parameters.

What was last used is noted in the database. If it is not what this version uses, all resources are read again, some at a time, so
that a large store neither fills the memory nor keeps others waiting for long; processes that start together take turns.
"""

from __future__ import annotations

import json
import logging
from decimal import Decimal
from hashlib import sha256

from sqlalchemy import Connection, Engine, delete, insert, select, text

from service.fhir.elements import TABLES
from service.fhir.index_values import Indexer
from service.storage.engine import WRITES
from service.storage.index import delete_values, insert_values
from service.storage.tables import resource, resource_version, search_state

log = logging.getLogger("service.storage")

# To be raised when the values that are read from a resource change though the published parameters do not.
READING = "1"
BATCH = 500
_LOCK = 0x68697369


def fingerprint() -> str:
    """What the values in the search tables depend on."""
    return sha256(READING.encode() + (TABLES / "search_parameters.json").read_bytes()).hexdigest()


def bring_up_to_date(engine: Engine, indexer: Indexer) -> int:
    """The number of resources whose values were written anew: 0 if they were up to date."""
    wanted = fingerprint()
    with engine.connect() as connection:
        if connection.execute(select(search_state.c.fingerprint)).scalar() == wanted:
            return 0
    done, key = 0, -1
    while True:
        with engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET LOCAL statement_timeout = 0"))
                connection.execute(text("SET LOCAL lock_timeout = 0"))
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
            if connection.execute(select(search_state.c.fingerprint)).scalar() == wanted:
                return done  # another process was there first
            last = _batch(connection, indexer, key)
            if last is None:
                connection.execute(delete(search_state))
                connection.execute(insert(search_state).values(fingerprint=wanted))
                break
            done += last[1]
            key = last[0]
    if done:
        log.info("the search tables were written anew resources=%d", done)
    return done


def _batch(connection: Connection, indexer: Indexer, after: int) -> tuple[int, int] | None:
    """The last key of the next resources and their number, once their values are written; None if there are no more."""
    query = (
        select(resource.c.key, resource.c.type, resource_version.c.body)
        .join(resource_version, resource_version.c.sequence == resource.c.sequence)
        .where(resource.c.key > after)
        .order_by(resource.c.key)
        .limit(BATCH)
        .with_for_update(of=resource)
    )
    rows = connection.execute(query).all()
    for key, type_name, body in rows:
        delete_values(connection, key)
        if body is not None:
            insert_values(connection, key, type_name, indexer(json.loads(body, parse_float=Decimal)))
    return (rows[-1][0], len(rows)) if rows else None

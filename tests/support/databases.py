"""Fixtures that give a test an empty database of each kind.

A test that takes `database_url` runs once on SQLite and once on PostgreSQL. Where PostgreSQL is not installed its half is
skipped with the reason; never where the variable CI is set.
"""

from __future__ import annotations

import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.postgresql import PostgresServer, programs_folder

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from service.composition.parts import Service
    from service.settings import Settings
    from service.storage.sql_store import SqlStore

_NUMBERS = itertools.count(1)
MISSING = "PostgreSQL is not installed (on Debian or Ubuntu: apt-get install postgresql)"


def new_postgresql(*, durable: bool = True) -> PostgresServer:
    """A server; the test is skipped where there is no PostgreSQL, and fails where CI is set."""
    programs = programs_folder()
    if programs is None:
        if os.environ.get("CI"):
            pytest.fail(MISSING)
        pytest.skip(MISSING)
    return PostgresServer.create(programs, durable=durable)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresServer]:
    """One server for the whole run; tests that end it start one of their own."""
    server = new_postgresql(durable=False)
    yield server
    server.remove()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database: once of each kind."""
    return _empty_database(request, request.param, tmp_path)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def module_database_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The same for a whole module of tests that do not disturb each other."""
    return _empty_database(request, request.param, tmp_path_factory.mktemp("database"))


@pytest.fixture
def open_store() -> Iterator[Callable[..., SqlStore]]:
    """Opener of stores: `open_store(url)`, with what `SqlStore` takes as further arguments. Closed at the end."""
    from service.storage.opening import open_store as opened

    stores: list[SqlStore] = []

    def make(url: str, *, connections: int = 6, **more: object) -> SqlStore:
        arguments: dict[str, object] = {
            "indexer": lambda resource: (),
            "now": lambda: datetime.now(UTC),
            "new_id": lambda: str(uuid.uuid4()),
            **more,
        }
        stores.append(opened(url, connections=connections, **arguments))
        return stores[-1]

    yield make
    for store in stores:
        store.close()


def _empty_database(request: pytest.FixtureRequest, kind: str, folder: Path) -> str:
    if kind == "sqlite":
        return f"sqlite:///{folder / 'hipspine.db'}"
    server: PostgresServer = request.getfixturevalue("postgresql")
    return server.create_database(f"test{next(_NUMBERS)}")


@pytest.fixture(scope="module")
def stored(module_database_url: str, settings: Settings, service: Service) -> Iterator[FlaskClient]:
    """A client, in process, of the whole application on a database of the module's own: once of each kind."""
    from service.app import create_app
    from service.composition.parts import open_store

    kept = replace(settings, database_url=module_database_url)
    store = open_store(kept)
    yield create_app(kept, service=service, store=store).test_client()
    if store is not None:
        store.close()

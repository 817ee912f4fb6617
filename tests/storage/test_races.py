"""What goes wrong only between two who do something at the same time, with clocks that differ, or with a database that ends."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from support.databases import new_postgresql
from support.postgresql import PostgresServer

from service.delivery.subscriptions import SubscriptionHandler
from service.errors import Unavailable, VersionConflict
from service.fhir.search import SearchContext, read_query
from service.fhir.search_index import resource_indexer
from service.interactions.conditions import Expectation
from service.interactions.exporting import Exports
from service.interactions.finding import finder
from service.interactions.single import Interactions
from service.interactions.subscribing import SubscriptionEvents, SubscriptionRules
from service.storage import engine as engine_module
from service.storage.outbox import Delivery
from service.storage.sql_outbox import SqlOutbox
from service.storage.sql_store import SqlStore
from service.storage.store import ANY_VERSION, Transaction, Version

Open = Callable[..., SqlStore]
Resource = dict[str, Any]
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
TYPES = frozenset({"Patient", "Observation", "Subscription"})
PATIENT: Resource = {"resourceType": "Patient"}


def context() -> SearchContext:
    return SearchContext(servers=(), types=TYPES, now=NOON)


def subscribed(query: str, status: str = "active") -> Resource:
    channel = {"type": "rest-hook", "endpoint": "https://receiver.example"}
    return {"resourceType": "Subscription", "status": status, "reason": "test", "criteria": query, "channel": channel}


def subscription_events(store: SqlStore) -> SubscriptionEvents:
    """Those of one process."""
    rules = SubscriptionRules(
        "https://hipspine.example/fhir", TYPES, lambda url: None,
        lambda kind, pairs: read_query(kind, pairs, context=context(), strict=True),
    )  # fmt: skip
    return SubscriptionEvents(rules, finder(context), SqlOutbox(store, now=lambda: NOON), lambda: NOON)


def wanted_of(events: SubscriptionEvents, store: SqlStore) -> set[str]:
    with store.reading() as reader:
        return {one.resource_type for one in events.active(reader)}


# --- clocks ----------------------------------------------------------------------------------------------------------


def test_a_subscription_stored_by_a_host_whose_clock_is_behind_is_heard(database_url: str, open_store: Open) -> None:
    ahead = open_store(database_url, indexer=resource_indexer(), now=lambda: NOON + timedelta(minutes=5))
    behind = open_store(database_url, indexer=resource_indexer(), now=lambda: NOON)
    events = subscription_events(ahead)
    ahead.transact(lambda transaction: transaction.create(subscribed("Patient?active=true")))
    assert wanted_of(events, ahead) == {"Patient"}
    late = behind.transact(lambda transaction: transaction.create(subscribed("Observation?status=final")))
    assert wanted_of(events, ahead) == {"Patient", "Observation"}
    behind.transact(lambda transaction: transaction.delete("Subscription", late.id))
    assert wanted_of(events, ahead) == {"Patient"}


def test_subscriptions_that_are_committed_in_another_order_than_written_are_heard(
    database_url: str, open_store: Open
) -> None:
    """On PostgreSQL the write that began first may be seen last; on SQLite the second waits."""
    store = open_store(database_url, indexer=resource_indexer(), now=lambda: NOON)
    events = subscription_events(store)
    written, go_on = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> None:
        transaction.create(subscribed("Patient?active=true"))
        written.set()
        go_on.wait(10)

    thread = threading.Thread(target=store.transact, args=(slow,))
    thread.start()
    assert written.wait(10)
    if store.engine.dialect.name == "postgresql":
        store.transact(lambda transaction: transaction.create(subscribed("Observation?status=final")))
        assert wanted_of(events, store) == {"Observation"}
    go_on.set()
    thread.join(10)
    assert "Patient" in wanted_of(events, store)


def test_what_an_undone_transaction_said_of_subscriptions_is_not_believed(database_url: str, open_store: Open) -> None:
    """Numbers of writes that were undone are given again on SQLite: nothing may be remembered by them."""
    store = open_store(database_url, indexer=resource_indexer(), now=lambda: NOON)
    events = subscription_events(store)

    fails = [True]

    def undone(transaction: Transaction, written: Sequence[Version]) -> None:
        events.listen(transaction, written)
        if fails:
            raise ZeroDivisionError

    store.listen(undone)
    with pytest.raises(ZeroDivisionError):
        store.transact(lambda transaction: transaction.create(subscribed("Patient?active=true")))
    fails.clear()
    store.transact(lambda transaction: transaction.create(subscribed("Observation?status=final")))
    assert wanted_of(events, store) == {"Observation"}


# --- export ----------------------------------------------------------------------------------------------------------


def export_of(exports: Exports, since: str = "") -> tuple[str, set[str]]:
    """The time to go on from, and the ids."""
    job = exports.ask("system", ("Patient",), since, request="http://test/$export")
    assert exports.work_once()
    done = exports.status(job.id)
    assert done.state == "completed"
    if not done.written:
        return done.transaction_time, set()
    lines = exports.file(job.id, "Patient.ndjson").read_bytes().splitlines()
    return done.transaction_time, {json.loads(line)["id"] for line in lines}


def test_what_is_being_written_while_an_export_begins_is_in_it_or_in_the_next(
    database_url: str, open_store: Open, tmp_path: Path
) -> None:
    """A write has its time before it can be seen. One that lies between must not fall between two exports."""
    clock = [NOON]
    store = open_store(database_url, indexer=resource_indexer(), now=lambda: clock[0])
    numbers = iter(range(10))
    exports = Exports(
        store, tmp_path / "exports", context=context, now=lambda: clock[0], new_id=lambda: f"job-{next(numbers)}"
    )
    written, go_on = threading.Event(), threading.Event()

    def slow(transaction: Transaction) -> Version:
        made = transaction.create(PATIENT, resource_id="between")
        written.set()
        go_on.wait(10)
        return made

    thread = threading.Thread(target=store.transact, args=(slow,))
    thread.start()
    assert written.wait(10)
    clock[0] += timedelta(seconds=1)  # after the time of the write, before its end
    release = threading.Timer(0.3, go_on.set)
    release.start()
    until, first = export_of(exports)
    thread.join(10)
    clock[0] += timedelta(seconds=1)
    _, second = export_of(exports, until)
    assert "between" in first | second


def test_an_export_waits_for_a_database_that_does_not_answer(open_store: Open, tmp_path: Path) -> None:
    file = tmp_path / "x.db"
    store = open_store(f"sqlite:///{file}", indexer=resource_indexer(), connections=1)
    with store.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA busy_timeout=50")
    exports = Exports(store, tmp_path / "exports", context=context, now=lambda: datetime.now(UTC), new_id=lambda: "job-1")
    exports.ask("system", ("Patient",), "", request="http://test/$export")
    with closing(sqlite3.connect(file, isolation_level=None)) as another:
        another.execute("BEGIN IMMEDIATE")
        assert not exports.work_once()
        assert exports.status("job-1").state == "waiting"
    assert exports.work_once() and exports.status("job-1").state == "completed"


# --- conditions ------------------------------------------------------------------------------------------------------


class DeletesMeanwhile:
    """A view of a transaction in which somebody else deletes the resource right after it was looked at."""

    def __init__(self, transaction: Transaction, other: SqlStore) -> None:
        self._transaction, self._other = transaction, other

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transaction, name)

    def read(self, type_name: str, resource_id: str) -> Version | None:
        found = self._transaction.read(type_name, resource_id)
        self._other.transact(lambda transaction: transaction.delete(type_name, resource_id))
        return found


@pytest.mark.parametrize("method", ["update", "delete"])
def test_if_match_any_holds_up_to_the_write(postgresql: PostgresServer, open_store: Open, method: str) -> None:
    """Only PostgreSQL lets another one in between; on SQLite there is one writer."""
    url = postgresql.create_database(f"any_{method}")
    mine, others = open_store(url), open_store(url)
    interactions = Interactions(matches=lambda reader, kind, criteria: ())
    mine.transact(lambda transaction: transaction.update({**PATIENT, "id": "one"}))

    def work(transaction: Transaction) -> object:
        disturbed: Any = DeletesMeanwhile(transaction, others)
        if method == "update":
            return interactions.update(disturbed, PATIENT, "one", expectation=Expectation(present=True))
        return interactions.delete(disturbed, "Patient", "one", expectation=Expectation(present=True))

    with pytest.raises(VersionConflict):
        mine.transact(work)


def test_a_subscription_that_is_deleted_while_it_is_put_in_error_stays_deleted(
    postgresql: PostgresServer, open_store: Open
) -> None:
    url = postgresql.create_database("deleted_meanwhile")
    mine, others = open_store(url), open_store(url)
    made = mine.transact(lambda transaction: transaction.create(subscribed("Patient?active=true", "requested")))
    nobody: Any = None  # no call is made
    handler = SubscriptionHandler(mine, SqlOutbox(mine, now=lambda: NOON), nobody, "", "", lambda: NOON, lambda: "1")
    about = Delivery(1, "subscription", f"Subscription/{made.id}", {"type": "handshake"}, "dead", 1, NOON, NOON)
    change = handler.buried(about, "No answer.")
    assert change is not None

    def work(transaction: Transaction) -> None:
        disturbed: Any = DeletesMeanwhile(transaction, others)
        change(disturbed)

    mine.transact(work)
    with mine.reading() as reader:
        left = reader.read("Subscription", made.id)
    assert left is not None and left.deleted


def test_any_version_means_that_there_is_one(database_url: str, open_store: Open) -> None:
    store = open_store(database_url)
    one = {**PATIENT, "id": "one"}
    for gone in (False, True):
        with pytest.raises(VersionConflict):
            store.transact(lambda transaction: transaction.update(one, expected=ANY_VERSION))
        if not gone:
            store.transact(lambda transaction: transaction.update(one))
            assert store.transact(lambda transaction: transaction.update(one, expected=ANY_VERSION)).version == 2
            store.transact(lambda transaction: transaction.delete("Patient", "one", expected=ANY_VERSION))


# --- databases that end ----------------------------------------------------------------------------------------------


@pytest.fixture
def own_postgresql() -> Iterator[PostgresServer]:
    server = new_postgresql()
    yield server
    server.remove()


def test_a_restart_of_postgresql_between_two_requests_fails_none(
    own_postgresql: PostgresServer, open_store: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "REST_SECONDS", 0.0)
    store = open_store(own_postgresql.create_database("restarted"), connections=4)
    made = store.transact(lambda transaction: transaction.create(PATIENT))
    together = threading.Barrier(4)

    def read(_: int) -> None:
        with store.reading() as reader:
            assert reader.read("Patient", made.id) is not None
            together.wait(10)  # so that there are four connections

    threads = [threading.Thread(target=read, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    own_postgresql.kill()
    with pytest.raises(Unavailable), store.reading() as reader:
        reader.read("Patient", made.id)
    own_postgresql.start()
    for _ in range(5):
        with store.reading() as reader:
            assert reader.read("Patient", made.id) is not None
    own_postgresql.kill()
    own_postgresql.start()  # this time nobody asked in between
    with store.reading() as reader:
        assert reader.read("Patient", made.id) is not None
    assert store.transact(lambda transaction: transaction.create(PATIENT)).version == 1


def test_a_full_disk_is_told_and_leaves_nothing_half_done(tmp_path: Path, open_store: Open) -> None:
    """SQLite refuses to grow beyond a number of pages as it does on a full disk."""
    store = open_store(f"sqlite:///{tmp_path / 'full.db'}", connections=1)

    def limit(pages: int) -> None:
        with store.engine.connect() as connection:
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

    with store.engine.connect() as connection:
        now = int(connection.exec_driver_sql("PRAGMA page_count").scalar_one())
    limit(now + 5)
    large = {**PATIENT, "language": "x" * 200_000}
    with pytest.raises(Unavailable):
        store.transact(lambda transaction: [transaction.create(PATIENT, resource_id="small"), transaction.create(large)])
    with store.reading() as reader:
        assert reader.read("Patient", "small") is None
    limit(now + 5_000)
    assert store.transact(lambda transaction: transaction.create(large)).version == 1


def test_what_is_put_out_is_delivered_at_once(database_url: str, open_store: Open) -> None:
    """Whoever delivers is told when the transaction is stored: not before, and not if it is undone."""
    store = open_store(database_url)
    outbox = SqlOutbox(store, now=lambda: NOON)
    seen: list[int] = []

    def look() -> None:
        seen.append(len(outbox.claim(["test"], lease_seconds=60)))

    outbox.put_out = look
    store.transact(lambda transaction: outbox.put(transaction, "test", "one", {}))
    assert seen == [1]

    def undone(transaction: Transaction) -> None:
        outbox.put(transaction, "test", "two", {})
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        store.transact(undone)
    assert seen == [1]

"""The protocol of the store, the same on SQLite and PostgreSQL."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, select
from support.postgresql import PostgresServer

from service.errors import VersionConflict
from service.fhir.index_values import DateValue, QuantityValue, ReferenceValue, StringValue, TokenValue, UriValue
from service.storage.sql_reader import history_statement
from service.storage.sql_store import SqlStore
from service.storage.store import HistoryQuery, Transaction, Version
from service.storage.tables import SEARCH_TABLES

Open = Callable[..., SqlStore]
PATIENT = {"resourceType": "Patient", "active": True}


@pytest.fixture
def store(database_url: str, open_store: Open) -> SqlStore:
    return open_store(database_url)


def create(store: SqlStore, resource: dict[str, Any] = PATIENT) -> Version:
    return store.transact(lambda transaction: transaction.create(resource))


def read(store: SqlStore, version: Version) -> Version | None:
    with store.reading() as reader:
        return reader.read(version.type, version.id)


def body(version: Version | None) -> dict[str, Any]:
    assert version is not None and version.body is not None
    return dict(json.loads(version.body))


def test_what_was_created_is_read_with_id_version_and_time(store: SqlStore) -> None:
    made = create(store, {**PATIENT, "id": "mine", "meta": {"versionId": "9", "tag": [{"code": "t"}]}})
    assert made.id != "mine" and (made.version, made.method) == (1, "POST")
    assert read(store, made) == made
    stored = body(made)
    assert stored["id"] == made.id and stored["active"] is True
    assert stored["meta"]["versionId"] == "1" and stored["meta"]["tag"] == [{"code": "t"}]
    assert datetime.fromisoformat(stored["meta"]["lastUpdated"]) == made.last_updated


def test_R59_a_decimal_keeps_its_digits(store: SqlStore) -> None:
    made = create(store, {"resourceType": "Observation", "valueQuantity": {"value": Decimal("7.10")}})
    found = read(store, made)
    assert found is not None and b'"value":7.10}' in (found.body or b"")


def test_text_of_every_script_is_kept(store: SqlStore) -> None:
    text = "Hüfte שלום 痛 \U0001f9b4 \" \\ \u2028 '"
    assert body(read(store, create(store, {**PATIENT, "language": text})))["language"] == text


def test_an_update_makes_the_next_version_and_keeps_the_former(store: SqlStore) -> None:
    first = create(store)
    second = store.transact(lambda transaction: transaction.update({**PATIENT, "id": first.id, "active": False}))
    assert (second.version, second.method, body(second)["active"]) == (2, "PUT", False)
    assert second.last_updated > first.last_updated
    with store.reading() as reader:
        assert reader.vread("Patient", first.id, 1) == first
        assert reader.vread("Patient", first.id, 2) == second == reader.read("Patient", first.id)
        assert reader.vread("Patient", first.id, 3) is None


def test_an_update_of_nothing_creates_under_the_given_id(store: SqlStore) -> None:
    made = store.transact(lambda transaction: transaction.update({**PATIENT, "id": "mine"}))
    assert (made.id, made.version) == ("mine", 1)


@pytest.mark.parametrize("expected", [0, 2, 7])
def test_an_update_that_expects_another_version_changes_nothing(store: SqlStore, expected: int) -> None:
    first = create(store)
    with pytest.raises(VersionConflict):
        store.transact(lambda transaction: transaction.update({**PATIENT, "id": first.id}, expected=expected))
    assert read(store, first) == first


def test_a_deletion_is_a_version_and_can_be_undone_by_an_update(store: SqlStore) -> None:
    first = create(store)
    gone = store.transact(lambda transaction: transaction.delete("Patient", first.id))
    assert gone is not None and (gone.version, gone.method, gone.body, gone.deleted) == (2, "DELETE", None, True)
    assert read(store, first) == gone
    again = store.transact(lambda transaction: transaction.delete("Patient", first.id))
    assert again == gone
    back = store.transact(lambda transaction: transaction.update({**PATIENT, "id": first.id}, expected=0))
    assert (back.version, back.deleted) == (3, False)
    assert store.transact(lambda transaction: transaction.delete("Patient", "never")) is None


def test_history_lists_newest_first_by_resource_type_and_all(store: SqlStore) -> None:
    patient = create(store)
    observation = create(store, {"resourceType": "Observation"})
    store.transact(lambda transaction: transaction.delete("Patient", patient.id))
    with store.reading() as reader:
        own = reader.history(HistoryQuery("Patient", patient.id))
        assert [(one.version, one.method) for one in own.versions] == [(2, "DELETE"), (1, "POST")] and own.total == 2
        assert [one.type for one in reader.history(HistoryQuery("Observation")).versions] == ["Observation"]
        assert [one.type for one in reader.history(HistoryQuery()).versions] == ["Patient", "Observation", "Patient"]
        assert [one.type for one in reader.history(HistoryQuery(types=["Observation"])).versions] == ["Observation"]
        later = reader.history(HistoryQuery(since=observation.last_updated + timedelta(milliseconds=1)))
        assert all(one.last_updated > observation.last_updated for one in later.versions)


def test_history_is_paged_without_gap_or_repetition_while_others_write(store: SqlStore) -> None:
    made = [create(store).id for _ in range(5)]
    seen: list[str] = []
    before, more = None, True
    while more:
        with store.reading() as reader:
            page = reader.history(HistoryQuery("Patient", count=2, before=before))
        seen += [one.id for one in page.versions]
        before, more = page.versions[-1].position, page.more
        create(store)
    assert seen == made[::-1]


def test_many_are_read_at_once_without_the_deleted(store: SqlStore) -> None:
    kept, gone = create(store), create(store)
    store.transact(lambda transaction: transaction.delete("Patient", gone.id))
    with store.reading() as reader:
        found = reader.read_many([("Patient", kept.id), ("Patient", gone.id), ("Observation", kept.id), ("Patient", "x")])
        assert found == {("Patient", kept.id): kept}
        assert reader.read_many([]) == {}


def test_nothing_of_a_transaction_that_fails_is_stored(store: SqlStore) -> None:
    kept = create(store)

    def work(transaction: Transaction) -> None:
        transaction.create(PATIENT, resource_id="half")
        transaction.delete("Patient", kept.id)
        assert transaction.read("Patient", "half") is not None, "a transaction sees its own writes"
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        store.transact(work)
    with store.reading() as reader:
        assert reader.read("Patient", "half") is None
        assert reader.read("Patient", kept.id) == kept
        assert len(reader.history(HistoryQuery()).versions) == 1


def test_a_reader_sees_one_state_while_others_write(store: SqlStore) -> None:
    first = create(store)
    with store.reading() as reader:
        assert reader.read("Patient", first.id) == first
        store.transact(lambda transaction: transaction.delete("Patient", first.id))
        assert reader.read("Patient", first.id) == first
    found = read(store, first)
    assert found is not None and found.deleted


def test_listeners_write_with_the_transaction_or_not_at_all(database_url: str, open_store: Open) -> None:
    def listener(transaction: Transaction, written: Any) -> None:
        if written[-1].type == "Patient":
            transaction.create({"resourceType": "AuditEvent", "n": len(written)})
        elif written[-1].type == "Device":
            raise RuntimeError("the listener fails")

    store = open_store(database_url, listeners=[listener])
    create(store)
    with pytest.raises(RuntimeError):
        create(store, {"resourceType": "Device"})
    with store.reading() as reader:
        assert [one.type for one in reader.history(HistoryQuery()).versions] == ["AuditEvent", "Patient"]


def test_search_values_follow_the_newest_version(database_url: str, open_store: Open) -> None:
    def indexer(resource: Any) -> list[Any]:
        return [
            TokenValue("active", str(resource["active"])),
            TokenValue("active", str(resource["active"])),
            ReferenceValue("r", target_type="Patient", target_id="1"),
            DateValue("d", 1, 2),
            StringValue("s", "a", "a", "A"),
            QuantityValue("q", 1.5, 2.5),
            UriValue("u", "urn:x"),
        ]

    store = open_store(database_url, indexer=indexer)

    def counts() -> list[int]:
        with store.reading() as reader:
            found = (reader.connection.execute(select(func.count()).select_from(table)) for table in SEARCH_TABLES)
            return [int(one.scalar_one()) for one in found]

    made = create(store)
    assert counts() == [1] * 6
    store.transact(lambda transaction: transaction.update({**PATIENT, "id": made.id, "active": False}))
    assert counts() == [1] * 6
    with store.reading() as reader:
        assert reader.connection.execute(select(SEARCH_TABLES[0].c.code)).scalars().all() == ["False"]
    store.transact(lambda transaction: transaction.delete("Patient", made.id))
    assert counts() == [0] * 6


def test_time_never_runs_backwards_within_a_resource(database_url: str, open_store: Open) -> None:
    clock = iter([datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)])
    store = open_store(database_url, now=lambda: next(clock))
    first = create(store)
    second = store.transact(lambda transaction: transaction.update({**PATIENT, "id": first.id}))
    assert second.last_updated == first.last_updated + timedelta(milliseconds=1)


def test_concurrent_updates_lose_none(database_url: str, open_store: Open) -> None:
    """Two stores on one database, as two processes are; each update reads what it changes."""
    stores = [open_store(database_url, connections=4) for _ in range(2)]
    first = create(stores[0], {"resourceType": "Basic", "count": 0})

    def add(number: int) -> None:
        def work(transaction: Transaction) -> None:
            current = transaction.read("Basic", first.id)
            assert current is not None
            transaction.update({**body(current), "count": body(current)["count"] + 1}, expected=current.version)

        while True:
            try:
                stores[number % 2].transact(work)
                return
            except VersionConflict:
                continue

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))
    last = read(stores[0], first)
    assert last is not None and (last.version, body(last)["count"]) == (41, 40)


def test_concurrent_creates_of_one_id_make_one(database_url: str, open_store: Open) -> None:
    stores = [open_store(database_url, connections=4) for _ in range(2)]
    barrier = threading.Barrier(8)

    def put(number: int) -> int:
        barrier.wait()
        return stores[number % 2].transact(lambda transaction: transaction.update({**PATIENT, "id": "one"})).version

    with ThreadPoolExecutor(8) as pool:
        assert sorted(pool.map(put, range(8))) == list(range(1, 9))


def test_a_conditional_transaction_sees_all_that_others_wrote_before_it(database_url: str, open_store: Open) -> None:
    """Creates that first look whether there is one, and unconditional creates among them: after each look nobody slips in."""
    stores = [open_store(database_url, connections=6) for _ in range(2)]

    def create_if_none(transaction: Transaction) -> bool:
        if transaction.history(HistoryQuery("Patient", count=1)).versions:
            return False
        transaction.create(PATIENT)
        return True

    barrier = threading.Barrier(10)

    def run(number: int) -> bool:
        barrier.wait()
        return stores[number % 2].transact(create_if_none, conditional=["Patient"])

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(run, range(10))) == [False] * 9 + [True]


def test_asking_for_what_is_new_does_not_read_what_is_old(database_url: str, open_store: Open) -> None:
    """The plan of `_history?_since=` and of a later page: an index from the newest on, never all versions."""
    store = open_store(database_url)
    for type_name in ("Patient", "Observation"):
        store.transact(lambda transaction, kind=type_name: [transaction.create({"resourceType": kind}) for _ in range(300)])
    late = datetime.now(UTC) + timedelta(hours=1)
    for query in (HistoryQuery("Patient", since=late), HistoryQuery(since=late), HistoryQuery("Patient", before=(1, 1)),
                  HistoryQuery(before=(1, 1))):
        with store.reading() as reader:
            sqlite = reader.connection.dialect.name == "sqlite"
            if not sqlite:  # a table this small fits into few blocks, which PostgreSQL would rather read whole
                reader.connection.exec_driver_sql("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off")
            compiled = history_statement(query).compile(reader.connection.engine, compile_kwargs={"literal_binds": True})
            rows = reader.connection.exec_driver_sql(f"EXPLAIN {'QUERY PLAN ' if sqlite else ''}{compiled}").all()
        plan = "\n".join(str(row[-1]) for row in rows)
        assert "last_updated" in plan and "SCAN resource_version\n" not in plan and "Seq Scan" not in plan, plan
        assert "TEMP B-TREE" not in plan and "Sort" not in plan, plan


def test_conditions_hold_where_the_server_has_another_default_isolation(
    postgresql: PostgresServer, open_store: Open
) -> None:
    """In a snapshot taken before the wait, nobody would see what the one before wrote."""
    url = postgresql.create_database("isolation")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ALTER DATABASE isolation SET default_transaction_isolation = 'repeatable read'")
    stores = [open_store(url, connections=6) for _ in range(2)]
    barrier = threading.Barrier(10)

    def create_if_none(transaction: Transaction) -> bool:
        if transaction.history(HistoryQuery("Patient", count=1)).versions:
            return False
        transaction.create(PATIENT)
        return True

    def run(number: int) -> bool:
        barrier.wait()
        return stores[number % 2].transact(create_if_none, conditional=["Patient"])

    with ThreadPoolExecutor(10) as pool:
        assert sorted(pool.map(run, range(10))) == [False] * 9 + [True]


def test_a_page_of_large_resources_is_shorter_and_the_next_goes_on(store: SqlStore) -> None:
    made = [create(store, {**PATIENT, "language": "x" * 1_500_000}).id for _ in range(7)]
    seen: list[str] = []
    before, pages, more = None, 0, True
    while more:
        with store.reading() as reader:
            page = reader.history(HistoryQuery("Patient", before=before))
        assert len(page.versions) <= 3
        seen += [one.id for one in page.versions]
        before, more, pages = page.versions[-1].position, page.more, pages + 1
    assert seen == made[::-1] and pages == 3

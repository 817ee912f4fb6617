"""How search values lie in their tables."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from sqlalchemy import update

from service.fhir.index_values import DateValue, TokenValue
from service.fhir.resource_types import RESOURCE_TYPES
from service.fhir.search import SearchContext, read_query
from service.fhir.search_index import resource_indexer
from service.fhir.search_parameters import parameters_of
from service.storage.index import parameter_number, rows_of
from service.storage.reindex import bring_up_to_date
from service.storage.sql_store import SqlStore
from service.storage.tables import search_date, search_state, search_token


def test_no_two_search_parameters_have_one_number() -> None:
    names = [
        (offered.name, f"{parameter.code}{part}")
        for offered in RESOURCE_TYPES
        for parameter in parameters_of(offered.name).values()
        for part in ("", *(f".{number + 1}" for number in range(len(parameter.components))))
    ]
    assert len({parameter_number(*name) for name in names}) == len(names)


def test_one_row_each_is_the_smallest_and_the_largest_of_a_parameter() -> None:
    rows = rows_of(7, "Patient", [TokenValue("a", "m"), TokenValue("a", "b"), TokenValue("a", "b", "s"), TokenValue("z", "c")])
    flags = [(row["code"], row["system"], row["smallest"], row["largest"]) for row in rows[search_token]]
    assert flags == [("m", "", False, True), ("b", "", True, False), ("b", "s", False, False), ("c", "", True, True)]


def test_a_period_of_more_than_a_day_is_wide() -> None:
    day = 86_400_000_000
    rows = rows_of(7, "Patient", [DateValue("d", 0, day - 1), DateValue("d", 0, day)])[search_date]
    assert [row["wide"] for row in rows] == [False, True]


def test_resources_stored_under_other_search_parameters_are_found_after_the_next_start(
    database_url: str, open_store: Callable[..., SqlStore]
) -> None:
    store = open_store(database_url)  # a version that knew no parameter at all
    store.transact(lambda transaction: [transaction.create({"resourceType": "Patient", "gender": "female"}) for _ in range(3)])
    gone = store.transact(lambda transaction: transaction.create({"resourceType": "Patient", "gender": "female"}))
    store.transact(lambda transaction: transaction.delete("Patient", gone.id))
    context = SearchContext((), frozenset({"Patient"}), datetime.now(UTC))
    query = read_query("Patient", [("gender", "female")], context=context)

    def found(store: SqlStore) -> int:
        with store.reading() as reader:
            return len(reader.search(query).versions)

    assert found(store) == 0
    assert bring_up_to_date(store.engine, resource_indexer()) == 0  # nothing says that the parameters are others
    with store.engine.begin() as connection:
        connection.execute(update(search_state).values(fingerprint="before"))
    later = open_store(database_url, indexer=resource_indexer())
    assert found(later) == 3
    assert bring_up_to_date(later.engine, resource_indexer()) == 0

"""What a page costs, in steps of SQLite's own machine: the same on every computer, and whatever else it does.

Ten times as many assessments are stored, and the first and the second page of each search may not cost more for it.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from sqlalchemy import Connection

from service.cli.bench_search import PER_PATIENT, SEARCHES, fill
from service.fhir.search import SearchContext, read_query
from service.fhir.search_index import resource_indexer
from service.storage import search_gather
from service.storage.opening import open_store
from service.storage.search import search
from service.storage.sql_store import SqlStore

SMALL, LARGE = 400, 4000
FEW = 40  # in the place of 1,000, in the proportion of the stores
CONTEXT = SearchContext((), frozenset({"Patient", "Provenance", "RiskAssessment"}), datetime(2026, 6, 1, tzinfo=UTC))


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[int, SqlStore]]:
    made: dict[int, SqlStore] = {}
    for size in (SMALL, LARGE):
        url = f"sqlite:///{tmp_path_factory.mktemp('cost') / 'hipspine.db'}"
        made[size] = open_store(
            url, connections=2, indexer=resource_indexer(), now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4())
        )
        fill(made[size], size, Console(file=Path("/dev/null").open("w", encoding="utf-8")))  # noqa: SIM115
    yield made
    for store in made.values():
        store.close()


def steps(connection: Connection, work: Callable[[], Any]) -> tuple[int, Any]:
    """How many tens of steps SQLite's machine takes for the work, and what comes of it."""
    counted = 0

    def count() -> int:
        nonlocal counted
        counted += 1
        return 0

    raw: Any = connection.connection.dbapi_connection
    raw.set_progress_handler(count, 10)
    try:
        outcome = work()
    finally:
        raw.set_progress_handler(None, 0)
    return counted, outcome


# Cases that the benchmark has none of: found by nothing, but only after the right index was asked.
MORE = ("patient:identifier=urn:mrn|x", "patient.family=nobody", "_has:Provenance:target:recorded=2026", "_profile=urn:x",
        "encounter=e1&_sort=probability", "_id=a1,a2&_sort=-_lastUpdated", "_lastUpdated=gt2026-06-02&_sort=_lastUpdated")


@pytest.mark.parametrize("asked", [*(query for query, _ in SEARCHES), *MORE], ids=lambda query: query or "everything")
def test_a_page_costs_the_same_in_ten_times_the_table(
    stores: dict[int, SqlStore], asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search_gather, "FEW", FEW)
    cost: dict[int, tuple[int, int]] = {}
    for size, store in stores.items():
        text = asked.format(patient=f"p{size // 2 // PER_PATIENT}", form=f"f{size // 2}")
        pairs = [(name, value) for name, _, value in (pair.partition("=") for pair in text.split("&") if pair)]
        pairs += [("_count", "10"), ("_total", "none")]
        with store.reading() as reader:
            connection = reader.connection
            first, page = steps(connection, lambda: search(connection, read_query("RiskAssessment", pairs, context=CONTEXT)))  # noqa: B023
            second = first
            if page.next:
                further = read_query("RiskAssessment", [*pairs, ("_cursor", page.next)], context=CONTEXT)
                second, _ = steps(connection, lambda: search(connection, further))  # noqa: B023
        cost[size] = (first, second)
    for small, large in zip(cost[SMALL], cost[LARGE], strict=True):
        assert large < 2 * small + 300, cost


def test_a_search_that_reads_all_is_seen_to_cost_more(stores: dict[int, SqlStore]) -> None:
    """The measure itself: a sort by two parameters reads every match, as docs/search.md says."""
    found = []
    for store in stores.values():
        query = read_query("RiskAssessment", [("_sort", "-date,identifier"), ("_total", "none")], context=CONTEXT)
        with store.reading() as reader:
            connection = reader.connection
            found.append(steps(connection, lambda: search(connection, query))[0])  # noqa: B023
    assert found[1] > 5 * found[0]

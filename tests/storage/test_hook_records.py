"""What is kept of CDS Hooks, the same on SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from service.storage.hook_records import CardShown, Count, Feedback
from service.storage.sql_hook_records import SqlHookRecords
from service.storage.sql_store import SqlStore

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
GIVEN = Feedback("order-sign", "card-1", "overridden", (), "s", "disagree", "no", NOW, "digest-1")


@pytest.fixture
def records(database_url: str, open_store: Callable[..., SqlStore]) -> SqlHookRecords:
    return SqlHookRecords(open_store(database_url))


def test_H16_feedback_is_recorded_once(records: SqlHookRecords) -> None:
    records.shown("order-sign", [CardShown("card-1", "order", "spine")], NOW)
    for _ in range(3):
        records.add([GIVEN, GIVEN], NOW)
    expected = Count("order-sign", "order", "spine", "overridden", "s", "disagree", date(2026, 5, 1), 1)
    assert records.counts() == [expected]


def test_a_card_counts_by_the_last_thing_done_with_it(records: SqlHookRecords) -> None:
    later = replace(GIVEN, outcome="accepted", reason_code="", digest="digest-2", acted=NOW.replace(month=6))
    records.add([later], NOW)
    records.add([GIVEN], NOW)
    assert [(one.outcome, one.day, one.topic) for one in records.counts()] == [("accepted", date(2026, 6, 1), "")]
    records.add([replace(GIVEN, service="order-select", digest="digest-3")], NOW)
    assert len(records.counts()) == 2


def test_cards_shown_are_counted_once_per_service(records: SqlHookRecords) -> None:
    for service in ("order-select", "order-sign", "order-sign"):
        records.shown(service, [CardShown("card-1", "order", "spine"), CardShown("card-2", "red-flags", "")], NOW)
    assert records.cards_shown() == {"order-select": 2, "order-sign": 2}


def test_H15_processes_that_start_together_agree_on_the_key_of_the_installation(
    database_url: str, open_store: Callable[..., SqlStore]
) -> None:
    others = [SqlHookRecords(open_store(database_url)) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        agreed = set(pool.map(lambda number: others[number].secret("card", bytes([number]) * 32), range(4)))
    assert len(agreed) == 1 and agreed < {bytes([number]) * 32 for number in range(4)}
    assert {others[0].secret("card", b"later" * 8)} == agreed and others[0].secret("other", b"x" * 32) == b"x" * 32


def test_H17_one_of_many_who_use_a_token_at_once_is_the_first(records: SqlHookRecords) -> None:
    with ThreadPoolExecutor(8) as pool:
        first = list(pool.map(lambda _: records.first_use("digest", 2_000.0, 1_000.0), range(16)))
    assert first.count(True) == 1
    assert records.first_use("other", 3_000.0, 1_500.0) and not records.first_use("digest", 2_000.0, 1_999.0)
    assert records.first_use("new", 9_000.0, 5_000.0)  # and the expired ones are gone, which nothing but this could tell
    assert records.first_use("digest", 9_000.0, 5_000.0)

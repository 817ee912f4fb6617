"""The outbox on both databases: written with the change, claimed by one worker at a time, in order for each target."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

import pytest

from service.delivery.worker import DeliveryFailed, RetryPolicy, Worker
from service.errors import Fault, OutboundRefused, UpstreamFailed
from service.storage.outbox import Also, Delivery
from service.storage.sql_outbox import SqlOutbox
from service.storage.sql_store import SqlStore
from service.storage.store import Transaction

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PATIENT = {"resourceType": "Patient"}


class Clock:
    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time

    def forward(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(database_url: str, open_store: Callable[..., SqlStore]) -> SqlStore:
    return open_store(database_url)


@pytest.fixture
def outbox(store: SqlStore, clock: Clock) -> SqlOutbox:
    return SqlOutbox(store, now=clock)


def put(store: SqlStore, outbox: SqlOutbox, *targets: str) -> None:
    def work(transaction: Transaction) -> None:
        for number, target in enumerate(targets):
            outbox.put(transaction, "test", target, {"number": number})

    store.transact(work)


def claim(outbox: SqlOutbox, limit: int = 10) -> Sequence[Delivery]:
    return outbox.claim(["test"], lease_seconds=60, limit=limit)


class Recorder:
    """A handler that keeps what it is given, and fails as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.delivered: list[object] = []
        self.buried_for: list[str] = []
        self._failures = list(failures)

    def deliver(self, delivery: Delivery) -> Also | None:
        if self._failures:
            raise self._failures.pop(0)
        self.delivered.append(delivery.payload["number"])
        return None

    def buried(self, delivery: Delivery, reason: str) -> Also | None:
        self.buried_for.append(reason)
        return lambda transaction: transaction.create({**PATIENT, "active": False}) and None


def worker(outbox: SqlOutbox, handler: Recorder, clock: Clock, **policy: float) -> Worker:
    chosen = RetryPolicy(**{"attempts": 3, "first_seconds": 10.0, **policy})  # type: ignore[arg-type]
    return Worker(outbox, {"test": handler}, now=clock, draw=lambda: 0.0, policy=chosen)


def test_a_delivery_is_written_with_the_change_or_not_at_all(store: SqlStore, outbox: SqlOutbox) -> None:
    def fails(transaction: Transaction) -> None:
        transaction.create(PATIENT)
        outbox.put(transaction, "test", "a", {"number": 1})
        raise RuntimeError

    with pytest.raises(RuntimeError):
        store.transact(fails)
    assert outbox.list(["waiting"]) == ()
    put(store, outbox, "a")
    (delivery,) = outbox.list(["waiting"])
    assert (delivery.kind, delivery.target, delivery.payload, delivery.created) == ("test", "a", {"number": 0}, START)


def test_two_workers_never_have_one_delivery(store: SqlStore, outbox: SqlOutbox) -> None:
    put(store, outbox, *(str(number) for number in range(40)))
    taken: list[int] = []
    start = threading.Barrier(4)

    def work() -> None:
        start.wait()
        while claimed := claim(outbox, limit=1):
            taken.extend(one.id for one in claimed)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(taken) == len(set(taken)) == 40


def test_one_target_gets_one_after_the_other_in_order(store: SqlStore, outbox: SqlOutbox) -> None:
    put(store, outbox, "a", "a", "b")
    first = claim(outbox)
    assert [(one.target, one.payload["number"]) for one in first] == [("a", 0), ("b", 2)]
    assert claim(outbox) == ()
    assert outbox.settle(first[0], "delivered")
    assert [one.payload["number"] for one in claim(outbox)] == [1]


def test_when_a_lease_runs_out_another_takes_over_and_the_first_can_no_longer_settle(
    store: SqlStore, outbox: SqlOutbox, clock: Clock
) -> None:
    put(store, outbox, "a")
    (lost,) = claim(outbox)
    clock.forward(59)
    assert claim(outbox) == ()
    clock.forward(2)
    (taken,) = claim(outbox)
    assert taken.id == lost.id
    assert not outbox.settle(lost, "delivered", also=lambda transaction: transaction.create(PATIENT) and None)
    assert not outbox.postpone(lost, clock(), error="late")
    assert outbox.settle(taken, "delivered")
    assert outbox.count() == {("test", "delivered"): 1}


def test_a_failure_is_tried_again_later_and_later(store: SqlStore, outbox: SqlOutbox, clock: Clock) -> None:
    put(store, outbox, "a")
    handler = Recorder(DeliveryFailed("busy"), UpstreamFailed(Fault("transient", "It did not answer.")))
    sender = worker(outbox, handler, clock)
    assert sender.run_once() and not sender.run_once()
    assert outbox.list(["waiting"])[0].error == "busy"
    clock.forward(9)
    assert not sender.run_once()
    clock.forward(2)
    assert sender.run_once() and not sender.run_once()  # the second failure: 20 seconds
    clock.forward(19)
    assert not sender.run_once()
    clock.forward(2)
    assert sender.run_once()
    assert handler.delivered == [0] and handler.buried_for == []


def test_what_fails_too_often_is_dead_and_can_be_revived(store: SqlStore, outbox: SqlOutbox, clock: Clock) -> None:
    put(store, outbox, "a", "a")
    handler = Recorder(*(DeliveryFailed("gone away") for _ in range(3)))
    sender = worker(outbox, handler, clock)
    for _ in range(3):
        sender.run_once()
        clock.forward(100)
    (dead,) = outbox.list(["dead"])
    assert (dead.attempts, dead.error, handler.buried_for) == (3, "gone away", ["gone away"])
    with store.reading() as reader:  # what was to be stored with the burial is stored
        assert reader.read_many([("Patient", one.id) for one in reader.history(_all()).versions])
    assert sender.run_once() and handler.delivered == [1]  # the one behind it is not held up for ever
    assert outbox.retry([dead.id + 100]) == 0
    assert outbox.retry() == 1
    assert sender.run_once() and handler.delivered == [1, 0]


@pytest.mark.parametrize(
    "failure", [DeliveryFailed("no such kind", final=True), OutboundRefused(Fault("business-rule", "no such kind"))]
)
def test_what_cannot_succeed_is_not_tried_again(
    store: SqlStore, outbox: SqlOutbox, clock: Clock, failure: Exception
) -> None:
    put(store, outbox, "a")
    worker(outbox, Recorder(failure), clock).run_once()
    assert [one.error for one in outbox.list(["dead"])] == ["no such kind"]


def test_a_handler_that_breaks_does_not_stop_the_worker_and_tells_nothing_of_its_input(
    store: SqlStore, outbox: SqlOutbox, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    put(store, outbox, "a")
    sender = worker(outbox, Recorder(KeyError("Jane Doe")), clock)
    assert sender.run_once()
    (waiting,) = outbox.list(["waiting"])
    assert "KeyError" in waiting.error and "Jane" not in waiting.error + caplog.text


def test_the_threads_deliver_what_is_put_and_stop_when_told(store: SqlStore, outbox: SqlOutbox) -> None:
    real = SqlOutbox(store, now=lambda: datetime.now(UTC))
    handler = Recorder()
    sender = Worker(real, {"test": handler}, now=lambda: datetime.now(UTC), draw=lambda: 0.0, threads=2, poll_seconds=0.05)
    sender.start()
    put(store, real, *(str(number) for number in range(20)))
    sender.wake()
    for _ in range(200):
        if len(handler.delivered) == 20:
            break
        threading.Event().wait(0.05)
    sender.stop()
    assert sorted(handler.delivered) == list(range(20))  # type: ignore[type-var]
    put(store, real, "late")
    threading.Event().wait(0.2)
    assert len(real.list(["waiting"])) == 1


def test_what_was_delivered_long_ago_is_forgotten(store: SqlStore, outbox: SqlOutbox, clock: Clock) -> None:
    put(store, outbox, "a", "b")
    for delivery in claim(outbox):
        outbox.settle(delivery, "delivered" if delivery.target == "a" else "dead")
    clock.forward(10)
    assert outbox.forget(clock()) == 1
    assert [one.target for one in outbox.list(["delivered", "dead", "waiting"])] == ["b"]


def test_waits_double_up_to_the_longest_and_are_spread() -> None:
    policy = RetryPolicy(first_seconds=5, longest_seconds=100)
    assert [policy.wait(failures, 0.0) for failures in (1, 2, 3, 9, 400)] == [5, 10, 20, 100, 100]
    assert policy.wait(3, 0.999) == pytest.approx(10, abs=0.1)


def _all() -> object:
    from service.storage.store import HistoryQuery

    return HistoryQuery()

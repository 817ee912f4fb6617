"""The outbox in the store's own database."""

from __future__ import annotations

import json
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from sqlalchemy import Connection, Row, and_, exists, func, insert, select, update
from sqlalchemy import delete as remove

from service.fhir.times import microseconds, moment
from service.storage.outbox import Also, Delivery, Outbox, State
from service.storage.sql_store import SqlReader, SqlStore
from service.storage.store import Transaction
from service.storage.tables import outbox, subscription_events


class SqlOutbox(Outbox):
    """The outbox of one store. `now` gives an aware datetime; `put_out` is called whenever there is something new to deliver."""

    def __init__(self, store: SqlStore, *, now: Callable[[], datetime]) -> None:
        self._store = store
        self._now = now
        self.put_out: Callable[[], None] = lambda: None

    def put(self, transaction: Transaction, kind: str, target: str, payload: Mapping[str, Any]) -> None:
        now = microseconds(self._now())
        _connection(transaction).execute(
            insert(outbox).values(
                kind=kind,
                target=target,
                payload=json.dumps(payload),
                state="waiting",
                attempts=0,
                created=now,
                next_try=now,
                lease="",
                error="",
            )
        )
        transaction.afterwards(self.put_out)

    def claim(self, kinds: Collection[str], *, lease_seconds: float, limit: int = 1) -> Sequence[Delivery]:
        # Looked at first by a reader: most of the time nothing is due, and a writer would be in the way of others for nothing.
        with self._store.reading() as reader:
            if _connection(reader).execute(self._due(kinds).limit(1)).first() is None:
                return ()
        return self._store.transact(lambda transaction: self._claim(_connection(transaction), kinds, lease_seconds, limit))

    def settle(
        self, delivery: Delivery, state: Literal["delivered", "dead"], *, error: str = "", also: Also | None = None
    ) -> bool:
        def work(transaction: Transaction) -> bool:
            values = {"state": state, "lease": "", "error": error, "finished": microseconds(self._now())}
            if state == "dead":
                values["attempts"] = delivery.attempts + 1
            if not self._change(_connection(transaction), delivery, values):
                return False
            if also is not None:
                also(transaction)
            return True

        return self._store.transact(work)

    def postpone(self, delivery: Delivery, until: datetime, *, error: str) -> bool:
        values = {"lease": "", "error": error, "next_try": microseconds(until), "attempts": delivery.attempts + 1}
        return self._store.transact(lambda transaction: self._change(_connection(transaction), delivery, values))

    def count_event(self, transaction: Transaction, target: str) -> int:
        connection, table = _connection(transaction), subscription_events
        one_more = update(table).where(table.c.subscription_id == target).values(events=table.c.events + 1)
        number = connection.execute(one_more.returning(table.c.events)).scalar()
        if number is None:
            connection.execute(insert(table).values(subscription_id=target, events=1))
        return int(number or 1)

    def events_of(self, target: str) -> int:
        query = select(subscription_events.c.events).where(subscription_events.c.subscription_id == target)
        with self._store.reading() as reader:
            return int(_connection(reader).execute(query).scalar() or 0)

    def last_activity(self, kind: str, target: str) -> datetime | None:
        query = select(func.max(outbox.c.created), func.max(outbox.c.finished)).where(
            outbox.c.kind == kind, outbox.c.target == target
        )
        with self._store.reading() as reader:
            times = [one for one in _connection(reader).execute(query).one() if one is not None]
        return moment(max(times)) if times else None

    def list(self, states: Collection[State], *, kind: str = "", target: str = "", limit: int = 100) -> Sequence[Delivery]:
        query = select(outbox).where(outbox.c.state.in_(sorted(states))).order_by(outbox.c.id).limit(limit)
        if kind:
            query = query.where(outbox.c.kind == kind)
        if target:
            query = query.where(outbox.c.target == target)
        with self._store.reading() as reader:
            return tuple(_delivery(row) for row in _connection(reader).execute(query))

    def count(self) -> Mapping[tuple[str, State], int]:
        query = select(outbox.c.kind, outbox.c.state, func.count()).group_by(outbox.c.kind, outbox.c.state)
        with self._store.reading() as reader:
            return {(kind, cast(State, state)): number for kind, state, number in _connection(reader).execute(query)}

    def retry(self, ids: Collection[int] | None = None) -> int:
        change = update(outbox).where(outbox.c.state == "dead")
        if ids is not None:
            change = change.where(outbox.c.id.in_(sorted(ids)))
        values = {"state": "waiting", "attempts": 0, "finished": None, "next_try": microseconds(self._now())}
        return self._store.transact(lambda transaction: _connection(transaction).execute(change.values(**values)).rowcount)

    def forget(self, before: datetime) -> int:
        gone = remove(outbox).where(outbox.c.state == "delivered", outbox.c.finished < microseconds(before))
        return self._store.transact(lambda transaction: _connection(transaction).execute(gone).rowcount)

    def _due(self, kinds: Collection[str]) -> Any:
        """Those whose time has come and before which nothing waits for the same target."""
        earlier = outbox.alias("earlier")
        waiting_before = exists().where(
            and_(
                earlier.c.kind == outbox.c.kind,
                earlier.c.target == outbox.c.target,
                earlier.c.state == "waiting",
                earlier.c.id < outbox.c.id,
            )
        )
        return (
            select(outbox)
            .where(outbox.c.state == "waiting", outbox.c.next_try <= microseconds(self._now()))
            .where(outbox.c.kind.in_(sorted(kinds)), ~waiting_before)
            .order_by(outbox.c.next_try, outbox.c.id)
        )

    def _claim(
        self, connection: Connection, kinds: Collection[str], lease_seconds: float, limit: int
    ) -> tuple[Delivery, ...]:
        # PostgreSQL passes over the rows that another worker is taking at this moment; SQLite has one writer at a time.
        rows = connection.execute(self._due(kinds).limit(limit).with_for_update(skip_locked=True, of=outbox)).all()
        until = self._now() + timedelta(seconds=lease_seconds)
        lease = secrets.token_hex(8)
        if rows:
            connection.execute(
                update(outbox)
                .where(outbox.c.id.in_([row.id for row in rows]))
                .values(lease=lease, next_try=microseconds(until))
            )
        return tuple(_delivery(row, lease=lease, next_try=until) for row in rows)

    @staticmethod
    def _change(connection: Connection, delivery: Delivery, values: Mapping[str, Any]) -> bool:
        mine = update(outbox).where(
            outbox.c.id == delivery.id, outbox.c.lease == delivery.lease, outbox.c.state == "waiting"
        )
        return bool(connection.execute(mine.values(**values)).rowcount)


def _connection(view: Any) -> Connection:
    assert isinstance(view, SqlReader), "the outbox lives in the database of its store"
    return view.connection


def _delivery(row: Row[Any], *, lease: str | None = None, next_try: datetime | None = None) -> Delivery:
    return Delivery(
        id=row.id,
        kind=row.kind,
        target=row.target,
        payload=json.loads(row.payload),
        state=row.state,
        attempts=row.attempts,
        created=moment(row.created),
        next_try=next_try or moment(row.next_try),
        lease=row.lease if lease is None else lease,
        error=row.error,
    )

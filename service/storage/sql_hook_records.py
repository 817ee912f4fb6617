"""The records of CDS Hooks in the database of the resources."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Table, delete, func, select
from sqlalchemy.dialects import sqlite

from service.fhir.times import microseconds, moment
from service.storage.hook_records import CardShown, Count, Feedback, HookRecords
from service.storage.sql_store import SqlStore
from service.storage.tables import hook_card, hook_feedback, hook_secret, hook_token

if TYPE_CHECKING:
    from sqlalchemy.dialects import postgresql

_DAY = 86_400_000_000  # microseconds
MOST_KNOWN = 10_000


class SqlHookRecords(HookRecords):
    """Uses the transactions of the store, so that SQLite's one writer is waited for in the same way as everywhere."""

    def __init__(self, store: SqlStore) -> None:
        self._store = store
        self._known: set[tuple[str, str]] = set()  # cards that are in the database: most calls repeat advice

    def shown(self, service: str, cards: Sequence[CardShown], now: datetime) -> None:
        new = [card for card in cards if (service, card.card) not in self._known]
        if not new:
            return
        rows = [
            {
                "service": service,
                "card": card.card,
                "topic": card.topic,
                "differential": card.differential,
                "shown": microseconds(now),
            }
            for card in new
        ]
        self._store.transact(lambda transaction: _insert(_connection(transaction), hook_card, rows))
        if len(self._known) > MOST_KNOWN:
            self._known.clear()
        self._known |= {(service, card.card) for card in new}

    def add(self, feedback: Sequence[Feedback], now: datetime) -> None:
        rows = [
            {
                "digest": one.digest,
                "service": one.service,
                "card": one.card,
                "outcome": one.outcome,
                "suggestions": " ".join(one.suggestions),
                "reason_system": one.reason_system,
                "reason_code": one.reason_code,
                "comment": one.comment,
                "acted": microseconds(one.acted),
                "received": microseconds(now),
            }
            for one in feedback
        ]
        if rows:
            self._store.transact(lambda transaction: _insert(_connection(transaction), hook_feedback, rows))

    def counts(self) -> Sequence[Count]:
        given = hook_feedback.c
        place = func.row_number().over(
            partition_by=(given.service, given.card), order_by=(given.acted.desc(), given.received.desc(), given.digest)
        )
        last = select(hook_feedback, place.label("place")).subquery()
        day = (last.c.acted - last.c.acted % _DAY).label("day")  # whole numbers divide unlike on the two databases
        columns = (
            last.c.service,
            hook_card.c.topic,
            hook_card.c.differential,
            last.c.outcome,
            last.c.reason_system,
            last.c.reason_code,
            day,
        )
        query = (
            select(*columns, func.count().label("cards"))
            .select_from(
                last.outerjoin(hook_card, (hook_card.c.service == last.c.service) & (hook_card.c.card == last.c.card))
            )
            .where(last.c.place == 1)
            .group_by(*columns)
        )
        with self._store.reading() as reader:
            rows = reader.connection.execute(query).mappings().all()
        return [
            Count(
                service=row["service"],
                topic=row["topic"] or "",
                differential=row["differential"] or "",
                outcome=row["outcome"],
                reason_system=row["reason_system"],
                reason_code=row["reason_code"],
                day=moment(row["day"]).date(),
                cards=row["cards"],
            )
            for row in rows
        ]

    def cards_shown(self) -> dict[str, int]:
        query = select(hook_card.c.service, func.count().label("cards")).group_by(hook_card.c.service)
        with self._store.reading() as reader:
            return {row["service"]: row["cards"] for row in reader.connection.execute(query).mappings()}

    def first_use(self, digest: str, expires: float, now: float) -> bool:
        def work(transaction: Any) -> bool:
            connection = _connection(transaction)
            # What is expired can not be used again anyway; clearing it here keeps the table small without a job of its own.
            connection.execute(delete(hook_token).where(hook_token.c.expires < int(now)))
            return _insert(connection, hook_token, [{"digest": digest, "expires": int(expires) + 1}]) == 1

        return self._store.transact(work)

    def secret(self, name: str, made: bytes) -> bytes:
        kept = self._secret(name)
        if kept is None:
            row = {"name": name, "value": made.hex()}
            self._store.transact(lambda transaction: _insert(_connection(transaction), hook_secret, [row]))
            kept = self._secret(name)  # another process may have been first
        return bytes.fromhex(kept) if kept is not None else made

    def _secret(self, name: str) -> str | None:
        with self._store.reading() as reader:
            return reader.connection.execute(select(hook_secret.c.value).where(hook_secret.c.name == name)).scalar()


def _connection(transaction: Any) -> Connection:
    connection: Connection = transaction.connection
    return connection


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> int:
    """How many of the rows were not there before; the others are left as they are."""
    made = _postgresql_insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
    # By what comes back, as the two drivers count rows unlike.
    key = next(iter(table.primary_key.columns))
    return sum(len(connection.execute(made.values(**row).on_conflict_do_nothing().returning(key)).all()) for row in rows)


def _postgresql_insert(table: Table) -> postgresql.Insert:
    from sqlalchemy.dialects.postgresql import insert  # a large dialect: not where SQLite is used

    return insert(table)

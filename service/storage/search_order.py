"""In which order matches come, and how a list in this order is read in pages from an index.

An order ends with the key of the resource, so that no two matches are equal in it. Without a sort asked for, the newest come
first; a search by dates or numbers alone that meets many comes in falling order of these, because that is how an index can tell
the first page without looking at the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cmp_to_key
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, false, or_, select, tuple_
from sqlalchemy.sql.selectable import FromClause

from service.fhir.search_results import SortKey
from service.records import dataclass
from service.storage.index import KINDS
from service.storage.search_conditions import TABLE_OF, number_of
from service.storage.search_cursor import Position, Value
from service.storage.search_sql import aside
from service.storage.tables import resource

_SORTED_BY = {kind.table.name: kind.order for kind in KINDS.values()}
_OWN = {"_id": resource.c.id, "_lastUpdated": resource.c.last_updated}
_MANY = 400


@dataclass(frozen=True, slots=True)
class Order:
    """`name` tells orders apart; `keys` are what is sorted by. `by_match`: by the value that was searched for."""

    name: str = ""
    keys: tuple[SortKey, ...] = ()
    by_match: bool = False

    @property
    def descending(self) -> bool:
        """The direction in which equal values are told apart by key."""
        return self.keys[-1].descending if self.keys else True


NEWEST_FIRST = Order()


@dataclass(frozen=True, slots=True)
class Match:
    """A match with the values it is sorted by."""

    key: int
    values: tuple[Value, ...] = ()


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a list: rows of one table in the order of `value` (None: all of them have none) and then of the key.

    `repeats`: a resource can have several rows here.
    """

    source: FromClause
    key: ColumnElement[Any]
    where: tuple[ColumnElement[bool], ...]
    value: ColumnElement[Any] | None = None
    repeats: bool = False


def order_of(keys: Sequence[SortKey]) -> Order:
    """The order that a request asks for."""
    name = ",".join(f"{'-' if key.descending else ''}{key.parameter.code}" for key in keys)
    return Order(name, tuple(keys))


def sorted_matches(matches: Sequence[Match], order: Order) -> list[Match]:
    """The matches in that order."""

    def by_order(one: Match, other: Match) -> int:
        return compare(one, other, order)

    return sorted(matches, key=cmp_to_key(by_order))


def compare(one: Match, other: Match, order: Order) -> int:
    """Below 0 if `one` comes first, above 0 if the other does. Matches without a value come last."""
    for key, a, b in zip(order.keys, one.values, other.values, strict=True):
        if a == b:
            continue
        if a is None or b is None:
            return 1 if a is None else -1
        return -1 if (a < b) != key.descending else 1  # type: ignore[operator]
    rising = (one.key > other.key) - (one.key < other.key)
    return -rising if order.descending else rising


def sort_values(connection: Connection, keys: Sequence[int], order: Order) -> list[Match]:
    """The matches of those keys, each with the values it is sorted by."""
    columns = [_values_of(connection, keys, sort) for sort in order.keys]
    return [Match(key, tuple(column.get(key) for column in columns)) for key in keys]


def sort_expression(sort: SortKey, key: ColumnElement[Any]) -> ColumnElement[Any]:
    """The value that the resource with that key is sorted by."""
    own = _OWN.get(sort.parameter.code)
    if own is not None:
        row = resource.alias()
        return select(row.c[own.name]).where(row.c.key == key).scalar_subquery()
    table = TABLE_OF[sort.parameter.type].alias()
    end = table.c.largest if sort.descending else table.c.smallest
    return (
        select(table.c[_SORTED_BY[TABLE_OF[sort.parameter.type].name]])
        .where(table.c.resource_key == key, aside(table.c.parameter) == number_of(sort.parameter), end)
        .scalar_subquery()
    )


def sort_segments(type_name: str, sort: SortKey, *, missing_too: bool = True) -> list[Segment]:
    """All resources of the type in the order of that one key: those with a value, then those without."""
    ours = (resource.c.type == type_name, resource.c.deleted.is_(False))
    own = _OWN.get(sort.parameter.code)
    if own is not None:
        return [Segment(resource, resource.c.key, ours, own)]
    table = TABLE_OF[sort.parameter.type]
    number = table.c.parameter == number_of(sort.parameter)
    end = table.c.largest if sort.descending else table.c.smallest
    valued = Segment(table, table.c.resource_key, (number, end), table.c[_SORTED_BY[table.name]])
    if not missing_too:
        return [valued]
    row = table.alias()
    about = (row.c.resource_key == resource.c.key, aside(row.c.parameter) == number_of(sort.parameter))
    has_value = select(1).where(*about).offset(0).exists()
    return [valued, Segment(resource, resource.c.key, (*ours, ~has_value))]


def read_segment(
    connection: Connection, segment: Segment, *, descending: bool, after: Position | None, backwards: bool, limit: int
) -> list[Match]:
    """At most `limit` matches of the segment after a position (before it, if `backwards`), nearest first."""
    falling = descending != backwards
    key, value = segment.key, segment.value
    query: Select[Any] = select(key) if value is None else select(key, value)
    query = query.select_from(segment.source).where(*segment.where)
    if after is not None:
        if value is None:
            query = query.where(key < after.key if falling else key > after.key)
        else:
            place = tuple_(value, key)
            there = (after.values[0], after.key)
            query = query.where(place < there if falling else place > there)
    if value is not None:
        query = query.order_by(value.desc() if falling else value.asc())
    query = query.order_by(key.desc() if falling else key.asc()).limit(limit)
    if segment.repeats:
        query = query.distinct()
    rows = connection.execute(query).all()
    return [Match(row[0], () if value is None else (row[1],)) for row in rows]


def read_sorted(
    connection: Connection,
    base: Select[Any],
    *,
    key: ColumnElement[Any],
    order: Order,
    after: Position | None,
    backwards: bool,
    limit: int,
) -> list[Match]:
    """The same for an order by several keys, which no index holds: the database sorts all that `base` selects."""
    values = [sort_expression(sort, key) for sort in order.keys]
    inner = base.add_columns(*(value.label(f"value{index}") for index, value in enumerate(values))).subquery()
    columns = [inner.c[f"value{index}"] for index in range(len(values))]
    own = next(iter(inner.c))
    query = select(own, *columns)
    directions = [sort.descending != backwards for sort in order.keys]
    if after is not None:
        query = query.where(_after(columns, own, order, after, backwards))
    for column, falling in zip(columns, directions, strict=True):
        none_first = backwards
        query = query.order_by(
            column.is_(None).desc() if none_first else column.is_(None).asc(), column.desc() if falling else column.asc()
        )
    falling_keys = order.descending != backwards
    rows = connection.execute(query.order_by(own.desc() if falling_keys else own.asc()).limit(limit)).all()
    return [Match(row[0], tuple(row[1:])) for row in rows]


def _after(
    columns: Sequence[ColumnElement[Any]], key: ColumnElement[Any], order: Order, position: Position, backwards: bool
) -> ColumnElement[bool]:
    """Whether a row comes after a position, column by column; a missing value comes after all others."""
    falling_keys = order.descending != backwards
    clause: ColumnElement[bool] = key < position.key if falling_keys else key > position.key
    for sort, column, value in reversed(list(zip(order.keys, columns, position.values, strict=True))):
        if value is None:
            beyond = column.is_not(None) if backwards else false()
            clause = or_(beyond, and_(column.is_(None), clause))
        else:
            falling = sort.descending != backwards
            beyond = column < value if falling else column > value
            if not backwards:
                beyond = or_(beyond, column.is_(None))
            clause = or_(beyond, and_(column == value, clause))
    return clause


def _values_of(connection: Connection, keys: Sequence[int], sort: SortKey) -> dict[int, Value]:
    found: dict[int, Value] = {}
    own = _OWN.get(sort.parameter.code)
    for start in range(0, len(keys), _MANY):
        some = list(keys[start : start + _MANY])
        if own is not None:
            query = select(resource.c.key, own).where(resource.c.key.in_(some))
        else:
            table = TABLE_OF[sort.parameter.type]
            end = table.c.largest if sort.descending else table.c.smallest
            query = select(table.c.resource_key, table.c[_SORTED_BY[table.name]]).where(
                table.c.resource_key.in_(some), aside(table.c.parameter) == number_of(sort.parameter), end
            )
        found.update((row[0], row[1]) for row in connection.execute(query).all())
    return found

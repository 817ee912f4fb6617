"""How a search is carried out, so that a page costs what a page holds and not what the tables hold.

There are two ways. If one of the conditions is met by few resources, their keys are fetched, the other conditions are asked of
these, and they are sorted here. Otherwise the list is read from an index in the order that is wanted, one match after the other,
each asked the other conditions, until the page is full. Neither relies on statistics of the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, func, not_, select
from sqlalchemy.sql.selectable import FromClause

from service.fhir.search import Condition, Criterion, SearchQuery
from service.fhir.search_results import SortKey
from service.fhir.search_values import ReferenceMatch, TokenMatch, UriMatch
from service.records import dataclass
from service.storage.search_clauses import own_clause, row_clause
from service.storage.search_conditions import TABLE_OF, number_of, probe, probe_all
from service.storage.search_cursor import Position, refused
from service.storage.search_gather import can_lead, gather, rank, stretches_of
from service.storage.search_order import (
    NEWEST_FIRST,
    Match,
    Order,
    Segment,
    compare,
    order_of,
    read_segment,
    read_sorted,
    sort_segments,
    sort_values,
    sorted_matches,
)
from service.storage.search_sql import aside
from service.storage.tables import resource, search_date

_MANY = 400
_RANGES = ("date", "number", "quantity")

# Conditions of one date that a resource has once at most are looked at together; all others are alone.
Group = tuple[Condition, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """One page of matches, in order. `total` is their number over all pages where that is known without counting them."""

    matches: tuple[Match, ...]
    order: Order
    more: bool
    total: int | None = None


class Plan:
    """One search of one type on one connection."""

    def __init__(self, connection: Connection, query: SearchQuery, position: Position | None) -> None:
        self._connection = connection
        self._type = query.type
        self._groups = sorted(_groups(query.conditions), key=rank)
        self._wanted = order_of(query.results.sort)
        self._position = position
        self._few = self._gather()

    # --- the two ways ---

    def page(self, count: int) -> Found:
        """The matches after the position (before it, if it is backwards), `count` at most."""
        backwards = self._position is not None and self._position.backwards
        order = self._order()
        if self._few is not None and not order.by_match:
            matches, more = self._page_of_few(order, count, backwards)
            return Found(matches, order, more, len(self._few))
        read = self._read(order, count + 1, backwards)
        page = read[:count]
        return Found(tuple(reversed(page)) if backwards else tuple(page), order, len(read) > count)

    def total(self) -> int:
        """The number of all matches. Costs as much as there are."""
        if self._few is not None:
            return len(self._few)
        segment = self._stream_by_key()
        counted = func.count(segment.key.distinct()) if segment.repeats else func.count()
        query = select(counted).select_from(segment.source).where(*segment.where)
        return int(self._connection.execute(query).scalar_one())

    # --- few ---

    def _gather(self) -> frozenset[int] | None:
        """The keys of all matches, if they are few."""
        for group in self._groups:
            if not all(can_lead(condition) for condition in group):
                continue
            keys = gather(self._connection, self._type, group)
            if keys is not None:
                return frozenset(self._filtered(sorted(keys), [other for other in self._groups if other is not group]))
        return None

    def _filtered(self, keys: Sequence[int], groups: Sequence[Group]) -> list[int]:
        if not groups:
            return list(keys)
        kept: list[int] = []
        for start in range(0, len(keys), _MANY):
            some = resource.c.key.in_(keys[start : start + _MANY])
            query = select(resource.c.key).where(some, *_probes(groups, resource.c.key))
            kept += self._connection.execute(query).scalars()
        return kept

    def _page_of_few(self, order: Order, count: int, backwards: bool) -> tuple[tuple[Match, ...], bool]:
        assert self._few is not None
        ordered = sorted_matches(sort_values(self._connection, sorted(self._few), order), order)
        if self._position is None:
            return tuple(ordered[:count]), len(ordered) > count
        here = Match(self._position.key, self._position.values)
        if backwards:
            before = [match for match in ordered if compare(match, here, order) < 0]
            return tuple(before[-count:] if count else ()), len(before) > count
        after = [match for match in ordered if compare(match, here, order) > 0]
        return tuple(after[:count]), len(after) > count

    # --- many ---

    def _order(self) -> Order:
        """What is sorted by: what is asked for, else the values searched for if an index can only tell these, else the newest."""
        by_match = self._by_match()
        if self._position is not None:
            for order in (self._wanted, NEWEST_FIRST, *([by_match] if by_match else [])):
                if self._position.order == order.name and len(self._position.values) == len(order.keys):
                    if order is NEWEST_FIRST and self._wanted.keys:
                        continue
                    return order
            raise refused()
        if self._wanted.keys or self._few is not None or by_match is None or self._equal() is not None:
            return self._wanted
        return by_match

    def _by_match(self) -> Order | None:
        group = self._range()
        if group is None or self._wanted.keys:
            return None
        assert isinstance(group[0], Criterion)
        return Order(f"={group[0].parameter.code}", (SortKey(group[0].parameter, descending=True),), by_match=True)

    def _read(self, order: Order, limit: int, backwards: bool) -> list[Match]:
        if len(order.keys) > 1:
            base = select(resource.c.key).where(
                resource.c.type == self._type, resource.c.deleted.is_(False), *_probes(self._groups, resource.c.key)
            )
            return read_sorted(
                self._connection, base, key=resource.c.key, order=order, after=self._position, backwards=backwards, limit=limit
            )
        segments = self._segments(order)
        found: list[Match] = []
        for segment in reversed(segments) if backwards else segments:
            after = self._position
            if after is not None and order.keys and (segment.value is None) != (after.values[0] is None):
                # Matches without a value come after all others.
                if (segment.value is None) == backwards:
                    continue
                after = None
            found += read_segment(
                self._connection, segment, descending=order.descending, after=after, backwards=backwards, limit=limit - len(found)
            )
            if len(found) >= limit:
                break
        if not order.keys:
            return found
        return [match if match.values else Match(match.key, (None,)) for match in found]

    def _segments(self, order: Order) -> list[Segment]:
        if not order.keys:
            return [self._stream_by_key()]
        if order.by_match:
            return self._stream_by_match()
        (sort,) = order.keys
        within = self._window_on(sort)
        if within is not None:
            return within
        has_value = any(_has_value(group, sort) for group in self._groups)
        return [
            _asking(segment, _probes(self._groups, segment.key))
            for segment in sort_segments(self._type, sort, missing_too=not has_value)
        ]

    def _window_on(self, sort: SortKey) -> list[Segment] | None:
        """The matches by a date that is searched for as well: only what lies in the period asked for is read."""
        for group in self._groups:
            criteria = [one for one in group if isinstance(one, Criterion) and one.parameter == sort.parameter]
            if len(criteria) < len(group) or sort.parameter.type != "date" or sort.parameter.many:
                continue
            if sort.parameter.code == "_lastUpdated" or not all(can_lead(one) for one in criteria):
                continue
            table = search_date
            others = [other for other in self._groups if other is not group]
            where = (table.c.parameter == number_of(sort.parameter), *_probes(others, table.c.resource_key))
            segments = [
                Segment(table, table.c.resource_key, (*where, *stretch.clauses), stretch.low)
                for stretch in stretches_of(criteria)
            ]
            return segments if sort.descending else segments[::-1]
        return None

    def _stream_by_key(self) -> Segment:
        """All matches by key: along one value in an index, or along the resources of the type."""
        equal = self._equal()
        if equal is None:
            ours = (resource.c.type == self._type, resource.c.deleted.is_(False))
            return Segment(resource, resource.c.key, (*ours, *_probes(self._groups, resource.c.key)))
        (criterion,) = equal
        assert isinstance(criterion, Criterion)
        table = TABLE_OF[criterion.parameter.type]
        others = [group for group in self._groups if group is not equal]
        where = (table.c.parameter == number_of(criterion.parameter), row_clause(criterion, table))
        (match,) = criterion.matches
        # Of a concept, two codings may have one code.
        repeats = criterion.parameter.many or (isinstance(match, TokenMatch) and match.system is None)
        return Segment(table, table.c.resource_key, (*where, *_probes(others, table.c.resource_key)), repeats=repeats)

    def _stream_by_match(self) -> list[Segment]:
        """All matches by the value that was searched for, the highest first: of a resource with several, its highest."""
        group = self._range()
        assert group is not None
        criteria = [criterion for criterion in group if isinstance(criterion, Criterion)]
        parameter = criteria[0].parameter
        others = [other for other in self._groups if other is not group]
        if parameter.code == "_lastUpdated":
            ours = (resource.c.type == self._type, resource.c.deleted.is_(False))
            clauses = (own_clause(criterion, resource) for criterion in criteria)
            where = (*ours, *clauses, *_probes(others, resource.c.key))
            return [Segment(resource, resource.c.key, where, resource.c.last_updated)]
        table = TABLE_OF[parameter.type]
        number = table.c.parameter == number_of(parameter)
        where = (number, *_probes(others, table.c.resource_key))
        if parameter.many or parameter.type == "quantity":
            where = (*where, not_(_higher(table, criteria)))
        return [
            Segment(table, table.c.resource_key, (*where, *stretch.clauses), stretch.low, repeats=True)
            for stretch in stretches_of(criteria)
        ]

    def _equal(self) -> Group | None:
        """A condition that is one value of an index, whose resources are in it in the order of their keys."""
        for group in self._groups:
            first = group[0]
            if isinstance(first, Criterion) and not first.modifier and len(first.matches) == 1:
                match = first.matches[0]
                if first.parameter.code == "_id":
                    continue
                if (isinstance(match, TokenMatch) and match.code is not None) or isinstance(match, ReferenceMatch | UriMatch):
                    return group
        return None

    def _range(self) -> Group | None:
        """A condition on a date or number that can lead; dates go first."""
        for group in self._groups:
            first = group[0]
            if isinstance(first, Criterion) and first.parameter.type in _RANGES and all(can_lead(part) for part in group):
                return group
        return None


def _groups(conditions: Sequence[Condition]) -> list[Group]:
    together: dict[str, list[Condition]] = {}
    alone: list[Group] = []
    for condition in conditions:
        if (
            isinstance(condition, Criterion)
            and condition.parameter.type == "date"
            and not condition.parameter.many
            and condition.modifier != "missing"
        ):
            together.setdefault(condition.parameter.code, []).append(condition)
        else:
            alone.append((condition,))
    return [*alone, *(tuple(found) for found in together.values())]


def _probes(groups: Sequence[Group], key: ColumnElement[Any]) -> list[ColumnElement[bool]]:
    found = []
    for group in groups:
        criteria = [condition for condition in group if isinstance(condition, Criterion)]
        found.append(probe_all(criteria, key) if len(criteria) == len(group) and len(group) > 1 else probe(group[0], key))
    return found


def _asking(segment: Segment, probes: Sequence[ColumnElement[bool]]) -> Segment:
    return Segment(segment.source, segment.key, (*segment.where, *probes), segment.value, segment.repeats)


def _has_value(group: Group, sort: SortKey) -> bool:
    """Whether the condition leaves only resources that have a value to sort by."""
    first = group[0]
    return isinstance(first, Criterion) and first.parameter == sort.parameter and can_lead(first)


def _higher(table: FromClause, criteria: Sequence[Criterion]) -> ColumnElement[bool]:
    """Whether the resource of a row has another that was searched for as well and starts higher."""
    row = table.alias()
    clauses = [row_clause(criterion, row) for criterion in criteria]
    same = (row.c.resource_key == table.c.resource_key, aside(row.c.parameter) == table.c.parameter)
    return select(1).where(*same, row.c.low > table.c.low, *clauses).offset(0).exists()

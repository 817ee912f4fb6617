"""The keys of all resources that meet one condition, if they are few: the cheapest way into a search.

"Few" is `FEW`. To find out that they are more costs no more than to find that many, whatever the size of the tables: every
question here goes through an index and stops at the limit. Conditions that would have to read a whole table (:not, :missing,
:contains, ne) are never a way in.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Table, select

from service.fhir.search import Chain, Condition, Criterion, Reverse
from service.fhir.search_values import CompositeMatch, DateMatch, Match, NumberMatch, QuantityMatch
from service.records import dataclass
from service.storage.index import DAY, parameter_number
from service.storage.search_clauses import match_clause, own_clause, row_clause
from service.storage.search_conditions import TABLE_OF, number_of
from service.storage.search_sql import aside
from service.storage.tables import resource, search_reference

FEW = 1000
_MANY = 400  # pairs in one IN

Keys = set[int]
# Which of a few conditions is looked at first: the one that usually leaves least.
_RANK = ("_id", "reference", "token", "composite", "uri", "string", "chain", "_lastUpdated", "date", "number", "quantity")


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of the index over a date or number: what its rows meet, and the start they are sorted by."""

    low: ColumnElement[Any]
    clauses: tuple[ColumnElement[bool], ...]


def rank(criteria: Sequence[Condition]) -> int:
    """The place of a condition among others when a way in is looked for."""
    first = criteria[0]
    if not isinstance(first, Criterion):
        return _RANK.index("chain")
    code = first.parameter.code
    return _RANK.index(code if code in _RANK else first.parameter.type)


def can_lead(condition: Condition) -> bool:
    """Whether the condition can be a way in."""
    if not isinstance(condition, Criterion):
        return True
    if condition.modifier in ("not", "missing", "contains"):
        return False
    return not any(_excludes(match) for match in condition.matches)


def gather(connection: Connection, type_name: str, criteria: Sequence[Condition]) -> Keys | None:
    """The keys of the resources of that type that meet the condition; None if they are more than a few.

    Several criteria are of one date that a resource has once at most: one row has to meet them all.
    """
    first = criteria[0]
    if isinstance(first, Chain):
        return _chain(connection, first)
    if isinstance(first, Reverse):
        return _reverse(connection, type_name, first)
    alike = [criterion for criterion in criteria if isinstance(criterion, Criterion)]
    return _few(connection, _rows(type_name, alike))


def window(criteria: Sequence[Criterion]) -> tuple[float | int | None, float | int | None]:
    """Between which values the start of a narrow row lies if it meets all criteria; None for no bound."""
    lows, highs = [], []
    for criterion in criteria:
        bounds = [_bounds(match) for match in criterion.matches]
        if all(low is not None for low, _ in bounds):
            lows.append(min(low for low, _ in bounds if low is not None))
        if all(high is not None for _, high in bounds):
            highs.append(max(high for _, high in bounds if high is not None))
    return max(lows, default=None), min(highs, default=None)


def _excludes(match: Match) -> bool:
    match match:
        case DateMatch() | NumberMatch():
            return match.prefix == "ne"
        case QuantityMatch():
            return match.number.prefix == "ne"
        case CompositeMatch():
            return _excludes(match.parts[0])
        case _:
            return False


def _few(connection: Connection, rows: Sequence[Select[Any]]) -> Keys | None:
    keys: Keys = set()
    for query in rows:
        keys.update(connection.execute(query.limit(FEW + 1)).scalars())
        if len(keys) > FEW:
            return None
    return keys


def _rows(type_name: str, criteria: Sequence[Criterion]) -> list[Select[Any]]:
    """Queries for the keys that meet the criteria."""
    first = criteria[0]
    parameter = first.parameter
    if parameter.code in ("_id", "_lastUpdated"):
        clauses = [own_clause(criterion, resource) for criterion in criteria]
        return [select(resource.c.key).where(resource.c.type == type_name, resource.c.deleted.is_(False), *clauses)]
    if parameter.type == "composite":
        return [_composite_rows(first, match) for match in first.matches if isinstance(match, CompositeMatch)]
    table = TABLE_OF[parameter.type]
    query = select(table.c.resource_key).where(table.c.parameter == number_of(parameter)).distinct()
    if parameter.type not in ("date", "number", "quantity"):
        return [query.where(row_clause(first, table))]
    return [query.where(*stretch.clauses) for stretch in stretches_of(criteria)]


def stretches_of(criteria: Sequence[Criterion]) -> list[Stretch]:
    """Where in the index the rows lie that meet all criteria: the narrow ones in a window, and the wide ones that reach into it.

    Those of the first stretch start later than those of the second.
    """
    table = TABLE_OF[criteria[0].parameter.type]
    low, high = window(criteria)
    ends = [*([table.c.low >= low] if low is not None else []), *([table.c.low <= high] if high is not None else [])]
    clauses = tuple(row_clause(criterion, table) for criterion in criteria)
    found = [Stretch(table.c.low, (*clauses, *ends))]
    if low is not None and all(any(_reaches_in(match) for match in criterion.matches) for criterion in criteria):
        # Few rows are wide and they have an index of their own, which their start must not lead away from.
        row = _ByHigh(table)
        clauses = tuple(row_clause(criterion, row) for criterion in criteria)
        found.append(Stretch(row.c.low, (*clauses, table.c.wide, table.c.high >= low, row.c.low < low)))
    return found


class _ByHigh:
    """A table whose column `low` is not the way into it."""

    def __init__(self, table: Table) -> None:
        self.c = SimpleNamespace(**{**dict(table.c.items()), "low": aside(table.c.low)})


def _reaches_in(match: Match) -> bool:
    """Whether a row that starts far before what the match asks for can be what it asks for."""
    prefix = match.number.prefix if isinstance(match, QuantityMatch) else getattr(match, "prefix", "eq")
    return prefix not in ("eq", "sa")


def _bounds(match: Match) -> tuple[float | int | None, float | int | None]:
    """Between which values `low` of a narrow row lies if it is what the match asks for."""
    if isinstance(match, QuantityMatch):
        match = match.number
    if isinstance(match, NumberMatch):
        match match.prefix:
            case "eq" | "ap":
                return match.low, match.high
            case "gt" | "ge" | "sa":
                return match.value, None
            case "lt" | "le" | "eb":
                return None, match.value
    if isinstance(match, DateMatch):
        match match.prefix:
            case "eq":
                return match.low, match.high
            case "ap":
                return match.low - DAY, match.high
            case "sa":
                return match.high, None
            case "gt" | "ge":
                return match.low - DAY, None
            case "lt" | "le" | "eb":
                return None, match.high
    return None, None


def _composite_rows(criterion: Criterion, match: CompositeMatch) -> Select[Any]:
    parameter = criterion.parameter
    rows = [TABLE_OF[component.type].alias() for component in parameter.components]
    clauses: list[ColumnElement[bool]] = []
    for index, (row, part) in enumerate(zip(rows, match.parts, strict=True)):
        number = parameter_number(parameter.base, f"{parameter.code}.{index + 1}")
        clauses += [row.c.parameter == number, match_clause(part, row)]
        if index:
            clauses += [row.c.resource_key == rows[0].c.resource_key, row.c.occurrence == rows[0].c.occurrence]
    return select(rows[0].c.resource_key).select_from(*rows).where(*clauses).distinct()


# --- over references ---------------------------------------------------------------------------------------------------


def _chain(connection: Connection, chain: Chain) -> Keys | None:
    keys: Keys = set()
    for target, inner in chain.targets:
        met = gather(connection, target, [inner]) if can_lead(inner) else None
        if met is None:
            return None
        ids = _ids(connection, met)
        for start in range(0, len(ids), _MANY):
            query = (
                select(search_reference.c.resource_key)
                .where(
                    search_reference.c.parameter == number_of(chain.parameter),
                    search_reference.c.target_id.in_(ids[start : start + _MANY]),
                    search_reference.c.target_type == target,
                    search_reference.c.server == "",
                )
                .distinct()
            )
            found = _few(connection, [query])
            if found is None or len(keys | found) > FEW:
                return None
            keys |= found
    return keys


def _reverse(connection: Connection, type_name: str, condition: Reverse) -> Keys | None:
    inner = condition.condition
    met = gather(connection, condition.parameter.base, [inner]) if can_lead(inner) else None
    if met is None:
        return None
    pointing = sorted(met)
    targets: set[str] = set()
    for start in range(0, len(pointing), _MANY):
        query = select(search_reference.c.target_id).where(
            search_reference.c.resource_key.in_(pointing[start : start + _MANY]),
            aside(search_reference.c.parameter) == number_of(condition.parameter),
            search_reference.c.target_type == type_name,
            search_reference.c.server == "",
        )
        targets.update(connection.execute(query.limit(FEW + 1)).scalars())
        if len(targets) > FEW:
            return None
    ids = sorted(targets)
    keys: Keys = set()
    for start in range(0, len(ids), _MANY):
        named = resource.c.id.in_(ids[start : start + _MANY])
        query = select(resource.c.key).where(resource.c.type == type_name, named, resource.c.deleted.is_(False))
        keys.update(connection.execute(query).scalars())
    return keys


def _ids(connection: Connection, keys: Keys) -> list[str]:
    ordered = sorted(keys)
    ids: list[str] = []
    for start in range(0, len(ordered), _MANY):
        query = select(resource.c.id).where(resource.c.key.in_(ordered[start : start + _MANY]))
        ids += connection.execute(query).scalars()
    return sorted(ids)



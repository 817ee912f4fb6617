"""Conditions of a search as SQL: one that a row of a search table meets, and one that a resource meets.

A condition on a resource is a probe: it asks, for the key of a resource that something else has found, whether there is a row.
Probes name the resource and the parameter only, so that no database can mistake them for a way into the table by value; and they
carry an OFFSET of 0, which stops PostgreSQL from turning them into a join over all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import ColumnElement, Table, and_, exists, false, func, not_, or_, select, true
from sqlalchemy.sql.selectable import FromClause

from service.fhir.search import Chain, Condition, Criterion, Reverse
from service.fhir.search_index import START
from service.fhir.search_parameters import Parameter
from service.fhir.search_values import (
    CompositeMatch,
    DateMatch,
    Match,
    NumberMatch,
    QuantityMatch,
    ReferenceMatch,
    StringMatch,
    TokenMatch,
    UriMatch,
    fold,
)
from service.storage.index import parameter_number
from service.storage.search_sql import aside
from service.storage.tables import (
    resource,
    search_date,
    search_quantity,
    search_reference,
    search_string,
    search_token,
    search_uri,
)

Clause = ColumnElement[bool]


class Row(Protocol):
    """A table or an alias of one, or something that has its columns."""

    @property
    def c(self) -> Any: ...



TABLE_OF: dict[str, Table] = {
    "token": search_token,
    "reference": search_reference,
    "date": search_date,
    "string": search_string,
    "number": search_quantity,
    "quantity": search_quantity,
    "uri": search_uri,
}
_AFTER = "\U0010ffff"  # sorts after every text that starts alike


def number_of(parameter: Parameter) -> int:
    """The number of the parameter in the search tables."""
    return parameter_number(parameter.base, parameter.code)


def probe(condition: Condition, key: ColumnElement[Any]) -> Clause:
    """Whether the resource with that key meets the condition."""
    if isinstance(condition, Chain):
        return or_(false(), *(_chain(condition.parameter, target, inner, key) for target, inner in condition.targets))
    if isinstance(condition, Reverse):
        return _reverse(condition, key)
    parameter = condition.parameter
    if parameter.code in ("_id", "_lastUpdated"):
        row = resource.alias()
        return _exists(row, row.c.key == key, own_clause(condition, row))
    if parameter.type == "composite":
        return _composite_probe(condition, key)
    row = TABLE_OF[parameter.type].alias()
    about = (row.c.resource_key == key, aside(row.c.parameter) == number_of(parameter))
    if condition.modifier == "missing":
        found = _exists(row, *about)
        return not_(found) if condition.missing else found
    found = _exists(row, *about, row_clause(condition, row))
    return not_(found) if condition.modifier == "not" else found


def probe_all(criteria: Sequence[Criterion], key: ColumnElement[Any]) -> Clause:
    """Whether the resource has one row that meets all criteria: right only where it cannot have two."""
    if len(criteria) == 1:
        return probe(criteria[0], key)
    parameter = criteria[0].parameter
    if parameter.code == "_lastUpdated":
        return and_(*(probe(criterion, key) for criterion in criteria))
    row = TABLE_OF[parameter.type].alias()
    clauses = (row_clause(criterion, row) for criterion in criteria)
    return _exists(row, row.c.resource_key == key, aside(row.c.parameter) == number_of(parameter), *clauses)


def row_clause(criterion: Criterion, row: Row) -> Clause:
    """Whether a row of the table of the parameter is one of the values asked for."""
    if criterion.modifier == "identifier":
        return or_(*(_identifier(match, row) for match in criterion.matches if isinstance(match, TokenMatch)))
    if criterion.modifier in ("exact", "contains"):
        texts = [match for match in criterion.matches if isinstance(match, StringMatch)]
        return or_(*(_exact(match, row) if criterion.modifier == "exact" else _contains(match, row) for match in texts))
    return or_(*(match_clause(match, row) for match in criterion.matches))


def own_clause(criterion: Criterion, row: FromClause) -> Clause:
    """Whether a row of `resource` meets a condition on its id or on the time of its last change."""
    clauses: list[Clause] = []
    for match in criterion.matches:
        if isinstance(match, TokenMatch):
            clauses.append(row.c.id == match.code if match.system in (None, "") else false())
        elif isinstance(match, DateMatch):
            clauses.append(_period(match, row.c.last_updated, _EndOfMillisecond(row.c.last_updated)))
    found = or_(*clauses)
    return not_(found) if criterion.modifier == "not" else found


def match_clause(match: Match, row: Row) -> Clause:
    """Whether a row is what one match asks for."""
    match match:
        case TokenMatch():
            return _both(row.c.code, match.code, row.c.system, match.system)
        case ReferenceMatch():
            return _reference(match, row)
        case DateMatch():
            return _period(match, row.c.low, row.c.high)
        case NumberMatch():
            return _number(match, row)
        case QuantityMatch():
            return and_(_number(match.number, row), _both(row.c.code, match.code, row.c.system, match.system))
        case StringMatch():
            return _starts(match, row)
        case UriMatch():
            return and_(row.c.value == match.value, *([row.c.version == match.version] if match.version else []))
        case CompositeMatch():
            raise TypeError("a composite lies in several rows")


class _EndOfMillisecond:
    """The last microsecond of a column that is kept to the millisecond, which is what an instant in meta shows.

    Compared by moving the other side, so that an index over the column can be used.
    """

    def __init__(self, column: Any) -> None:
        self._column = column

    def __gt__(self, other: int) -> Any:
        return self._column > other - 999

    def __ge__(self, other: int) -> Any:
        return self._column >= other - 999

    def __lt__(self, other: int) -> Any:
        return self._column < other - 999

    def __le__(self, other: int) -> Any:
        return self._column <= other - 999


# --- kinds of values -------------------------------------------------------------------------------------------------


def _both(code: Any, wanted_code: str | None, system: Any, wanted_system: str | None) -> Clause:
    clauses: list[Clause] = []
    if wanted_code is not None:
        clauses.append(code == wanted_code)
    if wanted_system is not None:
        clauses.append(system == wanted_system)
    return and_(true(), *clauses)


def _identifier(match: TokenMatch, row: Row) -> Clause:
    return and_(
        row.c.identifier_value != "", _both(row.c.identifier_value, match.code, row.c.identifier_system, match.system)
    )


def _reference(match: ReferenceMatch, row: Row) -> Clause:
    clauses: list[Clause] = [row.c.target_id == match.id, row.c.server == match.server]
    if match.type:
        clauses.append(row.c.target_type == match.type)
    elif ":" not in match.id and "/" not in match.id:
        clauses.append(row.c.target_type != "")
    if match.version:
        clauses.append(row.c.version == match.version)
    return and_(*clauses)


def _period(match: DateMatch, low: Any, high: Any) -> Clause:
    """Both ends of a period belong to it."""
    inside = and_(low >= match.low, high <= match.high)
    match match.prefix:
        case "eq":
            return inside
        case "ne":
            return not_(inside)
        case "gt":
            return high > match.high
        case "lt":
            return low < match.low
        case "ge":
            return or_(high > match.high, inside)
        case "le":
            return or_(low < match.low, inside)
        case "sa":
            return low > match.high
        case "eb":
            return high < match.low
        case _:
            return and_(high >= match.low, low <= match.high)


def _number(match: NumberMatch, row: Row) -> Clause:
    low, high = row.c.low, row.c.high
    match match.prefix:
        case "eq":
            return and_(low >= match.low, high < match.high)
        case "ne":
            return or_(low < match.low, high >= match.high)
        case "gt":
            return high > match.value
        case "lt":
            return low < match.value
        case "ge":
            return high >= match.value
        case "le":
            return low <= match.value
        case "sa":
            return low > match.value
        case "eb":
            return high < match.value
        case _:
            return and_(high >= match.low, low <= match.high)


def _starts(match: StringMatch, row: Row) -> Clause:
    start = match.folded[:START]
    if len(match.folded) < START:
        return and_(row.c.start >= start, row.c.start < start + _AFTER)
    return and_(row.c.start == start, func.substr(row.c.folded, 1, len(match.folded)) == match.folded)


def _exact(match: StringMatch, row: Row) -> Clause:
    return and_(row.c.start == fold(match.exact)[:START], row.c.exact == match.exact)


def _contains(match: StringMatch, row: Row) -> Clause:
    found: Clause = row.c.folded.contains(match.folded, autoescape=True)
    return found


# --- several rows ----------------------------------------------------------------------------------------------------


def _exists(row: FromClause, *clauses: Clause) -> Clause:
    return exists(select(1).select_from(row).where(*clauses).offset(0))


def _composite_probe(criterion: Criterion, key: ColumnElement[Any]) -> Clause:
    parameter = criterion.parameter
    if criterion.modifier == "missing":
        row = TABLE_OF[parameter.components[0].type].alias()
        found = _exists(row, row.c.resource_key == key, aside(row.c.parameter) == _part_number(parameter, 0))
        return not_(found) if criterion.missing else found
    return or_(*(_composite(parameter, match, key) for match in criterion.matches if isinstance(match, CompositeMatch)))


def _composite(parameter: Parameter, match: CompositeMatch, key: ColumnElement[Any]) -> Clause:
    rows = [TABLE_OF[component.type].alias() for component in parameter.components]
    clauses: list[Clause] = []
    for index, (row, part) in enumerate(zip(rows, match.parts, strict=True)):
        about = (row.c.resource_key == key, aside(row.c.parameter) == _part_number(parameter, index))
        clauses += [*about, match_clause(part, row)]
        if index:
            clauses.append(row.c.occurrence == rows[0].c.occurrence)
    return exists(select(1).select_from(*rows).where(*clauses).offset(0))




def _part_number(parameter: Parameter, index: int) -> int:
    return parameter_number(parameter.base, f"{parameter.code}.{index + 1}")


def _chain(parameter: Parameter, target: str, inner: Condition, key: ColumnElement[Any]) -> Clause:
    """Whether what the resource points to, being of the type `target`, meets the inner condition."""
    row, other = search_reference.alias(), resource.alias()
    return exists(
        select(1)
        .select_from(row)
        .join(other, and_(other.c.type == row.c.target_type, other.c.id == row.c.target_id))
        .where(
            row.c.resource_key == key,
            aside(row.c.parameter) == number_of(parameter),
            row.c.target_type == target,
            row.c.server == "",
            other.c.type == target,
            other.c.deleted.is_(False),
            probe(inner, other.c.key),
        )
        .offset(0)
    )


def _reverse(condition: Reverse, key: ColumnElement[Any]) -> Clause:
    """Whether something that meets the inner condition points to the resource."""
    row, own = search_reference.alias(), resource.alias()
    return exists(
        select(1)
        .select_from(own)
        .join(row, and_(row.c.target_id == own.c.id, row.c.target_type == own.c.type))
        .where(
            own.c.key == key,
            row.c.parameter == number_of(condition.parameter),
            row.c.server == "",
            probe(condition.condition, row.c.resource_key),
        )
        .offset(0)
    )

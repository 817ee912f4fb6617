"""What a row of a search table must be to be one of the values that are asked for, as SQL."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, true
from sqlalchemy.sql.selectable import FromClause

from service.fhir.search import Criterion
from service.fhir.search_index import START
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

Clause = ColumnElement[bool]

_AFTER = "\U0010ffff"  # sorts after every text that starts alike


class Row(Protocol):
    """A table or an alias of one, or something that has its columns."""

    @property
    def c(self) -> Any: ...


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
        case "ge":
            return or_(high > match.high, inside)
        case "le":
            return or_(low < match.low, inside)
        case "ap":
            return and_(high >= match.low, low <= match.high)
        case _:
            return _beyond(match.prefix, low, high, first=match.low, last=match.high)


def _number(match: NumberMatch, row: Row) -> Clause:
    low, high = row.c.low, row.c.high
    match match.prefix:
        case "eq":
            return and_(low >= match.low, high < match.high)
        case "ne":
            return or_(low < match.low, high >= match.high)
        case "ge":
            return high >= match.value
        case "le":
            return low <= match.value
        case "ap":
            return and_(high >= match.low, low <= match.high)
        case _:
            return _beyond(match.prefix, low, high, first=match.value, last=match.value)


def _beyond(prefix: str, low: Any, high: Any, *, first: float, last: float) -> Clause:
    """gt and lt: some of it lies beyond what is asked for, from `first` to `last`; sa and eb: all of it does."""
    clauses: dict[str, Clause] = {"gt": high > last, "lt": low < first, "sa": low > last, "eb": high < first}
    return clauses[prefix]


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

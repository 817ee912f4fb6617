"""Conditions of a search as SQL: what a resource must be, whose values lie in rows of the search tables (`search_clauses.py`).

A condition on a resource is a probe: it asks, for the key of a resource that something else has found, whether there is a row.
Probes name the resource and the parameter only, so that no database can mistake them for a way into the table by value; and they
carry an OFFSET of 0, which stops PostgreSQL from turning them into a join over all rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, and_, exists, false, not_, or_, select
from sqlalchemy.sql.selectable import FromClause

from service.fhir.search import Chain, Condition, Criterion, Reverse
from service.fhir.search_parameters import Parameter
from service.fhir.search_values import CompositeMatch
from service.storage.index import parameter_number
from service.storage.search_clauses import Clause, match_clause, own_clause, row_clause
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

TABLE_OF: dict[str, Table] = {
    "token": search_token,
    "reference": search_reference,
    "date": search_date,
    "string": search_string,
    "number": search_quantity,
    "quantity": search_quantity,
    "uri": search_uri,
}


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

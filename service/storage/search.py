"""Searching: one page of matches with what comes along, in one view of the database."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select

from service.fhir.search import SearchQuery
from service.fhir.search_results import Include
from service.storage.rows import newest_versions, version_of
from service.storage.search_conditions import number_of
from service.storage.search_cursor import Position, read_cursor, write_cursor
from service.storage.search_gather import FEW
from service.storage.search_plan import Found, Plan
from service.storage.search_sql import aside
from service.storage.store import SearchPage, Version
from service.storage.tables import resource, search_reference

MOST_INCLUDED = 1000
DEEPEST_ITERATION = 5
_MANY = 400

Reference = tuple[str, str]


def search(connection: Connection, query: SearchQuery) -> SearchPage:
    """One page of the resources that meet the query. MalformedInput if the place to go on at is none of this search."""
    wanted = query.results
    position = read_cursor(wanted.cursor)
    plan = Plan(connection, query, position)
    if wanted.count == 0 or wanted.summary == "count":
        return SearchPage(total=plan.total())
    found = plan.page(wanted.count)
    versions = newest_of(connection, [match.key for match in found.matches])
    included, cut = included_with(connection, versions, wanted.includes)
    return SearchPage(
        versions=versions,
        included=included,
        total=_total(connection, query, plan, found),
        next=_edge(found, position, after=True),
        previous=_edge(found, position, after=False),
        canonicals=_canonicals(connection, versions, wanted.includes),
        cut=cut,
    )


def _total(connection: Connection, query: SearchQuery, plan: Plan, found: Found) -> int | None:
    """The number of matches if it is asked for, or known anyway, or cheap to know."""
    if query.results.total == "none":
        return None
    if found.total is not None:
        return found.total
    if query.results.total is not None:
        return plan.total()
    if query.conditions:
        return None
    ours = select(resource.c.key).where(resource.c.type == query.type, resource.c.deleted.is_(False))
    # In an order that an index has, so that no database collects all of them before it stops at the limit.
    some = ours.order_by(resource.c.key).limit(FEW + 1).subquery()
    counted = int(connection.execute(select(func.count()).select_from(some)).scalar_one())
    return counted if counted <= FEW else None


def _edge(found: Found, position: Position | None, *, after: bool) -> str:
    """The place after the last match of the page, or before its first; empty if nothing lies there."""
    if not found.matches:
        return ""
    # On the side that was read towards, one match more was looked for; on the other side lies where the reading started.
    towards = after != (position is not None and position.backwards)
    if not (found.more if towards else position is not None):
        return ""
    match = found.matches[-1 if after else 0]
    return write_cursor(Position(found.order.name, match.values, match.key, backwards=not after))


def newest_of(connection: Connection, keys: Sequence[int]) -> tuple[Version, ...]:
    """The newest versions of the resources with these keys, in this order."""
    found: dict[int, Version] = {}
    for start in range(0, len(keys), _MANY):
        query = newest_versions().add_columns(resource.c.key).where(resource.c.key.in_(keys[start : start + _MANY]))
        found.update((row["key"], version_of(row)) for row in connection.execute(query).mappings())
    return tuple(found[key] for key in keys)


# --- what comes along ------------------------------------------------------------------------------------------------


def included_with(
    connection: Connection, matches: Sequence[Version], includes: Sequence[Include]
) -> tuple[tuple[Version, ...], bool]:
    """What the includes bring along, each resource once, and whether more than is brought along had been asked for."""
    if not includes or not matches:
        return (), False
    held = {(version.type, version.id) for version in matches}
    included: dict[Reference, Version] = {}
    new: Sequence[Version] = matches
    for depth in range(DEEPEST_ITERATION):
        wanted = [include for include in includes if depth == 0 or include.iterate]
        keys: dict[int, Reference] = {}
        for include in wanted:
            keys |= _reached(connection, new, include, MOST_INCLUDED + 1)
        fresh = [key for key, reference in keys.items() if reference not in held and reference not in included]
        cut = len(included) + len(fresh) > MOST_INCLUDED
        new = newest_of(connection, sorted(fresh)[: MOST_INCLUDED - len(included)])
        included |= {(version.type, version.id): version for version in new}
        if cut or not new:
            return tuple(included.values()), cut
    return tuple(included.values()), False


def _reached(connection: Connection, versions: Sequence[Version], include: Include, limit: int) -> dict[int, Reference]:
    """Keys, types and ids of what one include leads to from these resources."""
    numbers = [number_of(parameter) for parameter in include.parameters]
    found: dict[int, Reference] = {}
    by_type: dict[str, list[str]] = {}
    for version in versions:
        by_type.setdefault(version.type, []).append(version.id)
    for type_name, ids in by_type.items():
        if not include.reverse and type_name != include.source:
            continue
        for start in range(0, len(ids), _MANY):
            some = ids[start : start + _MANY]
            query = (_pointing if include.reverse else _pointed)(type_name, some, include, numbers)
            for row in connection.execute(query.distinct().limit(limit)).all():
                found[row[0]] = (row[1], row[2])
    return found


def _pointed(type_name: str, ids: Collection[str], include: Include, numbers: Sequence[int]) -> Select[Any]:
    """What the resources of that type and those ids point to."""
    own, target = resource.alias(), resource.alias()
    query = (
        select(target.c.key, target.c.type, target.c.id)
        .select_from(own)
        .join(search_reference, search_reference.c.resource_key == own.c.key)
        .join(target, (target.c.type == search_reference.c.target_type) & (target.c.id == search_reference.c.target_id))
        .where(
            own.c.type == type_name,
            own.c.id.in_(ids),
            aside(search_reference.c.parameter).in_(numbers),
            search_reference.c.server == "",
            target.c.deleted.is_(False),
        )
    )
    return query.where(search_reference.c.target_type == include.target) if include.target else query


def _pointing(type_name: str, ids: Collection[str], include: Include, numbers: Sequence[int]) -> Select[Any]:
    """What points to the resources of that type and those ids."""
    return (
        select(resource.c.key, resource.c.type, resource.c.id)
        .select_from(search_reference)
        .join(resource, resource.c.key == search_reference.c.resource_key)
        .where(
            search_reference.c.parameter.in_(numbers),
            search_reference.c.target_id.in_(ids),
            search_reference.c.target_type == type_name,
            search_reference.c.server == "",
        )
    )


def _canonicals(connection: Connection, matches: Sequence[Version], includes: Sequence[Include]) -> tuple[str, ...]:
    """The canonical addresses that forward includes lead to; what lies there is no resource of the store."""
    found: dict[str, None] = {}
    for include in includes:
        numbers = [number_of(parameter) for parameter in include.parameters if parameter.canonical]
        ids = [version.id for version in matches if version.type == include.source]
        if include.reverse or not numbers:
            continue
        for start in range(0, len(ids), _MANY):
            query = (
                select(search_reference.c.target_id, search_reference.c.version)
                .join(resource, resource.c.key == search_reference.c.resource_key)
                .where(
                    resource.c.type == include.source,
                    resource.c.id.in_(ids[start : start + _MANY]),
                    aside(search_reference.c.parameter).in_(numbers),
                )
                .distinct()
                .limit(MOST_INCLUDED)
            )
            for address, version in connection.execute(query).all():
                found[f"{address}|{version}" if version else address] = None
    return tuple(found)

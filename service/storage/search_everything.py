"""All that is held of one patient, page by page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, or_, select, union_all

from service.fhir.compartment import CARE_DATES, PATIENT_COMPARTMENT, SUPPORTING, EverythingQuery
from service.fhir.search_parameters import parameters_of
from service.fhir.times import microseconds
from service.storage.index import parameter_number
from service.storage.search import newest_of
from service.storage.search_conditions import number_of
from service.storage.search_sql import aside
from service.storage.store import SearchPage
from service.storage.tables import resource, search_date, search_reference


def everything(connection: Connection, query: EverythingQuery) -> SearchPage:
    """One page: the patient first, then what belongs to the patient, oldest first. The last page also brings, once, what
    all of it refers to that is nobody's. Audit events are given only if they are asked for by type.

    Every parameter that makes a resource belong to a patient is one walk along an index, and each stops at the size of a page.
    """
    types = query.types or tuple(name for name in PATIENT_COMPARTMENT if name != "AuditEvent")
    first = _patient(connection, query) if "Patient" in types else None
    shown = [first] if first is not None and query.after is None else []
    walks = [_walk(type_name, code, query) for type_name in types for code in PATIENT_COMPARTMENT[type_name]]
    each = [select(walk.limit(query.count + 2).subquery()) for walk in walks]
    together = union_all(*each).subquery()
    key = next(iter(together.c))
    found = connection.execute(select(key).distinct().order_by(key).limit(query.count + 2)).scalars()
    keys = shown + [one for one in found if one != first]  # a patient may be linked to itself
    page = keys[: query.count]
    more = len(keys) > query.count
    # The patient stands before all others whatever its key: a page that ends with it goes on from the start.
    after = "" if not more or not page else "0" if page[-1] == first else str(page[-1])
    return SearchPage(
        versions=(*newest_of(connection, page[: len(shown)]), *newest_of(connection, page[len(shown) :])),
        included=() if more else tuple(newest_of(connection, _supporting(connection, types, first, query))),
        next=after,
    )


def _patient(connection: Connection, query: EverythingQuery) -> int | None:
    own = select(resource.c.key).where(
        resource.c.type == "Patient", resource.c.id == query.patient, resource.c.deleted.is_(False)
    )
    return connection.execute(_later(own, resource.c.key, replace(query, after=None))).scalar()


def _walk(type_name: str, code: str, query: EverythingQuery) -> Select[Any]:
    row = search_reference
    walk = select(row.c.resource_key).where(
        row.c.parameter == parameter_number(type_name, code),
        row.c.target_id == query.patient,
        row.c.target_type == "Patient",
        row.c.server == "",
    )
    return _later(walk.where(*_in_time(type_name, row.c.resource_key, query)), row.c.resource_key, query)


def _in_time(type_name: str, key: ColumnElement[Any], query: EverythingQuery) -> Iterator[ColumnElement[bool]]:
    """What is true of a resource that tells of the time asked for, or says not when: it neither begins later nor ends earlier."""
    if type_name not in CARE_DATES:
        return
    begin, end = CARE_DATES[type_name]
    row = search_date.alias()
    outside = []
    if query.end is not None:
        outside.append((begin, row.c.low > query.end))
    if query.start is not None:
        outside.append((end, row.c.high < query.start))
    for code, clause in outside:
        about = (row.c.resource_key == key, aside(row.c.parameter) == parameter_number(type_name, code))
        yield ~select(1).where(*about, clause).offset(0).exists()


def _later(walk: Select[Any], key: ColumnElement[Any], query: EverythingQuery) -> Select[Any]:
    if query.after is not None:
        walk = walk.where(key > query.after)
    if query.since is not None:
        one = resource.alias()
        recent = (one.c.key == key, one.c.last_updated >= microseconds(query.since))
        walk = walk.where(select(1).where(*recent).offset(0).exists())
    return walk.order_by(key)


def _supporting(connection: Connection, types: Sequence[str], patient: int | None, query: EverythingQuery) -> list[int]:
    """Keys of the people, devices and organizations that the resources of all pages refer to; of nobody else's data."""
    whole = replace(query, after=None)
    walks = [_walk(type_name, code, whole) for type_name in types for code in PATIENT_COMPARTMENT[type_name]]
    together = union_all(*(select(walk.subquery()) for walk in walks)).subquery()
    numbers = {
        number_of(parameter)
        for type_name in types
        for parameter in parameters_of(type_name).values()
        if parameter.type == "reference" and "Reference" in parameter.elements and any(map(parameter.points_to, SUPPORTING))
    }
    row = search_reference
    held: ColumnElement[bool] = row.c.resource_key.in_(select(next(iter(together.c))))
    if patient is not None:
        held = or_(held, row.c.resource_key == patient)
    reached = (
        select(resource.c.key)
        .join(row, and_(resource.c.type == row.c.target_type, resource.c.id == row.c.target_id))
        .where(
            held, row.c.parameter.in_(numbers), row.c.server == "", row.c.target_type.in_(SUPPORTING),
            resource.c.deleted.is_(False),
        )
    )
    return list(connection.execute(reached.distinct().order_by(resource.c.key)).scalars())

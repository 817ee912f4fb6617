"""All that is held of one patient, page by page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, select, union_all

from service.fhir.compartment import PATIENT_COMPARTMENT, SUPPORTING, EverythingQuery
from service.fhir.search_parameters import parameters_of
from service.fhir.search_results import Include
from service.fhir.times import microseconds
from service.storage.index import parameter_number
from service.storage.search import included_with, newest_of
from service.storage.store import SearchPage, Version
from service.storage.tables import resource, search_reference


def everything(connection: Connection, query: EverythingQuery) -> SearchPage:
    """One page of the patient and of what belongs to the patient, oldest first, with what it refers to that is nobody's.

    Every parameter that makes a resource belong to a patient is one walk along an index, and each stops at the size of a page.
    """
    types = query.types or tuple(PATIENT_COMPARTMENT)
    walks = [
        _walk(type_name, code, query) for type_name in types for code in PATIENT_COMPARTMENT[type_name]
    ]
    if "Patient" in types:
        own = select(resource.c.key).where(
            resource.c.type == "Patient", resource.c.id == query.patient, resource.c.deleted.is_(False)
        )
        walks.append(_later(own, resource.c.key, query))
    each = [select(walk.limit(query.count + 1).subquery()) for walk in walks]
    together = union_all(*each).subquery()
    key = next(iter(together.c))
    keys = list(connection.execute(select(key).distinct().order_by(key).limit(query.count + 1)).scalars())
    page = keys[: query.count]
    versions = newest_of(connection, page)
    included, cut = included_with(connection, versions, _supporting(versions))
    shown = {(version.type, version.id) for version in versions}
    return SearchPage(
        versions=versions,
        included=tuple(version for version in included if (version.type, version.id) not in shown),
        next=str(page[-1]) if len(keys) > query.count and page else "",
        cut=cut,
    )


def _walk(type_name: str, code: str, query: EverythingQuery) -> Select[Any]:
    row = search_reference
    walk = select(row.c.resource_key).where(
        row.c.parameter == parameter_number(type_name, code),
        row.c.target_id == query.patient,
        row.c.target_type == "Patient",
        row.c.server == "",
    )
    return _later(walk, row.c.resource_key, query)


def _later(walk: Select[Any], key: ColumnElement[Any], query: EverythingQuery) -> Select[Any]:
    if query.after is not None:
        walk = walk.where(key > query.after)
    if query.since is not None:
        one = resource.alias()
        recent = (one.c.key == key, one.c.last_updated >= microseconds(query.since))
        walk = walk.where(select(1).where(*recent).offset(0).exists())
    return walk.order_by(key)


def _supporting(versions: Sequence[Version]) -> tuple[Include, ...]:
    """What brings along the people, devices and organizations that these resources refer to, and nobody else's data."""
    return tuple(
        Include(type_name, references, target, iterate=False)
        for type_name in dict.fromkeys(version.type for version in versions)
        for target in SUPPORTING
        if (
            references := tuple(
                parameter
                for parameter in parameters_of(type_name).values()
                if parameter.type == "reference" and "Reference" in parameter.elements and parameter.points_to(target)
            )
        )
    )

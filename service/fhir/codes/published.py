"""What is published of the terminology: code systems, value sets, the maps, and the same maps the other way round."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from service.fhir.codes.inverse import inverses
from service.fhir.terminology import SNOMED, Terminology

Resource = dict[str, Any]


def published_terminology(terminology: Terminology) -> Iterator[Resource]:
    """Every CodeSystem, ValueSet and ConceptMap to publish; without SNOMED CT where it is switched off.

    Codes that are received are understood all the same, so the terminology itself keeps what is left out here.
    """
    yield from terminology.resources("CodeSystem")
    yield from terminology.resources("ValueSet")
    licensed = (_licensed(one, snomed=terminology.snomed) for one in terminology.resources("ConceptMap"))
    maps = [concept_map for concept_map in licensed if concept_map is not None]
    yield from maps
    yield from inverses(maps)


def _licensed(concept_map: Resource, *, snomed: bool) -> Resource | None:
    """The map without the groups that may not be given out; None if nothing is left."""
    if snomed:
        return concept_map
    groups = [group for group in concept_map["group"] if SNOMED not in (group.get("source"), group.get("target"))]
    return {**concept_map, "group": groups} if groups else None

"""$everything of a patient: one page of all that is held, as a Bundle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.fhir.compartment import EverythingQuery
from service.fhir.r4 import read_stored
from service.fhir.search_results import CURSOR
from service.fhir.searchset import link
from service.interactions.single import read
from service.storage.store import Reader, Version

Resource = dict[str, Any]


def everything_bundle(
    reader: Reader, query: EverythingQuery, *, address: str, new_id: Callable[[], str]
) -> Resource:
    """The Bundle of the page that the query asks for; NotFound or Gone if there is no such patient."""
    read(reader, "Patient", query.patient)
    page = reader.everything(query)
    place = f"{address}/Patient/{query.patient}/$everything"
    links = [{"relation": "self", "url": link(place, query.applied)}]
    if page.next:
        links.append({"relation": "next", "url": link(place, (*query.applied, (CURSOR, page.next)))})
    bundle: Resource = {"resourceType": "Bundle", "id": new_id(), "type": "searchset", "link": links}
    entries = [_entry(version, address, "match") for version in page.versions]
    entries += [_entry(version, address, "include") for version in page.included]
    if entries:
        bundle["entry"] = entries
    return bundle


def _entry(version: Version, address: str, mode: str) -> Resource:
    assert version.body is not None
    return {"fullUrl": f"{address}/{version.reference}", "resource": read_stored(version.body), "search": {"mode": mode}}

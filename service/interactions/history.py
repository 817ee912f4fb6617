"""Histories as Bundles: what was written, newest first, page by page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from service.fhir.r4 import read_stored, stored_text
from service.fhir.times import instant
from service.storage.store import HistoryQuery, Page, Version

Resource = dict[str, Any]


def history_bundle(
    page: Page, query: HistoryQuery, *, address: str, bundle_id: str, applied: Mapping[str, str], as_text: bool = False
) -> Resource:
    """The Bundle of one page. `address` is the FHIR base as the caller reached it; `applied` the parameters for its links.

    `as_text`: the resources in it may be JSON text, ready to be sent.
    """
    own = "/".join(part for part in (address, query.type, query.id, "_history") if part)
    links = [{"relation": "self", "url": with_query(own, applied)}]
    if page.more:
        further = {**applied, "_before": "{}.{}".format(*page.versions[-1].position)}
        links.append({"relation": "next", "url": with_query(own, further)})
    bundle: Resource = {"resourceType": "Bundle", "id": bundle_id, "type": "history"}
    if page.total is not None:
        bundle["total"] = page.total
    bundle["link"] = links
    if page.versions:
        bundle["entry"] = [history_entry(version, address, as_text=as_text) for version in page.versions]
    return bundle


def history_entry(version: Version, address: str, *, as_text: bool = False) -> Resource:
    """One version as an entry: the resource unless it is a deletion, what was asked, what was answered."""
    created = version.method == "POST" or (version.method == "PUT" and version.version == 1)
    entry: Resource = {"fullUrl": f"{address}/{version.reference}"}
    if version.body is not None:
        entry["resource"] = stored_text(version.body) if as_text else read_stored(version.body)
    entry["request"] = {
        "method": version.method,
        "url": version.type if version.method == "POST" else version.reference,
    }
    entry["response"] = {
        "status": "204" if version.deleted else "201" if created else "200",
        "etag": f'W/"{version.version}"',
        "lastModified": instant(version.last_updated),
    }
    return entry


def with_query(address: str, parameters: Mapping[str, str]) -> str:
    return f"{address}?{urlencode(parameters)}" if parameters else address

"""The Bundle that answers a search."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlencode

from service.errors import Fault
from service.fhir.outcomes import operation_outcome
from service.fhir.search import SearchQuery
from service.fhir.search_results import CURSOR
from service.records import dataclass

Resource = dict[str, Any]


@dataclass(frozen=True, slots=True)
class SearchEntry:
    """One resource of the answer; `content` is its JSON, decoded or as text ready to be sent."""

    reference: str  # Type/id
    content: Any


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search found: one page. `next` and `previous` are places to go on at, empty where there is nothing."""

    matches: Sequence[SearchEntry]
    included: Sequence[SearchEntry] = ()
    total: int | None = None
    next: str = ""
    previous: str = ""
    warnings: Sequence[Fault] = ()


def searchset(answer: Answer, query: SearchQuery, *, address: str, new_id: Callable[[], str], own: str = "") -> Resource:
    """The Bundle of one page. `address` is the FHIR base as the caller reached it, `own` what was asked below it (the type).

    The links repeat what was applied, so that each can be asked again; what was left out is told in an entry of its own.
    """
    place = f"{address}/{own or query.type}"
    links = [{"relation": "self", "url": link(place, query.applied)}]
    for relation, cursor in (("next", answer.next), ("previous", answer.previous)):
        if cursor:
            links.append({"relation": relation, "url": link(place, (*query.applied, (CURSOR, cursor)))})
    entries = [
        {"fullUrl": f"{address}/{entry.reference}", "resource": entry.content, "search": {"mode": mode}}
        for mode, found in (("match", answer.matches), ("include", answer.included))
        for entry in found
    ]
    told = [*query.ignored, *answer.warnings]
    if told:
        # HL7's validator wants an address for every entry of a searchset; this one is of nothing that could be read.
        outcome = {"fullUrl": f"urn:uuid:{new_id()}", "resource": operation_outcome(told), "search": {"mode": "outcome"}}
        entries.append(outcome)
    bundle: Resource = {"resourceType": "Bundle", "id": new_id(), "type": "searchset"}
    if answer.total is not None:
        bundle["total"] = answer.total
    bundle["link"] = links
    if entries:  # an empty array is not legal FHIR
        bundle["entry"] = entries
    return bundle


def link(place: str, pairs: Sequence[tuple[str, str]]) -> str:
    """The address with these parameters."""
    return f"{place}?{urlencode(pairs, safe=':/,$')}" if pairs else place

"""What the entries of a transaction or batch ask for, read from `Bundle.entry.request`."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

from service.errors import Fault, MalformedInput, NotFound, NotSupported, ServiceError
from service.fhir.etags import tagged_version
from service.interactions.conditions import ANYTHING, Expectation, check_id
from service.interactions.single import check_type
from service.records import dataclass

Resource = dict[str, Any]

TRANSACTION_SPEC = "http://hl7.org/fhir/R4/http.html#transaction"
_ID = r"[A-Za-z0-9\-.]{1,64}"
_PATH = re.compile(
    rf"(?P<type>[A-Za-z]+)(?:/(?P<id>{_ID})(?:/_history/(?P<version>{_ID}))?)?"
    rf"|(?P<history_type>[A-Za-z]+)(?:/(?P<history_id>{_ID}))?/_history"
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry. `criteria` is the query of its url, None without one; `path` is its place in the Bundle."""

    index: int
    method: str
    type: str
    id: str = ""
    version: str = ""
    criteria: str | None = None
    history: bool = False
    resource: Resource | None = None
    full_url: str = ""
    if_none_exist: str | None = None
    if_none_match: str | None = None
    expectation: Expectation = ANYTHING

    @property
    def path(self) -> str:
        return f"Bundle.entry[{self.index}]"

    @property
    def conditional(self) -> bool:
        """Whether a search decides what is written."""
        return self.if_none_exist is not None or (self.criteria is not None and self.method in ("PUT", "DELETE"))


@dataclass(frozen=True, slots=True)
class Offer:
    """What of each type may be asked for: the codes of its interactions."""

    interactions: Mapping[str, Collection[str]]

    def check(self, type_name: str, interaction: str, path: str) -> None:
        """Nothing; NotFound for a type that is not served, NotSupported for what is not done with it."""
        offered = self.interactions.get(type_name)
        if offered is None:
            raise NotFound(
                Fault(
                    "not-supported",
                    f"{_printable(type_name)} is not served here.",
                    where=f"{path}.request.url",
                    rule="Only the types in the CapabilityStatement exist here.",
                    repair="GET metadata lists them. Leave this entry out.",
                )
            )
        if interaction not in offered:
            raise NotSupported(
                Fault(
                    "not-supported",
                    f"{interaction} is not offered for {type_name}.",
                    where=f"{path}.request.method",
                    rule=f"Offered for {type_name}: {', '.join(offered)}.",
                    repair="Leave this entry out.",
                )
            )


def read_entry(raw: Mapping[str, Any], index: int, offer: Offer) -> Entry:
    """The entry as what it asks for. `raw` is valid R4. ServiceError if it asks for what cannot be done here."""
    path = f"Bundle.entry[{index}]"
    request: Mapping[str, Any] = raw["request"]
    method, url = request["method"], str(request["url"])
    before, question, criteria = url.lstrip("/").partition("?")
    found = _PATH.fullmatch(before.rstrip("/"))
    if found is None:
        raise NotSupported(
            Fault(
                "not-supported",
                "The url of this entry is none this server carries out in a Bundle.",
                where=f"{path}.request.url",
                rule="An entry reads, searches or writes resources: Type, Type?query, Type/id, Type/id/_history/version.",
                repair="Call operations by a request of their own, or by an entry of a batch.",
                spec=TRANSACTION_SPEC,
            )
        )
    history = found["history_type"] is not None
    entry = Entry(
        index=index,
        method=method,
        type=found["history_type"] or found["type"],
        id=found["history_id"] or found["id"] or "",
        version=found["version"] or "",
        criteria=criteria if question else None,
        history=history,
        resource=raw.get("resource"),
        full_url=str(raw.get("fullUrl", "")),
        if_none_exist=request.get("ifNoneExist"),
        if_none_match=request.get("ifNoneMatch"),
        expectation=_expectation(request, method, path),
    )
    offer.check(entry.type, _interaction(entry), path)
    _check_body(entry)
    return entry


def _interaction(entry: Entry) -> str:
    """The code of what the entry asks for; NotSupported for a combination that is nothing."""
    level = "instance" if entry.id else "type"
    if entry.history and entry.method in ("GET", "HEAD"):
        return f"history-{level}"
    plain = {
        ("GET", "instance"): "vread" if entry.version else "read",
        ("GET", "type"): "search-type",
        ("POST", "type"): "create",
        ("PUT", "instance"): "update",
        ("DELETE", "instance"): "delete",
    }
    if entry.criteria is not None:
        plain |= {("PUT", "type"): "update", ("DELETE", "type"): "delete"}
    method = "GET" if entry.method == "HEAD" else entry.method
    found = plain.get((method, level))
    if found is None or entry.history or (entry.version and method != "GET"):
        raise NotSupported(
            Fault(
                "not-supported",
                f"{entry.method} is not offered at the url of this entry.",
                where=f"{entry.path}.request",
                rule="POST goes to a type, PUT and DELETE to an id or a condition, GET to all of them.",
                repair="Correct method or url.",
                spec=TRANSACTION_SPEC,
            )
        )
    return found


def _check_body(entry: Entry) -> None:
    place = f"{entry.path}.resource"
    if entry.method not in ("POST", "PUT"):
        return
    if entry.resource is None:
        raise MalformedInput(
            Fault(
                "required",
                "The entry holds no resource.",
                where=place,
                rule=f"{entry.method} carries the resource to write.",
                repair="Add the resource.",
                spec=TRANSACTION_SPEC,
            )
        )
    check_type(entry.resource["resourceType"], entry.type, where=place)
    if entry.method == "PUT" and entry.id:
        check_id(entry.resource.get("id"), entry.id, type_name=entry.type, where=place)


def _expectation(request: Mapping[str, Any], method: str, path: str) -> Expectation:
    if method in ("PUT", "DELETE") and "ifMatch" in request:
        version = tagged_version(request["ifMatch"], where=f"{path}.request.ifMatch")
        return Expectation(version=version, present=version is None)
    if method == "PUT" and str(request.get("ifNoneMatch", "")).strip() == "*":
        return Expectation(absent=True)
    return ANYTHING


def at_entry(error: ServiceError, index: int, type_name: str) -> ServiceError:
    """The error with each place named as a place of the Bundle."""
    path = f"Bundle.entry[{index}]"
    return type(error)(_moved(fault, path, type_name) for fault in error.faults)


def _moved(fault: Fault, path: str, type_name: str) -> Fault:
    if fault.where.startswith("Bundle.entry["):
        return fault
    inside = type_name and (fault.where == type_name or fault.where.startswith((f"{type_name}.", f"{type_name}[")))
    return replace(fault, where=f"{path}.resource{fault.where[len(type_name) :]}" if inside else path)


def _printable(name: str) -> str:
    return name if len(name) <= 40 else "This type"

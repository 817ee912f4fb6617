"""An assessment written into the record system it was made for: what is sent, in which order, so that it may be sent again.

Each resource is created on the condition that there is none with its identifier yet; the identifiers come from what was assessed,
so that the same assessment, sent twice, is there once.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any
from urllib.parse import quote

from service.fhir.times import instant
from service.records import dataclass
from service.storage.outbox import Outbox
from service.storage.store import Transaction, Version

Resource = dict[str, Any]

KIND = "ehr-write-back"
WRITABLE = ("RiskAssessment", "ServiceRequest", "Provenance")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[^/?#]+(/_history/[^/?#]+)?")
_MADE_BY_MACHINE = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue",
    "code": "AIAST",
    "display": "Artificial Intelligence asserted",
}
_AGENT_TYPES = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


@dataclass(frozen=True, slots=True)
class Creation:
    """One resource to create, and the search that must find nothing for it to be created."""

    resource: Resource
    if_none_exist: str

    @property
    def type(self) -> str:
        return str(self.resource["resourceType"])


def keep_and_queue(transaction: Transaction, outbox: Outbox, assessment: Resource, *, server: str) -> Version | None:
    """The stored assessment, queued for the record system in the same transaction; None if it was there already.

    References of the record system are kept with its full address: their ids mean nothing here.
    """
    resource_id = f"ra-{assessment['identifier'][0]['value'][:40]}"
    there = transaction.read("RiskAssessment", resource_id)
    if there is not None and not there.deleted:
        return None
    version = transaction.create(at_home_in(assessment, server), resource_id=resource_id)
    outbox.put(transaction, KIND, server, {"assessment": version.versioned_reference})
    return version


def at_home_in(resource: Resource, server: str) -> Resource:
    """The resource with its relative references made absolute to the server."""

    def changed(reference: str) -> str:
        return f"{server}/{reference}" if _RELATIVE.fullmatch(reference) else reference

    found: Resource = _with_references(resource, changed)
    return found


def seen_from(resource: Resource, server: str) -> Resource:
    """The resource as it is written on the server: references to it relative, and without what another store added."""

    def changed(reference: str) -> str:
        return reference.removeprefix(f"{server}/")

    found: Resource = _with_references({name: value for name, value in resource.items() if name != "id"}, changed)
    meta = {name: value for name, value in found.get("meta", {}).items() if name not in ("versionId", "lastUpdated", "source")}
    return {**found, "meta": meta} if meta else {name: value for name, value in found.items() if name != "meta"}


def assessment_creation(assessment: Resource, server: str) -> Creation:
    """The RiskAssessment itself."""
    return Creation(seen_from(assessment, server), _by_identifier(assessment["identifier"][0]))


def request_creations(assessment: Resource, server: str, *, assessment_reference: str, base_url: str) -> list[Creation]:
    """Its draft referrals, each a resource of its own that points to the assessment."""
    found = []
    value = assessment["identifier"][0]["value"]
    for held in seen_from(assessment, server).get("contained", ()):
        if held["resourceType"] != "ServiceRequest":
            continue
        identifier = {"system": f"{base_url}/identifier/service-request", "value": f"{value[:40]}-{held['id']}"}
        tied = ("resourceType", "id", "meta", "requester", "supportingInfo")
        request = {
            "resourceType": "ServiceRequest",
            "meta": {"security": [dict(_MADE_BY_MACHINE)]},
            "identifier": [identifier],
            **{name: part for name, part in held.items() if name not in tied},
            "supportingInfo": [{"reference": assessment_reference}],
        }
        found.append(Creation(request, _by_identifier(identifier)))
    return found


def provenance_creation(
    assessment: Resource, server: str, *, targets: Collection[str], recorded: datetime, device: Mapping[str, Any]
) -> Creation:
    """Where the assessment comes from: the software, and what it was given. `targets` are what was written, it first."""
    inputs = [
        {"role": "source", "what": dict(reference)}
        for reference in seen_from(assessment, server).get("basis", ())
        if not str(reference.get("reference", "")).startswith("#")
    ]
    software = {"coding": [{"system": _AGENT_TYPES, "code": "assembler", "display": "Assembler"}]}
    provenance: Resource = {
        "resourceType": "Provenance",
        "target": [{"reference": target} for target in targets],
        "recorded": instant(recorded),
        "reason": [{"coding": [dict(_MADE_BY_MACHINE)]}],
        "agent": [{"type": software, "who": dict(device)}],
    }
    if inputs:
        provenance["entity"] = inputs
    return Creation(provenance, f"target={quote(next(iter(targets)), safe='/')}")


def device_of(assessment: Resource) -> Resource:
    """The software that made the assessment, by its identifier: it is no Device of the record system."""
    device = next(one for one in assessment["contained"] if one["resourceType"] == "Device")
    named = device["deviceName"][0]["name"]
    return {"type": "Device", "identifier": dict(device["identifier"][0]), "display": named}


def _by_identifier(identifier: Mapping[str, Any]) -> str:
    return f"identifier={quote(str(identifier['system']), safe=':/')}|{quote(str(identifier['value']), safe='')}"


def _with_references(value: Any, changed: Any) -> Any:
    if isinstance(value, dict):
        return {
            name: changed(inner) if name == "reference" and isinstance(inner, str) else _with_references(inner, changed)
            for name, inner in value.items()
        }
    return [_with_references(inner, changed) for inner in value] if isinstance(value, list) else value

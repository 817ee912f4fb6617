"""AuditEvents: who asked this server for what, and how it ended, in the shape of IHE's Basic Audit Log Patterns. No bodies.

Source: https://profiles.ihe.net/ITI/BALP
"""

from __future__ import annotations

import base64
from datetime import datetime
from typing import Any

from service.fhir.times import instant
from service.records import dataclass

Resource = dict[str, Any]

DEVICE = "Device/hipspine"
_DICOM = "http://dicom.nema.org/resources/ontology/DCM"
_SOURCE = {"system": _DICOM, "code": "110153", "display": "Source Role ID"}
_DESTINATION = {"system": _DICOM, "code": "110152", "display": "Destination Role ID"}
_ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_REQUEST_ID = {"system": "https://profiles.ihe.net/ITI/BALP/CodeSystem/BasicAuditEntityType", "code": "XrequestId"}
_PERSON = {"system": _ENTITY, "code": "1", "display": "Person"}
_OBJECT = {"system": _ENTITY, "code": "2", "display": "System Object"}

# Interaction of R4 -> action: create, read, update, delete, execute.
ACTIONS = {
    "create": "C", "update": "U", "delete": "D", "read": "R", "vread": "R", "history-instance": "R", "history-type": "R",
    "history-system": "R", "capabilities": "R", "search-type": "E", "operation": "E", "transaction": "E", "batch": "E",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Call:
    """One REST call: its interaction, how it ended, who called from where, and what of.

    References are ``Patient/1``, or ``Patient/1/_history/2`` where the version is known, as R4 asks of AuditEvent.entity.what.
    """

    interaction: str
    status: int
    recorded: datetime
    request_id: str
    caller: str  # network address
    server: str  # our FHIR base as the caller reached it
    targets: tuple[str, ...] = ()  # what was read or written
    patients: tuple[str, ...] = ()  # whose data was read or written
    query: str = ""  # method and address of a search, and its form if it has one
    operation: str = ""


def audit_event(call: Call) -> Resource:
    """The AuditEvent of a call, without id."""
    # Whoever sends the data is the source: we of what is read, the caller of what is written and asked.
    reading = ACTIONS[call.interaction] == "R"
    client_role, server_role = (_DESTINATION, _SOURCE) if reading else (_SOURCE, _DESTINATION)
    subtypes = [{"system": "http://hl7.org/fhir/restful-interaction", "code": call.interaction}]
    event: Resource = {
        "resourceType": "AuditEvent",
        "type": {
            "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
            "code": "rest",
            "display": "RESTful Operation",
        },
        "subtype": subtypes,
        "action": ACTIONS[call.interaction],
        "recorded": instant(call.recorded),
        "outcome": "0" if call.status < 400 else "4" if call.status < 500 else "8",
        "agent": [
            {
                "type": {"coding": [client_role]},
                "who": {"display": "The calling system"},
                "requestor": True,
                "network": {"address": call.caller, "type": "2"},
            },
            {
                "type": {"coding": [server_role]},
                "who": {"reference": DEVICE},
                "requestor": False,
                "network": {"address": call.server, "type": "5"},
            },
        ],
        "source": {
            "observer": {"reference": DEVICE},
            "type": [
                {
                    "system": "http://terminology.hl7.org/CodeSystem/security-source-type",
                    "code": "4",
                    "display": "Application Server",
                }
            ],
        },
    }
    if call.operation:
        event["outcomeDesc"] = f"${call.operation}"
    entities: list[Resource] = [
        {"what": {"identifier": {"value": call.request_id}}, "type": _REQUEST_ID},
    ]
    for patient in call.patients:
        entities.append({"what": {"reference": patient}, "type": _PERSON, "role": _role("1", "Patient")})
    for target in call.targets:
        if target not in call.patients:
            entities.append({"what": {"reference": target}, "type": _OBJECT, "role": _role("4", "Domain Resource")})
    if call.query:
        encoded = base64.b64encode(call.query.encode()).decode("ascii")
        entities.append({"type": _OBJECT, "role": _role("24", "Query"), "query": encoded})
    return {**event, "entity": entities}


def _role(code: str, display: str) -> Resource:
    return {"system": _ROLE, "code": code, "display": display}

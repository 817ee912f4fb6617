"""AuditEvents of CDS Hooks: who asked for advice on whom, and what of the record was sent or read. No bodies, no tokens."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from service.fhir.audit import Call, audit_event
from service.records import dataclass

Resource = dict[str, Any]

_ENTITY = "http://terminology.hl7.org/CodeSystem/audit-entity-type"
_ROLE = "http://terminology.hl7.org/CodeSystem/object-role"
_PERSON = {"system": _ENTITY, "code": "1", "display": "Person"}
_OBJECT = {"system": _ENTITY, "code": "2", "display": "System Object"}
_PATIENT = {"system": _ROLE, "code": "1", "display": "Patient"}
_RECORD = {"system": _ROLE, "code": "4", "display": "Domain Resource"}
_QUERY = {"system": _ROLE, "code": "24", "display": "Query"}
_RECIPIENT = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
    "code": "IRCP",
    "display": "information recipient",
}


@dataclass(frozen=True, slots=True)
class HookTrace:
    """What is known of a hook call beside what every call has; empty where the call did not get so far.

    `client` is the issuer of the token, `user` and `patient` are ids of the record system. `sent` are the prefetch keys
    with data, `read` the queries that `server` was asked, `cards` the uuids of the cards that feedback is on.
    """

    client: str = ""
    user: str = ""
    patient: str = ""
    server: str = ""
    sent: Sequence[str] = ()
    read: Mapping[str, str] | None = None
    cards: Sequence[str] = ()


def hook_audit_event(call: Call, trace: HookTrace) -> Resource:
    """The AuditEvent of a hook call, without id: that of an operation, with what the trace tells."""
    event = audit_event(call)
    client, *others = event["agent"]
    if trace.client:
        client = {**client, "who": {"identifier": {"value": trace.client}, "display": "The calling system"}}
    if trace.user:
        # As the record system says; nobody has proven it to us.
        kind = trace.user.partition("/")[0]
        who = {"type": kind, "identifier": {"value": trace.user}}
        others.append({"type": {"coding": [_RECIPIENT]}, "who": who, "requestor": False})
    return {
        **event,
        "outcomeDesc": call.operation,
        "agent": [client, *others],
        "entity": [*event["entity"], *_entities(trace)],
    }


def _entities(trace: HookTrace) -> Iterator[Resource]:
    if trace.patient:
        yield {"what": {"identifier": {"value": trace.patient}}, "type": _PERSON, "role": _PATIENT}
    if trace.sent:
        yield {"type": _OBJECT, "role": _RECORD, "name": f"prefetch: {', '.join(trace.sent)}"}
    for query in (trace.read or {}).values():
        asked = f"GET {query if query.startswith(('http://', 'https://')) else f'{trace.server}/{query}'}"
        yield {"type": _OBJECT, "role": _QUERY, "query": base64.b64encode(asked.encode("utf-8", "replace")).decode("ascii")}
    for card in trace.cards:
        identifier = {"system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{card}"}
        yield {"what": {"identifier": identifier}, "type": _OBJECT, "role": _RECORD}

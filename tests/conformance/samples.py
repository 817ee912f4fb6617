"""One small resource of each stored type that no validator has a word to say about."""

from __future__ import annotations

import json
from typing import Any

from support.servers import ROOT

Resource = dict[str, Any]

EXAMPLES = ROOT / "profiles" / "fsh-generated" / "examples"

_ABOUT = {"subject": {"reference": "Patient/1"}}
_GENERATED = {
    "status": "generated",
    "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Example</p></div>',
}
_REST = {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"}

SAMPLES: dict[str, Resource] = {
    "AuditEvent": {
        "type": _REST,
        "recorded": "2026-01-15T10:00:00Z",
        "agent": [{"requestor": True, "who": {"display": "someone"}}],
        "source": {"observer": {"display": "a record system"}},
    },
    "CarePlan": {"status": "draft", "intent": "plan", **_ABOUT},
    "Condition": {
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
        "code": {"text": "Hip pain"},
        **_ABOUT,
    },
    "Device": {"deviceName": [{"name": "x", "type": "user-friendly-name"}]},
    "DiagnosticReport": {"status": "final", "code": {"text": "Radiograph of the hip"}, **_ABOUT},
    "DocumentReference": {"status": "current", "content": [{"attachment": {"title": "x", "contentType": "text/plain"}}]},
    "Encounter": {
        "status": "planned",
        "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
        **_ABOUT,
    },
    "Observation": {"status": "final", "code": {"text": "Groin pain"}, "valueBoolean": True, **_ABOUT},
    "Organization": {"name": "A clinic"},
    "Patient": {"gender": "female", "birthDate": "1960"},
    "Practitioner": {"active": True},
    "PractitionerRole": {"active": True},
    "Procedure": {"status": "completed", "code": {"text": "Injection"}, **_ABOUT},
    "Provenance": {
        "target": [{"reference": "Patient/1"}],
        "recorded": "2026-01-15T10:00:00Z",
        "agent": [{"who": {"reference": "Device/hipspine"}}],
    },
    "QuestionnaireResponse": {
        "status": "in-progress",
        "questionnaire": "https://hipspine.example/fhir/Questionnaire/hip-spine-intake",
        **_ABOUT,
    },
    "RiskAssessment": {"status": "final", **_ABOUT},
    "ServiceRequest": {"status": "draft", "intent": "proposal", "code": {"text": "Physiotherapy"}, **_ABOUT},
    "Subscription": {
        "status": "requested",
        "reason": "a test",
        "criteria": "https://hipspine.example/fhir/SubscriptionTopic/risk-assessment",
        "channel": {
            "type": "rest-hook",
            "endpoint": "https://receiver.example/hook",  # the harvest puts its own receiver here
            "payload": "application/fhir+json",
            "_payload": {
                "extension": [
                    {
                        "url": "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-payload-content",
                        "valueCode": "full-resource",
                    }
                ]
            },
        },
    },
}


def sample(type_name: str, **more: Any) -> Resource:
    """The sample of that type, with `more` on top."""
    narrative = {} if type_name in ("AuditEvent", "Subscription") else {"text": _GENERATED}
    return {"resourceType": type_name, **narrative, **SAMPLES[type_name], **more}


def examples() -> list[Resource]:
    """The published examples of the profiles."""
    return [json.loads(path.read_text(encoding="utf-8")) for path in sorted(EXAMPLES.glob("*.json"))]

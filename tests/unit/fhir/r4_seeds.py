"""Valid R4 resources to start from, each using many elements and data types, and small helpers around `parse`."""

from __future__ import annotations

import copy
from typing import Any

from service.errors import Fault, InvalidInput
from service.fhir.r4 import Limits, parse, serialise

Resource = dict[str, Any]

LIMITS = Limits()
SNOMED = "http://snomed.info/sct"
UCUM = "http://unitsofmeasure.org"
NARRATIVE = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Synthetic.</p></div>'}


def observation() -> Resource:
    return {
        "resourceType": "Observation",
        "id": "o-1",
        "status": "final",
        "text": copy.deepcopy(NARRATIVE),
        "meta": {"versionId": "1", "lastUpdated": "2026-01-05T10:00:00.123Z", "profile": ["https://hipspine.example/fhir/p|1.0"]},
        "identifier": [
            {"use": "official", "system": "urn:oid:1.2.3", "value": "a b", "period": {"start": "2020", "end": "2021-02"}}
        ],
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "exam"}]}],
        "code": {
            "coding": [{"system": SNOMED, "code": "298341001", "display": "Hip rotation", "userSelected": True}],
            "text": "Rotation",
        },
        "subject": {"reference": "Patient/p-1", "display": "Synthetic"},
        "effectivePeriod": {"start": "2026-01-05T09:00:00+01:00", "end": "2026-01-05T09:30:00+01:00"},
        "issued": "2026-01-05T10:00:00Z",
        "performer": [{"reference": "Practitioner/x"}, {"reference": "https://ehr.example/fhir/Organization/y/_history/2"}],
        "valueQuantity": {"value": 7.5, "comparator": "<", "unit": "degree", "system": UCUM, "code": "deg"},
        "interpretation": [{"text": "low"}],
        "note": [{"authorString": "anybody", "time": "2026-01-05", "text": "a *note*"}],
        "bodySite": {"coding": [{"system": SNOMED, "code": "24136001"}]},
        "referenceRange": [
            {"low": {"value": 15}, "high": {"value": 45}, "age": {"low": {"value": 18, "system": UCUM, "code": "a"}}}
        ],
        "component": [
            {"code": {"text": "side"}, "valueString": "left"},
            {"code": {"text": "repeats"}, "valueInteger": 3},
            {"code": {"text": "missing"}, "dataAbsentReason": {"text": "not done"}},
        ],
        "extension": [
            {"url": "http://example.org/a", "valueDate": "2026-01"},
            {
                "url": "http://example.org/b",
                "extension": [{"url": "c", "valueUrl": "http://example.org/x"}, {"url": "d", "valueTime": "10:00:00"}],
            },
        ],
    }


def questionnaire_response() -> Resource:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": "q-1",
        "status": "completed",
        "questionnaire": "https://hipspine.example/fhir/Questionnaire/hip-spine-intake|0.1.0",
        "subject": {"reference": "Patient/p-1"},
        "authored": "2026-01-05T10:00:00+01:00",
        "author": {"reference": "Practitioner/x"},
        "source": {"reference": "Patient/p-1"},
        "_language": {"extension": [{"url": "http://example.org/l", "valueCode": "de"}]},
        "item": [
            {
                "linkId": "pain_groin",
                "text": "Pain in the groin?",
                "answer": [{"valueCoding": {"system": "https://hipspine.example/fhir/CodeSystem/answer", "code": "present"}}],
            },
            {"linkId": "hip_internal_rotation", "answer": [{"valueDecimal": 12.5}]},
            {"linkId": "count", "answer": [{"valueInteger": 2}]},
            {"linkId": "seen", "answer": [{"valueBoolean": False}]},
            {"linkId": "when", "answer": [{"valueDateTime": "2026-01-05T10:00:00Z"}]},
            {"linkId": "how_much", "answer": [{"valueQuantity": {"value": 3, "unit": "h", "system": UCUM, "code": "h"}}]},
            {
                "linkId": "group",
                "item": [{"linkId": "inner", "answer": [{"valueString": "text", "item": [{"linkId": "below"}]}]}],
            },
        ],
    }


def patient() -> Resource:
    return {
        "resourceType": "Patient",
        "id": "p-1",
        "active": True,
        "gender": "female",
        "birthDate": "1960-02-29",
        "deceasedBoolean": False,
        "name": [
            {
                "use": "official",
                "family": "Synthetic",
                "given": ["A", None, "C"],
                "_given": [None, {"extension": [{"url": "http://example.org/x", "valueCode": "masked"}]}, None],
            }
        ],
        "telecom": [{"system": "phone", "value": "0", "rank": 1}],
        "address": [{"use": "home", "type": "both", "line": ["x"], "country": "DE"}],
        "contact": [{"name": {"text": "somebody"}, "gender": "other"}],
        "communication": [{"language": {"coding": [{"system": "urn:ietf:bcp:47", "code": "de"}]}, "preferred": True}],
        "photo": [{"contentType": "image/png", "data": "QUJDRA==", "size": 4, "url": "https://example.org/photo.png"}],
        "multipleBirthInteger": 2,
        "managingOrganization": {"reference": "#org"},
        "contained": [{"resourceType": "Organization", "id": "org", "name": "Clinic"}],
    }


def condition() -> Resource:
    return {
        "resourceType": "Condition",
        "id": "c-1",
        "clinicalStatus": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]},
        "verificationStatus": {
            "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-ver-status", "code": "confirmed"}]
        },
        "code": {"coding": [{"system": SNOMED, "code": "239872002"}]},
        "subject": {"reference": "Patient/p-1"},
        "onsetAge": {"value": 60, "unit": "a", "system": UCUM, "code": "a"},
        "recordedDate": "2025-12",
        "stage": [{"summary": {"text": "II"}}],
        "evidence": [{"code": [{"text": "x"}]}],
    }


def risk_assessment() -> Resource:
    return {
        "resourceType": "RiskAssessment",
        "status": "final",
        "subject": {"reference": "Patient/p-1"},
        "occurrenceDateTime": "2026-01-05T10:00:00Z",
        "method": {"text": "m"},
        "basis": [{"reference": "Observation/o-1"}],
        "prediction": [
            {"outcome": {"text": "hip"}, "probabilityDecimal": 62.5, "qualitativeRisk": {"text": "high"}, "rationale": "because"},
            {
                "outcome": {"text": "spine"},
                "probabilityRange": {
                    "low": {"value": 1, "system": UCUM, "code": "%"},
                    "high": {"value": 2, "system": UCUM, "code": "%"},
                },
            },
        ],
        "contained": [
            {
                "resourceType": "ServiceRequest",
                "id": "r",
                "status": "draft",
                "intent": "proposal",
                "priority": "stat",
                "code": {"text": "MRI"},
                "subject": {"reference": "Patient/p-1"},
                "supportingInfo": [{"reference": "#"}],
                "occurrenceTiming": {"repeat": {"frequency": 1, "period": 2, "periodUnit": "d", "dayOfWeek": ["mon"]}},
            }
        ],
    }


def bundle() -> Resource:
    entries = [patient(), observation(), condition(), questionnaire_response()]
    del entries[1]["meta"]
    return {
        "resourceType": "Bundle",
        "type": "collection",
        "timestamp": "2026-01-05T10:00:00Z",
        "link": [{"relation": "self", "url": "https://ehr.example/fhir/Bundle/1"}],
        "entry": [
            {"fullUrl": f"https://ehr.example/fhir/{entry['resourceType']}/{entry['id']}", "resource": entry} for entry in entries
        ],
    }


def parameters() -> Resource:
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "resource", "resource": questionnaire_response()},
            {"name": "subject", "valueReference": {"reference": "Patient/p-1"}},
            {
                "name": "group",
                "part": [
                    {"name": "n", "valueUuid": "urn:uuid:c757873d-ec9a-4326-a141-556f43239520"},
                    {"name": "b", "valueBase64Binary": "QUJD"},
                    {"name": "p", "valuePositiveInt": 1},
                ],
            },
        ],
    }


SEEDS = {
    seed.__name__: seed for seed in (observation, questionnaire_response, patient, condition, risk_assessment, bundle, parameters)
}


def faults_of(resource: Resource | bytes, *, limits: Limits = LIMITS, expected: str | None = None) -> tuple[Fault, ...]:
    """What `parse` raises; an empty tuple if it accepts."""
    raw = resource if isinstance(resource, bytes) else serialise(resource)
    try:
        parse(raw, limits=limits, expected=expected)
    except InvalidInput as error:
        return error.faults
    return ()

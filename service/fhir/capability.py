"""The CapabilityStatement, written from the registry of types so that it cannot promise another server."""

from __future__ import annotations

from typing import Any

from service.fhir.resource_types import SYSTEM_INTERACTIONS, Operation, ResourceType, offered_types, system_operations
from service.fhir.search_parameters import references_of
from service.fhir.topics import TOPIC_OF_SERVER, TOPICS

FHIR_VERSION = "4.0.1"
FORMATS = ("application/fhir+json", "application/json", "application/json+fhir", "json")
LIMITS_OF_USE = (
    "Decision support for clinicians: weighs findings of hip-region pain between spine, sacroiliac joint and hip. "
    "Not a diagnosis, not for emergencies, not for use by patients alone."
)
REQUIREMENTS = "spine-hip-server"  # the statement of kind requirements that every instance meets
PROFILES = {
    "CarePlan": "spine-hip-care-plan",
    "Device": "engine-device",
    "Observation": "exam-finding",
    "Provenance": "assessment-provenance",
    "QuestionnaireResponse": "intake-response",
    "RiskAssessment": "spine-hip-risk-assessment",
    "ServiceRequest": "spine-hip-referral",
}
STORING = (
    "Resources are stored with all their versions, exactly as they were sent but for id and meta. What is sent to an operation "
    "is not stored. References are not checked and never followed to another server. Answers are JSON only."
)
STATELESS = "This instance has no store: nothing that is sent here is stored. Answers are JSON only."


def capability_statement(*, address: str, base_url: str, version: str, date: str, storing: bool) -> dict[str, Any]:
    """The CapabilityStatement of this instance; `storing` tells whether it has a store.

    address is the FHIR base as the client reached it; base_url the canonical base of our definitions;
    date when this instance came to offer what it offers, as a FHIR dateTime.
    """
    return {
        "resourceType": "CapabilityStatement",
        "name": "HipSpineCapabilities",
        "title": "HipSpine",
        "status": "active",
        "date": date,
        "description": LIMITS_OF_USE,
        "kind": "instance",
        "instantiates": [f"{base_url}/CapabilityStatement/{REQUIREMENTS}"],
        "software": {"name": "HipSpine", "version": version},
        "implementation": {"description": "HipSpine assessment service", "url": address},
        "fhirVersion": FHIR_VERSION,
        "format": list(FORMATS),
        "rest": [
            {
                "mode": "server",
                "documentation": STORING if storing else STATELESS,
                "security": {
                    "description": "No authentication yet: keep this service on loopback or behind a proxy that has it."
                },
                "resource": [_resource(offered, base_url) for offered in offered_types(storing=storing)],
                **({"interaction": [{"code": code} for code in SYSTEM_INTERACTIONS]} if storing else {}),
                "operation": [_operation(operation, base_url) for operation in system_operations(storing=storing)],
            }
        ],
    }


def _resource(offered: ResourceType, base_url: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": offered.name}
    if offered.name == "Subscription":
        entry = {
            "extension": [
                {"url": TOPIC_OF_SERVER, "valueCanonical": topic.canonical(base_url)} for topic in TOPICS
            ],
            **entry,
        }
    if offered.name in PROFILES:
        entry["supportedProfile"] = [f"{base_url}/StructureDefinition/{PROFILES[offered.name]}"]
    entry["documentation"] = offered.documentation
    if offered.interactions:
        entry["interaction"] = [{"code": code} for code in offered.interactions]
        entry |= _versioned(offered) if offered.stored else {"versioning": "no-version"}
    if offered.stored and "search-type" in offered.interactions:
        entry["searchInclude"] = ["*", *(f"{offered.name}:{code}" for code in references_of(offered.name))]
        entry["searchRevInclude"] = [
            f"{other.name}:{code}"
            for other in offered_types(storing=True)
            if other.stored
            for code in references_of(other.name, to=offered.name)
        ]
    if offered.search_parameters:
        entry["searchParam"] = [
            {
                "name": parameter.name,
                "definition": _address(parameter.definition, base_url),
                "type": parameter.type,
                "documentation": parameter.documentation,
            }
            for parameter in offered.search_parameters
        ]
    if offered.operations:
        entry["operation"] = [_operation(operation, base_url) for operation in offered.operations]
    return entry


def _address(definition: str, base_url: str) -> str:
    return f"{base_url}{definition}" if definition.startswith("/") else definition


def _versioned(offered: ResourceType) -> dict[str, Any]:
    changing = "update" in offered.interactions
    return {
        "versioning": "versioned",
        "readHistory": True,
        "updateCreate": changing,
        "conditionalCreate": "create" in offered.interactions,
        "conditionalRead": "full-support",
        "conditionalUpdate": changing,
        "conditionalDelete": "single" if changing else "not-supported",
    }


def _operation(operation: Operation, base_url: str) -> dict[str, Any]:
    return {
        "name": operation.name,
        "definition": operation.definition if "://" in operation.definition
        else f"{base_url}/OperationDefinition/{operation.definition}",
        "documentation": operation.documentation,
    }

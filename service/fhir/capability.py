"""The CapabilityStatement, written from the registry of types so that it cannot promise another server."""

from __future__ import annotations

from typing import Any

from service.fhir.resource_types import RESOURCE_TYPES, SYSTEM_OPERATIONS, Operation, ResourceType

FHIR_VERSION = "4.0.1"
FORMATS = ("application/fhir+json", "application/json", "application/json+fhir", "json")
LIMITS_OF_USE = (
    "Decision support for clinicians: weighs findings of hip-region pain between spine, sacroiliac joint and hip. "
    "Not a diagnosis, not for emergencies, not for use by patients alone."
)


def capability_statement(*, address: str, base_url: str, version: str, date: str) -> dict[str, Any]:
    """The CapabilityStatement of this instance.

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
        "software": {"name": "HipSpine", "version": version},
        "implementation": {"description": "HipSpine assessment service", "url": address},
        "fhirVersion": FHIR_VERSION,
        "format": list(FORMATS),
        "rest": [
            {
                "mode": "server",
                "documentation": "Nothing that is sent here is stored. Answers are JSON only.",
                "security": {
                    "description": "No authentication yet: keep this service on loopback or behind a proxy that has it."
                },
                "resource": [_resource(offered, base_url) for offered in RESOURCE_TYPES],
                "operation": [_operation(operation, base_url) for operation in SYSTEM_OPERATIONS],
            }
        ],
    }


def _resource(offered: ResourceType, base_url: str) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": offered.name, "documentation": offered.documentation}
    if offered.interactions:
        entry["interaction"] = [{"code": code} for code in offered.interactions]
        entry["versioning"] = "no-version"
    if offered.search_parameters:
        entry["searchParam"] = [
            {"name": parameter.name, "type": parameter.type, "documentation": parameter.documentation}
            for parameter in offered.search_parameters
        ]
    if offered.operations:
        entry["operation"] = [_operation(operation, base_url) for operation in offered.operations]
    return entry


def _operation(operation: Operation, base_url: str) -> dict[str, Any]:
    return {
        "name": operation.name,
        "definition": operation.definition if "://" in operation.definition
        else f"{base_url}/OperationDefinition/{operation.definition}",
        "documentation": operation.documentation,
    }

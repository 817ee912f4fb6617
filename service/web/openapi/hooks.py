"""How the OpenAPI document describes CDS Hooks: discovery, services, feedback."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from service.web.openapi.parts import json_response, page_response, problem

Document = dict[str, Any]

_UUID = r"^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$"
_NAMES: Document = {"type": "array", "items": {"type": "object"}}


def discovery() -> Document:
    """GET of the list of services."""
    schema = {"type": "object", "required": ["services"], "properties": {"services": _NAMES}}
    return {
        "operationId": "cds-services",
        "tags": ["CDS Hooks"],
        "summary": "The services, with the hooks they answer and the prefetch they want",
        "responses": {"200": json_response("The services.", schema), "401": problem("401")},
    }


def call() -> Document:
    """POST of a hook to a service."""
    body = {
        "type": "object",
        "required": ["hook", "hookInstance", "context"],
        "properties": {
            "hook": {"type": "string", "minLength": 1},
            "hookInstance": {"type": "string", "pattern": _UUID},
            "fhirServer": {"type": "string"},
            "fhirAuthorization": {"type": "object"},
            "context": {"type": "object"},
            "prefetch": {"type": "object"},
        },
    }
    answer = {"type": "object", "required": ["cards"], "properties": {"cards": _NAMES, "systemActions": _NAMES}}
    return {
        "operationId": "cds-service",
        "tags": ["CDS Hooks"],
        "summary": "Cards for the patient of the context",
        "parameters": [_service_id()],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": json_response("The cards.", answer), **_refusals()},
    }


def feedback() -> Document:
    """POST of what became of cards."""
    body = {"type": "object", "required": ["feedback"], "properties": {"feedback": {**_NAMES, "minItems": 1}}}
    return {
        "operationId": "cds-feedback",
        "tags": ["CDS Hooks"],
        "summary": "What became of cards: accepted or overridden, and why",
        "parameters": [_service_id()],
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": json_response("It is recorded.", {}), **_refusals()},
    }


def _service_id() -> Document:
    return {
        "name": "service_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": r"^[A-Za-z0-9\-]{1,64}$"},
        "description": "The id of a service of the list.",
    }


def _refusals() -> dict[str, Document]:
    return {code: problem(code) for code in ("400", "401", "403", "404", "412", "413", "415", "422", "500", "503")}


def report() -> Document:
    """GET of what became of the cards, counted."""
    answer = json_response("The counts, or the page for a browser.", {"type": "object"})
    answer["content"] |= page_response("", "text/html")["content"]
    return {
        "operationId": "feedback-report",
        "tags": ["CDS Hooks"],
        "summary": "What became of cards: by service, by differential, by reason, over time",
        "responses": {"200": answer, **{code: problem(code) for code in ("401", "503")}},
    }


# Address -> method -> description.
HOOK_PAGES: Mapping[str, Mapping[str, Callable[[], Document]]] = {
    "/cds-services": {"GET": discovery},
    "/cds-services/{service_id}": {"POST": call},
    "/cds-services/{service_id}/feedback": {"POST": feedback},
    "/reports/feedback": {"GET": report},
}

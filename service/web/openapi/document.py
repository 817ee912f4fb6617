"""The OpenAPI 3.1 document of everything this server answers, written from its routes and the registry of FHIR types.

A route that nothing here describes is left out of the document and found by a test: whoever adds a route adds its description.
Bodies are described as far as JSON Schema goes without repeating the specification: the type, and the names an operation takes.
Source: https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from service.fhir.resource_types import RESOURCE_TYPES, SYSTEM_OPERATIONS
from service.web.address import FHIR_PATH
from service.web.openapi.hooks import HOOK_PAGES
from service.web.openapi.interactions import INTERACTIONS, history
from service.web.openapi.operations import operation_document
from service.web.openapi.parts import (
    body_of,
    components,
    fhir_response,
    path_parameter,
    problem,
    problems,
    query_parameter,
    reference,
)
from service.web.openapi.service import SERVICE_PAGES
from service.web.openapi.sources import Route, Sources

Document = dict[str, Any]
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")



def openapi_document(routes: Iterable[Route], sources: Sources, *, address: str) -> Document:
    """The document for the server at `address` (scheme and host as the client reached it)."""
    paths: dict[str, Document] = {}
    for route in sorted(routes, key=lambda one: one.path):
        for method in _methods(route):
            described = describe(route, method, sources)
            if described is not None:
                paths.setdefault(route.path, {})[method.lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "HipSpine",
            "version": sources.version,
            "summary": "Is this hip pain from the hip, the spine, the sacroiliac joint, or several at once?",
            "description": "FHIR R4 decision support for clinicians. Not a diagnosis, not for emergencies, not for use by "
            "patients alone. The CapabilityStatement at `/fhir/metadata` is the FHIR view of the same registry.",
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": address}],
        "tags": [{"name": name, "description": text} for name, text in _tags(paths)],
        "paths": paths,
        "components": components(sorted({offered.name for offered in RESOURCE_TYPES})),
    }


def undescribed(routes: Iterable[Route], sources: Sources) -> list[str]:
    """Method and address of whatever the document would leave out."""
    return [
        f"{method} {route.path}"
        for route in routes
        for method in _methods(route)
        if describe(route, method, sources) is None
    ]


def describe(route: Route, method: str, sources: Sources) -> Document | None:
    """The OpenAPI operation of one method of a route, None if nothing describes it."""
    path = route.path
    if path in _PLAIN:
        operation = _PLAIN[path].get(method)
        return None if operation is None else operation()
    if path != FHIR_PATH and not path.startswith(FHIR_PATH + "/"):
        return None
    described = _describe_fhir(path.removeprefix(FHIR_PATH).strip("/"), method, sources)
    if described is None:
        return None
    described["parameters"] = [
        *(path_parameter(name) for name in re.findall(r"{(\w+)}", path)),
        *described.get("parameters", []),
        *(reference("parameters", name) for name in ("_format", "_pretty", "X-Request-Id")),
    ]
    described["responses"] |= {code: problem(code) for code in ("400", "404", "406", "500") if code not in described["responses"]}
    if method in ("POST", "PUT", "PATCH"):
        described["responses"] |= {code: problem(code) for code in ("413", "415", "422")}
    return described


# --- FHIR --------------------------------------------------------------------------------------------------------


def _describe_fhir(path: str, method: str, sources: Sources) -> Document | None:
    segments = path.split("/") if path else []
    operation_name = segments[-1].removeprefix("$") if segments and segments[-1].startswith("$") else ""
    if not segments or segments[0] in _SYSTEM:
        return _system(segments, method, sources)
    if operation_name and len(segments) == 1:
        operation = next((one for one in SYSTEM_OPERATIONS if one.name == operation_name), None)
        return None if operation is None else operation_document(operation, None, "system", method, sources)
    offered = next((one for one in RESOURCE_TYPES if one.name == segments[0]), None)
    if offered is None:
        return None
    if operation_name:
        level = "instance" if len(segments) == 3 else "type"
        operation = next((one for one in offered.operations if one.name == operation_name), None)
        return None if operation is None else operation_document(operation, offered, level, method, sources)
    shape = "/".join("{}" if segment.startswith("{") else segment for segment in segments[1:])
    interaction = INTERACTIONS.get((shape, method))
    return None if interaction is None else interaction(offered, sources)


_SYSTEM = ("metadata", "_history")


def _system(segments: list[str], method: str, sources: Sources) -> Document | None:
    if segments == ["metadata"] and method == "GET":
        return {
            "operationId": "capabilities",
            "tags": ["System"],
            "summary": "What this server offers",
            "parameters": [query_parameter("mode", "`terminology`: the TerminologyCapabilities; or `full`, `normative`.")],
            "responses": {"200": fhir_response("Resource", "The CapabilityStatement, or the TerminologyCapabilities.")},
        }
    if segments == ["_history"] and method == "GET":
        return history("system-history", "System", "Every change of every resource, newest first")
    if not segments and method == "POST":
        return {
            "operationId": "transaction",
            "tags": ["System"],
            "summary": "Several interactions as one (transaction) or one after the other (batch)",
            "parameters": [reference("parameters", "Prefer")],
            "requestBody": body_of(["Bundle"], sources.examples),
            "responses": {
                "200": fhir_response("Bundle", "A Bundle of type transaction-response or batch-response."),
                **problems("409", "412"),
            },
        }
    return None


# --- everything else ---------------------------------------------------------------------------------------------

# Address -> method -> description, of what is not FHIR.
_PLAIN: Mapping[str, Mapping[str, Callable[[], Document]]] = {**SERVICE_PAGES, **HOOK_PAGES}


def _methods(route: Route) -> Iterator[str]:
    return (method for method in METHODS if method in route.methods)


def _tags(paths: Mapping[str, Document]) -> list[tuple[str, str]]:
    used = {tag for item in paths.values() for operation in item.values() for tag in operation["tags"]}
    known = [
        ("Operations", "FHIR operations: what this service is for."),
        ("CDS Hooks", "Cards for the clinician while a chart is open."),
        ("System", "The server as a whole."),
        ("Bulk export", "What is stored as files; asked for with $export."),
        *((offered.name, offered.documentation) for offered in RESOURCE_TYPES),
        ("Service", "For operators and for this page."),
    ]
    return [(name, text) for name, text in known if name in used]



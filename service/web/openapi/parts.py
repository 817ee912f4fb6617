"""The parts that every description of the OpenAPI document is put together from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from service.fhir.capability import FORMATS
from service.web.negotiation import ACCEPTED, FHIR_JSON

Document = dict[str, Any]

ID_PATTERN = r"^[A-Za-z0-9\-.]{1,64}$"

ETAG: Document = {
    "ETag": {"description": "The version, weak: `W/\"1\"`.", "schema": {"type": "string"}},
    "Last-Modified": {"description": "When that version was stored.", "schema": {"type": "string"}},
}
CONTENT_LOCATION: Document = {
    "Content-Location": {"description": "The address of the status.", "schema": {"type": "string"}}
}
LOCATION: Document = {"Location": {"description": "The address of that version.", "schema": {"type": "string"}}}

_REQUEST_ID: Document = {
    "X-Request-Id": {"description": "The id of the request, to quote in a report.", "schema": {"type": "string"}}
}
_PROBLEMS: Mapping[str, str] = {
    "400": "The request is malformed; every fault is listed with its place, the rule and the repair.",
    "401": "There is no valid token.",
    "403": "The token does not allow this.",
    "404": "There is nothing at this address.",
    "409": "The request is at odds with what is stored.",
    "410": "It was deleted.",
    "406": "The client takes no form of answer that this server gives.",
    "412": "A condition of the request does not hold.",
    "413": "The body is larger than this server accepts.",
    "415": "The body is in a form this server does not read.",
    "422": "The request is well formed but breaks a rule; every fault is listed with its place, the rule and the repair.",
    "500": "The service failed; the answer holds the request id.",
    "503": "The service cannot work at the moment.",
}
_HEADERS: Mapping[str, str] = {
    "If-Match": "Only if this is still the version: `W/\"1\"`.",
    "If-None-Match": "Only if this is no longer the version: `W/\"1\"`.",
    "If-Modified-Since": "Only if it changed since.",
    "If-None-Exist": "Only if no resource meets these search parameters.",
}


def components(types: Iterable[str]) -> Document:
    """The parts that are referred to by name: a schema for each FHIR type, parameters, refusals."""
    # Types that answers hold beside those the registry serves.
    others = ("Bundle", "CapabilityStatement", "OperationOutcome", "Parameters", "RiskAssessment")
    return {
        "schemas": {name: _resource_schema(name) for name in sorted({*types, *others})},
        "parameters": {
            "_format": {
                **query_parameter("_format", "The form of the answer. Outranks Accept."),
                "schema": {"enum": [*FORMATS, ""]},  # an empty one counts as left out
            },
            "_pretty": query_parameter("_pretty", "`true` indents the answer."),
            "Accept-Language": header_parameter("Accept-Language", "The language to word the answer in."),
            "Prefer": header_parameter(
                "Prefer",
                "`return=minimal`, `return=representation` or `return=OperationOutcome`; `handling=strict` or `lenient`.",
            ),
            "X-Request-Id": header_parameter("X-Request-Id", "An id of your own for this request; it is echoed and logged."),
        },
        "responses": {
            code: {
                "description": text,
                "headers": _REQUEST_ID,
                "content": {FHIR_JSON: {"schema": {"$ref": "#/components/schemas/OperationOutcome"}}},
            }
            for code, text in _PROBLEMS.items()
        },
    }


def _resource_schema(name: str) -> Document:
    schema: Document = {
        "type": "object",
        "title": name,
        "description": f"A FHIR R4 {name}.",
        "externalDocs": {"url": f"http://hl7.org/fhir/R4/{name.lower()}.html"},
        "properties": {"resourceType": {"const": name}},
        "required": ["resourceType"],
    }
    if name == "OperationOutcome":
        schema["properties"]["issue"] = {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "properties": {
                    "severity": {"enum": ["fatal", "error", "warning", "information"]},
                    "code": {"type": "string"},
                    "details": {"type": "object", "properties": {"text": {"type": "string"}}},
                    "diagnostics": {"type": "string"},
                    "expression": {"type": "array", "items": {"type": "string"}, "minItems": 1},
                },
                "required": ["severity", "code"],
            },
        }
        schema["required"] = ["resourceType", "issue"]
    if name == "Bundle":
        schema["properties"]["type"] = {"type": "string"}
        schema["properties"]["entry"] = {"type": "array", "minItems": 1, "items": {"type": "object"}}
        schema["required"] = ["resourceType", "type"]
    return schema


def fhir_response(name: str, description: str, *, headers: Mapping[str, Any] | None = None) -> Document:
    """A good answer that holds a resource of that type (``Resource``: of any)."""
    schema: Document = {"type": "object", "required": ["resourceType"]}
    if name != "Resource":
        schema = {"$ref": f"#/components/schemas/{name}"}
    content = {media: {"schema": schema} for media in (FHIR_JSON, "application/json")}
    return {"description": description, "headers": {**_REQUEST_ID, **(headers or {})}, "content": content}


def json_response(description: str, schema: Document) -> Document:
    """A good answer that is plain JSON."""
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def page_response(description: str, media: str) -> Document:
    """A good answer that is no JSON."""
    return {"description": description, "content": {media: {"schema": {"type": "string"}}}}


def problem(code: str) -> Document:
    """A refusal: an OperationOutcome, everywhere."""
    return reference("responses", code)


def reference(kind: str, name: str) -> Document:
    """A reference to a part by name."""
    return {"$ref": f"#/components/{kind}/{name}"}


def body_of(
    types: Sequence[str], examples: Mapping[str, Mapping[str, Any]], *, names: Sequence[str] = (), required: bool = True
) -> Document:
    """A request body that holds a resource of one of the types; `names` are those its Parameters may have."""
    options = [_parameters_schema(names) if name == "Parameters" and names else reference("schemas", name) for name in types]
    schema = options[0] if len(options) == 1 else {"anyOf": options}
    media: Document = {"schema": schema}
    shown = {name: {"value": examples[name]} for name in types if name in examples}
    if shown:
        media["examples"] = shown
    return {"required": required, "content": dict.fromkeys(ACCEPTED[:2], media)}


def _parameters_schema(names: Sequence[str]) -> Document:
    return {
        "allOf": [
            reference("schemas", "Parameters"),
            {
                "properties": {
                    "parameter": {
                        "type": "array",
                        "minItems": 1,
                        "items": {"type": "object", "required": ["name"], "properties": {"name": {"enum": list(names)}}},
                    }
                }
            },
        ]
    }


def path_parameter(name: str) -> Document:
    """An id in the address."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "pattern": ID_PATTERN},
        "description": "A FHIR id.",
    }


def query_parameter(name: str, description: str) -> Document:
    """A parameter of the address. Any text: what it must be is checked with the others, so that all faults come at once."""
    return {"name": name, "in": "query", "description": description, "schema": {"type": "string"}}


def header_parameter(name: str, description: str) -> Document:
    """A header of the request."""
    return {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}


def request_header(name: str) -> Document:
    """One of the conditional headers."""
    return header_parameter(name, _HEADERS[name])


def problems(*codes: str) -> dict[str, Document]:
    """Refusals, by status."""
    return {code: problem(code) for code in codes}

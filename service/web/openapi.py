"""The OpenAPI 3.1 document of everything this server answers, written from its routes and the registry of FHIR types.

A route that nothing here describes is left out of the document and found by a test: whoever adds a route adds its description.
Bodies are described as far as JSON Schema goes without repeating the specification: the type, and the names an operation takes.
Source: https://spec.openapis.org/oas/v3.1.0
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from typing import Any

from service.fhir.parameters import Input
from service.fhir.resource_types import RESOURCE_TYPES, SYSTEM_OPERATIONS, Operation, ResourceType
from service.fhir.wording import with_article
from service.records import dataclass
from service.web.openapi_hooks import HOOK_PAGES
from service.web.openapi_parts import (
    CONTENT_LOCATION,
    ETAG,
    LOCATION,
    body_of,
    components,
    fhir_response,
    path_parameter,
    problem,
    query_parameter,
    reference,
    request_header,
)
from service.web.openapi_service import SERVICE_PAGES

Document = dict[str, Any]
FHIR_PATH = "/fhir"
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")

_CONVERTER = re.compile(r"<(?:[^<>:]+:)?([^<>:]+)>")


@dataclass(frozen=True, slots=True)
class Route:
    """One address of the server as the router holds it (``/fhir/Patient/<fhir_id:resource_id>``), and its methods."""

    rule: str
    methods: frozenset[str]

    @property
    def path(self) -> str:
        """The address as OpenAPI writes it: ``/fhir/Patient/{resource_id}``."""
        return _CONVERTER.sub(r"{\1}", self.rule)


@dataclass(frozen=True, slots=True)
class Sources:
    """What the descriptions are written from.

    `definition_of` gives the OperationDefinition of an id or address, None for those of the standard; `inputs_of` what an
    operation of the standard takes, by type and name.
    """

    version: str
    definition_of: Callable[[str], Mapping[str, Any] | None]
    inputs_of: Callable[[str, str], Sequence[Input]]
    examples: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)  # by type of resource


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
        return None if operation is None else _operation(operation, None, "system", method, sources)
    offered = next((one for one in RESOURCE_TYPES if one.name == segments[0]), None)
    if offered is None:
        return None
    if operation_name:
        level = "instance" if len(segments) == 3 else "type"
        operation = next((one for one in offered.operations if one.name == operation_name), None)
        return None if operation is None else _operation(operation, offered, level, method, sources)
    shape = "/".join("{}" if segment.startswith("{") else segment for segment in segments[1:])
    interaction = _INTERACTIONS.get((shape, method))
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
        return _history("system-history", "System", "Every change of every resource, newest first")
    if not segments and method == "POST":
        return {
            "operationId": "transaction",
            "tags": ["System"],
            "summary": "Several interactions as one (transaction) or one after the other (batch)",
            "parameters": [reference("parameters", "Prefer")],
            "requestBody": body_of(["Bundle"], sources.examples),
            "responses": {
                "200": fhir_response("Bundle", "A Bundle of type transaction-response or batch-response."),
                **_problems("409", "412"),
            },
        }
    return None


def _operation(
    operation: Operation, offered: ResourceType | None, level: str, method: str, sources: Sources
) -> Document | None:
    if method not in operation.methods:
        return None
    place = offered.name if offered is not None else "system"
    definition = sources.definition_of(operation.definition) or {}
    results = [one for one in definition.get("parameter", ()) if one["use"] == "out"]
    single = len(results) == 1 and results[0]["name"] == "return" and results[0]["type"][:1].isupper()
    # A single result named return comes bare.
    result = results[0]["type"] if single else _RESULTS.get(operation.name, "Parameters")
    taken = _taken(operation, place, level, definition, sources)
    described: Document = {
        "operationId": f"{place}-{level}-{operation.name}-{method.lower()}",
        "tags": ["Operations"],
        "summary": definition.get("title") or operation.documentation,
        "description": f"{operation.documentation}\n\n{definition.get('comment', '')}".strip(),
        "externalDocs": {"url": definition.get("url", operation.definition), "description": "The OperationDefinition"},
        "parameters": [reference("parameters", "Accept-Language")],
        "responses": {"200": fhir_response(result, "The result.")},
    }
    if operation.name == "export":
        described["parameters"].append(reference("parameters", "Prefer"))
        described["responses"] = {"202": {"description": "It is under way; Content-Location says where to ask.",
                                          "headers": CONTENT_LOCATION}, **_problems("503")}
    if method == "GET":
        described["parameters"] += [query_parameter(one.name, one.text) for one in taken if one.kind[:1].islower()]
        return described
    # An instance is named by the address; only Parameters go with it.
    bare = sorted({one.kind for one in taken if one.kind in _BARE and level != "instance" and place in ("system", one.kind)})
    described["requestBody"] = body_of(
        ["Parameters", *bare, *([place] if operation.name == "validate" and place not in bare else [])],
        sources.examples,
        names=[one.name for one in taken],
        required=level != "instance" and operation.name not in _ASKED_WITHOUT_BODY,
    )
    return described


@dataclass(frozen=True, slots=True)
class _Taken:
    """One parameter of an operation: its name, its type, and what is said of it."""

    name: str
    kind: str
    text: str


def _taken(
    operation: Operation, place: str, level: str, definition: Mapping[str, Any], sources: Sources
) -> list[_Taken]:
    """What an operation takes: by its definition where that is ours, else by what the code reads."""
    if definition:
        return [
            _Taken(one["name"], one.get("type", "parts"), one.get("documentation", ""))
            for one in definition.get("parameter", ())
            if one["use"] == "in"
        ]
    return [
        _Taken(one.name, one.kind, "")
        for one in sources.inputs_of(place, operation.name)
        if not one.refused and not (level == "instance" and one.type_only)
    ]


# Operations that may be posted without a body: they need no parameter.
_ASKED_WITHOUT_BODY = frozenset({"topics", "status", "export"})
# What operations of others answer where that is not Parameters.
_RESULTS: Mapping[str, str] = {
    "everything": "Bundle",
    "expand": "ValueSet",
    "validate": "OperationOutcome",
    "status": "Bundle",
    "events": "Bundle",
}
# Types that an operation takes without Parameters around them.
_BARE = ("QuestionnaireResponse", "Observation", "Bundle")


def _read(offered: ResourceType, _: Sources) -> Document:
    return {
        "operationId": f"{offered.name}-read",
        "tags": [offered.name],
        "summary": f"Read {with_article(offered.name)}",
        "parameters": [request_header("If-None-Match"), request_header("If-Modified-Since")],
        "responses": {
            "200": fhir_response(offered.name, "The newest version.", headers=ETAG),
            "304": {"description": "It is the version the client has."},
            **_problems("410"),
        },
    }


def _vread(offered: ResourceType, _: Sources) -> Document:
    return {
        "operationId": f"{offered.name}-vread",
        "tags": [offered.name],
        "summary": f"Read one version of {with_article(offered.name)}",
        "responses": {
            "200": fhir_response(offered.name, "That version.", headers=ETAG),
            "304": {"description": "It is the version the client has."},
            **_problems("410"),
        },
    }


def _search(offered: ResourceType, _: Sources) -> Document:
    return {
        "operationId": f"{offered.name}-search",
        "tags": [offered.name],
        "summary": f"Search {offered.name}",
        "description": offered.documentation,
        "parameters": [
            *(query_parameter(one.name, one.documentation) for one in offered.search_parameters),
            reference("parameters", "Prefer"),
        ],
        "responses": {"200": fhir_response("Bundle", "A Bundle of type searchset.")},
    }


def _search_by_post(offered: ResourceType, _: Sources) -> Document:
    return {
        "operationId": f"{offered.name}-search-by-post",
        "tags": [offered.name],
        "summary": f"Search {offered.name}, the parameters in the body",
        "parameters": [reference("parameters", "Prefer")],
        "requestBody": {
            "required": False,
            "content": {
                "application/x-www-form-urlencoded": {
                    "schema": {
                        "type": "object",
                        "properties": {
                            one.name: {"type": "string", "description": one.documentation} for one in offered.search_parameters
                        },
                        "additionalProperties": {"type": "string"},
                    }
                }
            },
        },
        "responses": {"200": fhir_response("Bundle", "A Bundle of type searchset.")},
    }


def _create(offered: ResourceType, sources: Sources) -> Document:
    return {
        "operationId": f"{offered.name}-create",
        "tags": [offered.name],
        "summary": f"Create {with_article(offered.name)}",
        "parameters": [reference("parameters", "Prefer"), request_header("If-None-Exist")],
        "requestBody": body_of([offered.name], sources.examples),
        "responses": {
            "200": fhir_response(offered.name, "One that meets If-None-Exist is there already.", headers={**ETAG, **LOCATION}),
            "201": fhir_response(offered.name, "It is stored.", headers={**ETAG, **LOCATION}),
            **_problems("409", "412"),
        },
    }


def _update(conditional: bool) -> Callable[[ResourceType, Sources], Document]:
    def described(offered: ResourceType, sources: Sources) -> Document:
        return {
            "operationId": f"{offered.name}-{'conditional-' if conditional else ''}update",
            "tags": [offered.name],
            "summary": f"Update {_which(offered, conditional)}",
            "parameters": [
                reference("parameters", "Prefer"),
                request_header("If-Match"),
                *((query_parameter(one.name, one.documentation) for one in offered.search_parameters) if conditional else ()),
            ],
            "requestBody": body_of([offered.name], sources.examples),
            "responses": {
                "200": fhir_response(offered.name, "The new version.", headers={**ETAG, **LOCATION}),
                "201": fhir_response(offered.name, "It did not exist and is stored.", headers={**ETAG, **LOCATION}),
                **_problems("409", "412"),
            },
        }

    return described


def _delete(conditional: bool) -> Callable[[ResourceType, Sources], Document]:
    def described(offered: ResourceType, _: Sources) -> Document:
        return {
            "operationId": f"{offered.name}-{'conditional-' if conditional else ''}delete",
            "tags": [offered.name],
            "summary": f"Delete {_which(offered, conditional)}",
            "parameters": [
                request_header("If-Match"),
                *((query_parameter(one.name, one.documentation) for one in offered.search_parameters) if conditional else ()),
            ],
            "responses": {
                "200": fhir_response("OperationOutcome", "It is deleted."),
                "204": {"description": "It is deleted, or was never there."},
                **_problems("409", "412"),
            },
        }

    return described


def _which(offered: ResourceType, conditional: bool) -> str:
    return f"the {offered.name} that meets the parameters" if conditional else with_article(offered.name)


def _history(operation_id: str, tag: str, summary: str) -> Document:
    return {
        "operationId": operation_id,
        "tags": [tag],
        "summary": summary,
        "parameters": [
            query_parameter("_count", "How many versions a page holds."),
            query_parameter("_since", "Only versions from this instant on."),
        ],
        "responses": {"200": fhir_response("Bundle", "A Bundle of type history."), **_problems("410")},
    }


# What follows the type in the address ({} for an id), and the method -> the description.
_INTERACTIONS: Mapping[tuple[str, str], Callable[[ResourceType, Sources], Document]] = {
    ("", "GET"): _search,
    ("", "POST"): _create,
    ("", "PUT"): _update(True),
    ("", "DELETE"): _delete(True),
    ("_search", "POST"): _search_by_post,
    ("_history", "GET"): lambda offered, _: _history(f"{offered.name}-type-history", offered.name, "Every change of every one"),
    ("{}", "GET"): _read,
    ("{}", "PUT"): _update(False),
    ("{}", "DELETE"): _delete(False),
    ("{}/_history", "GET"): lambda offered, _: _history(f"{offered.name}-history", offered.name, "Every version of one"),
    ("{}/_history/{}", "GET"): _vread,
}


# --- everything else ---------------------------------------------------------------------------------------------

# Address -> method -> description, of what is not FHIR.
_PLAIN: Mapping[str, Mapping[str, Callable[[], Document]]] = {**SERVICE_PAGES, **HOOK_PAGES}


def _methods(route: Route) -> Iterator[str]:
    return (method for method in METHODS if method in route.methods)


def _problems(*codes: str) -> dict[str, Document]:
    return {code: problem(code) for code in codes}


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



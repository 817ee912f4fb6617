"""How the OpenAPI document describes operations: ours by their definitions, those of others by what is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from service.fhir.resource_types import Operation, ResourceType
from service.records import dataclass
from service.web.openapi.parts import CONTENT_LOCATION, body_of, fhir_response, problems, query_parameter, reference
from service.web.openapi.sources import Sources

Document = dict[str, Any]


def operation_document(
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
                                          "headers": CONTENT_LOCATION}, **problems("503")}
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

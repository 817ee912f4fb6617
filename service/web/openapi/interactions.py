"""How the OpenAPI document describes the interactions of R4 with a type: read, search, create, update, delete, history."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from service.fhir.resource_types import ResourceType
from service.fhir.wording import with_article
from service.web.openapi.parts import (
    ETAG,
    LOCATION,
    body_of,
    fhir_response,
    problems,
    query_parameter,
    reference,
    request_header,
)
from service.web.openapi.sources import Sources

Document = dict[str, Any]
Described = Callable[[ResourceType, Sources], Document]


def _read(version: bool) -> Described:
    def described(offered: ResourceType, _: Sources) -> Document:
        asked = [] if version else [request_header("If-None-Match"), request_header("If-Modified-Since")]
        return {
            "operationId": f"{offered.name}-{'v' if version else ''}read",
            "tags": [offered.name],
            "summary": f"Read {'one version of ' if version else ''}{with_article(offered.name)}",
            **({"parameters": asked} if asked else {}),
            "responses": {
                "200": fhir_response(offered.name, "That version." if version else "The newest version.", headers=ETAG),
                "304": {"description": "It is the version the client has."},
                **problems("410"),
            },
        }

    return described


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
            **problems("409", "412"),
        },
    }


def _update(conditional: bool) -> Described:
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
                **problems("409", "412"),
            },
        }

    return described


def _delete(conditional: bool) -> Described:
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
                **problems("409", "412"),
            },
        }

    return described


def _which(offered: ResourceType, conditional: bool) -> str:
    return f"the {offered.name} that meets the parameters" if conditional else with_article(offered.name)


def history(operation_id: str, tag: str, summary: str) -> Document:
    return {
        "operationId": operation_id,
        "tags": [tag],
        "summary": summary,
        "parameters": [
            query_parameter("_count", "How many versions a page holds."),
            query_parameter("_since", "Only versions from this instant on."),
        ],
        "responses": {"200": fhir_response("Bundle", "A Bundle of type history."), **problems("410")},
    }


# What follows the type in the address ({} for an id), and the method -> the description.
INTERACTIONS: Mapping[tuple[str, str], Described] = {
    ("", "GET"): _search,
    ("", "POST"): _create,
    ("", "PUT"): _update(True),
    ("", "DELETE"): _delete(True),
    ("_search", "POST"): _search_by_post,
    ("_history", "GET"): lambda offered, _: history(f"{offered.name}-type-history", offered.name, "Every change of every one"),
    ("{}", "GET"): _read(False),
    ("{}", "PUT"): _update(False),
    ("{}", "DELETE"): _delete(False),
    ("{}/_history", "GET"): lambda offered, _: history(f"{offered.name}-history", offered.name, "Every version of one"),
    ("{}/_history/{}", "GET"): _read(True),
}

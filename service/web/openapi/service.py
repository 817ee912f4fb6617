"""How the OpenAPI document describes what is neither FHIR nor a hook: health, pages, the package."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from service.web.openapi.parts import json_response, page_response, path_parameter, problem

Document = dict[str, Any]

def _health(name: str, summary: str, *, may_fail: bool = False) -> Callable[[], Document]:
    def described() -> Document:
        answers = {"200": json_response(summary, {"type": "object", "required": ["status"], "properties": _HEALTH})}
        return {
            "operationId": name,
            "tags": ["Service"],
            "summary": summary,
            "responses": answers | ({"503": problem("503")} if may_fail else {}),
        }

    return described


_HEALTH = {"status": {"type": "string"}, "version": {"type": "string"}, "knowledge": {"type": "string"}}

# Address -> method -> description.
SERVICE_PAGES: Mapping[str, Mapping[str, Callable[[], Document]]] = {
    "/healthz": {"GET": _health("healthz", "The process answers")},
    "/readyz": {"GET": _health("readyz", "The service is ready for requests", may_fail=True)},
    "/openapi.json": {
        "GET": lambda: {
            "operationId": "openapi",
            "tags": ["Service"],
            "summary": "This document",
            "responses": {"200": json_response("This document.", {"type": "object", "required": ["openapi", "paths"]})},
        }
    },
    "/bulk/{job_id}": {
        "GET": lambda: {
            "operationId": "bulk-status",
            "tags": ["Bulk export"],
            "summary": "How far an export is; the manifest once it is done",
            "parameters": [path_parameter("job_id")],
            "responses": {
                "200": json_response("The manifest.", {"type": "object", "required": ["transactionTime", "output"]}),
                "202": {"description": "It is not done; X-Progress says how far it is, Retry-After when to ask again."},
                **{code: problem(code) for code in ("404", "500")},
            },
        },
        "DELETE": lambda: {
            "operationId": "bulk-cancel",
            "tags": ["Bulk export"],
            "summary": "Cancel an export, or remove its files",
            "parameters": [path_parameter("job_id")],
            "responses": {"202": {"description": "It is gone."}, "404": problem("404")},
        },
    },
    "/bulk/{job_id}/{name}": {
        "GET": lambda: {
            "operationId": "bulk-file",
            "tags": ["Bulk export"],
            "summary": "A file of an export: one resource per line",
            "parameters": [path_parameter("job_id"), path_parameter("name")],
            "responses": {
                "200": page_response("The file.", "application/fhir+ndjson"),
                "206": page_response("The part of it that was asked for.", "application/fhir+ndjson"),
                "404": problem("404"),
            },
        }
    },
    "/": {
        "GET": lambda: {
            "operationId": "front",
            "tags": ["Service"],
            "summary": "What is where; browsers are led to the page",
            "responses": {
                "200": json_response("The places.", {"type": "object", "required": ["service", "version", "places"]}),
                "303": {"description": "To the page, for who prefers text/html."},
                "406": problem("406"),
            },
        }
    },
    "/favicon.ico": {
        "GET": lambda: {
            "operationId": "favicon",
            "tags": ["Service"],
            "summary": "The picture in the tab of a browser",
            "responses": {"200": page_response("The picture.", "image/vnd.microsoft.icon")},
        }
    },
    "/docs/": {
        "GET": lambda: {
            "operationId": "docs",
            "tags": ["Service"],
            "summary": "This document as an interactive page",
            "responses": {"200": page_response("The page.", "text/html")},
        }
    },
    "/package.tgz": {
        "GET": lambda: {
            "operationId": "package",
            "tags": ["Service"],
            "summary": "The profiles and definitions as a FHIR package",
            "responses": {"200": page_response("The package.", "application/gzip")},
        }
    },
    "/docs/{path}": {
        "GET": lambda: {
            "operationId": "docs-file",
            "tags": ["Service"],
            "summary": "A script, style or picture of the page",
            "parameters": [
                {"name": "path", "in": "path", "required": True, "schema": {"enum": ["swagger-ui.css", "swagger-ui-bundle.js"]}}
            ],
            "responses": {"200": page_response("The file.", "*/*"), "404": problem("404")},
        }
    },
    "/profiles/": {"GET": lambda: _definition_page("profiles", "Every definition, to read in a browser", ())},
    "/profiles/{type_name}/{resource_id}": {
        "GET": lambda: _definition_page("profile", "One definition, to read in a browser", ("type_name", "resource_id"))
    },
    "/profiles/examples/{type_name}/{resource_id}": {
        "GET": lambda: _definition_page("profile-example", "One example, to read in a browser", ("type_name", "resource_id"))
    },
}


def _definition_page(name: str, summary: str, parts: tuple[str, ...]) -> Document:
    described: Document = {
        "operationId": name,
        "tags": ["Service"],
        "summary": summary,
        "responses": {"200": page_response("The page.", "text/html")},
    }
    if parts:
        described["parameters"] = [
            {"name": part, "in": "path", "required": True, "schema": {"type": "string", "pattern": r"^[A-Za-z0-9\-.]{1,64}$"}}
            for part in parts
        ]
        described["responses"]["404"] = problem("404")
    return described

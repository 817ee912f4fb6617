"""/openapi.json, and the same as an interactive page at /docs whose scripts come from this server: it works offline."""

from __future__ import annotations

from collections.abc import Iterator

from flask import Blueprint, Flask, Response, current_app, request
from flask_swagger_ui import get_swaggerui_blueprint

from service.fhir.r4 import serialise
from service.web.openapi import FHIR_PATH, Route, Sources, openapi_document

DOCUMENT_PATH = "/openapi.json"
PAGE_PATH = "/docs"


def install_docs(app: Flask, sources: Sources, *, public_url: str | None) -> None:
    """Add the document and the page to `app`. The document is written from the routes of the app when it is asked for.

    `public_url` is the FHIR base as clients reach it, None where requests tell.
    """
    app.extensions["hipspine-openapi"] = sources
    blueprint = Blueprint("openapi", __name__)

    @blueprint.get(DOCUMENT_PATH)
    def openapi() -> Response:
        address = public_url.removesuffix(FHIR_PATH) if public_url else request.host_url.rstrip("/")
        document = openapi_document(routes_of(current_app), sources, address=address)
        # Not jsonify: it sorts the members, and the order is the order in which a reader meets them.
        return Response(serialise(document), content_type="application/json")

    app.register_blueprint(blueprint)
    page = get_swaggerui_blueprint(
        PAGE_PATH,
        # Relative, so that the page also finds it behind a proxy that adds a prefix.
        f"..{DOCUMENT_PATH}",
        config={
            "app_name": "HipSpine",
            "validatorUrl": None,  # else the page asks a validator on the internet about the document
            "oauth2RedirectUrl": "oauth2-redirect.html",  # else the Host header of the request is written into the page
            "layout": "BaseLayout",  # without the bar that offers to explore other documents
            "docExpansion": "none",
            "defaultModelsExpandDepth": 0,
        },
    )
    app.register_blueprint(page)


def routes_of(app: Flask) -> Iterator[Route]:
    """Every address of the application with its methods, except those that only exist to refuse."""
    methods: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        methods.setdefault(rule.rule, set()).update((rule.methods or set()) - {"HEAD", "OPTIONS"})
    return (Route(rule, frozenset(found)) for rule, found in methods.items() if found)

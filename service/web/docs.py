"""/openapi.json, and the same as an interactive page at /docs whose scripts come from this server: it works offline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import quote

from flask import Blueprint, Flask, Response, current_app, request
from flask_swagger_ui import get_swaggerui_blueprint

from service.fhir.r4 import serialise
from service.web.openapi.sources import Route, Sources

DOCUMENT_PATH = "/openapi.json"
PAGE_PATH = "/docs"


def install_docs(app: Flask, sources: Sources, *, address: Callable[[], str]) -> None:
    """Add the document and the page to `app`. The document is written from the routes of the app when it is asked for.

    `address` gives that of the service as clients reach it.
    """
    app.extensions["hipspine-openapi"] = sources
    blueprint = Blueprint("openapi", __name__)

    @blueprint.get(DOCUMENT_PATH)
    def openapi() -> Response:
        from service.web.openapi.document import openapi_document  # six modules of text that a start can do without

        document = openapi_document(routes_of(current_app), sources, address=address())
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
    page.after_request(_below_prefix)
    app.register_blueprint(page)


def _below_prefix(response: Response) -> Response:
    """The page with its addresses below the prefix that a proxy has put in front, if there is one; the library knows of none."""
    if request.script_root and response.mimetype == "text/html" and not response.direct_passthrough:
        outer = f'"{quote(request.script_root)}'.encode()
        page = response.get_data().replace(f'"{PAGE_PATH}/'.encode(), outer + f"{PAGE_PATH}/".encode())
        response.set_data(page.replace(f'"..{DOCUMENT_PATH}"'.encode(), outer + f'{DOCUMENT_PATH}"'.encode()))
    return response


def routes_of(app: Flask) -> Iterator[Route]:
    """Every address of the application with its methods, except those that only exist to refuse."""
    methods: dict[str, set[str]] = {}
    for rule in app.url_map.iter_rules():
        methods.setdefault(rule.rule, set()).update((rule.methods or set()) - {"HEAD", "OPTIONS"})
    return (Route(rule, frozenset(found)) for rule, found in methods.items() if found)

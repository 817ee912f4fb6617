"""The front door: whoever comes without an address is led to what there is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from flask import Blueprint, Response, request, send_file

from service.web.address import FHIR_PATH
from service.web.cds_hooks import HOOKS_PATH
from service.web.docs import DOCUMENT_PATH, PAGE_PATH
from service.web.negotiation import wants_page
from service.web.responses import json_response

# What the front door names, with its place; those of stored things only where something is stored.
PLACES = {
    "fhir": FHIR_PATH,
    "capabilities": f"{FHIR_PATH}/metadata",
    "assess": f"{FHIR_PATH}/$assess",
    "form": f"{FHIR_PATH}/Questionnaire/hip-spine-intake",
    "hooks": HOOKS_PATH,
    "documentation": f"{PAGE_PATH}/",
    "openapi": DOCUMENT_PATH,
    "profiles": "/profiles/",
    "package": "/package.tgz",
    "health": "/healthz",
    "ready": "/readyz",
}


def front_blueprint(*, version: str, address: Callable[[], str]) -> Blueprint:
    """/: a list of places for programs, the documentation for browsers. `address` gives that of the service."""
    blueprint = Blueprint("front", __name__)

    @blueprint.get("/")
    def front() -> Response:
        if wants_page(request.headers.get("Accept")):
            response = Response(status=303)
            response.headers["Location"] = f"{PAGE_PATH.strip('/')}/"  # relative: a proxy may have put a prefix in front
            response.autocorrect_location_header = False
        else:
            response = json_response(
                {
                    "service": "HipSpine",
                    "version": version,
                    "about": "FHIR R4 decision support for clinicians: is this hip pain from the hip, the spine, or both?",
                    "places": {name: address() + path for name, path in PLACES.items()},
                }
            )
        response.vary.add("Accept")
        return response

    @blueprint.get("/favicon.ico")
    def favicon() -> Response:
        return send_file(Path(__file__).with_name("favicon.ico"), mimetype="image/vnd.microsoft.icon", max_age=86_400)

    return blueprint

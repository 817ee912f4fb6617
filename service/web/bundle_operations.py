"""Operations called by an entry of a batch: each is carried out as a request of its own would be, and answered in its entry.

Whatever a request goes through (its route, its checks, its errors, its audit event) the entry goes through as well; nothing about
operations is said a second time here.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

from flask import Flask, Response, g, request

from service.fhir.r4 import read_stored, serialise
from service.interactions.results import Answered
from service.web.address import FHIR_PATH
from service.web.requests import HEADER

Resource = dict[str, Any]

FHIR_JSON = "application/fhir+json"
# Of the headers of the batch only these are about each entry too; its conditions and preferences are about the whole.
_KEPT = ("HTTP_HOST", "HTTP_AUTHORIZATION", "HTTP_ACCEPT_LANGUAGE")


def operation_runner(app: Flask) -> Callable[[str, str, Resource | None], Answered]:
    """What carries out an operation: from method, address below the base and body to its answer."""

    def run(method: str, url: str, resource: Resource | None) -> Answered:
        environ = _environ(method, url, b"" if resource is None else serialise(resource))
        with app.app_context(), app.request_context(environ):  # a context, so that the request has a `g` of its own
            return _answered(app.full_dispatch_request())

    return run


def _environ(method: str, url: str, body: bytes) -> dict[str, Any]:
    """The WSGI environment of the batch, as it would be for a request of the operation alone."""
    path, _, query = url.lstrip("/").partition("?")
    # What a trusted proxy changed stays with it: the check of the host asks for what was sent.
    left_out = ("HTTP_", "werkzeug.request", "flask.")
    environ = {name: value for name, value in request.environ.items() if not name.startswith(left_out)}
    environ |= {name: request.environ[name] for name in _KEPT if name in request.environ}
    return environ | {
        "REQUEST_METHOD": method,
        "PATH_INFO": f"{FHIR_PATH}/{path}",
        "QUERY_STRING": query,
        "CONTENT_TYPE": FHIR_JSON,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_ACCEPT": FHIR_JSON,
        f"HTTP_{HEADER.upper().replace('-', '_')}": g.request_id,
        "wsgi.input": io.BytesIO(body),
    }


def _answered(response: Response) -> Answered:
    body = response.get_data()
    resource = read_stored(body) if body and (response.mimetype or "").endswith("json") else None
    return Answered(response.status_code, resource, response.headers.get("Location", ""))

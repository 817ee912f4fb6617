"""The FHIR package as a download. Not FHIR itself, so it stands beside the FHIR base."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache

from flask import Blueprint, Response, request

PATH = "/package.tgz"


def package_blueprint(build: Callable[[], bytes], *, file_name: str) -> Blueprint:
    """/package.tgz: built when it is first asked for, then kept; a caller that has it is told so (304)."""
    blueprint = Blueprint("package", __name__)

    @cache
    def built() -> tuple[bytes, str]:
        content = build()
        return content, hashlib.sha256(content).hexdigest()

    @blueprint.get(PATH)
    def package() -> Response:
        content, digest = built()
        response = Response(content, content_type="application/gzip")
        response.headers["Content-Disposition"] = f'attachment; filename="{file_name}"'
        response.set_etag(digest)
        response.make_conditional(request)  # in place: 304 without a body where the caller has it
        return response

    return blueprint

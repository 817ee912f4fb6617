"""Liveness and readiness, for orchestrators. Plain JSON, no negotiation."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify

from service.errors import Unavailable
from service.storage.store import ResourceStore

HEALTH_PATHS = frozenset({"/healthz", "/readyz"})


def health_blueprint(*, version: str, knowledge_version: str, store: ResourceStore | None) -> Blueprint:
    """/healthz: the process answers. /readyz: the tables are loaded, the first assessment is made, and the database answers."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok", version=version)

    @blueprint.get("/readyz")
    def readyz() -> Response:
        # The application exists only once it is loaded and warm: what may be missing is the database.
        try:
            if store is not None:
                store.check()
        except Unavailable:
            answer = jsonify(status="unavailable", reason="The database does not answer.", version=version)
            answer.status_code = 503
            return answer
        return jsonify(status="ready", version=version, knowledge=knowledge_version)

    return blueprint

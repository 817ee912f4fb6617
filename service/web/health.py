"""Liveness and readiness, for orchestrators. Plain JSON, no negotiation."""

from __future__ import annotations

from flask import Blueprint, Response, jsonify


def health_blueprint(*, version: str, knowledge_version: str) -> Blueprint:
    """/healthz: the process answers. /readyz: the tables are loaded and the first assessment has been made."""
    blueprint = Blueprint("health", __name__)

    @blueprint.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="ok", version=version)

    @blueprint.get("/readyz")
    def readyz() -> Response:
        # The application exists only once it is loaded and warm, so being asked is being ready.
        return jsonify(status="ready", version=version, knowledge=knowledge_version)

    return blueprint

"""Feedback on cards taken in, and the report on it: JSON for machines, a page for people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from flask import Blueprint, Flask, Response, jsonify, render_template, request

from service.fhir import r4
from service.fhir.json_text import read_json
from service.hooks.feedback import TOO_FEW, as_json, read_feedback, report
from service.hooks.run import HookParts
from service.storage.hook_records import HookRecords
from service.web.address import HOOKS_PATH
from service.web.cds_hooks import Authenticate, HookAddress, unknown_service
from service.web.hook_audit import note
from service.web.negotiation import check_body_media_type, wants_page

REPORT_PATH = "/reports/feedback"
# The page brings its own style and runs nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def install_feedback_routes(
    app: Flask,
    *,
    parts: HookParts,
    records: HookRecords,
    authenticate: Authenticate,
    address: HookAddress,
    at: Callable[[], str],
    reports_open: bool,
    now: Callable[[], datetime],
) -> None:
    """Add the feedback endpoint and the report to `app`. Only where something is stored: what is answered 200 is kept.

    `address` gives the addresses of hooks, `at` that of the service.
    """
    blueprint = Blueprint("feedback", __name__, template_folder="templates")

    @blueprint.post(f"{HOOKS_PATH}/<service_id>/feedback")
    def feedback(service_id: str) -> Response:
        # Record systems differ in which of the two addresses they sign for.
        addresses = (address(f"/{service_id}"), address(f"/{service_id}/feedback"))
        note(client=authenticate(request.headers.get("Authorization"), *addresses))
        if not parts.services.with_id(service_id):
            raise unknown_service()
        check_body_media_type(
            request.headers.get("Content-Type"), request.headers.get("Content-Encoding"), wanted="application/json"
        )
        body = read_json(request.get_data(cache=False), parts.limits)
        given = read_feedback(body, service_id, now=now())
        note(cards=tuple(dict.fromkeys(one.card for one in given)))
        records.add(given, now())
        return Response(r4.serialise({}), 200, content_type="application/json; charset=utf-8")

    @blueprint.get(REPORT_PATH)
    def feedback_report() -> Response:
        wanted_as_page = wants_page(request.headers.get("Accept"))
        if not reports_open:
            authenticate(request.headers.get("Authorization"), at() + REPORT_PATH)
        found = report(records.counts(), records.cards_shown(), label=labels(parts))
        if not wanted_as_page:
            response = jsonify(as_json(found, generated=now()))
        else:
            page = render_template("feedback.html", report=found, too_few=TOO_FEW, generated=now())
            response = Response(page, content_type="text/html; charset=utf-8")
            response.headers["Content-Security-Policy"] = POLICY
        response.vary.add("Accept")
        return response

    app.register_blueprint(blueprint)


def labels(parts: HookParts) -> Callable[[str, str], str]:
    """Words for what a report counts by."""
    vocabulary = parts.assessment.vocabulary
    system = vocabulary.terminology.system("override-reason")

    def label(kind: str, key: str) -> str:
        if kind == "differential":
            return vocabulary.called("source-pattern", key) if key else "none named"
        if kind == "topic":
            return vocabulary.texts(f"card-topic-{key}") if key else "not remembered"
        if kind == "reason":
            own, _, code = key.rpartition("|")
            if own == system and f"override-reason-{code}" in vocabulary.texts:
                return vocabulary.texts(f"override-reason-{code}")
            return "a reason of the record system's own" if key else "no reason given"
        return key

    return label

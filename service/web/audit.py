"""Every REST call leaves an AuditEvent, made from the route, the status and the references of the answer."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl

from flask import Flask, Response, g, request

from service.fhir.audit import Call, audit_event
from service.web.address import FHIR_PATH

_SUBJECT = re.compile(rb'"(?:subject|patient)":\{[^{}]*"reference":"(Patient/[A-Za-z0-9\-.]{1,64})')
_HEAD = 20_000  # bytes of an answer that are looked at for its patient: it stands near the beginning
_LONGEST_FORM = 20_000  # bytes: far more than an address could hold
_PATIENT_PARAMETERS = ("patient", "subject", "subject:Patient", "patient:Patient")
_BY_METHOD = {"GET": "read", "HEAD": "read", "PUT": "update", "DELETE": "delete", "POST": "create", "PATCH": "update"}


def install_audit(
    app: Flask, record: Callable[[dict[str, Any]], None], *, address: Callable[[], str], now: Callable[[], datetime]
) -> None:
    """Have each call below /fhir that has a route recorded."""

    @app.after_request
    def audit(response: Response) -> Response:
        rule = request.url_rule.rule if request.url_rule is not None else ""
        if rule.startswith(FHIR_PATH) and request.method != "OPTIONS":
            record(audit_event(_call(rule, response, address(), now())))
        return response


def _call(rule: str, response: Response, address: str, recorded: datetime) -> Call:
    segments = [part for part in rule.removeprefix(FHIR_PATH).split("/") if part]
    kind = segments[0] if segments and segments[0][:1].isupper() else ""
    arguments = request.view_args or {}
    resource_id = arguments.get("resource_id", "")
    interaction = interaction_of(segments, request.method)
    target = f"{kind}/{resource_id}" if kind and resource_id else _created(response)
    asked = interaction == "search-type" or (interaction == "operation" and request.method == "GET")
    return Call(
        interaction=interaction,
        status=response.status_code,
        recorded=recorded,
        request_id=g.request_id,
        caller=request.remote_addr or "unknown",
        server=address,
        target=target,
        patient=target if target.startswith("Patient/") else _patient(response),
        query=_asked(address) if asked else "",
        operation=segments[-1].removeprefix("$") if interaction == "operation" else "",
    )


def _asked(address: str) -> str:
    """What was asked as it arrived: method and address, and after an empty line the form of a search by POST."""
    line = f"{request.method} {address}{request.full_path.removeprefix(FHIR_PATH).rstrip('?')}"
    form = g.get("form", b"")[:_LONGEST_FORM].decode("utf-8", "replace")
    return f"{line}\n\n{form}" if form else line


def interaction_of(segments: list[str], method: str) -> str:
    """The interaction of R4 that a method of a route is; `segments` are those of the route after the base."""
    last = segments[-1] if segments else ""
    if last.startswith("$"):
        return "operation"
    if not segments:
        return "transaction"
    if last == "metadata":
        return "capabilities"
    if last == "_search" or (len(segments) == 1 and method in ("GET", "HEAD") and last != "_history"):
        return "search-type"
    if last == "_history":
        return {1: "history-system", 2: "history-type"}.get(len(segments), "history-instance")
    if "_history" in segments:
        return "vread"
    return _BY_METHOD[method]


def _created(response: Response) -> str:
    location = response.headers.get("Location", "")
    found = re.search(r"/([A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64})(/_history/|$)", location)
    return found[1] if found else ""


def _patient(response: Response) -> str:
    asked = {**dict(parse_qsl(g.get("form", b"")[:_LONGEST_FORM].decode("utf-8", "replace"))), **request.args}
    for name in _PATIENT_PARAMETERS:
        value = asked.get(name, "")
        if value and "," not in value and ":" not in value:
            return value if "/" in value else f"Patient/{value}"
    if response.is_streamed or response.direct_passthrough or not (response.mimetype or "").endswith("json"):
        return ""
    found = _SUBJECT.search(response.get_data()[:_HEAD])
    return found[1].decode() if found else ""

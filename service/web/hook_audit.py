"""Every hook call and every message of feedback leaves an AuditEvent, as every REST call does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from flask import Flask, Response, g, request

from service.fhir.audit import Call
from service.fhir.hook_audit import HookTrace, hook_audit_event
from service.hooks.registry import HookService
from service.hooks.request import HookRequest
from service.web.address import HOOKS_PATH

_FHIR_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_USER = re.compile(r"(Practitioner|PractitionerRole|Patient|RelatedPerson)/[A-Za-z0-9\-._]{1,255}")


def install_hook_audit(
    app: Flask, record: Callable[[dict[str, Any]], None], *, address: Callable[[str], str], now: Callable[[], datetime]
) -> None:
    """Have each call of a hook and of its feedback recorded, refused ones too. Discovery says nothing of anybody.

    `address` makes the address of a path below /cds-services as clients reach it.
    """

    @app.after_request
    def audit(response: Response) -> Response:
        rule = request.url_rule.rule if request.url_rule is not None else ""
        if request.method == "POST" and rule.startswith(f"{HOOKS_PATH}/"):
            record(_event(response.status_code, address, now()))
        return response


def note(**known: Any) -> None:
    """Keep for the AuditEvent of this request what has become known (fields of HookTrace)."""
    g.hook_trace = replace(g.get("hook_trace") or HookTrace(), **known)


def note_request(service: HookService, called: HookRequest) -> None:
    """Keep who asks for advice on whom, and which data came with the call."""
    user = called.context.get("userId")
    note(
        user=user if isinstance(user, str) and _USER.fullmatch(user) else "",
        patient=called.patient_id,
        server=(called.server or "").rstrip("/"),
        sent=tuple(one.key for one in service.prefetch if called.prefetch.get(one.key) is not None),
    )


def note_read(queries: Mapping[str, str]) -> None:
    """Keep which queries the record system was asked."""
    note(read=dict(queries))


def _event(status: int, address: Callable[[str], str], recorded: datetime) -> dict[str, Any]:
    trace: HookTrace = g.get("hook_trace") or HookTrace()
    path = request.path.removeprefix(HOOKS_PATH)
    patient = f"Patient/{trace.patient}" if _FHIR_ID.fullmatch(trace.patient) else ""
    call = Call(
        interaction="operation",
        status=status,
        recorded=recorded,
        request_id=g.request_id,
        caller=request.remote_addr or "unknown",
        server=address(path),
        patients=(patient,) if patient else (),
        operation=f"{HOOKS_PATH}{path}".strip("/"),
    )
    # Record systems may have ids that no reference can hold: those are named as they are.
    return hook_audit_event(call, replace(trace, patient="" if patient else trace.patient))

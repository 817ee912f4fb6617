"""Every REST call leaves an AuditEvent, made from the route, the status and what was read or written.

The event of a write is stored in the transaction of the write: neither is ever without the other. All others (reads, searches,
what was refused) are taken by the trail, which stores them a moment later.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

from flask import Flask, Response, g, has_request_context, request

from service.fhir.audit import Call, audit_event
from service.records import dataclass
from service.storage.store import Transaction, Version
from service.web.address import FHIR_PATH
from service.web.operations.export import BULK_PATH

_PATIENT = b"Patient/"
_REFERENCE = re.compile(r"(?:https?://[^\s\"]+/)?Patient/[A-Za-z0-9\-.]{1,64}(?:/_history/[A-Za-z0-9\-.]{1,64})?")
# What stands before the reference to a patient whose data it is.
_PLACE = re.compile(rb'"(?:(?:subject|patient)"\s*:\s*\{[^{}]*"reference"|fullUrl")\s*:\s*"$')
_WINDOW = 300  # bytes
_LONGEST_FORM = 20_000  # bytes: far more than an address could hold
_PATIENT_PARAMETERS = ("patient", "subject", "subject:Patient", "patient:Patient")
_BY_METHOD = {"GET": "read", "HEAD": "read", "PUT": "update", "DELETE": "delete", "POST": "create", "PATCH": "update"}


@dataclass(frozen=True, slots=True)
class RequestAudit:
    """Events of the requests of one instance. `address` is our FHIR base as the caller reached it, `now` is aware."""

    address: Callable[[], str]
    now: Callable[[], datetime]

    def listen(self, transaction: Transaction, written: Sequence[Version]) -> None:
        """Write the event of the request in work with what it writes. Entries of a batch are for themselves: each has its own."""
        if not has_request_context() or not _is_audited():
            return
        about = [version for version in written if version.type != "AuditEvent"]
        if about:
            call = self._of_write(about)
            transaction.create(audit_event(call))
            transaction.afterwards(partial(_mark, call.patients))

    def of_response(self, response: Response) -> dict[str, Any] | None:
        """The event of a request as it ended; None if it is stored already, or none is kept of such a request.

        A Bundle may write about one patient and show another: of those shown beside there is an event of its own.
        """
        if not _is_audited():
            return None
        written: set[str] | None = g.get("audited")  # patients
        if written is not None and response.status_code < 400:
            beside = [one for one in self._shown(response) if one.partition("/_history/")[0] not in written]
            return audit_event(self._call(response.status_code, [], beside)) if beside else None
        target = _of_version(_target() or _created(response), response)
        own = [target] if target.startswith(_PATIENT.decode()) else []
        targets = [target] if target else []
        return audit_event(self._call(response.status_code, targets, [*own, *_asked_for(), *self._shown(response)]))

    def _of_write(self, written: Sequence[Version]) -> Call:
        patients = []
        for version in written:
            if version.type == "Patient":
                patients.append(version.versioned_reference)
            elif version.body is not None:
                patients += patients_in(version.body, self.address())
        return self._call(200, [version.versioned_reference for version in written], patients)

    def _call(self, status: int, targets: Sequence[str], patients: Sequence[str]) -> Call:
        segments = _segments()
        interaction = interaction_of(segments, request.method)
        asked = interaction == "search-type" or (interaction == "operation" and request.method == "GET")
        return Call(
            interaction=interaction,
            status=status,
            recorded=self.now(),
            request_id=g.request_id,
            caller=request.remote_addr or "unknown",
            server=self.address(),
            targets=tuple(targets),
            patients=tuple(dict.fromkeys(patients)),
            query=_asked(self.address()) if asked else "",
            operation=_operation(segments) if interaction == "operation" else "",
        )

    def _shown(self, response: Response) -> Iterator[str]:
        if response.is_streamed or response.direct_passthrough or not (response.mimetype or "").endswith("json"):
            return iter(())
        return patients_in(response.get_data(), self.address())


def install_audit(app: Flask, audit: RequestAudit, record: Callable[[dict[str, Any]], None]) -> None:
    """Have each call below /fhir that has a route recorded, unless that has happened."""

    @app.after_request
    def finish(response: Response) -> Response:
        event = audit.of_response(response)
        if event is not None:
            record(event)
        return response


def patients_in(text: bytes, address: str) -> Iterator[str]:
    """The patients whose data JSON text holds: those named as subject or patient, and those at an address of an entry.

    Found by looking for the few places, not by reading the text: a page of a search may have megabytes.
    """
    at = 0
    while (at := text.find(_PATIENT, at)) >= 0:
        start, end = text.rfind(b'"', 0, at) + 1, text.find(b'"', at)
        at += len(_PATIENT)
        if _PLACE.search(text[max(start - _WINDOW, 0) : start]):
            value = text[start:end].decode("utf-8", "replace").removeprefix(f"{address}/")
            if _REFERENCE.fullmatch(value):
                yield value


def _is_audited() -> bool:
    """Everything below /fhir that has a route, and the files of an export: who asks how far one is sees nobody's data."""
    file = _rule().startswith(f"{BULK_PATH}/") and "name" in (request.view_args or {})
    return (_rule().startswith(FHIR_PATH) or file) and request.method != "OPTIONS"


def _mark(patients: Sequence[str]) -> None:
    g.audited = {*g.get("audited", ()), *(one.partition("/_history/")[0] for one in patients)}


def _rule() -> str:
    return request.url_rule.rule if request.url_rule is not None else ""


def _segments() -> list[str]:
    return [part for part in _rule().removeprefix(FHIR_PATH).split("/") if part]


def _target() -> str:
    """The resource that the address names, if it names one."""
    segments = _segments()
    resource_id = (request.view_args or {}).get("resource_id", "")
    return f"{segments[0]}/{resource_id}" if segments and segments[0][:1].isupper() and resource_id else ""


def _asked(address: str) -> str:
    """What was asked as it arrived: method and address, and after an empty line the form of a search by POST."""
    line = f"{request.method} {address.removesuffix(FHIR_PATH)}{request.full_path.rstrip('?')}"
    form = g.get("form", b"")[:_LONGEST_FORM].decode("utf-8", "replace")
    return f"{line}\n\n{form}" if form else line


def _operation(segments: list[str]) -> str:
    return segments[-1].removeprefix("$") if segments[-1].startswith("$") else "export"


def interaction_of(segments: list[str], method: str) -> str:
    """The interaction of R4 that a method of a route is; `segments` are those of the route after the base."""
    last = segments[-1] if segments else ""
    if last.startswith("$") or BULK_PATH.strip("/") in segments:
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


def _of_version(reference: str, response: Response) -> str:
    """The reference to that version of the resource which the answer is about, if it is about one."""
    version, _ = response.get_etag()
    return f"{reference}/_history/{version}" if reference and version else reference


def _asked_for() -> Iterator[str]:
    """The patients that the parameters of the request name."""
    pairs = [*request.args.items(multi=True), *parse_qsl(g.get("form", b"")[:_LONGEST_FORM].decode("utf-8", "replace"))]
    for name, values in pairs:
        if name in _PATIENT_PARAMETERS:
            for value in values.split(","):
                reference = value if "/" in value else f"Patient/{value}"
                if _REFERENCE.fullmatch(reference):
                    yield reference

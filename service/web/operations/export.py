"""$export over HTTP: the kick-off, the status of a job, its files."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, request, send_file
from werkzeug.http import http_date

from service.errors import Fault, MalformedInput
from service.fhir import r4
from service.fhir.parameters import Input, gather_inputs
from service.fhir.resource_types import RESOURCE_TYPES
from service.interactions.export_requests import (
    EXPORTED,
    FORMATS,
    check_async,
    check_format,
    manifest,
    read_types,
    request_address,
)
from service.interactions.exporting import Exports, Job, Level
from service.web.preferences import read_preferences
from service.web.responses import json_response

BULK_PATH = "/bulk"
RETRY_SECONDS = 2
INPUTS = (Input("_outputFormat", "string"), Input("_since", "instant"), Input("_type", "string", many=True))
# What they refer to, and who they are about.
ALSO = ("Patient", "Encounter", "Condition", "Procedure", "DiagnosticReport", "ServiceRequest", "CarePlan", "Provenance")


def export_view(
    exports: Exports, limits: r4.Limits, address: Callable[[], str], type_name: str | None
) -> Callable[[], Response]:
    """The view of the kick-off, of the system or of all patients."""
    level: Level = "system" if type_name is None else "patient"
    offered = tuple(one for one in (*EXPORTED, *ALSO) if any(known.name == one for known in RESOURCE_TYPES))
    if level == "patient":
        offered = tuple(one for one in offered if one != "Provenance")  # of Provenance R4 asks for the patient otherwise

    def view() -> Response:
        raw = request.get_data(cache=False) if request.method == "POST" else b""
        body = r4.parse(raw, limits=limits, expected="Parameters").resource if raw else None
        faults: list[Fault] = []
        check_async(read_preferences(request.headers.get("Prefer")).respond_async, faults)
        inputs, wrong = gather_inputs(INPUTS, query=request.args.items(multi=True), body=body)
        faults += wrong
        check_format(inputs, faults)
        types = read_types(inputs, offered, faults)
        if faults:
            raise MalformedInput(faults)
        pairs = [(name, str(value)) for name in ("_type", "_since", "_outputFormat") for value in inputs.many(name)]
        job = exports.ask(level, types, inputs.one("_since", ""), request=request_address(address(), level, pairs))
        response = Response(status=202)
        response.headers["Content-Location"] = f"{root(address())}{BULK_PATH}/{job.id}"
        del response.headers["Content-Type"]
        return response

    return view


def bulk_blueprint(exports: Exports, address: Callable[[], str]) -> Blueprint:
    """The addresses of the jobs: GET their status, DELETE them, GET their files."""
    blueprint = Blueprint("bulk", __name__, url_prefix=BULK_PATH)

    @blueprint.get("/<fhir_id:job_id>")
    def status(job_id: str) -> Response:
        job = exports.status(job_id)
        if job.state == "completed":
            response = json_response(manifest(job, address=f"{root(address())}{BULK_PATH}/{job.id}"))
            response.headers["Expires"] = http_date(exports.expires(job))
            return response
        return _unfinished(job)

    @blueprint.delete("/<fhir_id:job_id>")
    def cancel(job_id: str) -> Response:
        exports.cancel(job_id)
        response = Response(status=202)
        del response.headers["Content-Type"]
        return response

    @blueprint.get("/<fhir_id:job_id>/<fhir_id:name>")
    def file(job_id: str, name: str) -> Response:
        response = send_file(exports.file(job_id, name), mimetype=FORMATS[0], conditional=True, etag=False)
        response.headers["Cache-Control"] = "no-store"
        return response

    return blueprint


def _unfinished(job: Job) -> Response:
    if job.state == "failed":
        raise RuntimeError("an export failed")  # answered 500 with the request id; the log holds the error's kind
    response = Response(status=202)
    response.headers["X-Progress"] = job.progress
    response.headers["Retry-After"] = str(RETRY_SECONDS)
    del response.headers["Content-Type"]
    return response


def root(fhir_address: str) -> str:
    """The address of the service, from that of its FHIR base."""
    return fhir_address.removesuffix("/fhir")

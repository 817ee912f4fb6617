"""The only place that knows status codes: what went wrong becomes an OperationOutcome, under /fhir and everywhere else."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping
from types import MappingProxyType

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, RequestEntityTooLarge
from werkzeug.exceptions import NotFound as NoRoute

from service.errors import (
    Fault,
    FaultKind,
    Gone,
    InvalidInput,
    KnowledgeBaseError,
    MalformedInput,
    MissingData,
    NotAuthenticated,
    NotFound,
    NotSupported,
    OutboundRefused,
    ServiceError,
    TooLarge,
    Unavailable,
    UpstreamFailed,
    VersionConflict,
)
from service.fhir.outcomes import operation_outcome
from service.web.responses import outcome_response
from service.web.unknown_addresses import not_that_way, nothing_there

log = logging.getLogger("service.web")


class NotAcceptable(NotSupported):
    """The caller takes no form of answer that this server gives."""


class UnsupportedMediaType(NotSupported):
    """The body came in a form this server does not read."""


class Misdirected(NotSupported):
    """The request was meant for a host that this service is not."""


class UnsupportedMethod(NotSupported):
    """The address exists, the method does not."""


STATUS: Mapping[type[ServiceError], int] = MappingProxyType(
    {
        MalformedInput: 400,
        TooLarge: 413,
        InvalidInput: 422,
        NotFound: 404,
        Gone: 410,
        VersionConflict: 412,
        Unavailable: 503,
        UnsupportedMethod: 405,
        Misdirected: 421,
        NotAcceptable: 406,
        UnsupportedMediaType: 415,
        NotSupported: 422,
        MissingData: 412,
        NotAuthenticated: 401,
        OutboundRefused: 403,
        UpstreamFailed: 502,
        KnowledgeBaseError: 500,
        ServiceError: 500,
    }
)

_KINDS: Mapping[int, FaultKind] = MappingProxyType(
    {404: "not-found", 405: "not-supported", 413: "too-long", 415: "not-supported"}
)


def status_of(error: ServiceError) -> int:
    """The status of the nearest class in the error's hierarchy."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def install_error_handlers(app: Flask, *, storing: bool) -> None:
    """Make every error of `app`, foreseen or not, leave as an OperationOutcome. `storing`: whether there is a store."""

    @app.errorhandler(ServiceError)
    def service_error(error: ServiceError) -> Response:
        status = status_of(error)
        if status == 500:
            return unforeseen(error)
        response = outcome_response(operation_outcome(error.faults), status)
        if status == 503:
            log.warning("unavailable request_id=%s %s", g.request_id, place_of(error))
            response.headers["Retry-After"] = "1"
        return response

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        status, fault = _fault(error, storing=storing)
        response = outcome_response(operation_outcome([fault]), status)
        if isinstance(error, MethodNotAllowed):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods or ()))
        return response

    @app.errorhandler(Exception)
    def unforeseen(error: Exception) -> Response:
        log.error("unforeseen error request_id=%s %s", g.request_id, place_of(error))
        return outcome_response(internal_outcome(g.request_id), 500)


def internal_outcome(request_id: str) -> dict[str, object]:
    """The OperationOutcome of a fault of ours: no detail but the request id to look up in the log."""
    return {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "fatal",
                "code": "exception",
                "details": {"text": "The service failed on this request."},
                "diagnostics": f"This is a fault of the service, not of the request. Report the request id {request_id}.",
            }
        ],
    }


def place_of(error: BaseException) -> str:
    """Type and code lines of an error and its causes. Never its message: that may quote the input."""
    parts = []
    seen: BaseException | None = error
    while seen is not None:
        lines = " < ".join(
            f"{_short(frame.filename)}:{frame.lineno}" for frame in reversed(traceback.extract_tb(seen.__traceback__)[-12:])
        )
        parts.append(f"error={type(seen).__name__} at={lines}")
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return " caused-by ".join(parts[:3])


def _short(filename: str) -> str:
    return "/".join(filename.rsplit("/", 2)[-2:])


def _fault(error: HTTPException, *, storing: bool) -> tuple[int, Fault]:
    """Status and fault of what Flask refused by itself."""
    status = error.code or 500
    if isinstance(error, NoRoute):
        return nothing_there(request.path, request.method, storing=storing)
    if isinstance(error, MethodNotAllowed):
        return status, not_that_way(request.path, _method(), tuple(error.valid_methods or ()), storing=storing)
    if isinstance(error, RequestEntityTooLarge):
        return status, Fault(
            "too-long",
            "The body is larger than this server accepts.",
            rule="The limit is the setting HIPSPINE_MAX_BODY_BYTES.",
            repair="Send less at once.",
        )
    return status, Fault(
        _KINDS.get(status, "structure"),
        f"{error.name}.",
        rule="The request is not valid HTTP for this server.",
        repair="Correct the request.",
    )


def _method() -> str:
    return request.method if request.method.isalpha() and len(request.method) <= 10 else "This method"

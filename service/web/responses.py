"""Answers on the wire: a resource in the form the caller asked for, an OperationOutcome always in FHIR JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from flask import Response, g, request

from service.fhir.r4 import read_stored, serialise

_OUTCOME_TYPE = "application/fhir+json; charset=utf-8"


def resource_response(resource: Mapping[str, Any], status: int = 200) -> Response:
    """The resource as an answer, in the media type that was negotiated for this request."""
    return Response(serialise(dict(resource), pretty=wants_indent()), status, content_type=f"{g.media_type}; charset=utf-8")


def stored_response(body: bytes, status: int = 200) -> Response:
    """A resource as it is stored: its text is sent as it is, so that every digit is the one that was received."""
    sent = serialise(read_stored(body), pretty=True) if wants_indent() else body
    return Response(sent, status, content_type=f"{g.media_type}; charset=utf-8")


def outcome_response(outcome: Mapping[str, Any], status: int) -> Response:
    """An OperationOutcome as an answer. Its type is fixed: it must leave even where negotiation is what failed."""
    return Response(serialise(dict(outcome), pretty=wants_indent()), status, content_type=_OUTCOME_TYPE)


def warn(response: Response, text: str) -> None:
    """Add a remark in plain ASCII to an answer that has no place for an OperationOutcome."""
    response.headers.add("Warning", f'299 - "{text}"')


def wants_indent() -> bool:
    """Whether the request asks for indented JSON."""
    return request.args.get("_pretty", "").lower() == "true"


def json_response(value: Mapping[str, Any]) -> Response:
    """Plain JSON that is no resource."""
    return Response(serialise(dict(value), pretty=wants_indent()), content_type="application/json")

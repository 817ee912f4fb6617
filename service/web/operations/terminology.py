"""The terminology operations over HTTP: GET with a query, POST with Parameters, on the type or on one resource."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Response, request

from service.fhir import r4
from service.fhir.codes.operations import TerminologyOperations
from service.web.operations.assess import language_for
from service.web.responses import resource_response

Resource = dict[str, Any]


def terminology_view(
    operations: TerminologyOperations, limits: r4.Limits, name: str, type_name: str | None
) -> Callable[..., Response]:
    """The view of one operation on one type (CodeSystem, ValueSet or ConceptMap)."""

    def view(resource_id: str | None = None) -> Response:
        assert type_name is not None, "terminology operations are offered on types"
        raw = request.get_data(cache=False) if request.method == "POST" else b""
        body = r4.parse(raw, limits=limits, expected="Parameters").resource if raw else None
        answer = operations.run(
            type_name,
            name,
            query=request.args.items(multi=True),
            body=body,
            resource_id=resource_id,
            accepted=(language_for(list(request.accept_languages), operations.held.languages),),
        )
        response = resource_response(answer.resource)
        response.content_language.add(answer.language)
        response.vary.add("Accept-Language")
        return response

    return view

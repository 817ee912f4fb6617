"""$validate over HTTP: a resource as it is or in Parameters, on a type or on one resource. Both verdicts are answered 200."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, request

from service.interactions.validation import Validation
from service.web.responses import resource_response


def validate_view(validation: Validation, type_name: str | None) -> Callable[..., Response]:
    """The view of the operation on one type."""

    def view(resource_id: str | None = None) -> Response:
        assert type_name is not None, "$validate is offered on types"
        query = list(request.args.items(multi=True))
        raw = request.get_data(cache=False)
        return resource_response(validation.run(raw, query, type_name=type_name, resource_id=resource_id))

    return view

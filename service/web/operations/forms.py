"""$extract and $populate over HTTP: the body is parsed once and handed to the use case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from flask import Response, request

from service.web.parameters import knowing
from service.web.responses import resource_response

Resource = dict[str, Any]


class FormOperation(Protocol):
    """The use case as this door calls it: the body, and the id of the address where the operation is called on an instance."""

    def __call__(self, raw: bytes, resource_id: str | None) -> Resource: ...


def form_view(operation: FormOperation, type_name: str | None) -> Callable[..., Response]:
    """The view of an operation that answers with Parameters and stores nothing, for both of its levels."""

    def view(resource_id: str | None = None) -> Response:
        return resource_response(operation(request.get_data(cache=False), resource_id))

    return knowing(view, refusing=True)

"""$everything over HTTP: GET with a query, POST with Parameters, on one patient."""

from __future__ import annotations

from collections.abc import Callable

from flask import Response, request

from service.fhir import r4
from service.fhir.compartment import read_everything
from service.interactions.everything import everything_bundle
from service.storage.store import ResourceStore
from service.web.responses import resource_response


def everything_view(
    store: ResourceStore | None,
    address: Callable[[], str],
    new_id: Callable[[], str],
    limits: r4.Limits,
    type_name: str | None,
) -> Callable[..., Response]:
    """The view of the operation. It is offered on patients that are stored, so there is a store wherever it is called."""

    def view(resource_id: str) -> Response:
        assert store is not None and type_name == "Patient", "offered on stored patients alone"
        raw = request.get_data(cache=False) if request.method == "POST" else b""
        body = r4.parse(raw, limits=limits, expected="Parameters").resource if raw else None
        query = read_everything(resource_id, query=request.args.items(multi=True), body=body)
        with store.reading() as reader:
            return resource_response(everything_bundle(reader, query, address=address(), new_id=new_id))

    return view

"""$topics, $status and $events of Subscriptions over HTTP."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from flask import Response, request

from service.fhir import r4
from service.fhir.parameters import Input, Inputs, read_inputs
from service.web.responses import resource_response

Resource = dict[str, Any]

STATUS_INPUTS = (Input("id", "id", many=True, type_only=True), Input("status", "code", many=True, type_only=True))
EVENT_INPUTS = (
    Input("eventsSinceNumber", "string"),
    Input("eventsUntilNumber", "string"),
    Input("content", "code"),
)


class SubscriptionQueries(Protocol):
    """What is asked about Subscriptions; NotFound if there is none of that id."""

    def status(self, resource_id: str | None, inputs: Inputs, address: str) -> Resource: ...

    def events(self, resource_id: str, inputs: Inputs, address: str) -> Resource: ...

    def topics(self) -> Resource: ...


def topics_view(queries: SubscriptionQueries, limits: r4.Limits, type_name: str | None) -> Callable[[], Response]:
    """The view of $topics."""

    def view() -> Response:
        _inputs((), limits, instance=False)
        return resource_response(queries.topics())

    return view


def status_view(
    queries: SubscriptionQueries, limits: r4.Limits, address: Callable[[], str], type_name: str | None
) -> Callable[..., Response]:
    """The view of $status, on one Subscription or on several."""

    def view(resource_id: str | None = None) -> Response:
        inputs = _inputs(STATUS_INPUTS, limits, instance=resource_id is not None)
        return resource_response(queries.status(resource_id, inputs, address()))

    return view


def events_view(
    queries: SubscriptionQueries, limits: r4.Limits, address: Callable[[], str], type_name: str | None
) -> Callable[..., Response]:
    """The view of $events on one Subscription."""

    def view(resource_id: str) -> Response:
        inputs = _inputs(EVENT_INPUTS, limits, instance=True)
        return resource_response(queries.events(resource_id, inputs, address()))

    return view


def _inputs(taken: tuple[Input, ...], limits: r4.Limits, *, instance: bool) -> Inputs:
    raw = request.get_data(cache=False) if request.method == "POST" else b""
    body = r4.parse(raw, limits=limits, expected="Parameters").resource if raw else None
    return read_inputs(taken, query=request.args.items(multi=True), body=body, instance=instance)

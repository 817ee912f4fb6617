"""The FHIR door: routes made from the registry of types, so that what is listed works and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Flask, Response, g, request
from werkzeug.routing import BaseConverter

from service.fhir.capability import capability_statement
from service.fhir.conformance import Definitions, read_search, searchset, unknown_parameter
from service.fhir.outcomes import operation_outcome
from service.fhir.resource_types import RESOURCE_TYPES, SYSTEM_OPERATIONS, ResourceType
from service.web.negotiation import answer_media_type, check_body_media_type
from service.web.responses import resource_response

FHIR_PATH = "/fhir"

# From the type an operation is called on (None: the system) to its view; on an instance the view gets its `resource_id`.
OperationView = Callable[[str | None], Callable[..., Response]]


class FhirId(BaseConverter):
    """A FHIR id in an address; anything else has no route."""

    regex = r"[A-Za-z0-9\-.]{1,64}"


def install_fhir_routes(
    app: Flask,
    *,
    definitions: Definitions,
    operations: Mapping[str, OperationView],
    new_id: Callable[[], str],
    base_url: str,
    public_url: str | None,
    version: str,
    started: str,
) -> None:
    """Add every route below /fhir to `app`.

    `operations` holds a view for every operation of the registry, by name; `started` is when this instance began, as a FHIR
    dateTime.
    """
    app.url_map.converters["fhir_id"] = FhirId
    app.before_request(_negotiate)
    blueprint = Blueprint("fhir", __name__, url_prefix=FHIR_PATH)

    def address() -> str:
        return public_url or request.host_url.rstrip("/") + FHIR_PATH

    @blueprint.get("/metadata")
    def metadata() -> Response:
        return resource_response(capability_statement(address=address(), base_url=base_url, version=version, date=started))

    # Addresses that exist with no method of their own (a Bundle for the base, a type that only has operations)
    # are routed with OPTIONS alone: every other method is then answered 405 with Allow, not 404.
    blueprint.add_url_rule("", "base", _nothing, methods=["OPTIONS"])
    for operation in SYSTEM_OPERATIONS:
        view = operations[operation.name](None)
        blueprint.add_url_rule(f"/${operation.name}", f"system-{operation.name}", view, methods=list(operation.methods))
    for offered in RESOURCE_TYPES:
        name = offered.name
        for operation in offered.operations:
            view = operations[operation.name](name)
            for level in operation.levels:
                place = f"/{name}" if level == "type" else f"/{name}/<fhir_id:resource_id>"
                blueprint.add_url_rule(
                    f"{place}/${operation.name}", f"{name}-{level}-{operation.name}", view, methods=list(operation.methods)
                )
        if "search-type" in offered.interactions:
            blueprint.add_url_rule(
                f"/{name}", f"{name}-search", _search_view(offered, definitions, address, new_id), methods=["GET"]
            )
        else:
            blueprint.add_url_rule(f"/{name}", f"{name}-none", _nothing, methods=["OPTIONS"])
        if "read" in offered.interactions:
            blueprint.add_url_rule(
                f"/{name}/<fhir_id:resource_id>", f"{name}-read", _read_view(offered, definitions), methods=["GET"]
            )
        else:
            blueprint.add_url_rule(f"/{name}/<fhir_id:resource_id>", f"{name}-none-read", _nothing, methods=["OPTIONS"])
    app.register_blueprint(blueprint)


def _negotiate() -> None:
    """Settle the form of the answer, and refuse a body of the wrong form, before anything is worked on.

    Done for the whole door at once so that 415 and 406 also come where the method is not offered; an unknown
    address stays 404.
    """
    g.media_type = "application/fhir+json"
    if request.path != FHIR_PATH and not request.path.startswith(FHIR_PATH + "/"):
        return
    if request.routing_exception is not None and getattr(request.routing_exception, "code", None) == 404:
        return
    if request.method == "POST" and request.content_length:
        check_body_media_type(request.headers.get("Content-Type"), request.headers.get("Content-Encoding"))
    g.media_type = answer_media_type(request.headers.get("Accept"), request.args.get("_format"))


def _read_view(offered: ResourceType, definitions: Definitions) -> Callable[..., Response]:
    def read(resource_id: str) -> Response:
        return resource_response(definitions.read(offered.name, resource_id))

    return read


def _search_view(
    offered: ResourceType, definitions: Definitions, address: Callable[[], str], new_id: Callable[[], str]
) -> Callable[[], Response]:
    def search() -> Response:
        strict = "handling=strict" in request.headers.get("Prefer", "").replace(" ", "").lower()
        query = read_search(offered, list(request.args.items(multi=True)), strict=strict)
        outcome: dict[str, Any] | None = None
        if query.ignored:
            outcome = operation_outcome([unknown_parameter(name, offered) for name in query.ignored])
        matches = definitions.matches(offered, query)
        return resource_response(
            searchset(matches, address=address(), offered=offered, search=query, bundle_id=new_id(), outcome=outcome)
        )

    return search


def _nothing(**_: Any) -> Response:
    return Response(status=204)  # OPTIONS only; Flask answers it with Allow before this runs

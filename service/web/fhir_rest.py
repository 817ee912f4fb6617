"""The FHIR door: routes made from the registry of types, so that what is listed works and nothing else does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Flask, Response, g, request
from werkzeug.routing import BaseConverter

from service.errors import Fault, MalformedInput
from service.fhir.capability import capability_statement
from service.fhir.conformance import Definitions
from service.fhir.resource_types import ResourceType, offered_types, system_operations
from service.fhir.subsets import part_of
from service.web.address import FHIR_PATH
from service.web.negotiation import answer_media_type, check_body_media_type, check_form_media_type
from service.web.parameters import PARTS, knowing
from service.web.parts import part_asked_for
from service.web.resources import ResourceViews
from service.web.responses import resource_response
from service.web.search import SearchViews, check_utf8

__all__ = ["FHIR_PATH", "OperationView", "install_fhir_routes"]

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
    searches: SearchViews,
    stored: ResourceViews | None,
    bundles: Callable[..., Response] | None,
    terminology_statement: Callable[[str], dict[str, Any]],
    address: Callable[[], str],
    base_url: str,
    version: str,
    started: str,
) -> None:
    """Add every route below /fhir to `app`.

    `operations` holds a view for every operation of the registry, by name; `searches` the views of searches; `stored` those of
    stored resources, None where there is no store; `bundles` the view of transactions and batches; `terminology_statement` makes
    the TerminologyCapabilities for an address; `started` is when this instance began, as a FHIR dateTime.
    """
    app.url_map.converters["fhir_id"] = FhirId
    app.before_request(_negotiate)
    blueprint = Blueprint("fhir", __name__, url_prefix=FHIR_PATH)

    def metadata() -> Response:
        if metadata_mode(request.args.getlist("mode")) == "terminology":
            return _whole_or_part(terminology_statement(address()))
        statement = capability_statement(
            address=address(), base_url=base_url, version=version, date=started, storing=stored is not None
        )
        return _whole_or_part(statement)

    # Addresses that exist with no method of their own (the base without a store, a type that only has operations)
    # are routed with OPTIONS alone: every other method is then answered 405 with Allow, not 404.
    add = _Adder(blueprint)
    add("/metadata", {"GET": knowing(metadata, "mode", *PARTS)})
    add("", {"POST": knowing(bundles)} if bundles is not None else {})
    if stored is not None:
        add("/_history", {"GET": stored.history()})
    for operation in system_operations(storing=stored is not None):
        view = operations[operation.name](None)
        add(f"/${operation.name}", dict.fromkeys(operation.methods, view))
    for offered in offered_types(storing=stored is not None):
        own, one = f"/{offered.name}", f"/{offered.name}/<fhir_id:resource_id>"
        for operation in offered.operations:
            view = operations[operation.name](offered.name)
            for level in operation.levels:
                add(f"{own if level == 'type' else one}/${operation.name}", dict.fromkeys(operation.methods, view))
        search = searches.search(offered.name) if "search-type" in offered.interactions else None
        if search is not None:
            add(f"{own}/_search", {"POST": search})
        if stored is not None and offered.stored:
            _add_stored(add, offered, stored, search)
            continue
        published = "read" in offered.interactions
        add(own, {"GET": search} if search is not None else {})
        add(one, {"GET": knowing(_read_view(offered, definitions), *PARTS)} if published else {})
    app.register_blueprint(blueprint)


class _Adder:
    """Adds the views of one address, by method."""

    def __init__(self, blueprint: Blueprint) -> None:
        self._blueprint = blueprint

    def __call__(self, path: str, views: Mapping[str, Callable[..., Response]]) -> None:
        methods: dict[int, list[str]] = {}
        for method, view in views.items():
            methods.setdefault(id(view), []).append(method)
        for listed in methods.values():
            name = f"{'-'.join(listed)} {path}".replace(".", "_")  # a dot would name another blueprint
            self._blueprint.add_url_rule(path, name, views[listed[0]], methods=listed)
        if not views:
            self._blueprint.add_url_rule(path, f"none {path}", _nothing, methods=["OPTIONS"])


def _add_stored(
    add: _Adder, offered: ResourceType, stored: ResourceViews, search: Callable[..., Response] | None
) -> None:
    """The addresses of one stored type, each with the methods that the registry lists for it."""
    name, own, one = offered.name, f"/{offered.name}", f"/{offered.name}/<fhir_id:resource_id>"
    views: list[tuple[str, str, str, Callable[..., Response]]] = [
        ("create", own, "POST", knowing(stored.create(name))),
        ("update", own, "PUT", stored.update_where(name)),
        ("delete", own, "DELETE", stored.delete_where(name)),
        ("read", one, "GET", knowing(stored.read(name), *PARTS)),
        ("update", one, "PUT", knowing(stored.update(name))),
        ("delete", one, "DELETE", knowing(stored.delete(name))),
        ("history-type", f"{own}/_history", "GET", stored.history(name)),
        ("history-instance", f"{one}/_history", "GET", stored.history(name)),
        ("vread", f"{one}/_history/<fhir_id:version>", "GET", knowing(stored.vread(name), *PARTS)),
    ]
    addresses: dict[str, dict[str, Callable[..., Response]]] = {own: {"GET": search}} if search is not None else {}
    for interaction, path, method, view in views:
        if interaction in offered.interactions:
            addresses.setdefault(path, {})[method] = view
    for path, by_method in addresses.items():
        add(path, by_method)


def metadata_mode(given: list[str]) -> str:
    """Which statement is asked for: ``full``, ``normative`` or ``terminology``; MalformedInput if it is none of them.

    Source: http://hl7.org/fhir/R4/http.html#capabilities.
    """
    if given in ([], ["full"], ["normative"], ["terminology"]):
        return given[0] if given else "full"
    raise MalformedInput(
        Fault("value", "mode is none of the statements there are.", where="?mode",
              rule="mode is given once, as full, normative or terminology.", repair="Use one of them or leave mode out.",
              spec="http://hl7.org/fhir/R4/http.html#capabilities")
    )


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
    if request.method in ("POST", "PUT") and request.content_length:
        check = check_form_media_type if request.path.rstrip("/").endswith("/_search") else check_body_media_type
        check(request.headers.get("Content-Type"), request.headers.get("Content-Encoding"))
    check_utf8(request.query_string)
    g.media_type = answer_media_type(request.headers.get("Accept"), request.args.get("_format"))


def _read_view(offered: ResourceType, definitions: Definitions) -> Callable[..., Response]:
    def read(resource_id: str) -> Response:
        return _whole_or_part(definitions.read(offered.name, resource_id))

    return read


def _whole_or_part(resource: Mapping[str, Any]) -> Response:
    """A resource, or what `_summary` and `_elements` ask for of it."""
    wanted = part_asked_for(resource["resourceType"])
    return resource_response(resource if wanted is None else part_of(resource, wanted))


def _nothing(**_: Any) -> Response:
    return Response(status=204)  # OPTIONS only; Flask answers it with Allow before this runs

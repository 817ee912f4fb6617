"""The CDS Hooks door: discovery, services, and who may call them from a browser."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Protocol

from flask import Blueprint, Flask, Response, g, request

from service.errors import Fault, NotFound
from service.fhir import r4
from service.fhir.json_text import read_json
from service.hooks.registry import HookService
from service.hooks.request import HookRequest, read_request
from service.hooks.run import HookAnswer, HookParts, answer_hook
from service.web.address import HOOKS_PATH
from service.web.hook_audit import note, note_read, note_request
from service.web.negotiation import check_body_media_type
from service.web.operations.assess import language_for

CORS_METHODS = "GET, POST, OPTIONS"
CORS_HEADERS = "Authorization, Content-Type, Accept-Language, X-Request-Id"
CORS_SECONDS = 600

log = logging.getLogger("service.hooks")


class Authenticate(Protocol):
    """The caller whom the Authorization header proves for one of these addresses; NotAuthenticated without proof.

    Empty where none is needed.
    """

    def __call__(self, authorization: str | None, *addresses: str) -> str: ...


HookAddress = Callable[[str], str]  # from a path below /cds-services to the address as clients reach it


def hook_address(hooks_url: str | None, service: Callable[[], str]) -> HookAddress:
    """The addresses of the hooks: below the one in the settings, else below that of the `service`."""

    def address(path: str) -> str:
        return f"{hooks_url or service()}{HOOKS_PATH}{path}"

    return address


def install_hook_routes(
    app: Flask,
    *,
    parts: HookParts,
    languages: Sequence[str],
    authenticate: Authenticate,
    discovery_open: bool,
    answered: Callable[[HookService, HookRequest, HookAnswer], None],
    fhir_address: Callable[[], str],
    address: HookAddress,
    origins: Sequence[str],
) -> None:
    """Add discovery and services to `app`. `answered` is told of every call that was answered, and must not take long."""
    blueprint = Blueprint("hooks", __name__, url_prefix=HOOKS_PATH)

    @blueprint.get("")
    def discovery() -> Response:
        if not discovery_open:
            authenticate(request.headers.get("Authorization"), address(""))
        return _json(parts.services.discovery())

    @blueprint.post("/<service_id>")
    def call(service_id: str) -> Response:
        note(client=authenticate(request.headers.get("Authorization"), address(f"/{service_id}")))
        services = parts.services.with_id(service_id)
        if not services:
            raise unknown_service()
        check_body_media_type(
            request.headers.get("Content-Type"), request.headers.get("Content-Encoding"), wanted="application/json"
        )
        body = read_json(request.get_data(cache=False), parts.limits, what="hook request", begins='{"hook": ...}')
        service, hook_request = read_request(body, services)
        language = language_for(list(request.accept_languages), languages)
        note_request(service, hook_request)
        answer = answer_hook(
            service, hook_request, parts=parts, fhir_address=fhir_address(), language=language, asked=note_read
        )
        _log_unseen(service, answer)
        answered(service, hook_request, answer)
        response = _json(answer.body)
        response.content_language.add(language)
        response.vary.add("Accept-Language")
        return response

    app.register_blueprint(blueprint)
    _install_cors(app, frozenset(origins))


def _log_unseen(service: HookService, answer: HookAnswer) -> None:
    """What a call could not see is on its cards; the log says how much of which kind, for those who look after the connection."""
    why: Counter[str] = Counter()
    for one in answer.unseen:
        why[one.why] += one.count
    if why:
        told = ",".join(f"{kind}:{count}" for kind, count in sorted(why.items()))
        log.warning("part of a record was not seen service=%s unseen=%s request_id=%s", service.id, told, g.request_id)


def unknown_service() -> NotFound:
    return NotFound(
        Fault(
            "not-found",
            "There is no hook service of this name.",
            rule=f"GET {HOOKS_PATH} lists the services and their ids.",
            repair="Call one of those.",
        )
    )


def _install_cors(app: Flask, origins: frozenset[str]) -> None:
    """Let browsers of the listed origins call the hooks: the exact origin is echoed, never a star, and no others get a header."""

    @app.after_request
    def permit(response: Response) -> Response:
        if not (request.path == HOOKS_PATH or request.path.startswith(HOOKS_PATH + "/")):
            return response
        response.vary.add("Origin")
        if response.status_code == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        origin = request.headers.get("Origin")
        if origin in origins:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = "X-Request-Id"
            if request.method == "OPTIONS":
                response.headers["Access-Control-Allow-Methods"] = CORS_METHODS
                response.headers["Access-Control-Allow-Headers"] = CORS_HEADERS
                response.headers["Access-Control-Max-Age"] = str(CORS_SECONDS)
        return response


def _json(value: dict[str, object]) -> Response:
    return Response(r4.serialise(value), 200, content_type="application/json; charset=utf-8")

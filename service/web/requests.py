"""What every request gets: an id that is echoed, one line in the access log, headers that every answer carries."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable

from flask import Flask, Response, g, request

HEADER = "X-Request-Id"
# What may be echoed and logged: nothing that could break a header or a log line, nothing long enough to smuggle a text.
_SAFE_ID = re.compile(r"[A-Za-z0-9._:-]{1,64}")

log = logging.getLogger("service.access")


def install_request_hooks(app: Flask, *, new_id: Callable[[], str], elapsed: Callable[[], float]) -> None:
    """Give each request of `app` its id and its log line. `elapsed` is a clock in seconds that only moves forward.

    The line names the route, never the path or the query: those can hold identifiers and values.
    """

    @app.before_request
    def begin() -> None:
        g.started = elapsed()
        g.request_id = request_id(request.headers.get(HEADER), new_id)

    @app.after_request
    def finish(response: Response) -> Response:
        if not response.direct_passthrough and response.calculate_content_length() == 0:
            response.headers.pop("Content-Type", None)  # of nothing; Flask would call it HTML
        response.headers[HEADER] = g.request_id
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        # What is read may be kept by the caller, who asks with its ETag before it uses it again, and by nobody in between.
        reading = request.method in ("GET", "HEAD")
        response.headers.setdefault("Cache-Control", "private, no-cache" if reading else "no-store")
        route = request.url_rule.rule if request.url_rule is not None else "none"
        milliseconds = (elapsed() - g.started) * 1000
        log.info(
            "method=%s route=%s status=%d ms=%.1f bytes_in=%d request_id=%s",
            request.method if request.url_rule is not None else _known_method(request.method),
            route,
            response.status_code,
            milliseconds,
            request.content_length or 0,
            g.request_id,
        )
        return response


def request_id(given: str | None, new_id: Callable[[], str]) -> str:
    """The caller's id if it is safe to repeat, else a new one."""
    return given if given is not None and _SAFE_ID.fullmatch(given) else new_id()


def _known_method(method: str) -> str:
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS") else "other"

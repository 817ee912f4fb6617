"""The servers the benchmark measures, each a process of its own: `python -m service.cli.bench_server KIND PORT DATABASE`.

``service`` is the product with one more route, the plain JSON echo of the yardstick; ``bare-flask`` an app that does nothing.
"""

from __future__ import annotations

import gc
import json
import sys

from flask import Flask, Response, request

ECHO_PATH = "/bench/echo"


def add_echo(app: Flask, answer: object) -> None:
    """The yardstick: parse the body with the standard library, dump an answer of RiskAssessment size."""

    def echo() -> Response:
        json.loads(request.get_data())
        return Response(json.dumps(answer), mimetype="application/json")

    app.add_url_rule(ECHO_PATH, "echo", echo, methods=["POST"])


def bare_flask(port: int, _: str) -> None:
    """Flask's own server and one route that answers with two letters."""
    app = Flask("bare", static_folder=None)
    app.add_url_rule("/healthz", "health", lambda: "ok")
    app.run("127.0.0.1", port, threaded=True)


def service(port: int, database: str) -> None:
    """The product as `serve` runs it, with the echo beside it."""
    from service.memory import keep_memory_small

    keep_memory_small()
    gc.disable()  # as `serve` does
    from service.app import create_app, start_background
    from service.server import bound_socket, serve_waitress
    from service.settings import read_settings

    settings = read_settings(host="127.0.0.1", port=port, database_url=database)
    app = create_app(settings)
    add_echo(app, json.loads(sys.stdin.read() or "{}"))
    bound = bound_socket("127.0.0.1", port)
    with start_background(app, f"http://127.0.0.1:{port}/fhir"):
        serve_waitress(app, bound, settings, announce=lambda: None)


if __name__ == "__main__":
    {"bare-flask": bare_flask, "service": service}[sys.argv[1]](int(sys.argv[2]), sys.argv[3])

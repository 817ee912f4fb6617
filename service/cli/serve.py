"""`serve`: the FHIR server, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import gc
import logging
from pathlib import Path

import click

from service.settings import Settings, read_settings, unknown_variables

EXAMPLE = "tests/data/hip.json"


@click.command()
@click.option("--host", help="Address to listen on. Default: HOST or 127.0.0.1.")
@click.option("--port", type=int, help="Port to listen on, 0 for a free one. Default: PORT or 8000.")
@click.option("--server", type=click.Choice(["waitress", "granian"]), help="Default: HIPSPINE_SERVER or waitress.")
@click.option("--workers", type=int, help="Processes, granian only. Default: HIPSPINE_WORKERS or 1.")
def command(host: str | None, port: int | None, server: str | None, workers: int | None) -> None:
    """Start the FHIR server. Ctrl-C or SIGTERM stops it once requests in work are answered."""
    from service.logs import configure_logging
    from service.memory import keep_memory_small
    from service.server import bound_socket, serve_granian, serve_waitress

    settings = read_settings(host=host, port=port, server=server, workers=workers)
    configure_logging(settings.log_level)
    for name, meant in unknown_variables().items():
        advice = f"Was {meant} meant?" if meant else "python -m service settings lists them."
        click.secho(f"NOTE: {name} is none of the settings and has no effect. {advice}", fg="yellow", err=True)
    bound = bound_socket(settings.host, settings.port)
    actual_port = bound.getsockname()[1]
    warn_if_reachable(settings)
    if settings.server == "granian":
        bound.close()  # granian binds for itself and would not notice that the port is taken
        click.echo(greeting(settings, actual_port))
        serve_granian(settings, actual_port)
        return
    keep_memory_small()
    gc.disable()  # nothing that is loaded from here on is garbage; the warm-up turns it on again
    from service.app import create_app, start_background

    app = create_app(settings)
    with start_background(app, settings.public_url or local_address(settings, actual_port)):
        serve_waitress(app, bound, settings, announce=lambda: click.echo(greeting(settings, actual_port)))
    store = app.extensions["hipspine-store"]
    if store is not None:
        store.close()  # SQLite then puts its log into the file, so that a copy of the file alone is whole
    logging.getLogger("service").info("stopped")


def local_address(settings: Settings, port: int) -> str:
    """The FHIR base as this machine reaches it."""
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(settings.host, settings.host)
    host = f"[{host}]" if ":" in host and not host.startswith("[") else host
    return f"http://{host}:{port}/fhir"


def greeting(settings: Settings, port: int) -> str:
    """Where the service is and a line to paste into another terminal."""
    address = local_address(settings, port)
    if Path(EXAMPLE).is_file():
        line = f"curl -s '{address}/$assess?_pretty=true' -H 'Content-Type: application/fhir+json' -d @{EXAMPLE}"
    else:  # installed, with no checkout around
        line = f"curl -s '{address}/Questionnaire/hip-spine-intake?_pretty=true'"
    return f"HipSpine is at {address} (Ctrl-C stops it). Try:\n\n  {line}\n"


def warn_if_reachable(settings: Settings) -> None:
    """Say loudly that others can reach an address that asks nobody who they are, and how hooks are guarded."""
    if not settings.hooks_need_token:
        loud, why = "WARNING", "HIPSPINE_HOOKS_AUTH=off"
        if settings.loopback:
            loud, why = "NOTE", "only this machine can reach this address"
        click.secho(f"{loud}: CDS Hooks ask no caller for a token ({why}).", fg="yellow", bold=True, err=True)
    elif not settings.hooks_issuers:
        click.secho(
            "WARNING: no record system is trusted yet, so that every hook call is refused. Set HIPSPINE_HOOKS_ISSUERS.",
            fg="yellow",
            err=True,
        )
    elif not settings.hooks_url and not settings.public_url and settings.answers_to is None:
        click.secho(
            "WARNING: the address that tokens have to be made for is taken from each request, so that one made for another "
            "service may pass. Set HIPSPINE_HOOKS_URL, HIPSPINE_PUBLIC_URL or HIPSPINE_ALLOWED_HOSTS.",
            fg="yellow",
            err=True,
        )
    if not settings.loopback:
        stored = "" if settings.database is None else ", and READ, CHANGE AND DELETE EVERY PATIENT RECORD STORED IN IT"
        click.secho(
            f"WARNING: listening on {settings.host}: everyone who can reach this machine can use the service{stored}. There is "
            "no authentication and no encryption yet. Keep it behind a proxy that has both, or set HOST=127.0.0.1.",
            fg="red",
            bold=True,
            err=True,
        )

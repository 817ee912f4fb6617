"""`healthcheck`: for a container engine that has no curl at hand."""

from __future__ import annotations

import sys

import click

from service.settings import read_settings


@click.command()
@click.option("--timeout", default=3.0, show_default=True, help="Seconds to wait for an answer.")
def command(timeout: float) -> None:
    """Exit 0 if the server of these settings is ready on this machine, else 1."""
    import requests

    settings = read_settings()
    # A wildcard address is for listening; ask over loopback.
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(settings.host, settings.host)
    try:
        ready = requests.get(f"http://{host}:{settings.port}/readyz", timeout=timeout).ok
    except requests.RequestException as error:
        click.echo(f"no answer: {type(error).__name__}", err=True)
        sys.exit(1)
    click.echo("ready" if ready else "not ready")
    sys.exit(0 if ready else 1)

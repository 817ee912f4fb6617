"""`ehr`: what a record system can do for this service, and writing into it by hand."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.table import Table

from service.errors import Fault, InvalidInput, UpstreamFailed

if TYPE_CHECKING:
    from service.hooks.capabilities import Finding

Resource = dict[str, Any]


@click.group(name="ehr")
def command() -> None:
    """Connect a record system: check what it supports, make a key, write an assessment into it.

    \b
    Examples:
      python -m service ehr check https://ehr.example/fhir
      python -m service ehr key client-key.json > client-public-keys.json
      export HIPSPINE_EHR_FHIR_URL=https://ehr.example/fhir HIPSPINE_OUTBOUND_HOSTS=ehr.example
      python -m service ehr write tests/data/spine.json --dry-run

    Writing needs to know the record system, the dry run too: it prints the very requests. It calls nobody.
    """


@command.command()
@click.argument("url")
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def check(url: str, as_json: bool) -> None:
    """Say which prefetch queries and write-backs the FHIR server at URL supports, by its CapabilityStatement.

    Nothing of a patient is asked. The host of URL is called whether it is listed or not: you named it. Exit code 1 if a
    required query is not supported.
    """
    from service.hooks.capabilities import findings

    services, statement = _services(), _statement(url)
    found = findings(statement, services)
    lacking = any(one.required and not one.supported for one in found)
    if as_json:
        rows = [
            {"what": one.what, "for": one.purpose, "supported": one.supported, "required": one.required, "note": one.note}
            for one in found
        ]
        software = statement.get("software", {}).get("name", "")
        click.echo(json.dumps({"server": url, "software": software, "ready": not lacking, "checks": rows}, indent=2))
    else:
        _print(url, statement, found, lacking)
    if lacking:
        raise SystemExit(1)


@command.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--kid", default="hipspine-1", show_default=True, help="Id of the key.")
def key(file: Path, kid: str) -> None:
    """Make a private key in FILE and print the public key set to register with the record system."""
    from service.clients.smart import new_key_pair

    private, public = new_key_pair(kid)
    try:
        with os.fdopen(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as opened:
            json.dump(private, opened)
    except FileExistsError:
        raise InvalidInput(
            Fault("conflict", "The file exists.", where=str(file), repair="Name another one: a key in use is not overwritten.")
        ) from None
    click.echo(json.dumps(public, indent=2))


@command.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and send nothing.")
def write(files: Sequence[Path], dry_run: bool) -> None:
    """Assess FILES and write the assessments, their draft referrals and provenance into the record system of the settings.

    The server, the client and its key are settings: python -m service settings. Sending twice writes once.
    """
    from service.composition.after_hooks import build_write_back
    from service.composition.parts import build_service, new_id, utc_now
    from service.delivery.worker import DeliveryFailed
    from service.fhir.r4 import serialise
    from service.settings import read_settings

    settings = read_settings()
    service = build_service(settings)
    write_back = build_write_back(settings, service.outbound, now=utc_now, new_id=new_id)
    for file in files:
        assessment = service.assess(file.read_bytes(), None)
        if dry_run:
            for creation in write_back.planned(assessment):
                click.echo(f"POST {write_back.server}/{creation.type}\nIf-None-Exist: {creation.if_none_exist}\n")
                click.echo(serialise(creation.resource, pretty=True).decode() + "\n")
            continue
        try:
            for reference in write_back.write(assessment):
                click.echo(f"{write_back.server}/{reference}")
        except DeliveryFailed as failure:
            raise UpstreamFailed(
                Fault("transient", f"The record system did not take it: {failure}.", where=str(file), repair="See ehr check.")
            ) from None


def _services() -> Any:
    from service.composition.parts import build_service
    from service.settings import read_settings

    return build_service(read_settings()).hooks.services


def _statement(url: str) -> Resource:
    """The CapabilityStatement of a server that the operator named."""
    from urllib.parse import urlsplit

    from service.clients.addresses import AllowedHosts
    from service.clients.outbound import Outbound
    from service.settings import read_settings

    host = urlsplit(url).hostname or ""
    host = f"[{host}]" if ":" in host else host
    outbound = Outbound(AllowedHosts.parse("", f"{host}:*"), ca_bundle=read_settings().outbound_ca_bundle)
    answer = outbound.send("GET", f"{url.rstrip('/')}/metadata", headers={"Accept": "application/fhir+json"}, where=url)
    try:
        statement = json.loads(answer.body) if answer.ok else None
    except ValueError:
        statement = None
    if not isinstance(statement, dict) or statement.get("resourceType") != "CapabilityStatement":
        raise UpstreamFailed(
            Fault(
                "not-found",
                f"There is no CapabilityStatement (status {answer.status}).",
                where=url,
                repair="Give the FHIR base: what stands before /metadata.",
            )
        )
    return statement


def _print(url: str, statement: Resource, found: Sequence[Finding], lacking: bool) -> None:
    console = Console()
    software = statement.get("software", {}).get("name", "unnamed software")
    table = Table(title=f"{url}: {software}, FHIR {statement.get('fhirVersion', '?')}", title_justify="left")
    for heading in ("what", "for", "supported", "note"):
        table.add_column(heading, overflow="fold")
    for one in found:
        mark = "[green]yes[/]" if one.supported else "[bold red]no, required[/]" if one.required else "[yellow]no[/]"
        table.add_row(one.what, one.purpose, mark, one.note)
    console.print(table)
    console.print(
        "Hooks work only if the client prefetches what is missing." if lacking else "Hooks can fetch what is required."
    )

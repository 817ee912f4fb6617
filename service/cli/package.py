"""`package`: the FHIR package of everything this service publishes, as a file."""

from __future__ import annotations

from pathlib import Path

import click

EPILOG = """\b
Examples:
  python -m service package
  python -m service package --out hipspine.tgz
  HIPSPINE_BASE_URL=https://fhir.example/hipspine python -m service package

The same file is served at /package.tgz. A FHIR validator takes it with -ig, SUSHI from its package cache.
"""


@click.command(epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where to; otherwise dist/NAME-VERSION.tgz.")
def command(out: Path | None) -> None:
    """Write the FHIR package (NPM form): profiles, extensions, operations, form, terminology, examples.

    The canonical addresses in it are below HIPSPINE_BASE_URL. Equal content gives an equal file, byte for byte.
    """
    from service import __version__
    from service.composition.parts import build_service, fhir_package
    from service.fhir.package import NAME
    from service.settings import read_settings

    content = fhir_package(build_service(read_settings()))
    path = out or Path("dist") / f"{NAME}-{__version__}.tgz"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    click.echo(f"{path}: {len(content):,} bytes")

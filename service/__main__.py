"""The command line: `python -m service COMMAND`."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping
from types import MappingProxyType

import click

from service import __version__
from service.errors import ServiceError

# Command -> what `--help` says of it. The module service/cli/<command>.py is imported only when it is called, so that
# help comes at once and a command does not pay for the libraries of another.
COMMANDS: Mapping[str, str] = MappingProxyType(
    {
        "serve": "Start the FHIR server.",
        "assess": "Assess files from the command line.",
        "bulk": "Assess a file of records, one per line.",
        "knowledge": "Check and show the knowledge tables.",
        "evaluate": "Measure the answers: published cases, clusters, shares; calibration; sensitivity.",
        "model-card": "Show what the model is, what it is for and how good it is.",
        "ehr": "Check a record system, make a key for it, write into it.",
        "bench": "Measure the service against plain yardsticks.",
        "bench-search": "Measure searches over many stored assessments.",
        "package": "Write the FHIR package: profiles, operations, form, terminology.",
        "db": "The database: its schema, its copy.",
        "outbox": "Show what is to be sent to other hosts, and try again what was given up.",
        "settings": "Show every setting, its value and meaning.",
        "healthcheck": "Exit 0 if the local server is ready, else 1.",
    }
)

EPILOG = """\b
Examples:
  python -m service serve
  PORT=9000 python -m service serve
  python -m service assess tests/data/hip.json
  python -m service assess --json tests/data/spine.json

Settings come from the environment: python -m service settings
"""


class LazyGroup(click.Group):
    """The commands above, each imported when it is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        from service.settings import limit_blas_threads

        limit_blas_threads()  # here, because a command may load NumPy and help must not wait for this module
        command: click.Command = importlib.import_module(f"service.cli.{cmd_name.replace('-', '_')}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=LazyGroup, epilog=EPILOG, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hipspine")
def cli() -> None:
    """HipSpine: is this hip pain from the hip, the spine, the sacroiliac joint, or several at once?

    Findings in, one FHIR RiskAssessment out. Decision support for clinicians, not a diagnosis.
    """


def main() -> None:
    """Run the command line; a fault we foresaw is told in one line each and ends with exit code 2."""
    try:
        cli(prog_name="hipspine" if not sys.argv[0].endswith("__main__.py") else "python -m service")
    except ServiceError as error:
        for fault in error.faults:
            said = " ".join(part for part in (fault.message, fault.rule, fault.repair) if part)
            click.echo(f"{fault.where + ': ' if fault.where else ''}{said}", err=True)
        sys.exit(2)


if __name__ == "__main__":
    main()

"""`assess`: files in, assessments out, for people or (with --json) for machines."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from rich.console import Console

    from service.assessment.run import AssessOptions, Result
    from service.composition.parts import Service
    from service.errors import ServiceError

PROGRESS_AFTER_SECONDS = 2.0
EXIT_FAULTS = 1

EPILOG = """\b
Examples:
  python -m service assess tests/data/hip.json
  python -m service assess --json tests/data/spine.json > answer.json
  python -m service assess --json --care-plan tests/data/spine.json > answer.json
  python -m service assess --json *.json > answers.ndjson
  curl -s https://ehr.example/fhir/QuestionnaireResponse/1 | python -m service assess -

\b
Exit codes: 0 every file was assessed, 1 a file has faults (each is told), 2 wrong usage.

Decision support for clinicians. Not a diagnosis, not for emergencies, not for use by patients on their own.
"""

_FILE = click.Path(exists=True, dir_okay=False, readable=True, allow_dash=True, path_type=Path)


@click.command(epilog=EPILOG)
@click.argument("files", nargs=-1, required=True, type=_FILE, metavar="FILE...")
@click.option("--json", "as_json", is_flag=True, help="Print one RiskAssessment as JSON; with several files, one per line.")
@click.option(
    "--what-if/--no-what-if", "what_if", default=None,
    help="Also look for what would change the answer. Done unless --json.",
)
@click.option(
    "--care-plan", is_flag=True,
    help="With --json: hold the plan as a contained CarePlan too. For people the plan is always told.",
)
def command(files: tuple[Path, ...], as_json: bool, what_if: bool | None, care_plan: bool) -> None:
    """Assess files; - reads standard input.

    Each FILE is FHIR R4 JSON: a QuestionnaireResponse, an Observation, a Bundle of them, or Parameters. Nothing is stored
    and nothing leaves this machine.
    """
    from rich.console import Console

    from service.assessment.run import AssessOptions
    from service.composition.parts import build_service
    from service.errors import ServiceError
    from service.settings import read_settings

    service = build_service(read_settings())
    out, err = Console(highlight=False), Console(stderr=True, highlight=False)
    options = AssessOptions(care_plan=care_plan, what_if=not as_json if what_if is None else what_if)
    failed = False
    for path in _with_progress(files, err):
        try:
            result = _assessed(path, service, options)
        except ServiceError as error:
            failed = True
            _tell_faults(path, error, as_json=as_json, err=err)
            continue
        if as_json:
            _print_json(result.risk_assessment, pretty=len(files) == 1 and sys.stdout.isatty())
        else:
            from service.cli.rendering import render

            out.print(render(result, name=_name(path), vocabulary=service.parts.vocabulary))
    if failed:
        sys.exit(EXIT_FAULTS)


def _assessed(path: Path, service: Service, options: AssessOptions) -> Result:
    from service.assessment.run import assess_subject
    from service.fhir import r4

    raw = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
    limits = r4.Limits(max_bytes=service.settings.max_body_bytes, max_depth=service.settings.max_depth)
    parsed = r4.parse(raw, limits=limits)
    return assess_subject(parsed.resource, parts=service.parts, warnings=parsed.warnings, options=options)


def _print_json(resource: dict[str, object], *, pretty: bool) -> None:
    from service.fhir import r4

    click.echo(r4.serialise(resource, pretty=pretty))


def _tell_faults(path: Path, error: ServiceError, *, as_json: bool, err: Console) -> None:
    """Every fault in words on standard error; in JSON mode also an OperationOutcome in the place of the answer."""
    from rich.text import Text

    from service.fhir.outcomes import operation_outcome

    err.print(Text(f"{_name(path)}: not assessed", style="bold red"))
    for fault in error.faults:
        err.print(Text(f"  {fault.where or 'whole input'}: {fault.message}"))
        for word, text in (("Rule", fault.rule), ("Repair", fault.repair)):
            if text:
                err.print(Text(f"    {word}: {text}", style="dim"))
    if as_json:
        _print_json(operation_outcome(error.faults), pretty=False)


def _with_progress(files: Sequence[Path], err: Console) -> Iterator[Path]:
    """The files one by one; with several, a progress bar on standard error once they take longer than a moment."""
    from rich.progress import Progress

    started = time.monotonic()
    progress = Progress(console=err, transient=True, disable=len(files) < 2 or not err.is_terminal)
    task = progress.add_task("Assessing", total=len(files))
    shown = False
    try:
        for file in files:
            if not shown and time.monotonic() - started > PROGRESS_AFTER_SECONDS:
                progress.start()
                shown = True
            yield file
            progress.advance(task)
    finally:
        if shown:
            progress.stop()


def _name(path: Path) -> str:
    return "standard input" if str(path) == "-" else str(path)

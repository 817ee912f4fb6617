"""`bulk`: assess a file of records, one per line."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import click

if TYPE_CHECKING:
    from service.assessment.bulk import Answered
    from service.composition.parts import Service

EPILOG = """\b
Examples:
  python -m service bulk records.ndjson -o assessments.ndjson
  zcat records.ndjson.gz | python -m service bulk - > assessments.ndjson
  python -m service bulk records.ndjson --processes 8 -o out.ndjson

Exit code 0: every line was assessed; 1: some lines were answered with an OperationOutcome (id line-N).
"""

_service: Service | None = None  # of a worker process: built once, before its first chunk


@click.command(epilog=EPILOG)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, allow_dash=True, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Where to write. Default: standard output.")
@click.option("--processes", type=click.IntRange(1, 256), help="How many processes work. Default: one per processor.")
def command(file: Path, output: Path | None, processes: int | None) -> None:
    """Assess FILE, NDJSON with a QuestionnaireResponse, Observation, Bundle or Parameters per line; - is standard input.

    Line by line in their order: a RiskAssessment, or an OperationOutcome that says why there is none. Nothing is stored, and a
    file of any length takes the memory of a few lines.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    workers = processes or os.cpu_count() or 1
    total = _lines_in(file)
    refused = done = 0
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task("assessed", total=total)
        with _opened(file) as lines, _written(output) as out:
            for answered in _answers(lines, workers):
                out.write(answered.line + b"\n")
                done += 1
                refused += not answered.assessed
                progress.advance(task)
    click.echo(f"{done} lines, {done - refused} assessed, {refused} refused", err=True)
    if refused:
        sys.exit(1)


def _answers(lines: BinaryIO, workers: int) -> Iterator[Answered]:
    from service.assessment.bulk import assess_lines

    pool = ThreadPoolExecutor(1, initializer=_prepare) if workers == 1 else ProcessPoolExecutor(workers, initializer=_prepare)
    with pool as executor:
        yield from assess_lines(lines, _work, executor=executor, ahead=2 * workers)


def _prepare() -> None:
    global _service
    from service.settings import limit_blas_threads, read_settings

    limit_blas_threads()
    from service.composition.parts import build_service

    _service = build_service(read_settings())


def _work(chunk: list[tuple[int, bytes]]) -> list[Answered]:
    from service.assessment.bulk import assess_line
    from service.composition.parts import limits_of

    assert _service is not None
    limits = limits_of(_service.settings)
    return [assess_line(line, number, parts=_service.parts, limits=limits) for number, line in chunk]


def _lines_in(file: Path) -> int | None:
    """How many lines there are to answer; None for standard input."""
    if str(file) == "-":
        return None
    with file.open("rb") as lines:
        return sum(bool(line.strip()) for line in lines)


def _opened(file: Path) -> BinaryIO:
    return open(0, "rb", closefd=False) if str(file) == "-" else file.open("rb")


def _written(output: Path | None) -> BinaryIO:
    return open(1, "wb", closefd=False) if output is None else output.open("wb")

"""`bench`: what an assessment costs, as ratios to plain yardsticks measured in the same interleaved run.

Absolute times depend on the machine and on what else it does; a ratio inside one run carries weight.
"""

from __future__ import annotations

import compileall
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from service.cli.load import Measured, run_load

if TYPE_CHECKING:
    from service.composition.parts import Service

Resource = dict[str, Any]

ANSWERS = 60
WARM_UP = 10
ASSESS_PATH = "/fhir/$assess"
# What this release must reach; the measured figure is printed beside it, also when it misses.
BARS = {
    "HTTP rate / JSON echo": ("at least", 0.12),
    "in process, median ms": ("at most", 10.0),
    "cold start / bare Flask": ("at most", 4.0),
    "first POST / second POST": ("at most", 5.0),
    "memory of the worker, MiB": ("at most", 130.0),
}


@click.command()
@click.option("--seconds", default=2.0, show_default=True, help="Length of each round of HTTP load.")
@click.option("--rounds", default=4, show_default=True, help="Rounds; service and echo take turns in each.")
@click.option("--repeats", default=200, show_default=True, help="Assessments in process.")
@click.option("--hooks", is_flag=True, help="Measure hook calls beside $assess instead.")
def command(seconds: float, rounds: int, repeats: int, hooks: bool) -> None:
    """Measure $assess of a 60-answer QuestionnaireResponse, with full validation and evidence.

    \b
    In process by stage; over HTTP against a plain JSON echo on the same server (eight connections, one worker); cold start
    against a bare Flask app; first against second POST; memory of the worker. Takes about a minute.
    """
    console = Console()
    from service.composition.parts import build_service, warm_up
    from service.settings import read_settings

    service = build_service(read_settings())
    if hooks:
        from service.cli.bench_hooks import measure_hooks

        warm_up(service)
        measure_hooks(console, service, seconds=seconds, rounds=rounds)
        return
    warm_up(service)
    from service.fhir.r4 import serialise

    body = serialise(answered_form(dict(service.parts.questionnaire), ANSWERS))
    stages = time_stages(service, body, repeats)
    total = [sum(run) for run in zip(*stages.values(), strict=True)]
    console.print(_stage_table(stages, total, len(body)))
    answer = service.assess(body, None)
    product, echo, first, second, memory = measure_http(body, answer, seconds=seconds, rounds=rounds)
    cold = measure_cold_starts(rounds + 1)
    found = {
        "HTTP rate / JSON echo": statistics.median(run.per_second for run in product)
        / statistics.median(run.per_second for run in echo),
        "in process, median ms": statistics.median(total),
        "cold start / bare Flask": statistics.median(cold["service"]) / statistics.median(cold["bare-flask"]),
        "first POST / second POST": first / second,
        "memory of the worker, MiB": memory,
    }
    console.print(_http_table(product, echo, cold, first, second))
    console.print(_bar_table(found))
    if any(run.refused for run in product):
        raise click.ClickException("some answers were not 200: the rates above are not to be used")


def answered_form(questionnaire: Resource, count: int) -> Resource:
    """A completed response with the first `count` choice questions of the form answered, present and absent by turns."""
    questions = [item for item in _questions(questionnaire["item"]) if item.get("answerOption")][:count]
    items = []
    for index, question in enumerate(questions):
        options = [option["valueCoding"] for option in question["answerOption"]]
        items.append({"linkId": question["linkId"], "answer": [{"valueCoding": options[index % 2]}]})
    return {
        "resourceType": "QuestionnaireResponse",
        "questionnaire": f"{questionnaire['url']}|{questionnaire['version']}",
        "status": "completed",
        "subject": {"reference": "Patient/bench"},
        "authored": datetime.now(UTC).isoformat(timespec="seconds"),
        "item": items,
    }


def _questions(items: list[Resource]) -> Iterator[Resource]:
    for item in items:
        if item["type"] == "group":
            yield from _questions(item.get("item", []))
        else:
            yield item


# --- in process ---------------------------------------------------------------------------------------------------


def time_stages(service: Service, body: bytes, repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each stage of one assessment, `repeats` times, after a warm-up."""
    from service.fhir import r4
    from service.mapping.case import read_submission
    from service.mapping.writers.risk_assessment import WritingContext, write_risk_assessment

    parts = service.parts
    limits = r4.Limits(max_bytes=service.settings.max_body_bytes, max_depth=service.settings.max_depth)
    stages: dict[str, list[float]] = {name: [] for name in ("parse and validate", "read", "weigh", "write", "serialise")}
    for repeat in track(range(repeats + WARM_UP), description="in process", transient=True):
        now = parts.now()
        reading_context = parts.reading_context(now)
        writing_context = WritingContext(
            vocabulary=parts.vocabulary, assessed_at=now, new_id=parts.new_id, version=parts.version
        )
        ticks = [time.perf_counter()]
        parsed = r4.parse(body, limits=limits)
        ticks.append(time.perf_counter())
        reading = read_submission(parsed.resource, context=reading_context)
        ticks.append(time.perf_counter())
        assessment = parts.engine.assess(reading.case)
        ticks.append(time.perf_counter())
        written = write_risk_assessment(assessment, reading, context=writing_context)
        ticks.append(time.perf_counter())
        r4.serialise(written)
        ticks.append(time.perf_counter())
        if repeat >= WARM_UP:
            for times, begun, ended in zip(stages.values(), ticks, ticks[1:], strict=False):
                times.append((ended - begun) * 1000.0)
    return stages


# --- over HTTP ----------------------------------------------------------------------------------------------------


def measure_http(
    body: bytes, answer: Resource, *, seconds: float, rounds: int
) -> tuple[list[Measured], list[Measured], float, float, float]:
    """Rounds of load on the service and on the echo, by turns; milliseconds of the first and second POST; MiB."""
    from service.cli.bench_server import ECHO_PATH
    from service.fhir.r4 import serialise

    port = _free_port()
    product, echo = [], []
    with bench_database() as database, _server("service", port, database, stdin=serialise(answer)) as process:
        first, second = (_post_once(port, body) for _ in range(2))
        for _ in track(range(rounds), description="over HTTP", transient=True):
            product.append(run_load(port, ASSESS_PATH, body, connections=8, seconds=seconds))
            echo.append(run_load(port, ECHO_PATH, body, connections=8, seconds=seconds))
        memory = proportional_memory(process.pid)
    return product, echo, first, second, memory


def measure_cold_starts(rounds: int) -> dict[str, list[float]]:
    """Seconds from starting the process to the first answer, service and bare Flask by turns."""
    found: dict[str, list[float]] = {"service": [], "bare-flask": []}
    # As an installation is, and as Flask is: where nothing may write what it compiled, a checkout is compiled at every start.
    compileall.compile_dir(Path(__file__).parents[1], quiet=2)
    with bench_database() as database:
        for _ in track(range(rounds), description="cold starts", transient=True):
            for kind, times in found.items():
                port = _free_port()
                started = time.perf_counter()
                with _server(kind, port, database):
                    times.append(time.perf_counter() - started)
    return found


def proportional_memory(pid: int) -> float:
    """Proportional set size of a process in MiB; NaN where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()
    except OSError:
        return float("nan")
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024.0


def _post_once(port: int, body: bytes) -> float:
    started = time.perf_counter()
    address = f"http://127.0.0.1:{port}{ASSESS_PATH}"
    request = urllib.request.Request(address, body, {"Content-Type": "application/fhir+json"})
    with urllib.request.urlopen(request, timeout=30) as response:
        response.read()
    return (time.perf_counter() - started) * 1000.0


@contextmanager
def bench_database() -> Iterator[str]:
    """The URL of a database that nobody keeps, its schema made: a service starts on a new one only once in its life."""
    from service.storage.engine import open_engine
    from service.storage.migrate import upgrade

    with tempfile.TemporaryDirectory(prefix="hipspine-bench-") as folder:
        url = f"sqlite:///{folder}/bench.db"
        engine = open_engine(url, connections=1)
        upgrade(engine)
        engine.dispose()
        yield url


@contextmanager
def _server(kind: str, port: int, database: str, *, stdin: bytes = b"") -> Iterator[subprocess.Popen[bytes]]:
    """A server process that has answered its health check once."""
    process = subprocess.Popen(
        [sys.executable, "-m", "service.cli.bench_server", kind, str(port), database],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin
    process.stdin.write(stdin)
    process.stdin.close()
    try:
        _wait_until_answering(process, port)
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


def _wait_until_answering(process: subprocess.Popen[bytes], port: int) -> None:
    for _ in range(3000):
        if process.poll() is not None:
            raise click.ClickException(f"a measured server ended at once (exit {process.returncode})")
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5):
                return
        except OSError:
            time.sleep(0.005)
    raise click.ClickException("a measured server did not answer within 15 seconds")


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- tables -------------------------------------------------------------------------------------------------------


def _stage_table(stages: dict[str, list[float]], total: list[float], size: int) -> Table:
    table = Table(title=f"In process: one $assess of {ANSWERS} answers ({size / 1024:.1f} KiB)", title_justify="left")
    for heading in ("stage", "median ms", "p99 ms"):
        table.add_column(heading, justify="left" if heading == "stage" else "right")
    for name, times in [*stages.items(), ("all", total)]:
        table.add_row(name, f"{statistics.median(times):.2f}", f"{sorted(times)[int(0.99 * len(times))]:.2f}")
    return table


def _http_table(
    product: list[Measured], echo: list[Measured], cold: dict[str, list[float]], first: float, second: float
) -> Table:
    table = Table(title="Over HTTP: waitress, one worker, eight connections", title_justify="left")
    for heading in ("route", "requests/s", "lowest..highest", "p50 ms", "p99 ms"):
        table.add_column(heading, justify="left" if heading == "route" else "right")
    for name, runs in (("$assess", product), ("JSON echo", echo)):
        rates = sorted(run.per_second for run in runs)
        table.add_row(
            name,
            f"{statistics.median(rates):.0f}",
            f"{rates[0]:.0f}..{rates[-1]:.0f}",
            f"{statistics.median(run.percentile(0.5) for run in runs):.1f}",
            f"{statistics.median(run.percentile(0.99) for run in runs):.1f}",
        )
    table.caption = (
        f"cold start {statistics.median(cold['service']) * 1000:.0f} ms, bare Flask "
        f"{statistics.median(cold['bare-flask']) * 1000:.0f} ms; first POST {first:.1f} ms, second {second:.1f} ms"
    )
    return table


def _bar_table(found: dict[str, float]) -> Table:
    table = Table(title="Against the bars of this release", title_justify="left")
    for heading in ("quantity", "measured", "bar", ""):
        table.add_column(heading, justify="left" if heading == "quantity" else "right")
    for name, value in found.items():
        sense, bar = BARS[name]
        met = value >= bar if sense == "at least" else value <= bar
        table.add_row(name, f"{value:.2f}", f"{sense} {bar:g}", "met" if met else "MISSED")
    return table

"""`bench --hooks`: what a hook call costs beside $assess of the same answers, alone and with ten callers at once."""

from __future__ import annotations

import statistics
import time
import uuid
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from service.cli.bench import ANSWERS, ASSESS_PATH, WARM_UP, _free_port, _server, answered_form, bench_database
from service.cli.load import Measured, run_load
from service.fhir.r4 import serialise

if TYPE_CHECKING:
    from service.composition.parts import Service

Resource = dict[str, Any]

REPEATS = 40
CALLERS = 10
SLOWEST_MS = 500.0  # what the specification expects of a service, in its section on FHIR resources
MOST_TIMES_ASSESS = 3.0
HOOKS = ("patient-view", "encounter-start", "order-select", "order-sign", "encounter-discharge")


def measure_hooks(console: Console, service: Service, *, seconds: float, rounds: int) -> None:
    """Print the table and the bars; ClickException if an answer was not 200."""
    form = answered_form(dict(service.parts.questionnaire), ANSWERS)
    bodies = {"$assess": (ASSESS_PATH, serialise(form))}
    bodies |= {hook: (f"/cds-services/{hook}", serialise(hook_body(hook, form))) for hook in HOOKS}
    spent = processor_times(service, bodies, REPEATS)
    alone: dict[str, list[Measured]] = {name: [] for name in bodies}
    together: dict[str, list[Measured]] = {name: [] for name in bodies}
    port = _free_port()
    with bench_database() as database, _server("service", port, database):
        for path, body in bodies.values():
            run_load(port, path, body, connections=1, seconds=0.3)
        for _ in track(range(rounds), description="hooks", transient=True):
            for name, (path, body) in bodies.items():
                alone[name].append(run_load(port, path, body, connections=1, seconds=seconds))
                together[name].append(run_load(port, path, body, connections=CALLERS, seconds=seconds))
    console.print(_table(spent, alone, together))
    work = max(statistics.median(spent[hook]) for hook in HOOKS) / statistics.median(spent["$assess"])
    ratio = max(_pooled(alone[hook], 0.95) for hook in HOOKS) / _pooled(alone["$assess"], 0.95)
    slowest = max(_pooled(together[hook], 1.0) for hook in HOOKS)
    console.print(f"dearest hook, processor time / $assess: {work:.2f}")
    for what, value, bar in (
        ("slowest hook, p95 / $assess p95", ratio, MOST_TIMES_ASSESS),
        (f"slowest of all calls with {CALLERS} callers, ms", slowest, SLOWEST_MS),
    ):
        console.print(f"{what}: {value:.2f} (at most {bar:g}) {'met' if value <= bar else 'MISSED'}")
    if any(run.refused for runs in (*alone.values(), *together.values()) for run in runs):
        raise click.ClickException("some answers were not 200: the figures above are not to be used")


def hook_body(hook: str, form: Resource) -> Resource:
    """A call with everything prefetched: the form of the benchmark, and a hip MRI where the hook is about orders."""
    draft = {
        "resourceType": "ServiceRequest",
        "id": "order-1",
        "status": "draft",
        "intent": "order",
        "code": {"coding": [{"system": "http://loinc.org", "code": "36013-1"}]},
        "subject": {"reference": "Patient/bench"},
    }
    return {
        "hook": hook,
        "hookInstance": str(uuid.uuid4()),
        "context": {
            "userId": "Practitioner/bench",
            "patientId": "bench",
            "encounterId": "bench",
            "selections": ["ServiceRequest/order-1"],
            "draftOrders": {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": draft}]},
        },
        "prefetch": {
            "patient": {"resourceType": "Patient", "id": "bench", "gender": "female", "birthDate": "1970-01-01"},
            "encounter": None,
            "conditions": None,
            "findings": None,
            "measurements": None,
            "forms": {"resourceType": "Bundle", "type": "searchset", "entry": [{"resource": form}]},
        },
    }


def _table(
    spent: dict[str, list[float]], alone: dict[str, list[Measured]], together: dict[str, list[Measured]]
) -> Table:
    title = f"Milliseconds of a call with {ANSWERS} answers prefetched, one caller and {CALLERS}: waitress, one worker"
    table = Table(title=title, title_justify="left")
    for heading in ("call", "processor", "1: p50", "p95", f"{CALLERS}: p50", "p95", "slowest", "calls/s"):
        table.add_column(heading, justify="left" if heading == "call" else "right")
    for name, runs in alone.items():
        table.add_row(
            name,
            f"{statistics.median(spent[name]):.1f}",
            f"{_pooled(runs, 0.5):.1f}",
            f"{_pooled(runs, 0.95):.1f}",
            f"{_pooled(together[name], 0.5):.0f}",
            f"{_pooled(together[name], 0.95):.0f}",
            f"{_pooled(together[name], 1.0):.0f}",
            f"{statistics.median(run.per_second for run in together[name]):.0f}",
        )
    return table


def _pooled(runs: list[Measured], share: float) -> float:
    """A percentile over all calls of all rounds together; NaN if there was none."""
    ordered = sorted(one for run in runs for one in run.milliseconds)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


def processor_times(service: Service, bodies: dict[str, tuple[str, bytes]], repeats: int) -> dict[str, list[float]]:
    """Milliseconds of processor time of each call, by turns in this process: other work on the machine hardly changes them."""
    from dataclasses import replace

    from service.app import create_app

    client = create_app(replace(service.settings, database_url="none"), service=service).test_client()
    times: dict[str, list[float]] = {name: [] for name in bodies}
    for repeat in track(range(repeats + WARM_UP), description="processor time", transient=True):
        for name, (path, body) in bodies.items():
            begun = time.process_time()
            answer = client.post(path, data=body, content_type="application/fhir+json")
            spent = (time.process_time() - begun) * 1000.0
            if answer.status_code != 200:
                raise click.ClickException(f"{name} was answered {answer.status_code}")
            if repeat >= WARM_UP:
                times[name].append(spent)
    return times

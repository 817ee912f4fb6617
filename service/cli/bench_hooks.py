"""`bench --hooks`: what a hook call costs beside $assess of the same answers, alone and with ten callers at once."""

from __future__ import annotations

import statistics
import uuid
from typing import Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

from service.cli.bench import ANSWERS, ASSESS_PATH, _free_port, _server, answered_form, bench_database
from service.cli.load import Measured, run_load
from service.fhir.r4 import serialise

Resource = dict[str, Any]

CALLERS = 10
SLOWEST_MS = 500.0  # what the specification expects of a service, in its section on FHIR resources
MOST_TIMES_ASSESS = 3.0
HOOKS = ("patient-view", "encounter-start", "order-select", "order-sign", "encounter-discharge")


def measure_hooks(console: Console, questionnaire: Resource, *, seconds: float, rounds: int) -> None:
    """Print the table and the bars; ClickException if an answer was not 200."""
    form = answered_form(questionnaire, ANSWERS)
    bodies = {"$assess": (ASSESS_PATH, serialise(form))}
    bodies |= {hook: (f"/cds-services/{hook}", serialise(hook_body(hook, form))) for hook in HOOKS}
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
    console.print(_table(alone, together))
    ratio = max(_median(alone[hook], 0.95) for hook in HOOKS) / _median(alone["$assess"], 0.95)
    slowest = max(run.percentile(1.0) for hook in HOOKS for run in together[hook])
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


def _table(alone: dict[str, list[Measured]], together: dict[str, list[Measured]]) -> Table:
    title = f"Milliseconds of a call with {ANSWERS} answers prefetched, one caller and {CALLERS}: waitress, one worker"
    table = Table(title=title, title_justify="left")
    for heading in ("call", "1: p50", "p95", f"{CALLERS}: p50", "p95", "slowest", "calls/s"):
        table.add_column(heading, justify="left" if heading == "call" else "right")
    for name, runs in alone.items():
        table.add_row(
            name,
            f"{_median(runs, 0.5):.1f}",
            f"{_median(runs, 0.95):.1f}",
            f"{_median(together[name], 0.5):.0f}",
            f"{_median(together[name], 0.95):.0f}",
            f"{max(run.percentile(1.0) for run in together[name]):.0f}",
            f"{statistics.median(run.per_second for run in together[name]):.0f}",
        )
    return table


def _median(runs: list[Measured], share: float) -> float:
    return statistics.median(run.percentile(share) for run in runs)

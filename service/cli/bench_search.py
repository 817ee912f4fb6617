"""`bench-search`: what a page of a search costs over many stored assessments, on a database of its own."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import track
from rich.table import Table

if TYPE_CHECKING:
    from sqlalchemy import Connection
    from sqlalchemy import Table as SqlTable

    from service.storage.sql_store import SqlStore

Resource = dict[str, Any]

BAR_MS = 50.0
PER_PATIENT = 5
CONDITIONS = 8
BATCH = 2000
FIRST_DAY = datetime(2020, 1, 1, tzinfo=UTC)
DAYS = 2200
RISK = "http://terminology.hl7.org/CodeSystem/risk-probability"

# What is asked, and why it is a case of its own. `{patient}` is one of the patients, `{form}` what one assessment is made from.
SEARCHES = (
    ("patient={patient}", "few matches, found by one value"),
    ("patient={patient}&_sort=-date", "few matches, sorted"),
    ("basis=QuestionnaireResponse/{form}", "one match"),
    ("date=2023-05-17", "a day: few matches inside a range"),
    ("date=ge2023-05-17&date=lt2023-06-17", "a month: many matches inside a range"),
    ("date=ge2021", "most of the table"),
    ("date=ge2021&_sort=date", "most of the table, sorted"),
    ("risk=high", "nearly half of the table by one value"),
    ("risk=high&_sort=-date", "nearly half of the table, sorted by another"),
    ("risk=high&date=ge2023-05-17&date=lt2023-06-17&_sort=-date", "two conditions with many matches each"),
    ("probability=gt97", "eight in a hundred by a number"),
    ("probability=gt50", "most of the table by a number"),
    ("patient={patient}&date=ge2021&risk=high", "all three"),
    ("risk:not=high&_sort=-_lastUpdated", "what has not a value"),
    ("patient.identifier=urn:mrn|{patient}", "through a reference"),
    ("patient={patient}&_include=RiskAssessment:subject", "with what the matches point to"),
    ("", "everything, newest first"),
)


@click.command()
@click.option("--assessments", default=100_000, show_default=True, help="How many are stored.")
@click.option(
    "--database-url", default="", help="A database to fill, or filled by an earlier run; without it a file that is deleted again."
)
@click.option("--repeats", default=30, show_default=True, help="Requests of each search, each with other values.")
@click.option("--explain", is_flag=True, help="Also print how the database reads each first page.")
def command(assessments: int, database_url: str, repeats: int, explain: bool) -> None:
    """Fill a database with assessments and measure first pages (20 matches) of searches over HTTP, in process.

    \b
    With 100,000 assessments (five of each of 20,000 patients, eight predictions each) and SQLite it takes about two minutes and
    600 MB of disk. The bar is 50 ms for a first page.
    """
    console = Console(width=170)
    with tempfile.TemporaryDirectory() as folder:
        url = database_url or f"sqlite:///{Path(folder) / 'bench.db'}"
        measure(url, assessments, repeats, console=console, explain=explain)


def measure(url: str, assessments: int, repeats: int, *, console: Console, explain: bool = False) -> dict[str, float]:
    """The median milliseconds of each search, after the tables of all figures were printed."""
    from dataclasses import replace

    from service.app import create_app
    from service.composition.parts import build_service
    from service.composition.parts import open_store as opened
    from service.settings import Settings

    settings = replace(Settings(), database_url=url)
    store = opened(settings)
    assert store is not None
    began = time.perf_counter()
    with store.reading() as reader:
        filled = reader.read("RiskAssessment", f"a{assessments - 1}") is not None
    if not filled:
        fill(store, assessments, console)  # type: ignore[arg-type]
        console.print(f"{assessments} assessments stored in {time.perf_counter() - began:.0f} s")
    client = create_app(settings, service=build_service(settings), store=store).test_client()
    rng = random.Random(1)
    table = Table(title=f"First page of 20, {assessments} assessments stored")
    for column in ("search", "case", "matches", "median ms", "p95 ms", "second page, median ms"):
        table.add_column(column)
    medians: dict[str, float] = {}
    for query, case in SEARCHES:
        first, second, found = [], [], ""
        for _ in range(repeats):
            number = rng.randrange(assessments)
            asked = query.format(patient=f"p{number // PER_PATIENT}", form=f"f{number}")
            path = f"/fhir/RiskAssessment?{asked}{'&' if asked else ''}_count=20"
            elapsed, bundle = _timed(client, path)
            first.append(elapsed)
            found = str(bundle.get("total", f"over {len(bundle.get('entry', []))}"))
            further = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
            if further is not None:
                second.append(_timed(client, further.removeprefix("http://localhost"))[0])
        medians[query] = statistics.median(first)
        table.add_row(
            query or "(none)", case, found, f"{medians[query]:.1f}", f"{sorted(first)[int(len(first) * 0.95)]:.1f}",
            f"{statistics.median(second):.1f}" if second else "-",
            style="red" if medians[query] > BAR_MS else "",
        )  # fmt: skip
    console.print(table)
    if explain:
        with store.reading() as reader:
            for line in plans(reader.connection, assessments):  # type: ignore[attr-defined]
                console.print(line, highlight=False)
    store.close()
    return medians


def _timed(client: Any, path: str) -> tuple[float, Resource]:
    began = time.perf_counter()
    response = client.get(path)
    elapsed = (time.perf_counter() - began) * 1000
    if response.status_code != 200:
        raise click.ClickException(f"{path}: {response.status_code} {response.text[:300]}")
    return elapsed, response.get_json(force=True)


# --- filling ---------------------------------------------------------------------------------------------------------


def fill(store: SqlStore, assessments: int, console: Console) -> None:
    """Write patients and assessments straight into the tables, as storing each of them would have."""
    from sqlalchemy import insert, text

    from service.fhir.r4 import serialise
    from service.fhir.search_index import resource_indexer
    from service.storage.index import rows_of
    from service.storage.tables import resource, resource_version

    indexer, rng = resource_indexer(), random.Random(0)
    patients = [_patient(number) for number in range((assessments + PER_PATIENT - 1) // PER_PATIENT)]
    made = chain(patients, (_assessment(number, number / assessments, rng) for number in range(assessments)))
    total = len(patients) + assessments
    now = int(datetime(2026, 6, 1, tzinfo=UTC).timestamp() * 1_000_000)
    for start in track(range(0, total, BATCH), "Storing", console=console, transient=True):
        with store.engine.begin() as connection:
            versions: list[Resource] = []
            newest: list[Resource] = []
            values: dict[SqlTable, list[Resource]] = {}
            for place in range(start + 1000, min(start + BATCH, total) + 1000):  # beyond what the service itself has stored
                one = next(made)
                updated = now + place * 1000
                versions.append({
                    "sequence": place, "type": one["resourceType"], "id": one["id"], "version": 1, "last_updated": updated,
                    "method": "PUT", "body": serialise(one).decode(),
                })  # fmt: skip
                newest.append({
                    "key": place, "type": one["resourceType"], "id": one["id"], "version": 1, "sequence": place,
                    "last_updated": updated, "deleted": False,
                })  # fmt: skip
                for table, rows in rows_of(place, one["resourceType"], indexer(one)).items():
                    values.setdefault(table, []).extend(rows)
            connection.execute(insert(resource_version), versions)
            connection.execute(insert(resource), newest)
            for table, rows in values.items():
                connection.execute(insert(table), rows)
    with store.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text("ANALYZE"))
        if connection.dialect.name == "postgresql":
            for name, column in (("resource", "key"), ("resource_version", "sequence")):
                sequence = f"pg_get_serial_sequence('{name}', '{column}')"
                connection.execute(text(f"SELECT setval({sequence}, (SELECT max({column}) FROM {name}))"))


def _patient(number: int) -> Resource:
    return {
        "resourceType": "Patient",
        "id": f"p{number}",
        "meta": {"versionId": "1", "lastUpdated": "2026-06-01T00:00:00.000Z"},
        "identifier": [{"system": "urn:mrn", "value": f"p{number}"}],
        "name": [{"family": f"Family{number % 997}", "given": [f"Given{number % 13}"]}],
        "birthDate": f"{1930 + number % 70}-0{1 + number % 9}-1{number % 9}",
    }


def _assessment(number: int, share: float, rng: random.Random) -> Resource:
    """Assessments are stored in the order of their dates, with some that come late."""
    day = FIRST_DAY + timedelta(days=(share * DAYS + rng.random() * 30) % DAYS, seconds=rng.randrange(86400))
    percents = sorted((rng.random() ** 3 * 100 for _ in range(CONDITIONS)), reverse=True)
    return {
        "resourceType": "RiskAssessment",
        "id": f"a{number}",
        "meta": {"versionId": "1", "lastUpdated": "2026-06-01T00:00:00.000Z"},
        "identifier": [{"system": "urn:assessment", "value": f"{number:064x}"}],
        "status": "final",
        "subject": {"reference": f"Patient/p{number // PER_PATIENT}"},
        "encounter": {"reference": f"Encounter/e{number}"},
        "occurrenceDateTime": day.isoformat(timespec="seconds"),
        "method": {"coding": [{"system": "urn:method", "code": "exact"}]},
        "performer": {"reference": "Device/hipspine"},
        "basis": [{"reference": f"QuestionnaireResponse/f{number}/_history/1"}],
        "prediction": [
            {
                "outcome": {"coding": [{"system": "urn:condition", "code": f"c{index}"}]},
                "probabilityDecimal": round(percent, 2),
                "qualitativeRisk": {"coding": [{"system": RISK, "code": _risk(percent)}]},
                "rationale": "Groin pain and limited rotation speak for it, back pain against it. " * 2,
            }
            for index, percent in enumerate(percents)
        ],
    }


def _risk(percent: float) -> str:
    return "negligible" if percent < 1 else "low" if percent < 20 else "moderate" if percent < 80 else "high"


# --- how the database reads ----------------------------------------------------------------------------------------


def plans(connection: Connection, assessments: int) -> Iterator[str]:
    """For each search the statements of its first page, with the way the database takes."""
    from sqlalchemy import event

    from service.fhir.resource_types import RESOURCE_TYPES
    from service.fhir.search import SearchContext, read_query
    from service.storage.search import search

    types = frozenset(offered.name for offered in RESOURCE_TYPES if offered.stored)
    context = SearchContext((), types, datetime.now(UTC))
    explaining = {"sqlite": "EXPLAIN QUERY PLAN ", "postgresql": "EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) "}
    prefix = explaining[connection.dialect.name]
    seen: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        seen.append((statement, parameters))

    for query, _ in SEARCHES:
        asked = query.format(patient=f"p{assessments // 2 // PER_PATIENT}", form=f"f{assessments // 2}")
        pairs = [tuple(pair.split("=", 1)) for pair in f"{asked}&_count=20".strip("&").split("&")]
        seen.clear()
        event.listen(connection, "before_cursor_execute", note)
        search(connection, read_query("RiskAssessment", pairs, context=context))  # type: ignore[arg-type]
        event.remove(connection, "before_cursor_execute", note)
        yield f"\n== {asked or '(none)'}"
        for statement, parameters in list(seen):
            yield "  " + " ".join(statement.split())[:160]
            for row in connection.exec_driver_sql(prefix + statement, parameters).all():
                yield f"      {row[-1]}"

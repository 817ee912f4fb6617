"""`python -m tests.conformance.verdicts`: the table of verdicts in docs/conformance.md, from the validators as they are.

The mutations go to the three validators of others and to our own, over HTTP; what others reject, ours must reject.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]  # as pytest does

import requests  # noqa: E402
from conformance import definitions  # noqa: E402
from conformance.harvest import Harvest, published  # noqa: E402
from conformance.mutations import Mutation, bases, mutations  # noqa: E402
from conformance.tools import Tools, prepared  # noqa: E402
from conformance.validators import VALIDATORS, judged  # noqa: E402
from support.servers import FHIR_JSON  # noqa: E402

PAGE = ROOT / "docs" / "conformance.md"
START, END = "<!-- verdicts -->", "<!-- /verdicts -->"


@dataclass(frozen=True, slots=True)
class Row:
    """Who rejects one mutation."""

    mutation: Mutation
    ours: bool
    others: Mapping[str, bool]  # validator -> whether it rejects

    @property
    def lax(self) -> list[str]:
        """Those who reject what we accept."""
        return [name for name, rejects in self.others.items() if rejects and not self.ours]


def rows(tools: Tools, url: str, folder: Path) -> tuple[list[Row], dict[str, list[str]]]:
    """Every mutation judged, and what anybody says against the resources they start from. `url` is a running service."""
    known, resources = folder / "definitions", folder / "resources"
    resources.mkdir(parents=True)
    broken = mutations()
    for number, mutation in enumerate(broken):
        (resources / f"{number:03d}.json").write_bytes(mutation.text)
    for name, resource in bases().items():
        (resources / f"base-{name}.json").write_text(json.dumps(resource), encoding="utf-8")
    harvest = harvested_definitions(url)
    harvest.write_definitions(known)
    definitions.write_others(tools, known)
    verdicts = judged(tools, known, resources)
    found = [
        Row(
            mutation,
            ours=bool(our_errors(url, mutation.type, mutation.text)),
            others={name: any(issue.is_error for issue in verdicts[name][f"{number:03d}.json"]) for name in VALIDATORS},
        )
        for number, mutation in enumerate(broken)
    ]
    against = {
        name: [
            *our_errors(url, resource["resourceType"], json.dumps(resource).encode()),
            *(str(issue) for said in verdicts.values() for issue in said[f"base-{name}.json"] if issue.is_error),
        ]
        for name, resource in bases().items()
    }
    return found, against


def harvested_definitions(url: str) -> Harvest:
    """What the service publishes for validators."""
    from werkzeug.routing import Map

    harvest = Harvest(url, Map())
    published(harvest)
    return harvest


def our_errors(url: str, type_name: str, text: bytes) -> list[str]:
    """What $validate has against a resource."""
    response = requests.post(f"{url}/fhir/{type_name}/$validate", data=text, headers={"Content-Type": FHIR_JSON}, timeout=60)
    assert response.status_code < 500, response.text[:500]
    return [issue["details"]["text"] for issue in response.json()["issue"] if issue["severity"] in ("error", "fatal")]


def table(found: Sequence[Row]) -> str:
    """The rows as Markdown."""
    heads = ["rule", "what is broken", "HipSpine", *("HL7" if name == "hl7" else name for name in VALIDATORS)]
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    said: Callable[[bool], str] = lambda rejects: "rejects" if rejects else "accepts"  # noqa: E731
    for row in found:
        cells = [row.mutation.rule, row.mutation.what.replace("|", "\\|"), said(row.ours)]
        lines.append(f"| {' | '.join([*cells, *map(said, row.others.values())])} |")
    counts = {name: sum(row.others[name] for row in found) for name in VALIDATORS}
    rejected = ", ".join(f"{name} {count}" for name, count in counts.items())
    return f"{len(found)} mutations; rejected by HipSpine {sum(row.ours for row in found)}, {rejected}.\n\n" + "\n".join(lines)


def with_table(page: str, found: Sequence[Row]) -> str:
    """The page with the table between its marks."""
    before, _, rest = page.partition(START)
    _, _, after = rest.partition(END)
    return f"{before}{START}\n{table(found)}\n{END}{after}"


def main() -> int:
    """0 when the page is written."""
    from support.documents import start_server

    server = start_server()
    try:
        with tempfile.TemporaryDirectory() as folder:
            found, _ = rows(prepared(), server.url, Path(folder))
    finally:
        server.stop()
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""Three validators of others, asked about a folder of resources: HL7's own, Medplum's, and that of the npm package `fhir`."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from conformance.tools import HERE, Tools

VALIDATORS = {
    "hl7": "HL7's validator (org.hl7.fhir.validation, as HAPI packs it)",
    "medplum": "Medplum's validateResource (@medplum/core)",
    "fhirjs": "the npm package fhir",
}
SLOW = ("hl7",)
ERRORS = ("fatal", "error")
TIMEOUT_SECONDS = 1800


@dataclass(frozen=True, slots=True)
class Issue:
    """One remark of one validator about one file."""

    validator: str
    file: str
    severity: str
    path: str
    text: str

    @property
    def is_error(self) -> bool:
        return self.severity in ERRORS

    @property
    def is_warning(self) -> bool:
        return self.severity == "warning"

    def __str__(self) -> str:
        return f"{self.validator} {self.severity} {self.file} {self.path}: {self.text}"


Verdicts = Mapping[str, Mapping[str, Sequence[Issue]]]  # validator -> file -> its remarks


def judged(tools: Tools, definitions: Path, resources: Path, *, more: Path | None = None) -> Verdicts:
    """What each validator says of every *.json in `resources`, knowing the definitions in the other folder.

    Those in `more` are for the validators that are quick.

    AssertionError if one of them did not get to the end: silence would look like consent.
    """
    folders = {name: [resources] if name in SLOW or more is None else [resources, more] for name in VALIDATORS}
    with ThreadPoolExecutor() as pool:
        running = {
            name: [pool.submit(_asked, name, tools, definitions, folder) for folder in folders[name]] for name in VALIDATORS
        }
    verdicts: dict[str, dict[str, list[Issue]]] = {}
    for name, futures in running.items():
        verdicts[name] = {file: issues for future in futures for file, issues in future.result().items()}
        expected = {path.name for folder in folders[name] for path in folder.glob("*.json")}
        assert set(verdicts[name]) == expected, f"{name} did not judge {sorted(expected - set(verdicts[name]))[:5]}"
    return verdicts


def _asked(name: str, tools: Tools, definitions: Path, resources: Path) -> dict[str, list[Issue]]:
    if name == "hl7":
        command = ["java", "-XX:+UseParallelGC", "-cp", f"{tools.jars}/*", str(HERE / "java" / "Validate.java")]
    else:
        command = ["node", str(tools.node / f"{name}.mjs")]
    # Politely: tests with a time to keep run beside it.
    polite = ["nice", "-n", "5"] if shutil.which("nice") else []
    done = subprocess.run(
        [*polite, *command, str(definitions), str(resources)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert done.returncode == 0, f"{name} broke off: {done.stderr[-2000:]}"
    found: dict[str, list[Issue]] = {}
    for line in done.stdout.splitlines():
        verdict = json.loads(line)
        found[verdict["file"]] = [
            Issue(name, verdict["file"], issue["severity"], issue.get("path") or "", issue["text"]) for issue in verdict["issues"]
        ]
    return found

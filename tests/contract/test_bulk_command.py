"""`python -m service bulk`: a line in, a line out, in order; a bad line is answered, not a reason to stop."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from support.servers import ROOT, clean_environment

from service.assessment.bulk import assess_line
from service.composition.parts import Service
from service.fhir import r4

DATA = Path(__file__).resolve().parents[1] / "data"
Resource = dict[str, Any]


def one_line(name: str) -> bytes:
    return r4.serialise(r4.read_stored((DATA / name).read_bytes()))


def bulk(*arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "service", "bulk", *arguments],
        cwd=ROOT,
        env=clean_environment(),
        input=given,
        capture_output=True,
        timeout=120,
    )


def test_each_line_is_answered_in_its_order_by_several_processes(tmp_path: Path, service: Service) -> None:
    names = ["hip.json", "spine.json", "both.json", "sacroiliac.json", "emergency.json"]
    lines = [one_line(name) for name in names] * 10
    lines[7] = b'{"resourceType": "Observation"}'
    lines[23] = b"{broken"
    file, out = tmp_path / "in.ndjson", tmp_path / "out.ndjson"
    file.write_bytes(b"\n".join([*lines[:30], b"", *lines[30:]]) + b"\n")
    run = bulk(str(file), "-o", str(out), "--processes", "2")
    assert run.returncode == 1 and b"50 lines, 48 assessed, 2 refused" in run.stderr
    answers = [json.loads(line) for line in out.read_bytes().splitlines()]
    assert len(answers) == 50
    for number, (line, answer) in enumerate(zip(lines, answers, strict=True)):
        if number in (7, 23):
            assert (answer["resourceType"], answer["id"]) == ("OperationOutcome", f"line-{number + 1}")
            assert answer["issue"][0]["severity"] == "error" and answer["issue"][0]["diagnostics"]
        elif number < 5:
            direct = service.assess(line, None)
            assert answer["prediction"] == json.loads(r4.serialise(direct))["prediction"]
            r4.parse(r4.serialise(answer), limits=r4.Limits())


def test_standard_input_and_output_work_too() -> None:
    run = bulk("-", "--processes", "1", given=one_line("hip.json") + b"\n")
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["resourceType"] == "RiskAssessment"


def test_a_fault_of_ours_on_one_line_tells_nothing_of_the_patient(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise KeyError("Jane Doe")

    monkeypatch.setattr("service.assessment.bulk.assess_subject", fails)
    answered = assess_line(one_line("hip.json"), 3, parts=service.parts, limits=r4.Limits())
    assert not answered.assessed and b"KeyError" in answered.line and b"Jane" not in answered.line


def test_the_help_teaches() -> None:
    shown = bulk("--help").stdout.decode()
    assert "Examples:" in shown and "OperationOutcome" in shown

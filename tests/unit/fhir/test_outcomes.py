"""Faults as OperationOutcome."""

from __future__ import annotations

import typing

import pytest
from r4_seeds import faults_of

from service.errors import Fault, FaultKind, Severity
from service.fhir.outcomes import operation_outcome
from service.fhir.r4 import check


def test_R19_an_issue_says_what_where_why_and_how_to_mend_it() -> None:
    fault = Fault(
        "invariant",
        "The rule obs-6 is broken.",
        "Observation",
        "No value beside a reason.",
        "Keep one.",
        "obs-6",
        "http://hl7.org/fhir/R4/observation.html",
    )
    outcome = operation_outcome([fault], request_id="r-1")
    assert outcome == {
        "resourceType": "OperationOutcome",
        "issue": [
            {
                "severity": "error",
                "code": "invariant",
                "details": {"text": "The rule obs-6 is broken."},
                "diagnostics": "No value beside a reason. Keep one. Rule obs-6. "
                "See http://hl7.org/fhir/R4/observation.html (request r-1)",
                "expression": ["Observation"],
            }
        ],
    }


@pytest.mark.parametrize("kind", typing.get_args(FaultKind))
@pytest.mark.parametrize("severity", typing.get_args(Severity))
def test_R18_every_kind_of_fault_becomes_a_valid_outcome(kind: FaultKind, severity: Severity) -> None:
    outcome = operation_outcome([Fault(kind, "Something.", severity=severity), Fault(kind, "Else.", "Patient.name[0]")])
    assert check(outcome).faults == ()
    assert [issue["code"] for issue in outcome["issue"]] == [kind, kind]
    assert "expression" not in outcome["issue"][0]


def test_an_outcome_has_at_least_one_issue() -> None:
    outcome = operation_outcome(())
    assert [issue["severity"] for issue in outcome["issue"]] == ["information"]
    assert check(outcome).faults == ()


def test_R15_kinds_outside_the_vocabulary_are_still_legal_issue_types() -> None:
    assert operation_outcome([Fault("exception", "A fault of ours.")])["issue"][0]["code"] == "exception"  # type: ignore[arg-type]
    assert operation_outcome([Fault("nonsense", "x")])["issue"][0]["code"] == "processing"  # type: ignore[arg-type]


def test_the_outcome_of_real_faults_is_valid() -> None:
    faults = faults_of({"resourceType": "Observation", "status": "done", "note": [], "valueString": ""})
    outcome = operation_outcome(faults, request_id="x")
    assert check(outcome).faults == ()
    assert [issue["expression"][0] for issue in outcome["issue"]] == [
        "Observation.status",
        "Observation.note",
        "Observation.valueString",
        "Observation.code",
    ]

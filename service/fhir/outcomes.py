"""Faults as an OperationOutcome: what every answer that is not a success carries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from service.errors import Fault

# http://hl7.org/fhir/R4/valueset-issue-type.html
ISSUE_TYPES = frozenset({
    "invalid", "structure", "required", "value", "invariant", "security", "login", "unknown", "expired", "forbidden",
    "suppressed", "processing", "not-supported", "duplicate", "multiple-matches", "not-found", "deleted", "too-long",
    "code-invalid", "extension", "too-costly", "business-rule", "conflict", "transient", "lock-error", "no-store", "exception",
    "timeout", "incomplete", "throttled", "informational",
})
_SEVERITIES = frozenset({"fatal", "error", "warning", "information"})


def operation_outcome(faults: Iterable[Fault], *, request_id: str | None = None) -> dict[str, Any]:
    """A valid R4 OperationOutcome with one issue per fault, in their order; one that says all is well if there are none.

    `request_id` is added to the diagnostics of each issue, so that a caller can quote it. Kinds of fault are named as R4 names
    its issue types; a kind R4 does not know becomes ``processing``.
    """
    issues = [_issue(fault, request_id) for fault in faults]
    if not issues:
        issues = [_issue(Fault("informational", "No faults were found.", severity="information"), request_id)]
    return {"resourceType": "OperationOutcome", "issue": issues}


def _issue(fault: Fault, request_id: str | None) -> dict[str, Any]:
    issue: dict[str, Any] = {
        "severity": fault.severity if fault.severity in _SEVERITIES else "error",
        "code": fault.kind if fault.kind in ISSUE_TYPES else "processing",
        "details": {"text": fault.message or "The request cannot be processed."},
    }
    diagnostics = " ".join(part for part in (
        fault.rule,
        fault.repair,
        f"Rule {fault.key}." if fault.key else "",
        f"See {fault.spec}" if fault.spec else "",
        f"(request {request_id})" if request_id else "",
    ) if part)
    if diagnostics:
        issue["diagnostics"] = diagnostics
    if fault.where:
        issue["expression"] = [fault.where]
    return issue

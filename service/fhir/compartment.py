"""The patient compartment: by which parameters the resources of each type belong to a patient, and what asks for all of them.

Source: http://hl7.org/fhir/R4/compartmentdefinition-patient.html, http://hl7.org/fhir/R4/patient-operation-everything.html
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any

from service.errors import Fault, MalformedInput
from service.fhir.parameters import Input, Inputs, gather_inputs
from service.fhir.search_results import CURSOR, MOST_PER_PAGE, PAGE
from service.fhir.search_values import period
from service.records import dataclass

Resource = dict[str, Any]

PATIENT_COMPARTMENT: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "AuditEvent": ("patient",),
        "CarePlan": ("patient", "performer"),
        "Condition": ("patient", "asserter"),
        "DiagnosticReport": ("subject",),
        "DocumentReference": ("subject", "author"),
        "Encounter": ("subject",),
        "Observation": ("subject", "performer"),
        "Patient": ("link",),
        "Procedure": ("patient", "performer"),
        "Provenance": ("patient",),
        "QuestionnaireResponse": ("subject", "author"),
        "RiskAssessment": ("subject",),
        "ServiceRequest": ("subject", "performer"),
    }
)
# Belong to nobody: who acted, with what, for whom. They come along with what refers to them.
SUPPORTING = ("Device", "Organization", "Practitioner", "PractitionerRole")

# From when to when a resource tells of care: the search parameter of its begin, and that of its end. What has no such date is
# in any range. A Condition lasts until it abates, whenever it was written down.
CARE_DATES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "AuditEvent": ("date", "date"),
        "CarePlan": ("date", "date"),
        "Condition": ("onset-date", "abatement-date"),
        "DiagnosticReport": ("date", "date"),
        "DocumentReference": ("date", "date"),
        "Encounter": ("date", "date"),
        "Observation": ("date", "date"),
        "Procedure": ("date", "date"),
        "Provenance": ("recorded", "recorded"),
        "QuestionnaireResponse": ("authored", "authored"),
        "RiskAssessment": ("date", "date"),
        "ServiceRequest": ("authored", "authored"),
    }
)

EVERYTHING = (
    Input("start", "date"),
    Input("end", "date"),
    Input("_since", "instant"),
    Input("_type", "code", many=True),
    Input("_count", "integer"),
    Input(CURSOR, "string"),
)


@dataclass(frozen=True, slots=True)
class EverythingQuery:
    """All of one patient, oldest first. No `types`: of every type; `since`: what was stored from then on; `after` a key.

    `start` and `end` are the first and the last microsecond of the time that what is given tells of.
    """

    patient: str
    types: tuple[str, ...] = ()
    since: datetime | None = None
    start: int | None = None
    end: int | None = None
    count: int = PAGE
    after: int | None = None
    applied: tuple[tuple[str, str], ...] = ()


def read_everything(patient: str, *, query: Iterable[tuple[str, str]], body: Resource | None) -> EverythingQuery:
    """What a call of $everything asks for; MalformedInput with every fault. `body` is a validated Parameters resource."""
    pairs = list(query)
    inputs, faults = gather_inputs(EVERYTHING, query=pairs, body=body, instance=True)
    # Types may be one comma-separated list, as in a search.
    types = tuple(name.strip() for text in inputs.many("_type") for name in str(text).split(",") if name.strip())
    since, count, cursor = inputs.one("_since"), inputs.one("_count", PAGE), inputs.one(CURSOR)
    unknown = [name for name in types if name not in PATIENT_COMPARTMENT]
    if unknown:
        known = ", ".join(PATIENT_COMPARTMENT)
        faults.append(_fault(inputs, "_type", f"Types of the patient compartment held here: {known}.", "Ask for these only."))
    if not isinstance(count, int) or count < 0:
        faults.append(_fault(inputs, "_count", f"A page holds 0 to {MOST_PER_PAGE} resources.", "Give a whole number from 0."))
    if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        faults.append(_fault(inputs, CURSOR, "It is what a next link of the same call holds.", "Follow the link unchanged."))
    moment = None
    if since is not None:
        try:
            moment = datetime.fromisoformat(str(since))
        except ValueError:
            faults.append(_fault(inputs, "_since", "It is an instant with its zone.", "Write for example 2026-01-31T10:00:00Z."))
    dates = {name: period(str(inputs.one(name))) for name in ("start", "end") if name in inputs}
    faults += [
        _fault(inputs, name, "It is a date, in whole or in part.", "Write for example 2026-01-31.")
        for name, found in dates.items()
        if found is None
    ]
    if faults:
        raise MalformedInput(faults)
    start, end = dates.get("start"), dates.get("end")
    applied = [("_type", name) for name in types]
    applied += [(name, str(inputs.one(name))) for name in dates]
    if since is not None:
        applied.append(("_since", str(since)))
    if "_count" in inputs:
        count = min(count, MOST_PER_PAGE)
        applied.append(("_count", str(count)))
    return EverythingQuery(
        patient,
        types,
        since=moment,
        start=start[0] if start is not None else None,
        end=end[1] if end is not None else None,
        count=count,
        after=int(cursor) if cursor is not None else None,
        applied=tuple(applied),
    )


def _fault(inputs: Inputs, name: str, rule: str, repair: str) -> Fault:
    return Fault("value", f"The value of {name} is not understood.", where=inputs.where(name), rule=rule, repair=repair)

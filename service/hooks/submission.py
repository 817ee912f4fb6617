"""The record as one submission to the use case: what concerns the question, valid, and about this patient."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from typing import Any

from service.assessment.run import AssessOptions, Parts, Result, assess_subject
from service.errors import Fault, InvalidInput
from service.fhir import r4
from service.fhir.statuses import condition_status
from service.hooks.prefetch import Record, Unseen, Why
from service.hooks.request import HookRequest
from service.hooks.silence import SilenceRules
from service.records import dataclass

Resource = dict[str, Any]

MOST_RESOURCES = 2_000  # that concern the question; a record with more of them is not a person's
MOST_READINGS = 4  # of one record; each names all that it refuses, so that more than one further is rare
_TELLING = ("Observation", "QuestionnaireResponse", "Condition")
_PARAMETER = re.compile(r"Parameters\.parameter\[(\d+)\]")
# Parameters of $assess that a resource of the type is handed in as.
_NAMES = {
    "Patient": "patient",
    "Condition": "condition",
    "Observation": "observation",
    "QuestionnaireResponse": "questionnaire-response",
}


@dataclass(frozen=True, slots=True)
class Known:
    """What the record tells: the assessment if it says anything of hip or back pain or of an alarm sign, whether such pain is
    known at all, and what of the record was left out. `alarm_only`: an alarm sign is all that it says."""

    result: Result | None
    complaint: bool
    unseen: tuple[Unseen, ...]
    resources: tuple[Resource, ...] = field(default=(), repr=False)
    alarm_only: bool = False


def assess_record(
    record: Record,
    request: HookRequest,
    *,
    parts: Parts,
    options: AssessOptions,
    ordered: bool,
    silence: SilenceRules,
) -> Known:
    """The assessment of what the record holds, by the same use case and with the same figures as $assess.

    What is not valid is left out and named in `unseen`, as one bad resource must not silence an alarm sign in another.
    `ordered`: an order for hip or spine is itself a sign that the pain is there. `silence`: which alarm signs speak without it.
    """
    unseen = list(record.unseen)
    resources: list[Resource] = []
    identifiers = _identifiers(record)
    for resource in _concerned(record.resources, parts):
        if len(resources) == MOST_RESOURCES:
            unseen.append(Unseen("record", "partial"))
            break
        whose = _whose(resource, request, identifiers)
        if isinstance(whose, str):
            unseen.append(Unseen(_name(resource), whose))
            continue
        checked = _checked(whose)
        if checked is None:
            unseen.append(Unseen(_name(resource), "unreadable"))
        else:
            resources.append(checked)
    complaint = ordered or any(_is_complaint(resource, parts) for resource in (*resources, *_encounters(record, request)))
    result, resources = _assessed(resources, request, parts, options, unseen)
    told = complaint or (result is not None and _speaks_of_pain(result, parts))
    unseen += _not_understood(result, resources, parts, None if told else silence)
    if result is not None and not (result.reading.case.answers or result.reading.case.recorded):
        result = None
    alarm_only = result is not None and not told
    if result is not None and alarm_only and not silence.broken_by(result.assessment):
        result, alarm_only = None, False
    return Known(result, complaint, tuple(unseen), tuple(resources), alarm_only)


def _assessed(
    resources: list[Resource], request: HookRequest, parts: Parts, options: AssessOptions, unseen: list[Unseen]
) -> tuple[Result | None, list[Resource]]:
    """The result and the resources it is of; those that the reading refuses are taken out and the rest is read again."""
    for turn in range(MOST_READINGS):
        if not any(resource["resourceType"] in _TELLING for resource in resources):
            break
        fixed, parameters = _parameters(resources, request)
        try:
            result = assess_subject(parameters, parts=parts, options=options, of_today=True)
        except InvalidInput as error:
            refused = _refused(error.faults, fixed, len(resources))
            if not refused or turn == MOST_READINGS - 1:
                raise
            unseen += [Unseen(_name(resources[index]), "unreadable") for index in sorted(refused)]
            resources = [one for index, one in enumerate(resources) if index not in refused]
            continue
        return result, resources
    return None, resources


def _not_understood(
    result: Result | None, resources: Sequence[Resource], parts: Parts, silence: SilenceRules | None
) -> Iterator[Unseen]:
    """What is recorded of findings and could not be read; with rules of `silence` only what may be an alarm that speaks."""
    named = {_name(resource): resource for resource in resources}
    ignored = result.reading.ignored if result is not None else ()
    for what in dict.fromkeys(one.what for one in ignored if one.not_understood):
        about = (code for concept in _concepts(named.get(what, {})) for code in _codings(concept))
        findings = (match.finding_id for code in about for match in parts.terminology.to_findings(*code))
        if silence is None or silence.broken_by_any(findings):
            yield Unseen(what, "not-understood")


def _parameters(resources: list[Resource], request: HookRequest) -> tuple[int, Resource]:
    """The submission, and how many parameters stand before the first resource."""
    fixed: list[Resource] = [{"name": "subject", "valueReference": {"reference": f"Patient/{request.patient_id}"}}]
    if request.encounter_id is not None:
        fixed.append({"name": "encounter", "valueReference": {"reference": f"Encounter/{request.encounter_id}"}})
    given = [{"name": _NAMES[resource["resourceType"]], "resource": resource} for resource in resources]
    return len(fixed), {"resourceType": "Parameters", "parameter": [*fixed, *given]}


def _refused(faults: Iterable[Fault], fixed: int, count: int) -> set[int]:
    places = (_PARAMETER.match(fault.where) for fault in faults)
    indexes = {int(place[1]) - fixed for place in places if place is not None}
    return {index for index in indexes if 0 <= index < count}


def _concerned(resources: Iterable[Resource], parts: Parts) -> Iterator[Resource]:
    """The patient, our form, and what has a code that concerns the question; most of a record does not."""
    form = str(parts.questionnaire["url"])
    for resource in resources:
        kind = resource["resourceType"]
        if kind == "Patient":
            yield resource
        elif kind == "QuestionnaireResponse":
            answered = resource.get("questionnaire")
            if isinstance(answered, str) and answered.split("|")[0] == form and resource.get("status") != "entered-in-error":
                yield resource
        elif kind in ("Observation", "Condition") and (
            _code_unreadable(resource) or any(_known(concept, parts) for concept in _concepts(resource))
        ):
            yield resource


def _code_unreadable(resource: Resource) -> bool:
    """Whether what it is about cannot be told, as its code has another shape than R4 gives it; it may be an alarm sign."""
    code = resource.get("code")
    if code is None:
        return resource["resourceType"] == "Observation"
    codings = code.get("coding", []) if isinstance(code, dict) else None
    return not isinstance(codings, list) or not all(isinstance(coding, dict) for coding in codings)


def _encounters(record: Record, request: HookRequest) -> Iterator[Resource]:
    """The encounter of the call, if it was sent. It tells nothing but why the patient came."""
    identifiers = _identifiers(record)
    for resource in record.resources:
        ours = resource["resourceType"] == "Encounter" and resource.get("id") == request.encounter_id
        if ours and not isinstance(_whose(resource, request, identifiers), str):
            yield resource


def _identifiers(record: Record) -> Sequence[Resource]:
    """The identifiers of the patient, as the Patient resource gives them."""
    patient = next((one for one in record.resources if one["resourceType"] == "Patient"), {})
    given = patient.get("identifier")
    return [one for one in given if isinstance(one, dict)] if isinstance(given, list) else []


def _whose(resource: Resource, request: HookRequest, identifiers: Sequence[Resource]) -> Resource | Why:
    """The resource, its subject given as the request gives it; or why it is left out.

    Record systems name the same patient by id, by full address, or by an identifier; which of them does not matter here. A
    subject that none of them tells is nobody's data; without a subject, it is the patient's whose data were asked for. An address
    of another server than the one that calls is another patient's, however alike the ids are.
    """
    subject = resource.get("subject")
    if resource["resourceType"] == "Patient" or not isinstance(subject, dict) or not subject:
        return resource  # what is no object is a fault of its own
    literal, identifier = subject.get("reference"), subject.get("identifier")
    ours = {**resource, "subject": {"reference": f"Patient/{request.patient_id}"}}
    if isinstance(literal, str) and re.match("https?://|Patient/", literal):
        address, _, patient_id = literal.split("/_history/")[0].rpartition("Patient/")
        elsewhere = address and request.server and address != f"{request.server.rstrip('/')}/"
        return ours if patient_id == request.patient_id and not elsewhere else "other-patient"
    if isinstance(identifier, dict) and identifier.get("value"):
        told = [(one.get("system"), one.get("value")) for one in identifiers]
        return ours if (identifier.get("system"), identifier["value"]) in told else "other-patient"
    return "unclear-patient"


def of_another_patient(draft: Resource, request: HookRequest) -> bool:
    """Whether a draft order says that it is for somebody else than the patient of the call."""
    return _whose(draft, request, ()) == "other-patient" and "reference" in draft["subject"]


def _concepts(resource: Resource) -> Iterator[Any]:
    yield resource.get("code")
    yield resource.get("valueCodeableConcept")
    components = resource.get("component")
    for component in components if isinstance(components, list) else ():
        if isinstance(component, dict):
            yield component.get("code")


def _known(concept: Any, parts: Parts) -> bool:
    terminology = parts.terminology
    return any(
        terminology.to_findings(system, code)
        or terminology.to_symptom(system, code)
        or terminology.diagnoses.meaning(system, code) is not None
        for system, code in _codings(concept)
    )


def _is_complaint(resource: Resource, parts: Parts) -> bool:
    """Whether a current problem of the list, an observation, or the reason of the encounter is the pain itself."""
    if resource["resourceType"] == "Encounter":
        reasons = resource.get("reasonCode")
        return any(
            parts.terminology.to_symptom(system, code)
            for reason in (reasons if isinstance(reasons, list) else ())
            for system, code in _codings(reason)
        )
    if resource["resourceType"] not in ("Condition", "Observation"):
        return False
    if condition_status(resource, "verificationStatus") in ("refuted", "entered-in-error"):
        return False
    if condition_status(resource, "clinicalStatus") in ("inactive", "remission", "resolved"):
        return False
    return any(parts.terminology.to_symptom(system, code) for system, code in _codings(resource.get("code")))


def _speaks_of_pain(result: Result, parts: Parts) -> bool:
    """Whether any answer is more than a risk or a general sign: a fever alone, or an old cancer, is nobody's hip pain."""
    general = ("demographic", "laboratory", "red-flag")
    findings = parts.vocabulary.findings
    told = [one for one in result.reading.case.answers if findings[one.finding_id].kind not in general]
    return bool(told) or any(one.resource.get("resourceType") == "QuestionnaireResponse" for one in result.reading.inputs)


def _checked(resource: Resource) -> Resource | None:
    """The resource as $assess would read it, None if it is not valid R4."""
    try:
        return r4.accept(resource).resource
    except InvalidInput:
        return None


def _codings(concept: Any) -> Iterator[tuple[str, str]]:
    codings = concept.get("coding") if isinstance(concept, dict) else None
    for coding in codings if isinstance(codings, list) else ():
        if isinstance(coding, dict) and isinstance(coding.get("system"), str) and isinstance(coding.get("code"), str):
            yield coding["system"], coding["code"]


def _name(resource: Resource) -> str:
    return f"{resource['resourceType']}/{resource['id']}" if isinstance(resource.get("id"), str) else resource["resourceType"]

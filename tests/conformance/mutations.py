"""Requests and answers broken on purpose, one fault each: what is at fault, and the rule it breaks.

Each starts from a published example (or a small resource of samples.py) that every validator accepts.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from conformance.samples import EXAMPLES, sample

Resource = dict[str, Any]
Change = Callable[[Resource], None]

TYPES = "http://terminology.hl7.org/CodeSystem"
BASE = "https://hipspine.example/fhir"
PROFILE = f"{BASE}/StructureDefinition"
CONFIDENCE = "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/AIconfidence"


@dataclass(frozen=True, slots=True)
class Mutation:
    """One broken resource. `rule` is a requirement (R16), a key of R4 (obs-6), or an element of a profile."""

    rule: str
    what: str
    type: str
    text: bytes

    @property
    def name(self) -> str:
        return f"{self.rule} {self.what}"


def bases() -> dict[str, Resource]:
    """What the mutations start from: name -> resource without fault."""
    published = {
        "assessment": "RiskAssessment-sparse",
        "finding": "Observation-straight-leg-raise-right",
        "form": "QuestionnaireResponse-hip",
        "plan": "CarePlan-hip-in-full-care-plan",
        "referral": "ServiceRequest-hip-in-full-request-1",
        "device": "Device-hipspine",
    }
    found = {name: json.loads((EXAMPLES / f"{file}.json").read_text(encoding="utf-8")) for name, file in published.items()}
    found["observation"] = sample("Observation", id="o1")
    found["bundle"] = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [
            {"fullUrl": f"https://ehr.example/fhir/{kind}/1", "resource": sample(kind, id="1")}
            for kind in ("Patient", "Observation", "Encounter")
        ],
    }
    found["provenance"] = {
        "resourceType": "Provenance",
        "meta": {"profile": [f"{PROFILE}/assessment-provenance"]},
        "target": [{"reference": "RiskAssessment/1"}],
        "recorded": "2026-01-15T10:00:00Z",
        "reason": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "AIAST"}]}],
        "agent": [
            {
                "type": {"coding": [{"system": f"{TYPES}/provenance-participant-type", "code": "assembler"}]},
                "who": {"reference": "Device/hipspine"},
            }
        ],
        "entity": [{"role": "source", "what": {"reference": "QuestionnaireResponse/1"}}],
    }
    return found


def mutations() -> list[Mutation]:
    """All of them, in the order of the requirements and then of the profiles."""
    known = bases()
    found = [Mutation("R13", what, "Observation", text) for what, text in _NOT_FHIR_JSON.items()]
    found.append(Mutation("R14", "items nested 3,000 deep", "QuestionnaireResponse", _nested(3_000)))
    for rule, what, base, change in _CHANGES:
        changed = copy.deepcopy(known[base])
        change(changed)
        found.append(Mutation(rule, what, known[base]["resourceType"], json.dumps(changed).encode()))
    return found


# --- how to break one ---------------------------------------------------------------------------------------------------


def put(place: str, value: object) -> Change:
    """Set what is at `a.0.b`; a number is an index."""

    def change(resource: Resource) -> None:
        *way, last = place.split(".")
        at: Any = resource
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at.setdefault(step, {})
        if isinstance(at, list):
            at[int(last)] = value
        else:
            at[last] = value

    return change


def drop(place: str) -> Change:
    """Take away what is at `a.0.b`, and a list that it leaves empty."""

    def change(resource: Resource) -> None:
        *way, last = place.split(".")
        at: Any = resource
        for step in way:
            at = at[int(step)] if isinstance(at, list) else at[step]
        if isinstance(at, list):
            del at[int(last)]
        else:
            del at[last]

    return change


def without_extension(name: str, inside: str = "") -> Change:
    """Take away every extension of ours of that name."""

    def change(resource: Resource) -> None:
        at: Any = resource
        for step in filter(None, inside.split(".")):
            at = at[int(step)] if isinstance(at, list) else at[step]
        at["extension"] = [one for one in at["extension"] if not one["url"].endswith(f"/{name}")]
        if not at["extension"]:
            del at["extension"]

    return change


def extended(**extension: object) -> Change:
    """Add an extension; the url is below our profiles."""

    def change(resource: Resource) -> None:
        url = f"{PROFILE}/{extension['url']}"
        resource.setdefault("extension", []).append({**extension, "url": url})

    return change


def twice(place: str) -> Change:
    """Say a member of a list again."""

    def change(resource: Resource) -> None:
        at: Any = resource
        for step in place.split("."):
            at = at[int(step)] if isinstance(at, list) else at[step]
        at.append(copy.deepcopy(at[0]))

    return change


def interval(low: float, high: float, unit: str = "%") -> Change:
    """Replace the interval of the first prediction."""

    def change(resource: Resource) -> None:
        for one in resource["prediction"][0]["extension"]:
            if one["url"] == CONFIDENCE:
                ends = (("low", low), ("high", high))
                one["valueRange"] = {
                    end: {"value": value, "unit": unit, "system": "http://unitsofmeasure.org", "code": unit}
                    for end, value in ends
                }

    return change


def first_detail(change: Change, name: str = "detail") -> Change:
    """Do it to the first activity of a plan that has details."""

    def changed(resource: Resource) -> None:
        change(next(activity[name] for activity in resource["activity"] if name in activity))

    return changed


def _nested(depth: int) -> bytes:
    start = b'{"resourceType":"QuestionnaireResponse","status":"in-progress","item":['
    return start + b'{"linkId":"1","item":[' * depth + b'{"linkId":"1"}' + b"]}" * depth + b"]}"


# --- what is broken -----------------------------------------------------------------------------------------------------

_NOT_FHIR_JSON: dict[str, bytes] = {
    "broken off": b'{"resourceType":"Observation"',
    "empty": b"",
    "an array": b"[]",
    "null": b"null",
    "a string": b'"x"',
    "NaN": b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":NaN}}',
    "a member twice": b'{"resourceType":"Observation","status":"final","status":"final","code":{"text":"x"}}',
    "not UTF-8": b'{"resourceType":"Observation","status":"final","code":{"text":"\xff"}}',
    "text after the end": b'{"resourceType":"Observation","status":"final","code":{"text":"x"}} {}',
    "no resourceType": b'{"status":"final","code":{"text":"x"}}',
    "unknown resourceType": b'{"resourceType":"Foo"}',
}

_SYSTEM = {"system": "https://example.org/other", "code": "x"}
_NOBODY = {"reference": "Medication/1"}

_CHANGES: tuple[tuple[str, str, str, Change], ...] = (
    ("R16", "Observation without code", "observation", drop("code")),
    ("R16", "Observation without status", "observation", drop("status")),
    ("R16", "QuestionnaireResponse without status", "form", drop("status")),
    ("R16", "item without linkId", "form", drop("item.0.linkId")),
    ("R16", "RiskAssessment without subject", "assessment", drop("subject")),
    ("R16", "ServiceRequest without intent", "referral", drop("intent")),
    ("R17", "a Bundle whose third resource is broken", "bundle", drop("entry.2.resource.status")),
    ("R18", "three faults at once", "observation", lambda one: one.update(status="done", foo=1, code={})),
    ("R20 obs-6", "value and dataAbsentReason", "observation", put("dataAbsentReason", {"text": "x"})),
    (
        "R20 obs-7",
        "component with the code and the value",
        "finding",
        lambda one: put("component.0.code", copy.deepcopy(one["code"]))(one),
    ),
    ("R20 obs-3", "empty referenceRange", "observation", put("referenceRange", [{"age": {"low": {"value": 1}}}])),
    ("R21 qrs-1", "item with answer and item", "form", put("item.0.answer", [{"valueString": "x"}])),
    ("R22", "QuestionnaireResponse complete", "form", put("status", "complete")),
    ("R22", "Observation done", "observation", put("status", "done")),
    ("R22", "Bundle of type bundle", "bundle", put("type", "bundle")),
    ("R22", "RiskAssessment done", "assessment", put("status", "done")),
    ("R22", "priority at once", "referral", put("priority", "at once")),
    ("R22", "gender f", "bundle", put("entry.0.resource.gender", "f")),
    ("R22", "narrative of unknown status", "observation", put("text.status", "written")),
    ("R22", "comparator of another world", "finding", put("referenceRange", [{"low": {"value": 1, "comparator": "~"}}])),
    ("R23", "RiskAssessment.reason of R5", "assessment", put("reason", [{"concept": {"text": "x"}}])),
    ("R23", "Observation.triggeredBy of R5", "observation", put("triggeredBy", [{"type": "reflex"}])),
    ("R23", "an element of nobody", "observation", put("foo", 1)),
    ("R23", "an element of nobody inside", "observation", put("code.foo", 1)),
    ("R24", 'valueBoolean "true"', "observation", put("valueBoolean", "true")),
    ("R24", 'valueInteger "4"', "observation", lambda one: (drop("valueBoolean")(one), put("valueInteger", "4")(one))[0]),
    ("R24", "note []", "observation", put("note", [])),
    ("R24", "note null", "observation", put("note", None)),
    ("R24", 'valueString ""', "observation", lambda one: (drop("valueBoolean")(one), put("valueString", "")(one))[0]),
    ("R24", "an empty object", "observation", put("code", {})),
    ("R24", "one where R4 wants a list", "observation", put("category", {"text": "x"})),
    ("R24", "a list where R4 wants one", "observation", put("code", [{"text": "x"}])),
    ("R24", "two kinds of value", "observation", put("valueString", "x")),
    ("R24", "id of 70 characters", "observation", put("id", "x" * 70)),
    ("R58", "dateTime without zone", "observation", put("effectiveDateTime", "2026-01-15T10:00:00")),
    ("R58", "dateTime without seconds", "observation", put("effectiveDateTime", "2026-01-15T10:00Z")),
    ("R58", "30 February", "observation", put("effectiveDateTime", "2024-02-30")),
    ("R58", "24 o'clock", "observation", put("effectiveDateTime", "2026-01-15T24:00:00Z")),
    ("R38 bdl-3", "a batch entry without request", "bundle", put("type", "batch")),
    ("R39 bdl-7", "one fullUrl twice", "bundle", twice("entry")),
    (
        "A14",
        "a script in the narrative",
        "observation",
        put("text.div", '<div xmlns="http://www.w3.org/1999/xhtml"><script>x</script></div>'),
    ),
    (
        "A14",
        "a narrative that is not XHTML",
        "observation",
        put("text.div", '<div xmlns="http://www.w3.org/1999/xhtml"><p>x</div>'),
    ),
    (
        "ext-1",
        "an extension with value and extension",
        "observation",
        put("extension", [{"url": "http://example.org/x", "valueString": "x", "extension": [{"url": "y", "valueString": "x"}]}]),
    ),
    ("A5 ras-2", "a probability of 101", "assessment", put("prediction.0.probabilityDecimal", 101)),
    ("A5 hs-percent", "a probability of three decimals", "assessment", put("prediction.0.probabilityDecimal", 1.234)),
    ("A5", "a negative probability", "assessment", put("prediction.0.probabilityDecimal", -1)),
    ("A5", "a prediction without probability", "assessment", drop("prediction.0.probabilityDecimal")),
    (
        "A5",
        "a range for a probability",
        "assessment",
        lambda one: (
            drop("prediction.0.probabilityDecimal")(one),
            put("prediction.0.probabilityRange", {"low": {"value": 1, "system": "http://unitsofmeasure.org", "code": "%"}})(one),
        )[0],
    ),
    ("A5", "a prediction without words for its risk", "assessment", drop("prediction.0.qualitativeRisk")),
    ("A5", "words for a risk of nobody", "assessment", put("prediction.0.qualitativeRisk", {"coding": [_SYSTEM]})),
    ("A6 hs-interval", "an interval beside the percentage", "assessment", interval(0, 0.01)),
    ("A6 hs-interval", "an interval without per cent", "assessment", interval(0, 100, "1")),
    ("A6 hs-interval", "a prediction without interval", "assessment", without_extension("AIconfidence", "prediction.0")),
    ("A4 hs-partition", "a partition that does not sum to 100", "assessment", put("prediction.0.probabilityDecimal", 1)),
    (
        "A4 hs-is-partition",
        "a source pattern called marginal",
        "assessment",
        put("prediction.0.extension.0.valueCode", "marginal"),
    ),
    ("A4", "a kind of prediction of nobody", "assessment", put("prediction.0.extension.0.valueCode", "other")),
    ("A4", "a prediction of no kind", "assessment", without_extension("prediction-kind", "prediction.0")),
    (
        "A3 hs-distinct",
        "a source pattern twice",
        "assessment",
        lambda one: put("prediction.1.outcome", copy.deepcopy(one["prediction"][0]["outcome"]))(one),
    ),
    ("A3", "an outcome of another system", "assessment", put("prediction.0.outcome", {"coding": [_SYSTEM]})),
    ("A3", "a prediction without outcome", "assessment", drop("prediction.0.outcome")),
    ("A8", "a prediction without rationale", "assessment", drop("prediction.0.rationale")),
    (
        "A1",
        "an assessment without profile, of unknown status",
        "assessment",
        lambda one: (drop("meta.profile")(one), put("status", "foo")(one))[0],
    ),
    ("T1", "an assessment without AIAST", "assessment", drop("meta.security")),
    ("T1", "an assessment marked by another code", "assessment", put("meta.security.0.code", "DICTAST")),
    ("A2", "an assessment without method", "assessment", drop("method")),
    ("A2", "an assessment by a method of nobody", "assessment", put("method", {"coding": [_SYSTEM]})),
    ("A2", "an assessment without code", "assessment", drop("code")),
    ("A2", "an assessment without time", "assessment", drop("occurrenceDateTime")),
    ("A2", "an assessment without performer", "assessment", drop("performer")),
    ("A2", "an assessment without identifier", "assessment", drop("identifier")),
    ("A2", "an assessment of a medication", "assessment", put("subject", _NOBODY)),
    ("profile", "an assessment without language", "assessment", drop("language")),
    ("profile", "an assessment without narrative", "assessment", drop("text")),
    ("profile", "an assessment without predictions", "assessment", drop("prediction")),
    *(
        ("profile", f"an assessment without {name}", "assessment", without_extension(name))
        for name in (
            "red-flag-screening",
            "urgency",
            "intended-use",
            "model-limits",
            "coverage",
            "information-bits",
            "spine-versus-hip",
            "engine-version",
            "knowledge-version",
        )
    ),
    (
        "profile",
        "an assessment with coverage twice",
        "assessment",
        lambda one: one["extension"].append(next(copy.deepcopy(x) for x in one["extension"] if x["url"].endswith("/coverage"))),
    ),
    ("extension", "one of ours that we do not define", "assessment", extended(url="no-such-extension", valueString="x")),
    (
        "extension",
        "coverage as text",
        "assessment",
        lambda one: (without_extension("coverage")(one), extended(url="coverage", valueString="half")(one))[0],
    ),
    (
        "extension",
        "urgency of another system",
        "assessment",
        lambda one: (without_extension("urgency")(one), extended(url="urgency", valueCoding=_SYSTEM)(one))[0],
    ),
    ("extension", "urgency where it does not belong", "observation", extended(url="coverage", valueDecimal=0.5)),
    ("profile", "a finding without subject", "finding", drop("subject")),
    (
        "profile",
        "a finding without value, reason or interpretation",
        "finding",
        lambda one: [one.pop(name) for name in ("valueCodeableConcept", "interpretation", "component")] and None,
    ),
    ("profile", "a side without value", "finding", drop("component.0.valueCodeableConcept")),
    ("profile", "a form without subject", "form", drop("subject")),
    ("profile", "a response to another form", "form", put("questionnaire", "https://example.org/Questionnaire/other")),
    ("A11", "a referral that is active", "referral", put("status", "active")),
    ("A11", "a referral that is an order", "referral", put("intent", "order")),
    ("A11", "a referral without code", "referral", drop("code")),
    ("A11", "a referral without reason", "referral", drop("reasonCode")),
    ("A11", "a referral without priority", "referral", drop("priority")),
    ("A11", "a referral without urgency", "referral", drop("extension")),
    (
        "A11 dom-3",
        "a contained resource that nothing names",
        "referral",
        put("contained", [{"resourceType": "Patient", "id": "p"}]),
    ),
    (
        "dom-4",
        "a contained resource with a version",
        "referral",
        lambda one: (
            put("contained", [{"resourceType": "Patient", "id": "p", "meta": {"versionId": "1"}}])(one),
            put("subject", {"reference": "#p"})(one),
        )[0],
    ),
    (
        "dom-2",
        "a contained resource inside a contained one",
        "referral",
        lambda one: (
            put(
                "contained",
                [{"resourceType": "Patient", "id": "p", "contained": [{"resourceType": "Organization", "id": "o", "name": "x"}]}],
            )(one),
            put("subject", {"reference": "#p"})(one),
        )[0],
    ),
    ("profile", "a plan that is an order", "plan", put("intent", "order")),
    ("profile", "a plan without title", "plan", drop("title")),
    ("profile", "a plan without start", "plan", drop("period.start")),
    ("profile", "a plan without author", "plan", drop("author")),
    ("hs-withheld", "an item neither proposed nor withheld", "plan", first_detail(drop("doNotPerform"))),
    ("hs-withheld", "a withheld item without reason", "plan", first_detail(put("doNotPerform", True))),
    ("profile", "an item of a plan of nobody", "plan", first_detail(put("code", {"coding": [_SYSTEM]}))),
    ("T3", "a device without identifier", "device", drop("identifier")),
    ("T3", "a device without the version of its engine", "device", drop("version.0")),
    ("T3", "a device of another kind", "device", put("deviceName.0.type", "user-friendly-name")),
    ("T3", "a device without status", "device", drop("status")),
    ("T2", "a provenance without reason", "provenance", drop("reason")),
    ("T2", "a provenance by nobody", "provenance", put("agent.0.who", {"display": "x"})),
    ("T2", "a provenance without target", "provenance", drop("target")),
    ("T2", "an entity in a role of nobody", "provenance", put("entity.0.role", "cause")),
)

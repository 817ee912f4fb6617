"""Every invariant with an object that breaks it and one that keeps it."""

from __future__ import annotations

from typing import Any

import pytest

from service.fhir.invariants import invariants
from service.fhir.rules import Invariant, in_order

UCUM = "http://unitsofmeasure.org"
TERMINOLOGY = "http://terminology.hl7.org/CodeSystem"
Node = dict[str, Any]


def concept(system: str, code: str) -> Node:
    return {"coding": [{"system": f"{TERMINOLOGY}/{system}", "code": code}]}


WRONG_CONDITION = concept("condition-ver-status", "entered-in-error")
WRONG_ALLERGY = concept("allergyintolerance-verification", "entered-in-error")
PERCENT = {"value": 1, "system": UCUM, "code": "%"}
CODE = {"coding": [{"system": "s:1", "code": "1"}]}

# structure, key, an object that breaks the rule, one that keeps it
EXAMPLES: tuple[tuple[str, str, Node, Node], ...] = (
    ("Extension", "ext-1", {"url": "x"}, {"url": "x", "_valueCode": {}}),
    ("Quantity", "qty-3", {"code": "h"}, {"code": "h", "system": UCUM}),
    ("Age", "qty-3", {"code": "h"}, {"code": "h", "system": UCUM}),
    ("Age", "age-1", {"value": -1, "code": "a", "system": UCUM}, {"value": 1, "code": "a", "system": UCUM}),
    ("Count", "qty-3", {"code": "1"}, {}),
    ("Count", "cnt-3", {"value": 1.5, "code": "1", "system": UCUM}, {"value": 2, "code": "1", "system": UCUM}),
    ("Distance", "qty-3", {"code": "m"}, {}),
    ("Distance", "dis-1", {"value": 1}, {"value": 1, "code": "m", "system": UCUM}),
    ("Duration", "qty-3", {"code": "h"}, {}),
    ("Duration", "drt-1", {"code": "h", "system": UCUM}, {"value": 1, "code": "h", "system": UCUM}),
    ("Attachment", "att-1", {"data": "x"}, {"data": "x", "contentType": "y"}),
    ("ContactPoint", "cpt-2", {"value": "x"}, {"value": "x", "system": "phone"}),
    ("Expression", "exp-1", {"language": "x"}, {"expression": "x"}),
    ("Period", "per-1", {"start": "2026-02", "end": "2026-01"}, {"start": "2026-02", "end": "2026-02-01"}),
    ("Range", "rng-2", {"low": {"value": 2}, "high": {"value": 1}}, {"low": {"value": 2, "code": "a"}, "high": {"value": 1}}),
    ("Ratio", "rat-1", {}, {"extension": [{}]}),
    ("TimingRepeat", "tim-1", {"duration": 1}, {"duration": 1, "durationUnit": "h"}),
    ("TimingRepeat", "tim-2", {"period": 1}, {"period": 1, "periodUnit": "h"}),
    ("TimingRepeat", "tim-4", {"duration": -1}, {"duration": 0}),
    ("TimingRepeat", "tim-5", {"period": -1}, {"period": 0}),
    ("TimingRepeat", "tim-6", {"periodMax": 1}, {"periodMax": 1, "period": 1}),
    ("TimingRepeat", "tim-7", {"durationMax": 1}, {"durationMax": 1, "duration": 1}),
    ("TimingRepeat", "tim-8", {"countMax": 1}, {"countMax": 1, "count": 1}),
    ("TimingRepeat", "tim-9", {"offset": 1, "when": ["C"]}, {"offset": 1, "when": ["ACM"]}),
    ("TimingRepeat", "tim-10", {"timeOfDay": ["x"], "when": ["ACM"]}, {"when": ["ACM"]}),
    ("DataRequirementCodeFilter", "drq-1", {}, {"path": "x"}),
    ("DataRequirementDateFilter", "drq-2", {"path": "x", "searchParam": "y"}, {"path": "x"}),
    ("TriggerDefinition", "trd-1", {"data": [{}], "timingDate": "x"}, {"data": [{}]}),
    ("TriggerDefinition", "trd-2", {"condition": {}}, {"condition": {}, "data": [{}]}),
    ("Observation", "obs-6", {"valueString": "x", "dataAbsentReason": {}}, {"valueString": "x"}),
    (
        "Observation",
        "obs-7",
        {"valueString": "x", "code": CODE, "component": [{"code": CODE}]},
        {"code": CODE, "component": [{"code": CODE}]},
    ),
    ("ObservationReferenceRange", "obs-3", {"age": {}}, {"text": "x"}),
    ("QuestionnaireResponseItem", "qrs-1", {"item": [{}], "answer": [{}]}, {"item": [{}]}),
    ("RiskAssessmentPrediction", "ras-2", {"probabilityDecimal": 101}, {"probabilityDecimal": 100}),
    ("RiskAssessmentPrediction", "ras-1", {"probabilityRange": {"low": {"value": 1}}}, {"probabilityRange": {"low": PERCENT}}),
    ("ServiceRequest", "prr-1", {"orderDetail": [{}]}, {"orderDetail": [{}], "code": {}}),
    ("Bundle", "bdl-1", {"type": "collection", "total": 1}, {"type": "searchset", "total": 1}),
    ("Bundle", "bdl-2", {"type": "batch", "entry": [{"search": {}}]}, {"type": "searchset", "entry": [{"search": {}}]}),
    ("Bundle", "bdl-3", {"type": "collection", "entry": [{"request": {}}]}, {"type": "batch", "entry": [{"request": {}}]}),
    ("Bundle", "bdl-4", {"type": "history", "entry": [{"request": {}}]}, {"type": "history", "entry": [{"response": {}}]}),
    (
        "Bundle",
        "bdl-7",
        {"entry": [{"fullUrl": "a"}, {"fullUrl": "a"}]},
        {
            "entry": [
                {"fullUrl": "a", "resource": {"meta": {"versionId": "1"}}},
                {"fullUrl": "a", "resource": {"meta": {"versionId": "2"}}},
            ]
        },
    ),
    ("Bundle", "bdl-9", {"type": "document"}, {"type": "document", "identifier": {"system": "s", "value": "v"}}),
    ("Bundle", "bdl-10", {"type": "document"}, {"type": "document", "timestamp": "x"}),
    (
        "Bundle",
        "bdl-11",
        {"type": "document", "entry": [{"resource": {"resourceType": "Patient"}}]},
        {"type": "document", "entry": [{"resource": {"resourceType": "Composition"}}]},
    ),
    ("Bundle", "bdl-12", {"type": "message"}, {"type": "message", "entry": [{"resource": {"resourceType": "MessageHeader"}}]}),
    ("BundleEntry", "bdl-5", {"fullUrl": "a"}, {"response": {}}),
    ("BundleEntry", "bdl-8", {"fullUrl": "a/_history/1"}, {"fullUrl": "a"}),
    ("ParametersParameter", "inv-1", {"part": [{}], "valueCode": "x"}, {"valueCode": "x"}),
    ("PatientContact", "pat-1", {"gender": "x"}, {"telecom": [{}]}),
    ("Condition", "con-3", {"category": [concept("condition-category", "problem-list-item")]}, {"category": [{"text": "x"}]}),
    (
        "Condition",
        "con-4",
        {"abatementAge": {}, "clinicalStatus": concept("condition-clinical", "active")},
        {"abatementAge": {}, "clinicalStatus": concept("condition-clinical", "resolved")},
    ),
    (
        "Condition",
        "con-5",
        {"verificationStatus": WRONG_CONDITION, "clinicalStatus": {}},
        {"verificationStatus": WRONG_CONDITION},
    ),
    ("ConditionStage", "con-1", {"type": {}}, {"summary": {}}),
    ("ConditionEvidence", "con-2", {"id": "x"}, {"detail": [{}]}),
    ("AllergyIntolerance", "ait-1", {}, {"verificationStatus": WRONG_ALLERGY}),
    ("AllergyIntolerance", "ait-2", {"verificationStatus": WRONG_ALLERGY, "clinicalStatus": {}}, {"clinicalStatus": {}}),
    ("FamilyMemberHistory", "fhs-1", {"ageString": "x", "bornDate": "y"}, {"ageString": "x"}),
    ("FamilyMemberHistory", "fhs-2", {"estimatedAge": True}, {"estimatedAge": True, "ageString": "x"}),
    ("Organization", "org-1", {"active": True}, {"name": "x"}),
    ("Organization", "org-2", {"address": [{"use": "home"}]}, {"address": [{"use": "work"}]}),
    ("Organization", "org-3", {"telecom": [{"use": "home"}]}, {"telecom": [{"use": "work"}]}),
    ("CompositionSection", "cmp-1", {"title": "x"}, {"text": {}}),
    ("CompositionSection", "cmp-2", {"emptyReason": {}, "entry": [{}]}, {"emptyReason": {}}),
    ("CarePlanActivity", "cpl-3", {"detail": {}, "reference": {}}, {"detail": {}}),
    ("GoalTarget", "gol-1", {"detailString": "x"}, {"detailString": "x", "measure": {}}),
    ("ImmunizationEducation", "imm-1", {"id": "x"}, {"reference": "x"}),
    ("List", "lst-1", {"emptyReason": {}, "entry": [{}]}, {"emptyReason": {}}),
    ("List", "lst-2", {"mode": "working", "entry": [{"deleted": True}]}, {"mode": "changes", "entry": [{"deleted": True}]}),
    ("List", "lst-3", {"mode": "changes", "entry": [{"date": "x"}]}, {"mode": "working", "entry": [{"date": "x"}]}),
    ("Task", "inv-1", {"authoredOn": "2026-02", "lastModified": "2026-01"}, {"authoredOn": "2026-01", "lastModified": "2026-01"}),
    (
        "Questionnaire",
        "que-2",
        {"item": [{"linkId": "a", "item": [{"linkId": "a"}]}]},
        {"item": [{"linkId": "a"}, {"linkId": "b"}]},
    ),
    ("QuestionnaireItem", "que-1", {"type": "display", "item": [{}]}, {"type": "group", "item": [{}]}),
    ("QuestionnaireItem", "que-3", {"type": "display", "code": [{}]}, {"type": "choice", "code": [{}]}),
    ("QuestionnaireItem", "que-4", {"answerOption": [{}], "answerValueSet": "x"}, {"answerOption": [{}]}),
    ("QuestionnaireItem", "que-5", {"type": "boolean", "answerOption": [{}]}, {"type": "choice", "answerOption": [{}]}),
    ("QuestionnaireItem", "que-6", {"type": "display", "required": True}, {"type": "choice", "required": True}),
    ("QuestionnaireItem", "que-8", {"type": "group", "initial": [{}]}, {"type": "string", "initial": [{}]}),
    ("QuestionnaireItem", "que-9", {"type": "display", "readOnly": True}, {"type": "string", "readOnly": True}),
    ("QuestionnaireItem", "que-10", {"type": "choice", "maxLength": 1}, {"type": "string", "maxLength": 1}),
    ("QuestionnaireItem", "que-11", {"answerOption": [{}], "initial": [{}]}, {"answerOption": [{}]}),
    ("QuestionnaireItem", "que-12", {"enableWhen": [{}, {}]}, {"enableWhen": [{}, {}], "enableBehavior": "any"}),
    ("QuestionnaireItem", "que-13", {"initial": [{}, {}]}, {"initial": [{}, {}], "repeats": True}),
    (
        "QuestionnaireItemEnableWhen",
        "que-7",
        {"operator": "exists", "answerInteger": 1},
        {"operator": "exists", "answerBoolean": True},
    ),
    ("CapabilityStatement", "cpb-1", {}, {"rest": [{}]}),
    ("CapabilityStatement", "cpb-2", {}, {"description": "x"}),
    ("CapabilityStatement", "cpb-14", {"kind": "instance"}, {"kind": "instance", "implementation": {}}),
    ("CapabilityStatement", "cpb-15", {"kind": "capability"}, {"kind": "capability", "software": {}}),
    ("CapabilityStatement", "cpb-16", {"kind": "requirements", "software": {}}, {"kind": "requirements"}),
    (
        "CapabilityStatementRest",
        "cpb-9",
        {"resource": [{"type": "a"}, {"type": "a"}]},
        {"resource": [{"type": "a"}, {"type": "b"}]},
    ),
    (
        "CapabilityStatementRestResource",
        "cpb-12",
        {"searchParam": [{"name": "a"}, {"name": "a"}]},
        {"searchParam": [{"name": "a"}]},
    ),
    (
        "CodeSystem",
        "csd-1",
        {"concept": [{"code": "a", "concept": [{"code": "a"}]}]},
        {"concept": [{"code": "a"}, {"code": "A"}]},
    ),
    ("ValueSetComposeInclude", "vsd-1", {"version": "x"}, {"valueSet": ["x"]}),
    ("ValueSetComposeInclude", "vsd-2", {"concept": [{}]}, {"concept": [{}], "system": "x"}),
    ("ValueSetComposeInclude", "vsd-3", {"concept": [{}], "filter": [{}]}, {"filter": [{}]}),
    ("ValueSetExpansionContains", "vsd-6", {"abstract": True}, {"display": "x"}),
    ("ValueSetExpansionContains", "vsd-9", {"display": "x"}, {"display": "x", "abstract": True}),
    ("ValueSetExpansionContains", "vsd-10", {"code": "x"}, {"code": "x", "system": "y"}),
    ("ConceptMapGroupElementTarget", "cmd-1", {"equivalence": "narrower"}, {"equivalence": "narrower", "comment": "x"}),
    ("ConceptMapGroupUnmapped", "cmd-2", {"mode": "fixed"}, {"mode": "fixed", "code": "x"}),
    ("ConceptMapGroupUnmapped", "cmd-3", {"mode": "other-map"}, {"mode": "other-map", "url": "x"}),
    ("OperationDefinitionParameter", "opd-1", {"name": "x"}, {"part": [{}]}),
    ("OperationDefinitionParameter", "opd-2", {"type": "code", "searchType": "token"}, {"type": "string", "searchType": "token"}),
    (
        "OperationDefinitionParameter",
        "opd-3",
        {"type": "code", "targetProfile": ["x"]},
        {"type": "Reference", "targetProfile": ["x"]},
    ),
)


def rule_of(structure: str, key: str) -> Invariant:
    return next(rule for rule in invariants()[structure] if rule.key == key)


@pytest.mark.parametrize(
    ("structure", "key", "broken", "kept"), EXAMPLES, ids=lambda value: value if isinstance(value, str) else ""
)
def test_an_invariant_is_broken_and_kept(structure: str, key: str, broken: Node, kept: Node) -> None:
    rule = rule_of(structure, key)
    assert list(rule.broken(broken)) != []
    assert list(rule.broken(kept)) == []


def test_every_invariant_has_an_example() -> None:
    assert {(name, rule.key) for name, rules in invariants().items() for rule in rules} == {row[:2] for row in EXAMPLES}


@pytest.mark.parametrize("junk", [None, 1, "x", [], {}, [None], [[]], {"x": []}, True, float("nan")])
def test_no_invariant_fails_on_values_of_wrong_types(junk: Any) -> None:
    names = {name for row in EXAMPLES for node in row[2:] for name in node}
    for rules in invariants().values():
        for rule in rules:
            list(rule.broken(dict.fromkeys(names, junk)))


@pytest.mark.parametrize(("earlier", "later", "expected"), [
    ("2026", "2025-12", False), ("2025-12-31", "2026", True), ("2026-01-01T10:00:00+02:00", "2026-01-01T09:00:00Z", True),
    ("2026-01-01T10:00:00Z", "2026-01-01T10:59:00+01:00", False), ("2026-01-01T10:00:00", "2026-01-01T09:00:00Z", True),
    ("2026-01-01T23:59:60Z", "2026-01-01T00:00:00Z", True), ("soon", "later", False),
])  # fmt: skip
def test_dates_are_compared_as_far_as_both_are_precise_and_readable(earlier: str, later: str, expected: bool) -> None:
    assert in_order(earlier, later) is expected

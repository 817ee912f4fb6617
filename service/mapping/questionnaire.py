"""The intake and examination form, made from the findings table and the terminology, so that they cannot drift apart.

linkId = finding id. Yes/no and choice findings are `choice` items with coded options, "unknown" among them; quantities
are `decimal` items with their unit. Nothing is required and nothing is hidden behind another answer: whoever asks knows
what to ask, and every answer left out is unknown.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from service.engine.model import Finding, KnowledgeBase
from service.fhir.terminology import Terminology
from service.mapping.answers import answers_by_code

QUESTIONNAIRE_ID = "hip-spine-intake"

# The order in which a visit goes: who, what hurts, what is dangerous, then the examination, then what is on record.
GROUPS: tuple[tuple[str, str], ...] = (
    ("demographic", "About the patient"),
    ("history", "History"),
    ("red-flag", "Red flags"),
    ("gait", "Gait and posture"),
    ("rom", "Range of motion"),
    ("exam-test", "Examination tests"),
    ("palpation", "Palpation"),
    ("neuro", "Neurology"),
    ("treatment-response", "Response to treatment"),
    ("imaging", "Imaging"),
    ("laboratory", "Laboratory"),
)

_UNIT = "http://hl7.org/fhir/StructureDefinition/questionnaire-unit"
_MINIMUM = "http://hl7.org/fhir/StructureDefinition/minValue"
_MAXIMUM = "http://hl7.org/fhir/StructureDefinition/maxValue"
_CONTROL = "http://hl7.org/fhir/StructureDefinition/questionnaire-itemControl"
_CONTROL_SYSTEM = "http://hl7.org/fhir/questionnaire-item-control"
# Every coded answer may be taken out as an Observation: said once for the whole form.
_EXTRACT = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-observationExtract"
_UCUM = "http://unitsofmeasure.org"


def build_questionnaire(knowledge: KnowledgeBase, terminology: Terminology, *, base_url: str, version: str) -> dict[str, Any]:
    """The form as an R4 Questionnaire; KeyError if a finding or one of its answers has no concept in the terminology."""
    return {
        "resourceType": "Questionnaire",
        "id": QUESTIONNAIRE_ID,
        "extension": [{"url": _EXTRACT, "valueBoolean": True}],
        "url": f"{base_url.rstrip('/')}/Questionnaire/{QUESTIONNAIRE_ID}",
        "version": version,
        "name": "HipSpineIntake",
        "title": "Hip pain: intake and examination",
        "status": "active",
        "experimental": False,
        "subjectType": ["Patient"],
        "publisher": "HipSpine",
        "description": "Findings that help to tell whether hip pain comes from the hip, the spine, the sacroiliac joint or "
        "several of them. Answer what is known; an answer left out counts as unknown.",
        "purpose": "Decision support for clinicians. It does not make a diagnosis.",
        "item": [_group(kind, title, findings, terminology) for kind, title, findings in _grouped(knowledge.findings)],
    }


def _grouped(findings: Iterable[Finding]) -> list[tuple[str, str, list[Finding]]]:
    by_kind: dict[str, list[Finding]] = {}
    for finding in findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    known = [(kind, title, by_kind.pop(kind)) for kind, title in GROUPS if kind in by_kind]
    # A new kind in the table gets a group of its own rather than vanishing from the form.
    return known + [(kind, kind.replace("-", " ").capitalize(), members) for kind, members in by_kind.items()]


def _group(kind: str, title: str, findings: Iterable[Finding], terminology: Terminology) -> dict[str, Any]:
    return {
        "linkId": f"group-{kind}",
        "text": title,
        "type": "group",
        "required": False,
        "repeats": False,
        "item": [_question(finding, terminology) for finding in findings],
    }


def _question(finding: Finding, terminology: Terminology) -> dict[str, Any]:
    extensions = _extensions(finding, terminology)
    question: dict[str, Any] = {
        **({"extension": extensions} if extensions else {}),
        "linkId": finding.id,
        "code": terminology.outbound_finding(finding.id),
        "text": finding.label,
        "type": "decimal" if finding.answer_type == "quantity" else "choice",
        "required": False,
        "repeats": False,
    }
    codes = answers_by_code(finding)
    if codes:
        question["answerOption"] = [{"valueCoding": terminology.coding("answer", code)} for code in codes]
    if finding.how_elicited:
        question["item"] = [_help(finding)]
    return question


def _extensions(finding: Finding, terminology: Terminology) -> list[dict[str, Any]]:
    extensions: list[dict[str, Any]] = []
    if finding.answer_type != "quantity":
        return extensions
    unit = terminology.unit_of(finding.id) or finding.unit
    if unit:
        display = terminology.units.name(unit) or unit
        extensions.append({"url": _UNIT, "valueCoding": {"system": _UCUM, "code": unit, "display": display}})
    for url, bound in ((_MINIMUM, finding.minimum), (_MAXIMUM, finding.maximum)):
        if bound is not None:
            extensions.append({"url": url, "valueDecimal": _number(bound)})
    return extensions


def _help(finding: Finding) -> dict[str, Any]:
    control = {"coding": [{"system": _CONTROL_SYSTEM, "code": "help", "display": "Help-Button"}]}
    return {
        "extension": [{"url": _CONTROL, "valueCodeableConcept": control}],
        "linkId": f"{finding.id}-help",
        "text": finding.how_elicited,
        "type": "display",
    }


def _number(bound: float) -> int | Decimal:
    return int(bound) if bound == int(bound) else Decimal(repr(bound))

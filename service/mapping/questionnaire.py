"""The intake and examination form, made from the findings table and the terminology, so that they cannot drift apart.

linkId = finding id. Yes/no and choice findings are `choice` items with coded options, "unknown" among them, as buttons in a
row or a list to drop down; options with an order carry it as ordinalValue; quantities are `decimal` items with their unit and
bounds. Nothing is required: whoever asks knows what to ask, and every answer left out is unknown. Only the parts of a count
(five sacroiliac tests) are hidden once the count itself is given, since they would then tell nothing more.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any

from service.engine.model import Finding, KnowledgeBase
from service.fhir.terminology import ORDINAL, Terminology
from service.mapping.answers import answers_by_code

QUESTIONNAIRE_ID = "hip-spine-intake"

# The order in which a visit goes: who, what hurts, what is dangerous, then the examination, then what is on record. With each
# group the category its answers have as Observations: asked, examined, or found by a test.
GROUPS: tuple[tuple[str, str, str], ...] = (
    ("demographic", "About the patient", "survey"),
    ("history", "History", "survey"),
    ("red-flag", "Red flags", "survey"),
    ("gait", "Gait and posture", "exam"),
    ("rom", "Range of motion", "exam"),
    ("exam-test", "Examination tests", "exam"),
    ("palpation", "Palpation", "exam"),
    ("neuro", "Neurology", "exam"),
    ("treatment-response", "Response to treatment", "survey"),
    ("imaging", "Imaging", "imaging"),
    ("laboratory", "Laboratory", "laboratory"),
)
_CATEGORIES = {kind: category for kind, _, category in GROUPS}
_CATEGORY = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-observation-extract-category"
_CATEGORY_SYSTEM = "http://terminology.hl7.org/CodeSystem/observation-category"

_UNIT = "http://hl7.org/fhir/StructureDefinition/questionnaire-unit"
_MINIMUM = "http://hl7.org/fhir/StructureDefinition/minValue"
_MAXIMUM = "http://hl7.org/fhir/StructureDefinition/maxValue"
_CONTROL = "http://hl7.org/fhir/StructureDefinition/questionnaire-itemControl"
_ORIENTATION = "http://hl7.org/fhir/StructureDefinition/questionnaire-choiceOrientation"
_CONTROL_SYSTEM = "http://hl7.org/fhir/questionnaire-item-control"
# Every coded answer may be taken out as an Observation: said once for the whole form.
_EXTRACT = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-observationExtract"
_UCUM = "http://unitsofmeasure.org"
IN_A_ROW = 4  # options that fit side by side on the screen of a tablet


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
        "item": [
            _group(kind, title, findings, knowledge, terminology) for kind, title, findings in _grouped(knowledge)
        ],
    }


def _grouped(knowledge: KnowledgeBase) -> list[tuple[str, str, list[Finding]]]:
    clusters = knowledge.clusters
    by_kind: dict[str, list[Finding]] = {}
    for finding in knowledge.findings:
        by_kind.setdefault(finding.kind, []).append(finding)
    for members in by_kind.values():
        _counts_first(members, clusters)
    known = [(kind, title, by_kind.pop(kind)) for kind, title, _ in GROUPS if kind in by_kind]
    # A new kind in the table gets a group of its own rather than vanishing from the form.
    return known + [(kind, kind.replace("-", " ").capitalize(), members) for kind, members in by_kind.items()]


def _counts_first(findings: list[Finding], clusters: Mapping[str, tuple[str, ...]]) -> None:
    """Moves each count before its parts, which it hides: what hides a question is asked before it."""
    for count, parts in clusters.items():
        ids = [finding.id for finding in findings]
        later = [ids.index(part) for part in parts if part in ids]
        if count in ids and later and min(later) < ids.index(count):
            findings.insert(min(later), findings.pop(ids.index(count)))


def _group(
    kind: str, title: str, findings: Iterable[Finding], knowledge: KnowledgeBase, terminology: Terminology
) -> dict[str, Any]:
    category = {"coding": [{"system": _CATEGORY_SYSTEM, "code": _CATEGORIES[kind]}]} if kind in _CATEGORIES else None
    return {
        **({"extension": [{"url": _CATEGORY, "valueCodeableConcept": category}]} if category else {}),
        "linkId": f"group-{kind}",
        "text": title,
        "type": "group",
        "required": False,
        "repeats": False,
        "item": [_question(finding, knowledge, terminology) for finding in findings],
    }


def _question(finding: Finding, knowledge: KnowledgeBase, terminology: Terminology) -> dict[str, Any]:
    codes = answers_by_code(finding)
    extensions = _choice_extensions(len(codes)) if codes else _quantity_extensions(finding, terminology)
    question: dict[str, Any] = {
        **({"extension": extensions} if extensions else {}),
        "linkId": finding.id,
        "code": terminology.outbound_finding(finding.id),
        "text": finding.label,
        "type": "choice" if codes else "decimal",
    }
    counts = [count for count, parts in knowledge.clusters.items() if finding.id in parts]
    if counts:
        question["enableWhen"] = [{"question": count, "operator": "exists", "answerBoolean": False} for count in counts]
        if len(counts) > 1:
            question["enableBehavior"] = "all"
    question |= {"required": False, "repeats": False}
    if codes:
        ordinals = terminology.ordinals(f"answers-{finding.id.replace('_', '-')}")
        question["answerOption"] = [_option(terminology.coding("answer", code), ordinals.get(code)) for code in codes]
    if finding.how_elicited:
        question["item"] = [_help(finding)]
    return question


def _option(coding: dict[str, Any], ordinal: Decimal | None) -> dict[str, Any]:
    # On the coding, from where it travels into the answer.
    extension = [] if ordinal is None else [{"url": ORDINAL, "valueDecimal": ordinal}]
    return {"valueCoding": {**({"extension": extension} if extension else {}), **coding}}


def _choice_extensions(options: int) -> list[dict[str, Any]]:
    """Few options side by side, where one look and one click are enough; more of them as a list."""
    if options > IN_A_ROW:
        return [_control("drop-down", "Drop down")]
    return [_control("radio-button", "Radio Button"), {"url": _ORIENTATION, "valueCode": "horizontal"}]


def _quantity_extensions(finding: Finding, terminology: Terminology) -> list[dict[str, Any]]:
    extensions: list[dict[str, Any]] = []
    unit = terminology.unit_of(finding.id) or finding.unit
    if unit:
        display = terminology.units.name(unit) or unit
        extensions.append({"url": _UNIT, "valueCoding": {"system": _UCUM, "code": unit, "display": display}})
    for url, bound in ((_MINIMUM, finding.minimum), (_MAXIMUM, finding.maximum)):
        if bound is not None:
            extensions.append({"url": url, "valueDecimal": _number(bound)})
    return extensions


def _help(finding: Finding) -> dict[str, Any]:
    return {
        "extension": [_control("help", "Help-Button")],
        "linkId": f"{finding.id}-help",
        "text": finding.how_elicited,
        "type": "display",
    }


def _control(code: str, display: str) -> dict[str, Any]:
    concept = {"coding": [{"system": _CONTROL_SYSTEM, "code": code, "display": display}]}
    return {"url": _CONTROL, "valueCodeableConcept": concept}


def _number(bound: float) -> int | Decimal:
    return int(bound) if bound == int(bound) else Decimal(repr(bound))

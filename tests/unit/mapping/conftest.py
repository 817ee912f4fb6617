"""A small knowledge base with the real terminology, and makers of the resources that reading is tested with."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from service.engine.model import Condition, Finding, Incompatible, KnowledgeBase, RedFlagRule, Test
from service.fhir.terminology import Terminology, load_terminology
from service.mapping.case import Reading, ReadingContext, read_submission
from service.mapping.questionnaire import build_questionnaire

Resource = dict[str, Any]

BASE = "https://hipspine.example/fhir"
FINDING = f"{BASE}/CodeSystem/finding"
ANSWER = f"{BASE}/CodeSystem/answer"
FORM = f"{BASE}/Questionnaire/hip-spine-intake"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
UCUM = "http://unitsofmeasure.org"


def _finding(identifier: str, label: str, kind: str, answer_type: Any = "boolean", **more: Any) -> Finding:
    return Finding(identifier, label, kind, answer_type, f"group-{identifier}", 1, "patient", **more)


FINDINGS = (
    _finding("pain_groin", "Groin pain", "history"),
    _finding("pain_buttock", "Buttock pain", "history"),
    _finding("pain_anterior_thigh", "Anterior thigh pain", "history"),
    _finding("pain_medial_thigh", "Medial thigh pain", "history"),
    _finding(
        "morning_stiffness",
        "Morning stiffness",
        "history",
        "choice",
        choices=("none", "under 20 min", "20-30 min", "31-60 min", "over 60 min"),
    ),
    _finding("symptom_side", "Side of the pain", "history", "choice", choices=("left", "right", "both")),
    _finding("pain_intensity", "Pain intensity now (0-10)", "history", "quantity", unit="{score}", minimum=0.0, maximum=10.0),
    _finding(
        "faber",
        "FABER test",
        "exam-test",
        "choice",
        choices=("negative", "groin or anterior pain", "posterior or SIJ pain", "lateral hip pain"),
    ),
    _finding("fadir", "FADIR test", "exam-test", how_elicited="Supine, flex, adduct and rotate inward."),
    _finding("slr", "Straight-leg raise", "exam-test", valid_days=180),
    _finding("hip_ir_rom", "Hip internal rotation", "rom", "quantity", unit="deg", minimum=0.0, maximum=90.0),
    _finding("hip_planes_restricted", "Restricted planes", "rom", "quantity", unit="1", minimum=0.0, maximum=3.0),
    _finding("motor_any", "Any motor deficit", "neuro"),
    _finding("progressive_motor_deficit", "Progressive leg weakness", "red-flag"),
    _finding("fever", "Fever or rigors", "red-flag", valid_days=14),
    _finding("osteoporosis", "Known osteoporosis", "red-flag"),
    _finding("cancer_history", "Previous cancer", "red-flag", lifelong=True),
    _finding(
        "age_band",
        "Age band",
        "demographic",
        "choice",
        choices=("18-39", "40-49", "50-59", "60-69", "70 and over"),
    ),
    _finding("sex", "Sex", "demographic", "choice", choices=("female", "male")),
)


@pytest.fixture(scope="session")
def terminology() -> Terminology:
    return load_terminology(Path(__file__).resolve().parents[3] / "terminology", BASE)


@pytest.fixture(scope="session")
def small_knowledge() -> KnowledgeBase:
    hip_oa = Condition("hip_oa", "Hip osteoarthritis", "hip", "routine", 0.3, 0.2, 0.4, "S1", "expert")
    weakness = RedFlagRule(
        "motor_weakness",
        "Leg weakness",
        "neurological",
        "urgent",
        {"any": [{"finding": "motor_any", "is": "true"}]},
        "There is weakness in the leg.",
        "Grade the power.",
    )
    pairs = (
        Incompatible("motor_any", Test.parse("false"), "progressive_motor_deficit", Test.parse("true")),
        Incompatible("faber", Test.parse("=negative"), "slr", Test.parse("true")),
    )
    return KnowledgeBase("test", (hip_oa,), (), FINDINGS, (), (), (weakness,), (), {}, {}, incompatible=pairs)


@pytest.fixture(scope="session")
def form(small_knowledge: KnowledgeBase, terminology: Terminology) -> Resource:
    return build_questionnaire(small_knowledge, terminology, base_url=BASE, version="1.0.0")


@pytest.fixture
def context(small_knowledge: KnowledgeBase, terminology: Terminology, form: Resource) -> ReadingContext:
    return ReadingContext(small_knowledge, terminology, form, datetime(2026, 4, 14, 12, tzinfo=UTC), BASE)


@pytest.fixture
def read(context: ReadingContext) -> Callable[[Resource], Reading]:
    return lambda resource: read_submission(resource, context=context)


@pytest.fixture
def respond() -> Callable[..., Resource]:
    """Maker of responses to the form: `respond(pain_groin="present")`, with elements of the resource as `_name`."""

    def make(**given: Any) -> Resource:
        elements = {key[1:]: value for key, value in given.items() if key.startswith("_")}
        items = [
            {
                "linkId": key,
                "answer": [
                    {"valueCoding": {"system": ANSWER, "code": value}} if isinstance(value, str) else {"valueDecimal": value}
                ],
            }
            for key, value in given.items()
            if not key.startswith("_")
        ]
        response = {
            "resourceType": "QuestionnaireResponse",
            "questionnaire": f"{FORM}|1.0.0",
            "status": "completed",
            "subject": {"reference": "Patient/1"},
            "authored": "2026-04-14T10:00:00Z",
            "item": items,
        } | elements
        return {key: value for key, value in response.items() if value is not None}

    return make


@pytest.fixture
def observe() -> Callable[..., Resource]:
    """Maker of Observations: `observe("fadir", "present")`; a pair as code is a system and a code; elements by keyword."""

    def make(code: str | tuple[str, str], value: Any = None, /, **elements: Any) -> Resource:
        system, name = (FINDING, code) if isinstance(code, str) else code
        observation: Resource = {
            "resourceType": "Observation",
            "status": "final",
            "code": {"coding": [{"system": system, "code": name}]},
            "subject": {"reference": "Patient/1"},
            "effectiveDateTime": "2026-04-14T10:00:00Z",
        }
        if isinstance(value, bool):
            observation["valueBoolean"] = value
        elif isinstance(value, str):
            observation["valueCodeableConcept"] = {"coding": [{"system": ANSWER, "code": value}]}
        elif isinstance(value, tuple):
            number, unit, *comparator = value
            quantity = {"value": number, "system": UCUM, "code": unit}
            observation["valueQuantity"] = quantity | ({"comparator": comparator[0]} if comparator else {})
        return {key: one for key, one in (observation | elements).items() if one is not None}

    return make


@pytest.fixture
def bundle() -> Callable[..., Resource]:
    """Maker of collections; an entry is a resource, or a pair of fullUrl and resource."""

    def make(*entries: Any, kind: str = "collection") -> Resource:
        made = [{"fullUrl": one[0], "resource": one[1]} if isinstance(one, tuple) else {"resource": one} for one in entries]
        return {"resourceType": "Bundle", "type": kind, "entry": made}

    return make

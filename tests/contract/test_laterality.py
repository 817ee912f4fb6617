"""Sides in ICD-10-CM: on every way out, each code is a billable leaf and says the side of the patient or none.

Titles and leaves come from the official tabular list in `simple-icd-10-cm`, not from our maps.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import simple_icd_10_cm
from flask.testing import FlaskClient

from service.composition.parts import Service

Resource = dict[str, Any]

BASE = "https://hipspine.example/fhir"
ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"
SIDES: tuple[str | None, ...] = (None, "left", "right", "bilateral")


def codes_in(node: Any) -> Iterator[str]:
    """Every ICD-10-CM code in a resource, wherever it stands."""
    if isinstance(node, list):
        for item in node:
            yield from codes_in(item)
    elif isinstance(node, dict):
        if node.get("system") == ICD10CM:
            yield node["code"]
        for value in node.values():
            yield from codes_in(value)


def sides_in_title(code: str) -> set[str]:
    """The sides that the official title of a code states."""
    title = simple_icd_10_cm.get_description(code).lower()
    return {side for side in ("left", "right", "bilateral", "unspecified") if re.search(rf"\b{side}\b", title)}


def assert_fits(code: str, side: str | None) -> None:
    """A leaf, and no other side than that of the patient."""
    assert simple_icd_10_cm.is_valid_item(code) and simple_icd_10_cm.is_leaf(code), code
    stated = sides_in_title(code) & {"left", "right", "bilateral"}
    # A bilateral condition without a bilateral leaf gets both leaves, as the classification asks.
    allowed = {"left", "right", "bilateral"} if side == "bilateral" else {side}
    assert stated <= allowed, (code, side)


@pytest.mark.parametrize("side", SIDES)
def test_every_condition_and_complaint_gets_the_leaf_of_its_side(service: Service, side: str | None) -> None:
    terminology = service.parts.terminology
    outbound: list[tuple[str, list[dict[str, str]]]] = [
        (condition.id, terminology.outbound_condition(condition.id, side)) for condition in service.parts.knowledge.conditions
    ]
    outbound += [(symptom, terminology.outbound_symptom(side, symptom)) for symptom in ("hip-pain", "low-back-pain")]
    seen = 0
    for concept, codings in outbound:
        codes = list(codes_in(codings))
        for code in codes:
            assert_fits(code, side)
            seen += 1
        sided = [code for code in codes if sides_in_title(code) & {"left", "right"}]
        if side in ("left", "right"):
            assert len(codes) <= 1, concept
            if any("unspecified" in sides_in_title(code) and sided_leaves(service, concept) for code in codes):
                pytest.fail(f"{concept}: the side is known and the leaf leaves it open")
        elif side == "bilateral":
            assert len(codes) <= 2, concept
            assert len(sided) in (0, 2), concept
        else:
            assert not sided, concept
    assert seen > 15


def sided_leaves(service: Service, concept: str) -> bool:
    """Whether the maps hold a leaf of this concept that states a side and may be written."""
    return any(
        target.side in ("left", "right") and target.equivalence in ("equal", "equivalent", "wider", "narrower")
        for target in service.parts.terminology.targets("condition", concept) if target.system == ICD10CM
    )


ANSWERS: tuple[dict[str, object], ...] = (
    {"pain_groin": "present", "fadir": "present", "hip_ir_reduced": "present"},
    {"pain_lateral_hip": "present", "palp_trochanter": "present", "single_leg_stance_30s": "present"},
    {"pain_below_knee": "present", "slr": "present", "neurogenic_claudication": "present"},
    {"trauma_significant": "present", "unable_to_bear_weight": "present", "osteoporosis": "present"},
)


@pytest.mark.parametrize("side", ["left", "right", "bilateral"])
def test_no_answer_codes_another_side_than_the_patients(
    client: FlaskClient, respond: Callable[..., Resource], side: str
) -> None:
    seen: set[str] = set()
    for answers in ANSWERS:
        form = respond(symptom_side={"bilateral": "both"}.get(side, side), **answers)
        response = client.post(
            "/fhir/$assess?care-plan=true&what-if=true", data=json.dumps(form), content_type="application/fhir+json"
        )
        assert response.status_code == 200, response.text
        for code in codes_in(response.get_json(force=True)):
            assert_fits(code, side)
            seen.add(code)
    assert any(sides_in_title(code) & {"left", "right", "bilateral"} for code in seen), seen


def test_every_icd_10_cm_code_that_is_published_is_a_leaf_with_its_title(client: FlaskClient, service: Service) -> None:
    published = [one.load() for one in service.definitions]
    codes = set(codes_in(published))
    for resource in published:
        for group in resource.get("group", ()) if resource["resourceType"] == "ConceptMap" else ():
            for element in group["element"]:
                codes |= {element["code"]} if group["source"] == ICD10CM else set()
                codes |= {target["code"] for target in element["target"] if group["target"] == ICD10CM and "code" in target}
    assert len(codes) > 90
    for code in codes:
        assert simple_icd_10_cm.is_leaf(code), code
        answer = client.get("/fhir/CodeSystem/$lookup", query_string={"system": ICD10CM, "code": code}).get_json(force=True)
        display = next(one["valueString"] for one in answer["parameter"] if one["name"] == "display")
        assert display == simple_icd_10_cm.get_description(code)


@pytest.mark.parametrize("side", ["left", "right", "bilateral", "unspecified"])
def test_translation_with_a_side_gives_leaves_of_that_side_alone(client: FlaskClient, service: Service, side: str) -> None:
    seen = 0
    for condition in service.parts.knowledge.conditions:
        body = {
            "resourceType": "Parameters",
            "parameter": [
                {"name": "system", "valueUri": f"{BASE}/CodeSystem/condition"},
                {"name": "code", "valueCode": condition.id},
                {"name": "targetsystem", "valueUri": ICD10CM},
                {"name": "dependency", "part": [
                    {"name": "element", "valueUri": f"{BASE}/property/side"},
                    {"name": "concept", "valueCodeableConcept": {"text": side}},
                ]},
            ],
        }
        response = client.post("/fhir/ConceptMap/$translate", data=json.dumps(body), content_type="application/fhir+json")
        assert response.status_code == 200, response.text
        for code in codes_in(response.get_json(force=True)):
            assert simple_icd_10_cm.is_leaf(code)
            assert sides_in_title(code) & {"left", "right", "bilateral"} <= {side}, (condition.id, code)
            seen += 1
    assert seen > 10


def test_headers_that_were_once_codes_are_nowhere(service: Service) -> None:
    """M54.5, M51.36, M51.37, I71.4, M48.06 and R10.2 became headers; a fracture needs its seventh character."""
    text = json.dumps([one.load() for one in service.definitions], default=str)
    for header in ("M54.5", "M51.36", "M51.37", "I71.4", "M48.06", "R10.2", "S72.001", "M84.351"):
        assert f'"{header}"' not in text


@pytest.mark.parametrize("side", ["left", "right"])
def test_a_draft_about_the_hip_names_the_hip_that_hurts(client: FlaskClient, respond: Callable[..., Resource], side: str) -> None:
    signs = dict.fromkeys(("pain_groin", "hip_ir_reduced", "hip_ir_load_pain", "log_roll", "limp"), "present")

    def drafts(**more: str) -> list[Resource]:
        assessed = client.post("/fhir/$assess", json=respond(**signs, **more)).get_json()
        return [one for one in assessed["contained"] if one["resourceType"] == "ServiceRequest"]

    sites = [coding for one in drafts(symptom_side=side) for site in one.get("bodySite", ()) for coding in site["coding"]]
    assert sites and all(side in coding["display"].lower() for coding in sites)
    assert not any("bodySite" in one for one in drafts())

"""The plan in the answer, and the CarePlan a caller may ask for, over HTTP."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.composition.parts import Service
from service.fhir import r4

Resource = dict[str, Any]
DATA = Path(__file__).resolve().parents[1] / "data"
EXAMPLES = ("spine", "hip", "both", "sacroiliac", "emergency", "sparse")
OWN = "https://hipspine.example/fhir"
Answered = Callable[..., Resource]


def example(name: str) -> Resource:
    resource: Resource = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return resource


@pytest.fixture
def answer(client: FlaskClient) -> Answered:
    """Posts a resource, with the CarePlan asked for in the address where `care_plan` says so."""

    def answered(resource: Resource, *, care_plan: bool = False, path: str = "/fhir/$assess") -> Resource:
        query = "?care-plan=true" if care_plan else ""
        response = client.post(path + query, data=json.dumps(resource), content_type="application/fhir+json")
        assert response.status_code == 200, response.text
        decoded: Resource = json.loads(response.data, parse_float=Decimal)
        return decoded

    return answered


def items(resource: Resource) -> list[dict[str, list[Any]]]:
    """The plan items: part name -> values."""
    found = []
    for one in resource["extension"]:
        if one["url"] == f"{OWN}/StructureDefinition/plan-item":
            held: dict[str, list[Any]] = {}
            for piece in one["extension"]:
                held.setdefault(piece["url"], []).append(next(value for key, value in piece.items() if key.startswith("value")))
            found.append(held)
    return found


def contained(resource: Resource, kind: str) -> list[Resource]:
    return [one for one in resource["contained"] if one["resourceType"] == kind]


def code(item: dict[str, list[Any]]) -> str:
    found: str = item["item"][0]["code"]
    return found


# --- without asking --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_answer_holds_the_leading_items_in_short_and_no_care_plan(name: str, answer: Answered, service: Service) -> None:
    resource = answer(example(name))
    assert r4.check(resource).faults == ()
    assert contained(resource, "CarePlan") == []
    rules = {rule.id: rule for rule in service.parts.knowledge.plan_rules}
    given = [item for item in items(resource) if "withheld" not in item]
    for item in given:
        rule = rules[code(item)]
        assert item["item"][0]["system"] == f"{OWN}/CodeSystem/plan-item"
        assert item["kind"] == [rule.kind]
        assert item["text"] == [rule.text]
        assert item["evidence-grade"] == [rule.evidence]
        assert item["source"] == [rule.source_id]
        assert not {"thinner", "dosage", "because", "citation"} & set(item)
    kinds = [item["kind"][0] for item in given if code(item) != "keep-moving"]
    assert len(kinds) == len(set(kinds))
    assert bool(given) == (name != "emergency")


def test_an_emergency_withholds_the_whole_plan_and_says_why(answer: Answered) -> None:
    resource = answer(example("emergency"), care_plan=True)
    found = items(resource)
    assert found
    assert all(item["withheld"] for item in found)
    manipulation = next(item for item in found if code(item) == "lumbar-manipulation")
    assert "Possible cauda equina syndrome" in manipulation["withheld"]
    assert {"text", "dosage"} & {name for item in found for name in item} == set()
    assert "Withheld because this is an emergency" in resource["text"]["div"]
    (plan,) = contained(resource, "CarePlan")
    details = [one["detail"] for one in plan["activity"] if "detail" in one]
    assert all(detail["doNotPerform"] is True and detail["statusReason"]["text"] for detail in details)


def test_the_narrative_tells_the_plan_with_grade_literature_and_the_day_to_assess_again(answer: Answered) -> None:
    div = answer(example("spine"))["text"]["div"]
    assert "<h4>Plan to consider</h4>" in div
    assert "Evidence grade B" in div
    assert "Literature: " in div
    assert "Dosage: " in div
    assert "Assess again by " in div


def test_manipulation_is_proposed_only_after_screening_while_questions_are_open(answer: Answered) -> None:
    found = {code(item): item for item in items(answer(example("sacroiliac"), care_plan=True))}
    assert "Only after screening" in found["sacroiliac-correction"]["after-screening"][0]
    assert "after-screening" not in found["keep-moving"]


def test_an_unsettled_answer_calls_the_plan_provisional_and_puts_nothing_further_forward(answer: Answered) -> None:
    resource = answer(example("sparse"))
    assert "Provisional" in resource["text"]["div"]
    assert "further" not in {item["kind"][0] for item in items(resource) if "withheld" not in item}


# --- images ----------------------------------------------------------------------------------------------------------


def test_K35_a_normal_hip_mri_asks_for_one_lumbar_mri_as_a_draft(answer: Answered, respond: Callable[..., Resource]) -> None:
    resource = answer(respond(pain_groin="present", hip_imaging_normal="mri-normal"))
    lumbar = [one for one in contained(resource, "ServiceRequest") if one["code"]["coding"][0]["code"] == "mri-lumbar-spine"]
    assert len(lumbar) == 1
    assert (lumbar[0]["status"], lumbar[0]["intent"], lumbar[0]["priority"]) == ("draft", "proposal", "routine")
    assert r4.check(resource).faults == ()


@pytest.mark.parametrize("name", EXAMPLES)
def test_no_service_is_asked_for_twice(name: str, answer: Answered) -> None:
    requests = contained(answer(example(name)), "ServiceRequest")
    images = [one["code"]["coding"][0]["code"] for one in requests if "performerType" not in one]
    assert len(images) == len(set(images))
    assert len({one["id"] for one in requests}) == len(requests)


# --- the CarePlan ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_care_plan_is_a_valid_draft_proposal_with_everything_in_it(name: str, answer: Answered, service: Service) -> None:
    resource = answer(example(name), care_plan=True)
    assert r4.check(resource).faults == ()
    (plan,) = contained(resource, "CarePlan")
    assert (plan["status"], plan["intent"]) == ("draft", "proposal")
    assert plan["subject"] == resource["subject"]
    assert plan["author"] == {"reference": "#device"}
    assert plan["period"]["start"] == plan["created"] == resource["occurrenceDateTime"]
    assert "not a diagnosis" in " ".join(note["text"] for note in plan["note"]).lower()
    requests = {f"#{one['id']}" for one in contained(resource, "ServiceRequest")}
    assert {one["reference"]["reference"] for one in plan["activity"] if "reference" in one} == requests
    details = {one["detail"]["code"]["coding"][0]["code"]: one["detail"] for one in plan["activity"] if "detail" in one}
    told = {code(item): item for item in items(resource)}
    assert set(details) <= set(told)
    rules = {rule.id: rule for rule in service.parts.knowledge.plan_rules}
    assert all(rules[missing].kind == "imaging" for missing in set(told) - set(details))
    for name_, detail in details.items():
        rule, withheld = rules[name_], "withheld" in told[name_]
        assert detail["status"] == "not-started"
        assert detail["doNotPerform"] is withheld
        if withheld:
            continue
        assert rule.text in detail["description"]
        assert rule.thinner in detail["description"]
        assert detail["reasonCode"]
        grade, citation = detail["extension"][0]["extension"]
        assert grade["valueCoding"]["code"] == rule.evidence
        assert citation["valueRelatedArtifact"]["citation"] == service.parts.knowledge.citations[rule.source_id].text
        assert told[name_].get("thinner", [""]) == [rule.thinner]
        assert told[name_].get("dosage", [""]) == [rule.dosage]


def test_the_days_to_assess_again_are_counted_from_the_assessment(answer: Answered, service: Service) -> None:
    resource = answer(example("spine"), care_plan=True)
    assessed = datetime.fromisoformat(resource["occurrenceDateTime"])
    days = {rule.id: rule.reassess_after_days for rule in service.parts.knowledge.plan_rules}
    found = {code(item): item["reassess"][0] for item in items(resource) if "reassess" in item}
    assert found["response-disc"] == (assessed + timedelta(days=56)).date().isoformat()
    for item, day in found.items():
        assert date.fromisoformat(day) == (assessed + timedelta(days=days[item] or 0)).date()
    (plan,) = contained(resource, "CarePlan")
    last = max(days[item] or 0 for item in found)
    assert datetime.fromisoformat(plan["period"]["end"]) == assessed + timedelta(days=last)
    details = {one["detail"]["code"]["coding"][0]["code"]: one["detail"] for one in plan["activity"] if "detail" in one}
    assert details["response-disc"]["scheduledPeriod"]["end"] == found["response-disc"]
    assert details["response-disc"]["kind"] == "Appointment"
    assert details["brace-stretch-rock"]["scheduledString"].startswith("Begin once or twice a week")


def test_asking_in_parameters_is_asking_in_the_address(answer: Answered) -> None:
    form = example("hip")
    asked = {"name": "care-plan", "valueBoolean": True}
    parameters = {"resourceType": "Parameters", "parameter": [{"name": "questionnaire-response", "resource": form}, asked]}
    (one,) = contained(answer(parameters), "CarePlan")
    (other,) = contained(answer(form, care_plan=True), "CarePlan")
    assert [activity["detail"]["code"] for activity in one["activity"] if "detail" in activity] == [
        activity["detail"]["code"] for activity in other["activity"] if "detail" in activity
    ]
    asked["valueBoolean"] = False
    assert contained(answer(parameters), "CarePlan") == []


def test_the_operation_definition_documents_the_parameter(client: FlaskClient) -> None:
    definition = client.get("/fhir/OperationDefinition/assess").get_json(force=True)
    (parameter,) = [one for one in definition["parameter"] if one["name"] == "care-plan"]
    assert (parameter["use"], parameter["min"], parameter["max"], parameter["type"]) == ("in", 0, "1", "boolean")


def test_every_code_of_a_plan_is_published(answer: Answered, client: FlaskClient) -> None:
    published = {}
    for system in ("plan-item", "plan-kind", "evidence-grade"):
        concepts = client.get(f"/fhir/CodeSystem/{system}").get_json(force=True)["concept"]
        published[system] = {concept["code"] for concept in concepts}
    for name in EXAMPLES:
        for item in items(answer(example(name), care_plan=True)):
            assert code(item) in published["plan-item"]
            assert item["kind"][0] in published["plan-kind"]
            assert set(item.get("evidence-grade", ())) <= published["evidence-grade"]

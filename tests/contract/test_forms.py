"""$extract and $populate: Observations out of a form, a form out of a record."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from support.dated import moved_to_yesterday, yesterday
from werkzeug.test import TestResponse

from service.fhir import r4

Resource = dict[str, Any]
DATA = Path(__file__).resolve().parents[1] / "data"
EXTRACT = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-observationExtract"
LOINC = "http://loinc.org"


def post(client: FlaskClient, path: str, body: Resource) -> TestResponse:
    return client.post(f"/fhir/{path}", data=json.dumps(body), content_type="application/fhir+json")


def parts_of(response: TestResponse) -> dict[str, Resource]:
    """The resources of the Parameters of a good answer by name; the whole is valid R4."""
    assert response.status_code == 200, response.text[:800]
    parsed = r4.parse(response.data, limits=r4.Limits()).resource
    assert parsed["resourceType"] == "Parameters"
    return {parameter["name"]: parameter["resource"] for parameter in parsed["parameter"]}


def extracted(client: FlaskClient, body: Resource) -> tuple[list[Resource], str]:
    """The Observations and all that the issues say."""
    found = parts_of(post(client, "QuestionnaireResponse/$extract", body))
    return [entry["resource"] for entry in found["return"].get("entry", [])], json.dumps(found.get("issues", {}))


def parameters(**named: Resource) -> Resource:
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": name.replace("_", "-"), "resource": resource} for name, resource in named.items()],
    }


def mark(value: bool) -> list[Resource]:
    return [{"url": EXTRACT, "valueBoolean": value}]


def weight_form(*items: Resource, **more: Any) -> Resource:
    return {"resourceType": "Questionnaire", "url": "http://forms.example/f", "status": "active", "item": list(items), **more}


def weight_answers(*items: Resource, **more: Any) -> Resource:
    return {
        "resourceType": "QuestionnaireResponse",
        "id": "qr1",
        "questionnaire": "http://forms.example/f",
        "status": "completed",
        "subject": {"reference": "Patient/1"},
        "authored": "2026-01-15T10:00:00+01:00",
        "item": list(items),
        **more,
    }


def question(link_id: str, kind: str, code: str | None = "1-8", **more: Any) -> Resource:
    coded = {"code": [{"system": LOINC, "code": code}]} if code else {}
    return {"linkId": link_id, "type": kind, "text": link_id, **coded, **more}


def answer(link_id: str, **value: Any) -> Resource:
    return {"linkId": link_id, "answer": [value]}


# --- $extract ----------------------------------------------------------------------------------------------------


def test_S6_every_answer_becomes_an_observation_of_a_transaction(client: FlaskClient, respond: Callable[..., Resource]) -> None:
    form = respond(status="completed", pain_groin="present", hip_flexion_rom=95) | {
        "id": "qr1",
        "encounter": {"reference": "Encounter/7"},
        "author": {"reference": "Practitioner/5"},
    }
    bundle = parts_of(post(client, "QuestionnaireResponse/$extract", form))["return"]
    assert bundle["type"] == "transaction"
    assert [entry["request"] for entry in bundle["entry"]] == [{"method": "POST", "url": "Observation"}] * 2
    assert len({entry["fullUrl"] for entry in bundle["entry"]}) == 2
    by_code = {entry["resource"]["code"]["coding"][0]["code"]: entry["resource"] for entry in bundle["entry"]}
    assert set(by_code) == {"pain_groin", "hip_flexion_rom"}
    for observation in by_code.values():
        assert observation["resourceType"] == "Observation"
        assert observation["status"] == "final"
        assert observation["subject"] == {"reference": "Patient/1"}
        assert observation["encounter"] == {"reference": "Encounter/7"}
        assert observation["effectiveDateTime"] == observation["issued"] == "2026-01-15T10:00:00+01:00"
        assert observation["performer"] == [{"reference": "Practitioner/5"}]
        assert observation["derivedFrom"] == [{"reference": "QuestionnaireResponse/qr1"}]
        assert "id" not in observation
    assert by_code["pain_groin"]["valueCodeableConcept"]["coding"][0]["code"] == "present"
    measured = by_code["hip_flexion_rom"]["valueQuantity"]
    assert (measured["value"], measured["system"], measured["code"]) == (95, "http://unitsofmeasure.org", "deg")


def test_A2_an_observation_has_the_side_that_the_form_tells(client: FlaskClient, respond: Callable[..., Resource]) -> None:
    form = respond(status="completed", symptom_side="left", fadir="present", fever="present") | {"id": "qr1"}
    observations, _ = extracted(client, form)
    sites = {one["code"]["coding"][0]["code"]: one.get("bodySite", {}).get("coding", ()) for one in observations}
    assert {"24028007", "7771000"} & {coding["code"] for coding in sites["fadir"]} == {"7771000"}
    assert not sites["fever"] and not sites["symptom_side"]  # what has no side, and the side itself


def test_S6_the_observation_has_every_code_of_the_question(
    client: FlaskClient, respond: Callable[..., Resource], questionnaire: Resource
) -> None:
    asked = next(item for group in questionnaire["item"] for item in group["item"] if len(item.get("code", [])) > 1)
    given = asked["answerOption"][0]["valueCoding"]["code"] if "answerOption" in asked else 1
    observation = extracted(client, respond(**{asked["linkId"]: given}))[0][0]
    assert observation["code"]["coding"] == asked["code"]


@pytest.mark.parametrize("name", ["hip.json", "spine.json"])
def test_C7_the_extracted_observations_give_the_same_differential_as_the_form(client: FlaskClient, name: str) -> None:
    form = json.loads((DATA / name).read_text())
    bundle = parts_of(post(client, "QuestionnaireResponse/$extract", form))["return"]
    by_form = post(client, "$assess", form).get_json(force=True)
    by_observations = json.loads(post(client, "$assess", json.loads(r4.serialise(bundle))).data)
    assert by_observations["prediction"] == by_form["prediction"]
    together = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": form}]}
    together["entry"] += [{"resource": entry["resource"]} for entry in json.loads(r4.serialise(bundle))["entry"]]
    both = json.loads(post(client, "$assess", together).data)
    assert both["prediction"] == by_form["prediction"]  # counted once


def test_S7_a_denied_finding_is_an_observation_with_the_absent_value(
    client: FlaskClient, respond: Callable[..., Resource]
) -> None:
    (observation,), _ = extracted(client, respond(pain_groin="absent"))
    assert observation["valueCodeableConcept"]["coding"][0]["code"] == "absent"


def test_S7_boolean_false_is_never_dropped(client: FlaskClient) -> None:
    form = weight_form(question("q", "boolean", extension=mark(True)))
    (observation,), _ = extracted(
        client, parameters(questionnaire_response=weight_answers(answer("q", valueBoolean=False)), questionnaire=form)
    )
    assert observation["valueBoolean"] is False


def test_S8_without_a_mark_nothing_is_extracted(client: FlaskClient) -> None:
    form = weight_form(question("q", "decimal"))
    observations, issues = extracted(
        client, parameters(questionnaire_response=weight_answers(answer("q", valueDecimal=80.5)), questionnaire=form)
    )
    assert observations == [] and "nothing to extract" in issues


def test_S8_an_explicit_false_below_true_leaves_out_what_is_below_it(client: FlaskClient) -> None:
    inner = {"linkId": "g", "type": "group", "extension": mark(False), "item": [question("out", "integer", "2-2")]}
    own = question("own", "integer", "4-4", extension=mark(False))
    back = {"linkId": "h", "type": "group", "item": [question("in", "integer", "3-3"), own]}
    form = weight_form(inner, back, extension=mark(True))
    response = weight_answers(
        {"linkId": "g", "item": [answer("out", valueInteger=1)]},
        {"linkId": "h", "item": [answer("in", valueInteger=2), answer("own", valueInteger=3)]},
    )
    observations, _ = extracted(client, parameters(questionnaire_response=response, questionnaire=form))
    assert [one["code"]["coding"][0]["code"] for one in observations] == ["3-3"]


def test_S8_a_mark_on_one_code_leaves_the_others_out(client: FlaskClient) -> None:
    codes = [{"system": LOINC, "code": "1-8"}, {"system": LOINC, "code": "2-2", "extension": mark(True)}]
    form = weight_form({"linkId": "q", "type": "integer", "code": codes})
    (observation,), _ = extracted(
        client, parameters(questionnaire_response=weight_answers(answer("q", valueInteger=4)), questionnaire=form)
    )
    assert observation["code"]["coding"] == [{"system": LOINC, "code": "2-2"}]


def test_each_answer_of_a_repeating_question_is_an_observation_of_its_own(client: FlaskClient) -> None:
    form = weight_form(question("q", "string", repeats=True), extension=mark(True))
    response = weight_answers({"linkId": "q", "answer": [{"valueString": "a"}, {"valueString": "b"}]})
    observations, _ = extracted(client, parameters(questionnaire_response=response, questionnaire=form))
    assert [one["valueString"] for one in observations] == ["a", "b"]


def test_a_unit_of_the_question_makes_a_quantity_with_its_digits(client: FlaskClient) -> None:
    unit = {"url": "http://hl7.org/fhir/StructureDefinition/questionnaire-unit",
            "valueCoding": {"system": "http://unitsofmeasure.org", "code": "kg", "display": "kilogram"}}
    form = weight_form(question("q", "decimal", extension=[*mark(True), unit]))
    body = json.dumps(parameters(questionnaire_response=weight_answers(answer("q", valueDecimal=0)), questionnaire=form))
    response = client.post(
        "/fhir/QuestionnaireResponse/$extract", data=body.replace('"valueDecimal": 0', '"valueDecimal": 71.50'),
        content_type="application/fhir+json",
    )
    assert b'"valueQuantity":{"value":71.50,"unit":"kilogram","system":"http://unitsofmeasure.org","code":"kg"}' in response.data


def test_what_an_observation_cannot_hold_is_said(client: FlaskClient) -> None:
    form = weight_form(question("q", "attachment"), question("nocode", "string", None), extension=mark(True))
    response = weight_answers(answer("q", valueAttachment={"title": "x"}), answer("nocode", valueString="secret text"))
    observations, issues = extracted(client, parameters(questionnaire_response=response, questionnaire=form))
    assert observations == []
    assert "cannot hold" in issues and "no code" in issues and "secret" not in issues


def test_a_disabled_answer_is_not_extracted(client: FlaskClient) -> None:
    asked = question("q", "integer", "2-2", enableWhen=[{"question": "p", "operator": "=", "answerBoolean": True}])
    form = weight_form(question("p", "boolean"), asked, extension=mark(True))
    response = weight_answers(answer("p", valueBoolean=False), answer("q", valueInteger=4))
    observations, _ = extracted(client, parameters(questionnaire_response=response, questionnaire=form))
    assert [one["code"]["coding"][0]["code"] for one in observations] == ["1-8"]


def test_an_unfinished_form_gives_preliminary_observations(client: FlaskClient, respond: Callable[..., Resource]) -> None:
    (observation,), issues = extracted(client, respond(status="in-progress", pain_groin="present"))
    assert observation["status"] == "preliminary" and "in-progress" in issues


def test_a_form_without_id_is_named_by_its_identifier_or_in_words(
    client: FlaskClient, respond: Callable[..., Resource]
) -> None:
    form = respond(pain_groin="present")
    (observation,), issues = extracted(client, form)
    assert "display" in observation["derivedFrom"][0] and "neither id nor identifier" in issues
    (observation,), _ = extracted(client, form | {"identifier": {"system": "urn:x", "value": "7"}})
    assert observation["derivedFrom"][0]["identifier"] == {"system": "urn:x", "value": "7"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"status": "entered-in-error"}, "business-rule"),
        ({"questionnaire": "http://forms.example/unknown"}, "not-found"),
        ({"item": [{"linkId": "nope", "answer": [{"valueInteger": 1}]}]}, "invalid"),
    ],
)
def test_extract_refuses_what_assess_refuses(
    client: FlaskClient, respond: Callable[..., Resource], change: Resource, code: str
) -> None:
    response = post(client, "QuestionnaireResponse/$extract", respond(pain_groin="present") | change)
    assert response.status_code == 422, response.text[:300]
    assert response.get_json(force=True)["issue"][0]["code"] == code


def test_extract_refuses_what_is_no_form(client: FlaskClient, respond: Callable[..., Resource]) -> None:
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    two = parameters(questionnaire_response=respond(), other=observation)
    for body in (observation, {"resourceType": "Parameters"}, two):
        response = post(client, "QuestionnaireResponse/$extract", body)
        assert response.status_code == 400, response.text[:300]


def test_S6_a_stored_form_is_extracted_at_its_address(stored: FlaskClient, respond: Callable[..., Resource]) -> None:
    form = respond(status="completed", pain_groin="present", fadir="absent") | {"id": "extract-1"}
    put = stored.put("/fhir/QuestionnaireResponse/extract-1", data=json.dumps(form), content_type="application/fhir+json")
    assert put.status_code in (200, 201), put.text
    before = stored.get("/fhir/Observation?_summary=count").get_json(force=True)["total"]
    response = stored.post("/fhir/QuestionnaireResponse/extract-1/$extract")
    found = [entry["resource"] for entry in parts_of(response)["return"]["entry"]]
    assert len(found) == 2
    assert {one["derivedFrom"][0]["reference"] for one in found} == {"QuestionnaireResponse/extract-1"}
    assert stored.get("/fhir/Observation?_summary=count").get_json(force=True)["total"] == before  # nothing is stored
    assert post(stored, "QuestionnaireResponse/extract-1/$extract", form).status_code == 400  # one form at a time
    assert stored.post("/fhir/QuestionnaireResponse/nobody/$extract").status_code == 404


# --- $populate ---------------------------------------------------------------------------------------------------


PATIENT: Resource = {"resourceType": "Patient", "id": "1", "gender": "female", "birthDate": "1960-02-01"}
NINETY_FIVE = {"value": 95, "system": "http://unitsofmeasure.org", "code": "deg"}


def observation(context_code: str, system: str, **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "status": "final",
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": yesterday().isoformat(),
        "code": {"coding": [{"system": system, "code": context_code}]},
        **more,
    }


def populate(
    client: FlaskClient, *content: Resource, path: str = "Questionnaire/hip-spine-intake/$populate", **more: Resource
) -> dict[str, Resource]:
    body: Resource = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "subject", "valueReference": {"reference": "Patient/1"}},
            *({"name": name, **value} for name, value in more.items()),
            *(
                {"name": "context", "part": [{"name": "name", "valueString": "record"}, {"name": "content", "resource": one}]}
                for one in content
            ),
        ],
    }
    return parts_of(post(client, path, body))


def answers_of(response: Resource) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for item in response.get("item", []):
        found |= answers_of(item)
        for given in item.get("answer", []):
            value = next(iter(given.values()))
            found[item["linkId"]] = value["code"] if isinstance(value, dict) else value
    return found


def test_S9_populate_fills_in_what_the_record_answers(client: FlaskClient, settings: Any) -> None:
    finding, answer_system = f"{settings.base_url}/CodeSystem/finding", f"{settings.base_url}/CodeSystem/answer"
    absent = {"coding": [{"system": answer_system, "code": "absent"}]}
    osteoporosis = {
        "resourceType": "Condition",
        "subject": {"reference": "Patient/1"},
        "code": {"coding": [{"system": finding, "code": "osteoporosis"}]},
    }
    found = populate(
        client,
        PATIENT,
        observation("fadir", finding, valueCodeableConcept=absent),
        observation("hip_flexion_rom", finding, valueQuantity=NINETY_FIVE),
        osteoporosis,
    )
    response = found["response"]
    assert (response["status"], response["subject"]) == ("in-progress", {"reference": "Patient/1"})
    assert response["questionnaire"].startswith(f"{settings.base_url}/Questionnaire/hip-spine-intake|")
    assert answers_of(response) == {
        "age_band": "60-69",
        "sex": "female",
        "fadir": "absent",
        "hip_flexion_rom": 95,
        "osteoporosis": "present",
    }
    issues = json.dumps(found["issues"])
    assert "5 of" in issues and "taken from Patient/1" in issues


def test_S9_a_populated_form_assesses_as_the_record_does(client: FlaskClient) -> None:
    form = json.loads(moved_to_yesterday((DATA / "hip.json").read_text())) | {"subject": {"reference": "Patient/1"}}
    bundle = json.loads(r4.serialise(parts_of(post(client, "QuestionnaireResponse/$extract", form))["return"]))
    filled = populate(client, bundle)["response"]
    by_record = json.loads(post(client, "$assess", form).data)
    by_form = json.loads(post(client, "$assess", json.loads(r4.serialise(filled))).data)
    assert by_form["prediction"] == by_record["prediction"]


def test_S9_every_question_is_there_to_be_answered(client: FlaskClient, questionnaire: Resource) -> None:
    response = populate(client, PATIENT)["response"]
    assert [item["linkId"] for item in response["item"]] == [item["linkId"] for item in questionnaire["item"]]
    assert all("answer" not in item for item in response["item"][1]["item"])


def test_S9_the_form_is_named_on_the_type(client: FlaskClient, questionnaire: Resource) -> None:
    for value in ({"valueUri": questionnaire["url"]}, {"valueReference": {"reference": "Questionnaire/hip-spine-intake"}}):
        found = populate(client, PATIENT, path="Questionnaire/$populate", questionnaire=value)
        assert answers_of(found["response"])["sex"] == "female"


def test_S9_another_form_is_filled_in_by_its_codes(client: FlaskClient, settings: Any) -> None:
    finding = f"{settings.base_url}/CodeSystem/finding"
    form = weight_form(
        {"linkId": "a", "type": "boolean", "text": "FADIR", "code": [{"system": finding, "code": "fadir"}]},
        {"linkId": "b", "type": "quantity", "text": "Flexion", "code": [{"system": finding, "code": "hip_flexion_rom"}]},
        {"linkId": "c", "type": "date", "text": "Flexion again", "code": [{"system": finding, "code": "hip_flexion_rom"}]},
    )
    record = [
        observation("fadir", finding, valueBoolean=True),
        observation("hip_flexion_rom", finding, valueQuantity=NINETY_FIVE),
    ]
    found = populate(client, *record, path="Questionnaire/$populate", questionnaire={"resource": form})
    items = found["response"]["item"]
    assert items[0]["answer"] == [{"valueBoolean": True}]
    assert items[1]["answer"][0]["valueQuantity"]["code"] == "deg"
    assert "answer" not in items[2] and "takes no such answer" in json.dumps(found["issues"])


def test_S9_a_bound_is_not_an_answer(client: FlaskClient, settings: Any) -> None:
    bound = {"value": 95, "comparator": "<", "system": "http://unitsofmeasure.org", "code": "deg"}
    found = populate(client, observation("hip_flexion_rom", f"{settings.base_url}/CodeSystem/finding", valueQuantity=bound))
    assert "hip_flexion_rom" not in answers_of(found["response"])
    assert "only a bound" in json.dumps(found["issues"])


def test_A3_what_is_too_old_to_count_is_not_filled_in_and_said(client: FlaskClient, settings: Any) -> None:
    fever = observation("fever", f"{settings.base_url}/CodeSystem/finding", valueBoolean=True)
    found = populate(client, fever | {"effectiveDateTime": "2015-01-01"}, PATIENT)
    assert "fever" not in answers_of(found["response"])
    issues = json.dumps(found["issues"])
    assert "Too old" in issues and "Ask whether it is still so" in issues


def test_S9_for_a_patient_of_whom_nothing_is_sent_the_form_is_empty(client: FlaskClient) -> None:
    response = populate(client)["response"]
    assert answers_of(response) == {} and response["subject"] == {"reference": "Patient/1"}


def test_S9_what_is_about_somebody_else_is_left_out_and_said(client: FlaskClient, settings: Any) -> None:
    other = observation("fadir", f"{settings.base_url}/CodeSystem/finding", valueBoolean=True) | {
        "subject": {"reference": "Patient/2"}
    }
    found = populate(client, other, other)
    assert answers_of(found["response"]) == {}
    assert "another subject. (2 times)" in json.dumps(found["issues"])


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("Questionnaire/nope/$populate", {"resourceType": "Parameters"}, 404),
        ("Questionnaire/$populate", {"resourceType": "Parameters"}, 400),
        ("Questionnaire/hip-spine-intake/$populate", PATIENT, 400),
        ("Questionnaire/hip-spine-intake/$populate", {"resourceType": "Parameters"}, 422),
        (
            "Questionnaire/hip-spine-intake/$populate",
            {"resourceType": "Parameters", "parameter": [{"name": "bogus", "valueString": "x"}]},
            400,
        ),
        (
            "Questionnaire/$populate",
            {"resourceType": "Parameters", "parameter": [{"name": "questionnaire", "valueUri": "http://forms.example/unknown"}]},
            400,
        ),
    ],
)
def test_S9_populate_says_what_is_missing(client: FlaskClient, path: str, body: Resource, status: int) -> None:
    response = post(client, path, body)
    assert response.status_code == status, response.text[:300]
    issue = response.get_json(force=True)["issue"][0]
    assert issue["severity"] == "error" and issue["diagnostics"]


# --- $populate from what is stored -------------------------------------------------------------------------------


def keep(stored: FlaskClient, resource: Resource) -> str:
    """The versioned reference of the resource, stored."""
    path = f"/fhir/{resource['resourceType']}/{resource['id']}"
    answer = stored.put(path, data=json.dumps(resource), content_type="application/fhir+json")
    assert answer.status_code in (200, 201), answer.text[:300]
    return f"{resource['resourceType']}/{resource['id']}/_history/{answer.get_json(force=True)['meta']['versionId']}"


@pytest.fixture(scope="module")
def record(stored: FlaskClient, settings: Any) -> dict[str, str]:
    """A patient with two findings, one about somebody else, and one that is gone; each by its version."""
    finding = f"{settings.base_url}/CodeSystem/finding"
    about = {"subject": {"reference": "Patient/local-1"}}
    kept = {
        "patient": keep(stored, PATIENT | {"id": "local-1"}),
        "fadir": keep(stored, observation("fadir", finding, valueBoolean=True) | about | {"id": "local-fadir"}),
        "rom": keep(stored, observation("hip_flexion_rom", finding, valueQuantity=NINETY_FIVE) | about | {"id": "local-rom"}),
        "other": keep(stored, observation("faber", finding, valueBoolean=True) | {"id": "local-other"}),
        "gone": keep(stored, observation("faber", finding, valueBoolean=True) | about | {"id": "local-gone"}),
    }
    assert stored.delete("/fhir/Observation/local-gone").status_code == 204
    return kept


def fill(stored: FlaskClient, subject: str, *parameters: Resource) -> dict[str, Resource]:
    asked = [{"name": "subject", "valueReference": {"reference": subject}}, *parameters]
    body = {"resourceType": "Parameters", "parameter": asked}
    return parts_of(post(stored, "Questionnaire/hip-spine-intake/$populate", body))


LOCAL: Resource = {"name": "local", "valueBoolean": True}


def test_S9_local_fills_in_what_is_stored_of_the_patient(stored: FlaskClient, record: dict[str, str]) -> None:
    found = fill(stored, "Patient/local-1", LOCAL)
    assert answers_of(found["response"]) == {"age_band": "60-69", "sex": "female", "fadir": "present", "hip_flexion_rom": 95}
    issues = json.dumps(found["issues"])
    for name in ("patient", "fadir", "rom"):  # each answer says from which version it was taken
        assert f"taken from {record[name]}" in issues
    assert "local-other" not in issues and "not looked up" not in issues
    assert answers_of(fill(stored, "Patient/local-1")["response"]) == {}  # not without being asked
    assert answers_of(fill(stored, "Patient/local-1", LOCAL | {"valueBoolean": False})["response"]) == {}


def test_S9_what_is_sent_counts_beside_what_is_stored(stored: FlaskClient, record: dict[str, str], settings: Any) -> None:
    sent = observation("hip_flexion_rom", f"{settings.base_url}/CodeSystem/finding", valueQuantity=NINETY_FIVE | {"value": 80})
    today = datetime.now(UTC).date().isoformat()
    newer = sent | {"subject": {"reference": "Patient/local-1"}, "effectiveDateTime": today, "id": "sent"}
    found = fill(stored, "Patient/local-1", LOCAL, {"name": "context", "part": [{"name": "content", "resource": newer}]})
    answers = answers_of(found["response"])
    assert (answers["hip_flexion_rom"], answers["fadir"]) == (80, "present")


def test_S9_content_by_reference_is_looked_up(stored: FlaskClient, record: dict[str, str]) -> None:
    def content(reference: str) -> Resource:
        return {"name": "content", "valueReference": {"reference": reference}}

    found = fill(stored, "Patient/local-1", {"name": "context", "part": [
        {"name": "name", "valueString": "record"}, content("Observation/local-fadir"), content("Patient/local-1"),
    ]})  # fmt: skip
    assert answers_of(found["response"]) == {"age_band": "60-69", "sex": "female", "fadir": "present"}
    found = fill(stored, "Patient/local-1", content(record["rom"]))
    assert answers_of(found["response"]) == {"hip_flexion_rom": 95}
    elsewhere = fill(stored, "Patient/local-1", content("https://ehr.example/fhir/Observation/local-rom"))
    assert answers_of(elsewhere["response"]) == {} and "not looked up" in json.dumps(elsewhere["issues"])
    body = {"resourceType": "Parameters", "parameter": [
        content("Observation/nope"), content(record["gone"]), content("Observation/local-gone"), content(f"{record['rom']}7")
    ]}  # fmt: skip
    refused = post(stored, "Questionnaire/hip-spine-intake/$populate", body)
    assert refused.status_code == 422
    places = [issue["expression"] for issue in refused.get_json(force=True)["issue"]]
    assert places == [[f"Parameters.parameter[{index}].value"] for index in (0, 2, 3)]  # an older version can still be read


def test_S9_local_says_when_there_is_nothing_to_look_up(stored: FlaskClient, client: FlaskClient) -> None:
    for subject in ("https://ehr.example/fhir/Patient/9", "Patient/unknown"):
        found = fill(stored, subject, LOCAL)
        assert answers_of(found["response"]) == {}
        assert ("not looked up" in json.dumps(found["issues"])) == subject.startswith("https")

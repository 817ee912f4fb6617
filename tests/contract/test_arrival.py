"""Assess on arrival: an encounter in, its assessment stored and answered, once; the same as $assess; by rule too."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.app import create_app
from service.composition.parts import Service
from service.fhir import r4
from service.fhir.resource_types import RESOURCE_TYPES
from service.fhir.search import SearchContext
from service.interactions.finding import finder
from service.settings import Settings

Resource = dict[str, Any]
DATA = Path(__file__).resolve().parents[1] / "data"
JSON = "application/fhir+json"


@pytest.fixture
def make_client(database_url: str, service: Service) -> Iterator[Callable[..., FlaskClient]]:
    """Maker of clients of whole applications on the test's database, with settings of their own."""
    stores: list[Any] = []

    def made(**settings: Any) -> FlaskClient:
        app = create_app(Settings(database_url=database_url, **settings), service=service)
        stores.append(app.extensions["hipspine-store"])
        return app.test_client()

    yield made
    for store in stores:
        store.close()


@pytest.fixture
def client(make_client: Callable[..., FlaskClient]) -> FlaskClient:
    return make_client()


def encounter(form: Resource, *, patient: str = "p1", encounter_id: str = "e1", status: str = "finished") -> Resource:
    """A visit as a transaction: patient, encounter, the form, and one observation beside it."""
    about = {"subject": {"reference": f"Patient/{patient}"}, "encounter": {"reference": f"Encounter/{encounter_id}"}}
    seen = {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"}
    resources = [
        {"resourceType": "Patient", "id": patient, "gender": "female", "birthDate": "1958-05-01"},
        {"resourceType": "Encounter", "id": encounter_id, "status": status, "class": seen, "subject": about["subject"]},
        {**form, "id": f"qr-{encounter_id}", "status": "completed", **about},
    ]
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": one, "request": {"method": "PUT", "url": f"{one['resourceType']}/{one['id']}"}} for one in resources
        ],
    }


def post(client: FlaskClient, path: str, body: Resource, **headers: str) -> TestResponse:
    return client.post(f"/fhir{path}", data=r4.serialise(body), content_type=JSON, headers=headers)


def assess_with(client: FlaskClient, bundle: Resource) -> Resource:
    response = post(client, "", bundle, Prefer="assess")
    assert response.status_code == 200, response.text[:800]
    assert response.headers["Preference-Applied"] == "assess"
    answer = json.loads(response.data)
    assert len(answer["entry"]) == len(bundle["entry"]) + 1
    last: Resource = answer["entry"][-1]
    return last


def found(client: FlaskClient, path: str) -> list[Resource]:
    """What a search of the store finds."""
    types = frozenset(offered.name for offered in RESOURCE_TYPES if offered.stored)
    find = finder(lambda: SearchContext(servers=(), types=types, now=datetime.now(UTC)))
    kind, _, query = path.partition("?")
    with client.application.extensions["hipspine-store"].reading() as reader:
        return [r4.read_stored(one.body) for one in find(reader, kind, parse_qsl(query)) if one.body is not None]


def total(client: FlaskClient, path: str) -> int:
    return len(found(client, path))


@pytest.fixture
def hip() -> Resource:
    return r4.read_stored((DATA / "hip.json").read_bytes())


def test_H22_a_transaction_answers_with_the_assessment_that_assess_gives(client: FlaskClient, hip: Resource) -> None:
    bundle = encounter(hip)
    entry = assess_with(client, bundle)
    assert entry["response"]["status"] == "201 Created"
    stored = entry["resource"]
    asked = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one["resource"]} for one in bundle["entry"]]}
    direct = json.loads(post(client, "/$assess", asked).data)
    assert stored["prediction"] == direct["prediction"]
    assert stored["subject"] == {"reference": "Patient/p1"} and stored["encounter"] == {"reference": "Encounter/e1"}
    read = client.get(f"/fhir/RiskAssessment/{stored['id']}")
    assert json.loads(read.data) == stored


def test_a_stored_assessment_names_its_inputs_by_version_and_its_engine(client: FlaskClient, hip: Resource) -> None:
    post(client, "", encounter(hip))  # a first version of everything
    stored = assess_with(client, encounter(hip | {"language": "en"}))["resource"]
    assert {one["reference"] for one in stored["basis"]} == {"QuestionnaireResponse/qr-e1/_history/2", "Patient/p1/_history/2"}
    assert stored["performer"] == {"reference": "Device/hipspine"}
    assert client.get("/fhir/Device/hipspine").status_code == 200
    assert "#device" not in json.dumps(stored)
    r4.parse(r4.serialise(stored), limits=r4.Limits())


def test_R60_the_same_record_again_makes_no_second_assessment(client: FlaskClient, hip: Resource) -> None:
    first = assess_with(client, encounter(hip))
    second = assess_with(client, encounter(hip))
    assert second["response"]["status"].startswith("200")
    assert second["resource"] == first["resource"]
    assert total(client, "RiskAssessment?patient=p1") == 1
    assert total(client, f"Provenance?target=RiskAssessment/{first['resource']['id']}") == 1


def test_an_assessment_the_caller_stored_counts_too(client: FlaskClient, hip: Resource) -> None:
    made = assess_with(client, encounter(hip))["resource"]
    client.delete(f"/fhir/RiskAssessment/{made['id']}")
    own = {name: value for name, value in made.items() if name not in ("id", "meta")}
    own["meta"] = {"profile": made["meta"]["profile"]}
    kept = json.loads(post(client, "/RiskAssessment", own).data)
    assert assess_with(client, encounter(hip))["resource"]["id"] == kept["id"]


def test_a_later_visit_names_the_assessment_before_it_and_says_what_changed(
    client: FlaskClient, hip: Resource, respond: Callable[..., Resource]
) -> None:
    first = assess_with(client, encounter(hip))["resource"]
    later = respond(fadir="absent", slr="present") | {"authored": "2026-06-01T10:00:00+02:00"}
    second = assess_with(client, encounter(later, encounter_id="e2"))["resource"]
    assert second["parent"] == {"reference": f"RiskAssessment/{first['id']}"}
    assert any(one["url"].endswith("/StructureDefinition/change") for one in second["extension"])
    assert second["id"] != first["id"]
    again = assess_with(client, encounter(later, encounter_id="e2"))["resource"]
    assert again == second


# --- what is carried on, and what is not ------------------------------------------------------------------------------------

NUMB = {"saddle_anaesthesia": "present", "pain_groin": "present"}


def visit(form: Resource, encounter_id: str, day: str, **elements: Any) -> Resource:
    """An encounter of that day with a form alone, as a transaction."""
    made = encounter({**form, "authored": f"{day}T10:00:00Z"}, encounter_id=encounter_id)
    made["entry"][1]["resource"]["period"] = {"start": f"{day}T09:30:00Z", "end": f"{day}T10:30:00Z"}
    made["entry"][2]["resource"] |= elements
    return made


def used(assessment: Resource) -> dict[str, str]:
    """The answers that an assessment used, with their codes."""
    told = {}
    for extension in assessment["extension"]:
        if extension["url"].endswith("/StructureDefinition/used-finding"):
            parts = {part["url"]: part for part in extension["extension"]}
            told[parts["finding"]["valueCoding"]["code"]] = str(parts["value"].get("valueCode", ""))
    return told


def ignored(assessment: Resource) -> str:
    return json.dumps([one for one in assessment["extension"] if one["url"].endswith("/StructureDefinition/ignored-input")])


def put(client: FlaskClient, resource: Resource) -> None:
    path = f"/fhir/{resource['resourceType']}/{resource['id']}"
    answer = client.put(path, data=json.dumps(resource), content_type=JSON)
    assert answer.status_code in (200, 201), answer.text[:400]


@pytest.mark.parametrize("how", ["deleted", "entered-in-error", "changed", "of another patient", "kept"])
def test_B0b_what_was_retracted_is_not_carried_on(
    client: FlaskClient, respond: Callable[..., Resource], how: str
) -> None:
    first = visit(respond(**NUMB), "e1", "2026-11-02")
    assert "saddle_anaesthesia" in used(assess_with(client, first)["resource"])
    # A visit in between carries the answer one step further, so that its first source must be looked for behind it.
    between = assess_with(client, visit(respond(limp="present"), "e2", "2026-11-03"))["resource"]
    assert used(between)["saddle_anaesthesia"] == "present"
    form = first["entry"][2]["resource"]
    if how == "deleted":
        assert client.delete(f"/fhir/QuestionnaireResponse/{form['id']}").status_code in (200, 204)
    elif how == "of another patient":
        put(client, {"resourceType": "Patient", "id": "p9"})
        put(client, form | {"subject": {"reference": "Patient/p9"}})
    elif how == "changed":
        put(client, form | {"status": "amended", "item": respond(pain_groin="present")["item"]})
    elif how == "entered-in-error":
        put(client, form | {"status": "entered-in-error"})
    last = assess_with(client, visit(respond(slr="absent"), "e3", "2026-11-04"))["resource"]
    carried = used(last)
    assert ("saddle_anaesthesia" in carried) is (how == "kept")
    assert ("pain_groin" in carried) is (how in ("kept", "changed"))
    assert carried["limp"] == "present"
    assert ("Not carried: Saddle numbness" in ignored(last)) is (how != "kept")


def test_B0b_a_corrected_encounter_of_the_past_takes_nothing_from_a_later_one(
    client: FlaskClient, respond: Callable[..., Resource]
) -> None:
    old = assess_with(client, visit(respond(pain_groin="present"), "e1", "2023-05-02"))["resource"]
    new = assess_with(client, visit(respond(**NUMB), "e2", "2026-11-02"))["resource"]
    corrected = assess_with(client, visit(respond(pain_groin="absent"), "e1", "2023-05-02"))["resource"]
    assert corrected["parent"] == {"reference": f"RiskAssessment/{old['id']}"}
    assert "saddle_anaesthesia" not in used(corrected)
    # Nor does the correction, though made last, become what the next visit starts from.
    last = assess_with(client, visit(respond(slr="absent"), "e3", "2026-11-03"))["resource"]
    assert last["parent"] == {"reference": f"RiskAssessment/{new['id']}"} and "saddle_anaesthesia" in used(last)


def test_B0b_an_assessment_entered_in_error_does_not_break_the_chain(
    client: FlaskClient, respond: Callable[..., Resource]
) -> None:
    first = assess_with(client, visit(respond(**NUMB), "e1", "2026-11-02"))["resource"]
    second = assess_with(client, visit(respond(limp="present"), "e2", "2026-11-03"))["resource"]
    put(client, second | {"status": "entered-in-error"})
    last = assess_with(client, visit(respond(slr="absent"), "e3", "2026-11-04"))["resource"]
    assert last["parent"] == {"reference": f"RiskAssessment/{first['id']}"}


def test_A2_answers_about_the_other_hip_are_not_carried_and_it_is_said(
    client: FlaskClient, respond: Callable[..., Resource]
) -> None:
    left = respond(symptom_side="left", fadir="present", pain_groin="present", cancer_history="present")
    right = respond(symptom_side="right", lbp_present="present")
    assess_with(client, visit(left, "e1", "2026-11-02"))
    second = assess_with(client, visit(right, "e2", "2026-11-03"))["resource"]
    assert used(second) == {"symptom_side": "right", "lbp_present": "present", "cancer_history": "present"}
    assert "Not carried. It (FADIR / anterior impingement test) is about the left side" in ignored(second)


def test_A3_what_is_carried_keeps_its_own_date_and_runs_out(client: FlaskClient, respond: Callable[..., Resource]) -> None:
    assess_with(client, visit(respond(fever="present", cancer_history="present"), "e1", "2026-10-01"))
    soon = assess_with(client, visit(respond(limp="present"), "e2", "2026-10-10"))["resource"]
    late = assess_with(client, visit(respond(slr="present"), "e3", "2026-10-20"))["resource"]
    assert "fever" in used(soon) and "fever" not in used(late) and "Too old: Fever" in ignored(late)
    assert used(late)["cancer_history"] == "present"


def test_B0_a_form_of_another_service_in_the_record_does_not_stop_the_assessment(
    client: FlaskClient, respond: Callable[..., Resource]
) -> None:
    form = respond(**NUMB)
    put(client, {"resourceType": "Patient", "id": "p1"})
    about = {"status": "completed", "subject": {"reference": "Patient/p1"}}
    mood = [{"linkId": "/44250-9", "answer": [{"valueInteger": 2}]}]
    put(client, form | about | {"id": "phq", "questionnaire": "http://loinc.org/q/44249-1", "item": mood})
    put(client, form | about | {"id": "gone", "item": [{"linkId": "of-an-older-form", "answer": [{"valueBoolean": True}]}]})
    put(client, form | about | {"id": "mistaken", "status": "entered-in-error"})
    told = assess_with(client, visit(form, "e1", "2026-11-02"))["resource"]
    assert used(told)["saddle_anaesthesia"] == "present"
    assert "QuestionnaireResponse/phq" in ignored(told) and "QuestionnaireResponse/gone" in ignored(told)


def test_B1_a_record_is_read_to_its_end(client: FlaskClient, respond: Callable[..., Resource], settings: Settings) -> None:
    """A red flag before and one after more resources than a page of the store holds."""
    about = {"subject": {"reference": "Patient/p1"}, "status": "final", "resourceType": "Observation"}
    system = f"{settings.base_url}/CodeSystem/finding"
    flag = {**about, "code": {"coding": [{"system": system, "code": "saddle_anaesthesia"}]}, "valueBoolean": True}
    last = {**about, "code": {"coding": [{"system": system, "code": "anal_tone_reduced"}]}, "valueBoolean": True}
    other = {**about, "code": {"text": "a measured value"}, "valueString": "x"}
    put(client, {"resourceType": "Patient", "id": "p1"})
    named = [one | {"id": f"o-{number:04}"} for number, one in enumerate([flag, *[other] * 510, last])]
    entries = [{"resource": one, "request": {"method": "PUT", "url": f"Observation/{one['id']}"}} for one in named]
    assert post(client, "", {"resourceType": "Bundle", "type": "transaction", "entry": entries}).status_code == 200
    told = assess_with(client, visit(respond(pain_groin="present"), "e1", "2026-11-02"))["resource"]
    assert {"saddle_anaesthesia", "anal_tone_reduced"} <= set(used(told))


def test_T2_every_stored_assessment_has_its_provenance(client: FlaskClient, hip: Resource) -> None:
    stored = assess_with(client, encounter(hip))["resource"]
    (provenance,) = found(client, f"Provenance?target=RiskAssessment/{stored['id']}")
    assert provenance["target"] == [{"reference": f"RiskAssessment/{stored['id']}/_history/1"}]
    assert provenance["reason"][0]["coding"][0]["code"] == "AIAST"
    (agent,) = provenance["agent"]
    assert agent["who"]["reference"].startswith("Device/hipspine/_history/")
    named = {entity["what"]["reference"] for entity in provenance["entity"]}
    assert {one["reference"] for one in stored["basis"]} < named
    assert any(one.startswith("DocumentReference/model-card/_history/") for one in named)
    assert provenance["recorded"]
    for reference in named | {agent["who"]["reference"]}:
        assert client.get(f"/fhir/{reference}").status_code == 200


def test_T2_an_assessment_that_a_client_stores_has_it_too_and_that_of_others_has_none(client: FlaskClient, hip: Resource) -> None:
    made = json.loads(post(client, "/$assess", hip).data)
    ours = json.loads(post(client, "/RiskAssessment", made).data)
    assert total(client, f"Provenance?target=RiskAssessment/{ours['id']}") == 1
    other = {"resourceType": "RiskAssessment", "status": "final", "subject": {"reference": "Patient/p1"}}
    theirs = json.loads(post(client, "/RiskAssessment", other).data)
    assert total(client, f"Provenance?target=RiskAssessment/{theirs['id']}") == 0


def test_T1_a_stored_assessment_is_labelled_as_made_by_software(client: FlaskClient, hip: Resource) -> None:
    stored = assess_with(client, encounter(hip))["resource"]
    assert "AIAST" in [one["code"] for one in stored["meta"]["security"]]


def test_T3_the_device_says_which_engine_runs_and_points_to_the_model_card(client: FlaskClient) -> None:
    from service import __version__

    device = client.get("/fhir/Device/hipspine").get_json(force=True)
    assert {"type": {"text": "engine"}, "value": __version__} in device["version"]
    card = device["extension"][0]["valueReference"]["reference"]
    assert client.get(f"/fhir/{card}").get_json(force=True)["resourceType"] == "DocumentReference"


def test_without_the_preference_nothing_is_assessed(client: FlaskClient, hip: Resource) -> None:
    bundle = encounter(hip)
    answer = json.loads(post(client, "", bundle).data)
    assert len(answer["entry"]) == len(bundle["entry"])
    assert total(client, "RiskAssessment?patient=p1") == 0


def test_what_cannot_be_assessed_is_stored_all_the_same_and_the_reason_is_told(client: FlaskClient, hip: Resource) -> None:
    strange = encounter(hip | {"questionnaire": "http://forms.example/unknown", "item": [
        {"linkId": "x", "answer": [{"valueInteger": 1}]}]})
    entry = assess_with(client, strange)
    assert entry["response"]["status"].startswith("422")
    assert entry["response"]["outcome"]["issue"][0]["code"] == "not-supported"
    assert client.get("/fhir/QuestionnaireResponse/qr-e1").status_code == 200
    nobody = {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": {"resourceType": "Practitioner"}, "request": {"method": "POST", "url": "Practitioner"}}]}
    assert assess_with(client, nobody)["response"]["outcome"]["issue"][0]["code"] == "required"


@pytest.mark.parametrize("entries", [{}, {"entry": [{"request": {"method": "GET", "url": "Patient"}}]}])
def test_a_transaction_that_writes_nothing_is_answered_without_an_assessment(client: FlaskClient, entries: Resource) -> None:
    response = post(client, "", {"resourceType": "Bundle", "type": "transaction"} | entries, Prefer="assess")
    assert response.status_code == 200 and "Preference-Applied" not in response.headers
    answer = json.loads(response.data)
    assert answer["type"] == "transaction-response" and len(answer.get("entry", ())) == len(entries.get("entry", ()))


def test_a_transaction_that_fails_stores_no_assessment(client: FlaskClient, hip: Resource) -> None:
    bundle = encounter(hip)
    bundle["entry"].append({"resource": {"resourceType": "Observation"}, "request": {"method": "POST", "url": "Observation"}})
    assert post(client, "", bundle, Prefer="assess").status_code in (400, 422)
    assert total(client, "RiskAssessment") == 0 and total(client, "Patient") == 0


def test_a_completed_form_or_a_finished_encounter_is_assessed_by_rule(
    make_client: Callable[..., FlaskClient], hip: Resource
) -> None:
    client = make_client(assess_on_arrival="QuestionnaireResponse,Encounter")
    form = hip | {"subject": {"reference": "Patient/p1"}}
    post(client, "/QuestionnaireResponse", form | {"status": "in-progress"})
    assert total(client, "RiskAssessment") == 0
    stored = json.loads(post(client, "/QuestionnaireResponse", form | {"status": "completed"}).data)
    (made,) = found(client, "RiskAssessment?patient=p1")
    assert f"QuestionnaireResponse/{stored['id']}/_history/1" in {one["reference"] for one in made["basis"]}
    post(client, "", encounter(hip, patient="p2", encounter_id="e2", status="in-progress"))
    assert total(client, "RiskAssessment?patient=p2") == 1  # by the form
    finished = encounter(hip, patient="p2", encounter_id="e2")["entry"][1]["resource"]
    client.put("/fhir/Encounter/e2", data=json.dumps(finished), content_type=JSON)
    assert total(client, "RiskAssessment?patient=p2") == 1  # the record is the same
    assert post(client, "/QuestionnaireResponse", {**form, "questionnaire": "http://forms.example/x"}).status_code == 201


def observation(**elements: Any) -> Resource:
    """A transaction with a Patient and one Observation that only a text names, with further elements."""
    seen = {"resourceType": "Observation", "status": "final", "code": {"text": "limp"}, "valueString": "yes", **elements}
    patient = {"resourceType": "Patient", "id": "p1", "gender": "female", "birthDate": "1958-05-01"}
    return {"resourceType": "Bundle", "type": "transaction", "entry": [
        {"resource": patient, "request": {"method": "PUT", "url": "Patient/p1"}},
        {"resource": seen, "request": {"method": "POST", "url": "Observation"}}]}


def test_a_record_without_a_known_finding_is_not_assessed_and_the_caller_told(client: FlaskClient) -> None:
    entry = assess_with(client, observation(subject={"reference": "Patient/p1"}))
    assert entry["response"]["status"].startswith("422") and "resource" not in entry
    (issue,) = entry["response"]["outcome"]["issue"]
    assert issue["code"] == "business-rule" and "finding that this service knows" in json.dumps(issue)
    assert total(client, "Observation?patient=p1") == 1 and total(client, "RiskAssessment") == 0


def test_a_finished_encounter_without_findings_is_not_assessed_by_rule(
    make_client: Callable[..., FlaskClient], hip: Resource
) -> None:
    client = make_client(assess_on_arrival="Encounter")
    bundle = encounter(hip)
    form = bundle["entry"].pop()
    post(client, "", bundle)
    assert total(client, "Encounter?patient=p1") == 1 and total(client, "RiskAssessment") == 0
    post(client, "", encounter(hip) | {"entry": [*bundle["entry"], form]})
    assert total(client, "RiskAssessment?patient=p1") == 1


@pytest.mark.parametrize(("changes", "kinds"), [
    ({"subject": {"reference": "Patient/p1"}, "item": [{"linkId": "secret-word", "answer": [{"valueBoolean": True}]}]}, ""),
    ({"subject": {"display": "secret-word"}}, "subject"),
])
def test_what_a_rule_could_not_assess_is_in_the_log_without_patient_data(
    make_client: Callable[..., FlaskClient], hip: Resource, changes: Resource, kinds: str, caplog: pytest.LogCaptureFixture
) -> None:
    client = make_client(assess_on_arrival="QuestionnaireResponse")
    stored = post(client, "/QuestionnaireResponse", hip | {"status": "completed"} | changes)
    assert stored.status_code == 201 and total(client, "RiskAssessment") == 0
    (line,) = [one for one in caplog.records if one.name == "service.arrival"]
    assert line.levelname == "WARNING"
    said = line.getMessage()
    assert f"resource=QuestionnaireResponse/{json.loads(stored.data)['id']}/_history/1 faults={kinds}" in said
    assert "secret-word" not in said and "Patient/" not in said and not said.endswith("faults=")


@pytest.mark.parametrize(("subject", "reason"), [
    ({"reference": "https://elsewhere.example/fhir/Patient/1"}, "absolute URL"),
    ({"reference": "Group/g1"}, "is a Group"),
    ({"identifier": {"system": "urn:x", "value": "123"}}, "by identifier"),
    ({"display": "somebody"}, "without a reference"),
    (None, "has no subject"),
])
def test_a_subject_that_names_no_patient_here_is_named_with_its_form(
    client: FlaskClient, subject: Resource | None, reason: str
) -> None:
    client.put("/fhir/Group/g1", content_type=JSON,
               data=json.dumps({"resourceType": "Group", "id": "g1", "type": "person", "actual": True}))
    entry = assess_with(client, observation(**({"subject": subject} if subject else {})))
    (issue,) = entry["response"]["outcome"]["issue"]
    assert issue["expression"] == ["Bundle.entry[1].resource.subject"]
    assert reason in issue["diagnostics"] + json.dumps(issue.get("details", {}))
    assert issue["code"] == ("business-rule" if subject else "required")


def test_ten_at_once_make_one_assessment(make_client: Callable[..., FlaskClient], hip: Resource) -> None:
    client = make_client()
    app = client.application
    post(client, "", encounter(hip))
    answers: list[Resource] = []

    def ask() -> None:
        answers.append(assess_with(app.test_client(), encounter(hip)))

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len({answer["resource"]["id"] for answer in answers}) == 1 and len(answers) == 10
    assert total(client, "RiskAssessment?patient=p1") == 1

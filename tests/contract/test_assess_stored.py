"""$assess of what is stored: the instance form, references in Parameters, the stored patient."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient
from support.fhir_calls import Resource, issues_of, made, observation, patient, read_json, send
from werkzeug.test import TestResponse


@pytest.fixture
def form(stored: FlaskClient, hip_case: Resource) -> Resource:
    """A stored form of a stored patient."""
    person = made(stored, patient(gender="female", birthDate="1950-03-01"))
    return made(stored, {**hip_case, "subject": {"reference": f"Patient/{person['id']}"}})


def basis(response: TestResponse) -> list[str]:
    assert response.status_code == 200, response.text[:800]
    return [one["reference"] for one in read_json(response)["basis"]]


def predictions(response: TestResponse) -> Any:
    assert response.status_code == 200, response.text[:800]
    return read_json(response)["prediction"]


def parameters(*entries: Resource) -> Resource:
    return {"resourceType": "Parameters", "parameter": list(entries)}


def test_R61_a_stored_form_is_assessed_at_its_address(stored: FlaskClient, form: Resource) -> None:
    place = f"/QuestionnaireResponse/{form['id']}/$assess"
    sent = send(stored, "POST", "/$assess", {name: value for name, value in form.items() if name not in ("id", "meta")})
    for answer in (send(stored, "POST", place), send(stored, "POST", place, {"resourceType": "Parameters"})):
        assert predictions(answer) == predictions(sent)
        assert read_json(answer)["subject"] == form["subject"]


def test_R61_the_instance_form_is_called_by_post_only(stored: FlaskClient, form: Resource) -> None:
    issues_of(send(stored, "GET", f"/QuestionnaireResponse/{form['id']}/$assess"), 405, "not-supported")


def test_A7_stored_inputs_are_named_by_their_version(stored: FlaskClient, form: Resource) -> None:
    place = f"QuestionnaireResponse/{form['id']}"
    subject = form["subject"]["reference"]
    assert basis(send(stored, "POST", f"/{place}/$assess")) == [f"{place}/_history/1", f"{subject}/_history/1"]
    assert send(stored, "PUT", f"/{place}", form).status_code == 200
    assert basis(send(stored, "POST", f"/{place}/$assess")) == [f"{place}/_history/2", f"{subject}/_history/1"]


def test_the_age_and_sex_of_the_stored_patient_count(stored: FlaskClient, form: Resource, hip_case: Resource) -> None:
    without = send(stored, "POST", "/$assess", {**hip_case, "subject": {"reference": "Patient/nobody-here"}})
    known = send(stored, "POST", "/$assess", {**hip_case, "subject": form["subject"]})
    assert predictions(without) != predictions(known)
    assert f"{form['subject']['reference']}/_history/1" in basis(known)
    assert not any(one.startswith("Patient/") for one in basis(without))


def test_a_patient_that_is_sent_along_goes_before_the_stored_one(stored: FlaskClient, form: Resource, hip_case: Resource) -> None:
    person = {"resourceType": "Patient", "id": form["subject"]["reference"].split("/")[1], "birthDate": "2000-01-01"}
    bundle = {"resourceType": "Bundle", "type": "collection",
              "entry": [{"resource": person}, {"resource": {**hip_case, "subject": form["subject"]}}]}
    assert form["subject"]["reference"] in basis(send(stored, "POST", "/$assess", bundle))


def test_a_relative_reference_of_another_server_does_not_mean_ours(
    stored: FlaskClient, form: Resource, hip_case: Resource
) -> None:
    theirs = {**hip_case, "id": "9", "subject": form["subject"]}
    entry = {"fullUrl": "http://other.example/fhir/QuestionnaireResponse/9", "resource": theirs}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [entry]}
    assert not any("_history" in one for one in basis(send(stored, "POST", "/$assess", bundle)))


def test_parameters_may_refer_to_what_is_stored(
    stored: FlaskClient, form: Resource, respond: Callable[..., Resource], settings: Any
) -> None:
    reference = f"QuestionnaireResponse/{form['id']}"
    named = {"name": "stored", "valueReference": {"reference": reference}}
    whole = predictions(send(stored, "POST", f"/{reference}/$assess"))
    for path in ("/$assess", "/QuestionnaireResponse/$assess"):
        assert predictions(send(stored, "POST", path, parameters(named))) == whole
    old = {"name": "stored", "valueReference": {"reference": f"{reference}/_history/1"}}
    assert send(stored, "PUT", f"/{reference}", {**form, "item": respond(fadir="absent")["item"]}).status_code == 200
    assert predictions(send(stored, "POST", "/$assess", parameters(old))) == whole
    assert predictions(send(stored, "POST", "/$assess", parameters(named))) != whole


def test_a_reference_to_nothing_is_named(stored: FlaskClient, form: Resource) -> None:
    other = made(stored, observation())
    bad = [
        {"name": "stored", "valueReference": {"reference": "QuestionnaireResponse/none"}},
        {"name": "stored", "valueString": f"Observation/{other['id']}"},
        {"name": "stored", "valueReference": {"reference": "http://other.example/fhir/Observation/1"}},
    ]
    issues = issues_of(send(stored, "POST", "/$assess", parameters(*bad)), 422, "not-found")
    assert [issue["expression"] for issue in issues] == [[f"Parameters.parameter[{index}].value"] for index in range(3)]
    issues_of(send(stored, "POST", "/QuestionnaireResponse/none/$assess"), 404, "not-found")
    gone = made(stored, {"resourceType": "QuestionnaireResponse", "status": "in-progress"})
    send(stored, "DELETE", f"/QuestionnaireResponse/{gone['id']}")
    issues_of(send(stored, "POST", f"/QuestionnaireResponse/{gone['id']}/$assess"), 410, "deleted")


def test_at_the_address_of_a_form_the_body_is_parameters_or_nothing(
    stored: FlaskClient, form: Resource, hip_case: Resource
) -> None:
    issues_of(send(stored, "POST", f"/QuestionnaireResponse/{form['id']}/$assess", hip_case), 400, "structure")


def test_an_assessment_stores_nothing(stored: FlaskClient, form: Resource) -> None:
    before = read_json(send(stored, "GET", "/_history?_count=1"))["entry"]
    send(stored, "POST", f"/QuestionnaireResponse/{form['id']}/$assess")
    assert read_json(send(stored, "GET", "/_history?_count=1"))["entry"] == before

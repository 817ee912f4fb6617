"""`HIPSPINE_DATABASE_URL=none`: what is sent is assessed, nothing is stored, and nothing that needs a store is offered."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from support.fhir_calls import Resource, issues_of, observation, patient, read_json, send

from service.app import create_app
from service.composition.parts import Service
from service.settings import Settings


@pytest.fixture(scope="module")
def stateless(settings: Settings, service: Service) -> FlaskClient:
    return create_app(replace(settings, database_url="none"), service=service).test_client()


def test_assessments_are_made(stateless: FlaskClient, hip_case: Resource) -> None:
    for path in ("/$assess", "/QuestionnaireResponse/$assess"):
        assert send(stateless, "POST", path, hip_case).status_code == 200
    named = {"resourceType": "Parameters", "parameter": [{"name": "stored", "valueReference": {"reference": "Patient/1"}}]}
    issues_of(send(stateless, "POST", "/$assess", named), 422, "not-supported")


def test_nothing_can_be_stored(stateless: FlaskClient) -> None:
    issues_of(send(stateless, "POST", "/Patient", patient()), 405, "not-supported")
    issues_of(send(stateless, "POST", "/Observation", observation()), 405, "not-supported")
    issues_of(send(stateless, "PUT", "/Observation/1", observation(id="1")), 405, "not-supported")
    issues_of(send(stateless, "POST", "", {"resourceType": "Bundle", "type": "batch"}), 405, "not-supported")
    issues_of(send(stateless, "GET", "/_history"), 404, "not-found")
    issues_of(send(stateless, "GET", "/$export"), 404, "not-found")
    issues_of(send(stateless, "POST", "/QuestionnaireResponse/1/$assess"), 404, "not-found")


def test_R2_the_statement_promises_no_store(stateless: FlaskClient) -> None:
    rest = read_json(send(stateless, "GET", "/metadata"))["rest"][0]
    assert "no store" in rest["documentation"] and "interaction" not in rest
    codes = {one["code"] for entry in rest["resource"] for one in entry.get("interaction", [])}
    assert codes == {"read", "search-type"}
    assert all(entry.get("versioning", "no-version") == "no-version" for entry in rest["resource"])


def test_what_comes_with_the_service_is_read_and_found(stateless: FlaskClient) -> None:
    assert read_json(send(stateless, "GET", "/Device/hipspine"))["id"] == "hipspine"
    assert read_json(send(stateless, "GET", "/Device?_id=hipspine"))["total"] == 1
    assert send(stateless, "GET", "/DocumentReference/model-card").status_code == 200


def test_it_is_ready_without_a_database(stateless: FlaskClient) -> None:
    assert stateless.get("/readyz").status_code == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/Patient"),
        ("PUT", "/Observation/1"),
        ("GET", "/RiskAssessment"),
        ("POST", ""),
        ("GET", "/_history"),
        ("GET", "/$export"),
        ("GET", "/Patient/1/$everything"),
        ("POST", "/QuestionnaireResponse/1/$assess"),
    ],
)
def test_whoever_wants_to_store_is_told_that_storage_is_switched_off(stateless: FlaskClient, method: str, path: str) -> None:
    issue = issues_of(send(stateless, method, path), 404 if "_" in path or "$" in path else 405, "not-found", "not-supported")[0]
    assert "nothing is stored" in issue["details"]["text"] and "HIPSPINE_DATABASE_URL=none" in issue["diagnostics"]

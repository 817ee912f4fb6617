"""T5 for CDS Hooks: each call and each message of feedback leaves one AuditEvent. Who asked, of whom, what was read; no body."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import pytest
from flask.testing import FlaskClient
from support.hook_calls import case, hook_call
from support.signing import elliptic
from support.stub_ehr import StubEhr, stub_ehr

from service.app import create_app
from service.composition.hooks import build_hooks, build_outbound
from service.composition.parts import Service
from service.fhir import r4
from service.settings import Settings
from service.storage.store import HistoryQuery

Resource = dict[str, Any]

CARD = "2c8b5f0e-6d0a-4c6f-8f8b-0a4b8f4f6c11"


@pytest.fixture(scope="module")
def ehr() -> Iterator[StubEhr]:
    with stub_ehr() as running:
        running.hold(*case("spine"), {"resourceType": "Patient", "id": "example-spine", "gender": "male"})
        yield running


@pytest.fixture(scope="module")
def opened(module_database_url: str, service: Service, ehr: StubEhr) -> Iterator[Callable[..., FlaskClient]]:
    """Maker of clients of one database."""
    apps = []

    def made(**changed: Any) -> FlaskClient:
        hosts = f"127.0.0.1:{ehr.host.port}"
        settings = replace(Settings(), database_url=module_database_url, outbound_private_hosts=hosts, **changed)
        outbound = build_outbound(settings)
        hooks = build_hooks(settings, service.parts, outbound, service.hooks.limits)
        apps.append(create_app(settings, service=replace(service, hooks=hooks, outbound=outbound)))
        return apps[-1].test_client()

    yield made
    for app in apps:
        app.extensions["hipspine-store"].close()


@pytest.fixture(scope="module")
def client(opened: Callable[..., FlaskClient]) -> FlaskClient:
    return opened()


def event_of(client: FlaskClient, path: str, body: Any, status: int, **headers: str) -> Resource:
    """The one event of a call, which is valid R4."""
    trail = client.application.extensions["hipspine-beside"].trail
    trail.flush()
    response = client.post(f"/cds-services/{path}", json=body, headers=headers)
    assert response.status_code == status, response.get_data(as_text=True)
    assert trail.flush() == 1
    with client.application.extensions["hipspine-store"].reading() as reader:
        (version,) = reader.history(HistoryQuery("AuditEvent", count=1)).versions[:1]
    event = r4.parse(version.body or b"", limits=r4.Limits()).resource
    assert event["outcomeDesc"] == f"cds-services/{path}" and event["agent"][0]["network"]["address"] == "127.0.0.1"
    assert event["agent"][1]["network"]["address"].endswith(f"/cds-services/{path}")
    return event


def queries(event: Resource) -> list[str]:
    return [base64.b64decode(one["query"]).decode() for one in event["entity"] if "query" in one]


def patients(event: Resource) -> list[Resource]:
    return [one["what"] for one in event["entity"] if one.get("role", {}).get("code") == "1"]


def test_T5_a_call_says_of_whom_for_whom_and_what_was_sent(client: FlaskClient) -> None:
    event = event_of(client, "patient-view", hook_call("patient-view", case("spine")), 200, **{"X-Request-Id": "abc-9"})
    assert (event["action"], event["outcome"], event["subtype"][0]["code"]) == ("E", "0", "operation")
    assert patients(event) == [{"reference": "Patient/example-spine"}]
    assert event["agent"][2]["who"] == {"type": "Practitioner", "identifier": {"value": "Practitioner/example"}}
    assert [one["requestor"] for one in event["agent"]] == [True, False, False]
    assert [one["name"] for one in event["entity"] if "name" in one] == ["prefetch: forms"] and queries(event) == []
    assert event["entity"][0]["what"]["identifier"]["value"] == "abc-9"
    found = client.get("/fhir/AuditEvent?patient=Patient/example-spine").get_json(force=True)
    assert event["id"] in [entry["resource"]["id"] for entry in found["entry"]]


def test_T5_what_was_read_from_the_record_system_is_named_and_nothing_of_the_answers(client: FlaskClient, ehr: StubEhr) -> None:
    access = {"access_token": "good-token", "token_type": "Bearer", "expires_in": 300, "scope": "x", "subject": "cds"}
    body = hook_call("patient-view", case("spine"), fhirServer=ehr.fhir, fhirAuthorization=access)
    body["prefetch"] = {"conditions": None, "findings": None}
    del ehr.asked[:]
    event = event_of(client, "patient-view", body, 200)
    assert sorted(queries(event)) == sorted(f"GET {ehr.url}{unquote(asked.path)}" for asked in ehr.asked)
    assert {one.split("/fhir/")[1].split("?")[0] for one in queries(event)} == {
        "Patient/example-spine", "Observation", "QuestionnaireResponse"
    }  # fmt: skip
    assert not [word for word in ("good-token", "valueCoding", "1972") if word in json.dumps(event)]


def test_T5_a_host_that_may_not_be_called_was_not_read(client: FlaskClient) -> None:
    body = hook_call("patient-view", case("spine"), fhirServer="http://127.0.0.1:9/fhir")
    del body["prefetch"]["findings"]
    event = event_of(client, "patient-view", body, 412)
    assert event["outcome"] == "4" and queries(event) == [] and patients(event) == [{"reference": "Patient/example-spine"}]


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [("patient-view", {"hook": "patient-view"}, 400), ("nothing", {}, 404), ("nothing/feedback", {}, 404)],
)
def test_T5_refused_calls_are_events_too(client: FlaskClient, path: str, body: Resource, status: int) -> None:
    event = event_of(client, path, body, status)
    assert event["outcome"] == "4" and patients(event) == [] and len(event["agent"]) == 2


def test_T5_an_id_that_no_reference_can_hold_is_named_as_it_is(client: FlaskClient) -> None:
    body = hook_call("patient-view", case("spine"))
    body["context"] |= {"patientId": "a_b" * 30, "userId": "nobody"}
    body["prefetch"] = dict.fromkeys(body["prefetch"])
    event = event_of(client, "patient-view", body, 200)
    assert patients(event) == [{"identifier": {"value": "a_b" * 30}}] and len(event["agent"]) == 2


def test_T5_feedback_names_the_cards_and_no_comment(client: FlaskClient) -> None:
    entry = {"card": CARD, "outcome": "overridden", "overrideReason": {"userComment": "Quixotic"}}
    event = event_of(client, "order-sign/feedback", {"feedback": [{**entry, "outcomeTimestamp": "2026-03-02T09:31:00Z"}]}, 200)
    assert [one["what"]["identifier"]["value"] for one in event["entity"][1:]] == [f"urn:uuid:{CARD}"]
    assert "Quixotic" not in json.dumps(event)


def test_T5_the_client_is_the_issuer_of_the_token_and_none_that_was_not_proven(
    opened: Callable[..., FlaskClient], ehr: StubEhr
) -> None:
    signer = elliptic()
    ehr.keys = {"keys": [signer.public]}
    issuer = "https://ehr.example/issuer"
    client = opened(hooks_auth="required", hooks_issuers=f"{issuer}={ehr.url}/jwks")
    body = hook_call("patient-view", case("spine"))
    token = signer.token(iss=issuer, aud="http://localhost/cds-services/patient-view")
    event = event_of(client, "patient-view", body, 200, Authorization=f"Bearer {token}")
    assert event["agent"][0]["who"] == {"identifier": {"value": issuer}, "display": "The calling system"}
    event = event_of(client, "patient-view", body, 401, Authorization=f"Bearer {token}")  # used before
    assert event["agent"][0]["who"] == {"display": "The calling system"} and patients(event) == []
    assert token not in json.dumps(event)

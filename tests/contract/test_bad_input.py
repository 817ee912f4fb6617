"""Whatever is sent, the answer is an OperationOutcome that says what is wrong and how to mend it."""

from __future__ import annotations

import dataclasses
import json
import logging
import time
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.app import create_app
from service.composition.parts import Service
from service.settings import Settings

FHIR_JSON = "application/fhir+json"
Resource = dict[str, Any]


def assess(client: FlaskClient, body: bytes | Resource) -> TestResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post("/fhir/$assess", data=data, content_type=FHIR_JSON)


def issues_of(response: TestResponse, *statuses: int) -> list[Resource]:
    assert response.status_code in statuses, response.text[:500]
    assert response.content_type == "application/fhir+json; charset=utf-8"
    body = json.loads(response.data)
    assert body["resourceType"] == "OperationOutcome"
    return list(body["issue"])


BAD_JSON = {
    "broken": b"{bad",
    "empty": b"",
    "blank": b"  \n",
    "array": b"[]",
    "null": b"null",
    "string": b'"x"',
    "number": b"1",
    "NaN": b'{"resourceType":"Observation","valueInteger":NaN}',
    "Infinity": b'{"resourceType":"Observation","valueInteger":-Infinity}',
    "duplicate key": b'{"resourceType":"Observation","status":"final","status":"final"}',
    "not UTF-8": b'{"resourceType":"Observ\xff"}',
    "BOM": b'\xef\xbb\xbf{"resourceType":"Observation"}',
    "trailing": b'{"resourceType":"Observation"} {}',
    "no type": b"{}",
    "unknown type": b'{"resourceType":"Foo"}',
    "type not a string": b'{"resourceType":["Observation"]}',
}


@pytest.mark.parametrize("name", BAD_JSON)
def test_R13_what_is_not_fhir_json_is_400(client: FlaskClient, name: str) -> None:
    issues = issues_of(assess(client, BAD_JSON[name]), 400)
    assert {issue["code"] for issue in issues} <= {"structure", "invalid", "required", "value", "not-supported"}
    assert all(issue["diagnostics"] and issue["details"]["text"] for issue in issues)


@pytest.mark.parametrize("name", ["broken", "NaN", "trailing"])
def test_R13_the_place_of_a_syntax_error_is_told(client: FlaskClient, name: str) -> None:
    diagnostics = issues_of(assess(client, BAD_JSON[name]), 400)[0]["diagnostics"]
    assert "line" in diagnostics and "column" in diagnostics


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"resourceType":"QuestionnaireResponse","status":"completed","item":'
        + b'[{"linkId":"a","item":' * 5_000
        + b"[]"
        + b"}]" * 5_000
        + b"}",
        b'{"a":' * 100_000,
    ],
    ids=["brackets", "items", "braces"],
)
def test_R14_deep_nesting_is_refused_quickly_and_the_next_request_works(
    client: FlaskClient, hip_case: Resource, body: bytes
) -> None:
    began = time.process_time()  # the machine may be busy
    issues = issues_of(assess(client, body), 400)
    assert time.process_time() - began < 1
    assert issues[0]["code"] in ("structure", "too-costly")
    assert assess(client, hip_case).status_code == 200


def test_R12_a_body_above_the_limit_is_413(client: FlaskClient, settings: Settings) -> None:
    issues = issues_of(assess(client, b" " * (settings.max_body_bytes + 1)), 413)
    assert issues[0]["code"] == "too-long"


@pytest.fixture
def failing_app(service: Service, settings: Settings) -> Flask:
    """The application with one part that fails as no part should."""

    def fail(raw: bytes, *_: object, **__: object) -> Resource:
        try:
            raise KeyError("Aloysius Quimby")
        except KeyError as error:
            raise ZeroDivisionError(f"cannot divide {raw!r}") from error

    return create_app(settings, service=dataclasses.replace(service, assess=fail))


def test_R15_a_fault_of_ours_is_500_with_the_request_id_and_no_trace(
    failing_app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        response = failing_app.test_client().post(
            "/fhir/$assess", data=b'{"a":"Aloysius"}', content_type=FHIR_JSON, headers={"X-Request-Id": "trace-me"}
        )
    issues = issues_of(response, 500)
    assert (len(issues), issues[0]["code"], issues[0]["severity"]) == (1, "exception", "fatal")
    assert "trace-me" in issues[0]["diagnostics"]
    assert "Traceback" not in response.text and "ZeroDivision" not in response.text and "Aloysius" not in response.text
    logged = "\n".join(record.getMessage() for record in caplog.records)
    assert "ZeroDivisionError" in logged and "KeyError" in logged and "test_bad_input.py" in logged and "trace-me" in logged
    assert "Aloysius" not in caplog.text and "Quimby" not in caplog.text


def test_R18_three_faults_are_three_issues_in_a_stable_order(client: FlaskClient) -> None:
    observation = {
        "resourceType": "Observation",
        "status": "done",
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2024-02-30",
        "valueBoolean": "true",
    }
    first, second = (issues_of(assess(client, observation), 400, 422) for _ in range(2))
    assert first == second
    places = [issue["expression"][0] for issue in first]
    assert len(first) >= 3
    assert {"Observation.status", "Observation.code", "Observation.effectiveDateTime"} <= {
        place.replace("effective[x]", "effectiveDateTime") for place in places
    }


OBSERVATION: Resource = {
    "resourceType": "Observation",
    "status": "final",
    "code": {"coding": [{"system": "https://hipspine.example/fhir/CodeSystem/finding", "code": "pain_groin"}]},
    "subject": {"reference": "Patient/1"},
    "valueCodeableConcept": {"coding": [{"system": "https://hipspine.example/fhir/CodeSystem/answer", "code": "present"}]},
}
RESPONSE: Resource = {"resourceType": "QuestionnaireResponse", "status": "in-progress", "subject": {"reference": "Patient/1"}}
NESTED = {"linkId": "a", "answer": [{"valueString": "x"}], "item": [{"linkId": "b"}]}

# Row of the requirements -> the change that breaks a good resource, the status, the issue code, the place, a word of the repair.
ROWS: dict[str, tuple[Resource, int, str, str, str]] = {
    "R16 code": ({**OBSERVATION, "code": ...}, 422, "required", "Observation.code", "code"),
    "R20 obs-6": ({**OBSERVATION, "dataAbsentReason": {"text": "x"}}, 422, "invariant", "Observation", "obs-6"),
    "R20 obs-7": (
        {**OBSERVATION, "component": [{"code": OBSERVATION["code"], "valueString": "x"}]},
        422,
        "invariant",
        "Observation",
        "obs-7",
    ),
    "R20 obs-3": (
        {**OBSERVATION, "referenceRange": [{"appliesTo": [{"text": "x"}]}]},
        422,
        "invariant",
        "Observation.referenceRange[0]",
        "obs-3",
    ),
    "R21 qrs-1": ({**RESPONSE, "item": [NESTED]}, 422, "invariant", "QuestionnaireResponse.item[0]", "qrs-1"),
    "R22 response": ({**RESPONSE, "status": "complete"}, 422, "code-invalid", "QuestionnaireResponse.status", "completed"),
    "R22 observation": ({**OBSERVATION, "status": "done"}, 422, "code-invalid", "Observation.status", "final"),
    "R22 bundle": ({"resourceType": "Bundle", "type": "bundle"}, 422, "code-invalid", "Bundle.type", "collection"),
    "R23 R5 element": ({**OBSERVATION, "triggeredBy": [{"type": "reflex"}]}, 400, "structure", "Observation.triggeredBy", "R4"),
    "R24 empty array": ({**OBSERVATION, "note": []}, 400, "structure", "Observation.note", "Leave the element out"),
    "R24 null": ({**OBSERVATION, "note": None}, 400, "structure", "Observation.note", "Leave the element out"),
}


@pytest.mark.parametrize("name", ROWS)
def test_R16_to_R24_a_broken_rule_is_named_with_its_place(client: FlaskClient, name: str) -> None:
    resource, status, code, place, word = ROWS[name]
    body = {key: value for key, value in resource.items() if value is not ...}
    issues = issues_of(assess(client, body), status)
    assert [(issue["code"], issue["expression"]) for issue in issues] == [(code, [place])]
    assert word in issues[0]["diagnostics"]


REFUSED: dict[str, Callable[[Resource], Resource]] = {
    "no subject": lambda case: {key: value for key, value in case.items() if key != "subject"},
    "unknown item": lambda case: {**case, "item": [{"linkId": "Aloysius", "answer": [{"valueString": "Quimby"}]}]},
    "unknown element": lambda case: {**case, "Aloysius": "Quimby"},
    "bad status": lambda case: {**case, "status": "Aloysius Quimby, born 1951"},
    "bad date": lambda case: {**case, "authored": "Aloysius Quimby, born 1951"},
    "bad answer": lambda case: {**case, "item": [{"linkId": "pain_groin", "answer": [{"valueString": "Aloysius Quimby"}]}]},
    "bad code": lambda case: {
        **case,
        "item": [{"linkId": "pain_groin", "answer": [{"valueCoding": {"code": "Aloysius Quimby", "display": "Quimby"}}]}],
    },
    "bad type": lambda case: {**case, "resourceType": "Patient", "name": [{"family": "Quimby"}]},
}


@pytest.mark.parametrize("name", REFUSED)
def test_R19_a_refusal_states_rule_and_repair_and_echoes_no_text(client: FlaskClient, hip_case: Resource, name: str) -> None:
    response = assess(client, REFUSED[name](hip_case))
    for issue in issues_of(response, 400, 422):
        text = issue["details"]["text"]
        assert text.endswith(".") and len(text) < 200
        assert issue["diagnostics"]
    assert "Quimby" not in response.text


def test_T6_logs_hold_nothing_of_the_patient(client: FlaskClient, hip_case: Resource, caplog: pytest.LogCaptureFixture) -> None:
    patient = {
        "resourceType": "Patient",
        "id": "zz-marker-9",
        "name": [{"family": "Quimby", "given": ["Aloysius"]}],
        "birthDate": "1951-07-23",
        "gender": "male",
    }
    case = {**hip_case, "subject": {"reference": "Patient/zz-marker-9", "display": "Aloysius Quimby"}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}, {"resource": case}]}
    with caplog.at_level(logging.DEBUG):
        assert assess(client, bundle).status_code == 200
        assess(client, {**bundle, "type": "Quimby"})
        assess(client, {**case, "status": "Quimby", "authored": "1951-07-23"})
        client.get("/fhir/Questionnaire/zz-marker-9?url=Quimby&name=Aloysius")
        client.get("/fhir/Patient/zz-marker-9?family=Quimby")
        client.open("/fhir/$assess", method="QUIMBY")
    logged = "\n".join([caplog.text, *(record.getMessage() for record in caplog.records)])
    assert logged.count("request_id=") >= 6
    for secret in ("Quimby", "QUIMBY", "Aloysius", "1951", "zz-marker", "pain_groin", "fadir"):
        assert secret not in logged, secret


def test_the_access_line_names_route_status_time_and_id(
    client: FlaskClient, hip_case: Resource, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        client.post(
            "/fhir/%24assess?_pretty=true", data=json.dumps(hip_case), content_type=FHIR_JSON, headers={"X-Request-Id": "line-1"}
        )
    line = next(record.getMessage() for record in caplog.records if record.name == "service.access")
    assert line.startswith("method=POST route=/fhir/$assess status=200 ms=") and line.endswith("request_id=line-1")


def test_every_error_class_has_a_status() -> None:
    from service import errors
    from service.web.errors import status_of

    def kinds(kind: type[errors.ServiceError]) -> list[type[errors.ServiceError]]:
        return [kind, *(below for child in kind.__subclasses__() for below in kinds(child))]

    statuses = {kind.__name__: status_of(kind(errors.Fault("value", "x"))) for kind in kinds(errors.ServiceError)}
    assert statuses["MalformedInput"] == 400 and statuses["TooLarge"] == 413 and statuses["InvalidInput"] == 422
    assert statuses["NotFound"] == 404 and statuses["NotSupported"] == 422
    assert all(400 <= status <= 599 for status in statuses.values())

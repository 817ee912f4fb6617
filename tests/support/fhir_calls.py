"""Requests of a FHIR client in a line each, and what every refusal must look like."""

from __future__ import annotations

import json
from typing import Any

from flask.testing import FlaskClient
from werkzeug.test import TestResponse

FHIR_JSON = "application/fhir+json"
Resource = dict[str, Any]


def send(client: FlaskClient, method: str, path: str, body: Resource | bytes | None = None, **headers: str) -> TestResponse:
    """The answer; headers are given with underscores (`If_Match`)."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content_type = FHIR_JSON if body is not None else None
    return client.open(f"/fhir{path}", method=method, data=data, headers=named, content_type=content_type)


def read_json(response: TestResponse) -> Resource:
    return dict(json.loads(response.data))


def made(client: FlaskClient, resource: Resource) -> Resource:
    """The resource as it was created."""
    response = send(client, "POST", f"/{resource['resourceType']}", resource)
    assert response.status_code == 201, response.text[:500]
    return read_json(response)


def issues_of(response: TestResponse, status: int, *codes: str) -> list[Resource]:
    """The issues of an answer that must be an OperationOutcome with one of the codes first."""
    assert response.status_code == status, response.text[:800]
    assert response.content_type == "application/fhir+json; charset=utf-8"
    body = read_json(response)
    assert body["resourceType"] == "OperationOutcome"
    issues: list[Resource] = body["issue"]
    assert issues[0]["code"] in codes, issues
    for issue in issues:
        assert issue["details"]["text"] and issue["diagnostics"]
    return issues


def observation(**more: Any) -> Resource:
    return {"resourceType": "Observation", "status": "final", "code": {"text": "Groin pain"}, **more}


def patient(**more: Any) -> Resource:
    return {"resourceType": "Patient", **more}

"""T5: each REST call leaves one AuditEvent that says who asked for what of whom, and how it ended; never a body."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from support.servers import LiveServer

from service.app import create_app
from service.composition.parts import Service
from service.fhir import r4
from service.settings import Settings
from service.storage.store import HistoryQuery

Resource = dict[str, Any]
JSON = "application/fhir+json"
DATA = Path(__file__).resolve().parents[1] / "data"


@pytest.fixture(scope="module")
def audited(module_database_url: str, service: Service) -> Iterator[FlaskClient]:
    app = create_app(Settings(database_url=module_database_url), service=service)
    yield app.test_client()
    app.extensions["hipspine-store"].close()


def events(client: FlaskClient) -> list[Resource]:
    """The events since the last time, in their order; each is valid R4."""
    trail = client.application.extensions["hipspine-beside"].trail
    number = trail.flush()
    with client.application.extensions["hipspine-store"].reading() as reader:
        versions = reader.history(HistoryQuery("AuditEvent", count=max(number, 1))).versions[:number]
    return [r4.parse(version.body or b"", limits=r4.Limits()).resource for version in reversed(versions)]


def event_of(client: FlaskClient, method: str, path: str, body: Resource | bytes | None = None, **headers: str) -> Resource:
    """The one event of a call."""
    events(client)
    data = json.dumps(body) if isinstance(body, dict) else body
    client.open(f"/fhir{path}", method=method, data=data, content_type=JSON if body is not None else None, headers=headers)
    (event,) = events(client)
    return event


def entity(event: Resource, role: str) -> Resource:
    return next(one for one in event["entity"] if one.get("role", {}).get("code") == role)


@pytest.mark.parametrize(
    ("method", "path", "subtype", "action", "outcome"),
    [
        ("GET", "/metadata", "capabilities", "R", "0"),
        ("GET", "/Patient/a1", "read", "R", "0"),
        ("GET", "/Patient/a1/_history/1", "vread", "R", "0"),
        ("GET", "/Patient/a1/_history", "history-instance", "R", "0"),
        ("GET", "/Patient/_history", "history-type", "R", "0"),
        ("GET", "/_history", "history-system", "R", "0"),
        ("GET", "/Patient?_id=a1", "search-type", "E", "0"),
        ("GET", "/Patient/nobody", "read", "R", "4"),
        ("GET", "/CodeSystem/$lookup?code=x", "operation", "E", "4"),
        ("DELETE", "/Observation/nothing", "delete", "D", "0"),
        ("POST", "/Patient/_search", "search-type", "E", "0"),
    ],
)
def test_T5_each_call_is_one_event_with_its_kind_and_outcome(
    audited: FlaskClient, method: str, path: str, subtype: str, action: str, outcome: str
) -> None:
    audited.put("/fhir/Patient/a1", data='{"resourceType":"Patient","id":"a1"}', content_type=JSON)
    event = event_of(audited, method, path)
    assert event["type"]["code"] == "rest" and event["subtype"][0]["code"] == subtype
    assert (event["action"], event["outcome"]) == (action, outcome)
    assert event["recorded"]
    client, server = event["agent"]
    assert (client["requestor"], server["requestor"]) == (True, False)
    assert client["network"]["address"] == "127.0.0.1" and server["who"] == {"reference": "Device/hipspine"}
    roles = {client["type"]["coding"][0]["display"], server["type"]["coding"][0]["display"]}
    assert roles == {"Source Role ID", "Destination Role ID"}


def test_T5_the_patient_is_named_whatever_was_asked_for(audited: FlaskClient) -> None:
    audited.put("/fhir/Patient/a2", data='{"resourceType":"Patient","id":"a2"}', content_type=JSON)
    assert entity(event_of(audited, "GET", "/Patient/a2"), "1")["what"] == {"reference": "Patient/a2"}
    about = {"reference": "Patient/a2"}
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": about}
    created = event_of(audited, "POST", "/Observation", observation)
    assert entity(created, "1")["what"] == {"reference": "Patient/a2"}
    assert entity(created, "4")["what"]["reference"].startswith("Observation/")
    assert (created["subtype"][0]["code"], created["action"]) == ("create", "C")
    assert entity(event_of(audited, "GET", "/Observation?patient=a2"), "1")["what"] == {"reference": "Patient/a2"}
    form = (DATA / "hip.json").read_bytes()
    assert entity(event_of(audited, "POST", "/$assess", form), "1")["what"] == {"reference": "Patient/example-hip"}


def test_T5_a_search_is_kept_as_it_was_asked(audited: FlaskClient) -> None:
    event = event_of(audited, "GET", "/Observation?code=a%7Cb&status=final")
    query = base64.b64decode(entity(event, "24")["query"]).decode()
    assert query == "GET http://localhost/fhir/Observation?code=a%7Cb&status=final"


def test_T5_a_search_by_post_is_kept_with_its_form(audited: FlaskClient) -> None:
    events(audited)
    form = b"code=a%7Cb&patient=a9"
    audited.post("/fhir/Observation/_search?status=final", data=form, content_type="application/x-www-form-urlencoded")
    (event,) = events(audited)
    query = base64.b64decode(entity(event, "24")["query"]).decode()
    assert query == "POST http://localhost/fhir/Observation/_search?status=final\n\ncode=a%7Cb&patient=a9"
    assert entity(event, "1")["what"] == {"reference": "Patient/a9"}  # named in the form


def test_T5_the_request_id_leads_to_the_log(audited: FlaskClient) -> None:
    event = event_of(audited, "GET", "/metadata", **{"X-Request-Id": "abc-7"})
    assert event["entity"][0]["what"]["identifier"]["value"] == "abc-7"


def test_T5_no_body_is_kept(audited: FlaskClient) -> None:
    body = {"resourceType": "Patient", "name": [{"family": "Quixotic"}], "id": "a3"}
    assert "Quixotic" not in json.dumps(event_of(audited, "PUT", "/Patient/a3", body))


def test_T5_what_is_not_fhir_or_has_no_route_is_not_recorded(audited: FlaskClient) -> None:
    events(audited)
    for path in ("/healthz", "/openapi.json", "/fhir/Foo"):
        audited.get(path)
    assert events(audited) == []


def test_T5_a_server_stores_events_by_itself_and_when_it_stops(
    start_server: Callable[..., LiveServer], tmp_path: Path
) -> None:
    folder = {"HIPSPINE_DATA_FOLDER": str(tmp_path)}
    server = start_server(**folder)
    requests.get(f"{server.fhir}/Patient/late", timeout=10)
    server.stop()
    again = start_server(**folder)
    found = requests.get(f"{again.fhir}/AuditEvent?subtype=read", timeout=10).json()
    assert [entry["resource"]["outcome"] for entry in found["entry"]] == ["4"]


def test_T5_everything_of_a_patient_holds_no_events_unless_asked(audited: FlaskClient) -> None:
    place = "/fhir/Patient/watched"
    audited.put(place, data=json.dumps({"resourceType": "Patient", "id": "watched"}), content_type=JSON)
    audited.get(place)
    events(audited)
    for query, types in (("", {"Patient"}), ("?_type=AuditEvent", {"AuditEvent"})):
        found = audited.get(f"{place}/$everything{query}").get_json(force=True)["entry"]
        assert {one["resource"]["resourceType"] for one in found if one["search"]["mode"] == "match"} == types


def test_T5_it_can_be_switched_off(database_url: str, service: Service) -> None:
    app = create_app(Settings(database_url=database_url, audit=False), service=service)
    client = app.test_client()
    client.get("/fhir/metadata")
    assert events(client) == []
    app.extensions["hipspine-store"].close()

"""T5: each REST call leaves one AuditEvent that says who asked for what of whom, and how it ended; never a body."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from support.servers import LiveServer

from service.app import create_app
from service.composition.parts import Service
from service.fhir import r4
from service.interactions import auditing
from service.settings import Settings
from service.storage.sql_store import SqlStore
from service.storage.store import HistoryQuery, Version

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
    held = client.application.extensions
    held["hipspine-beside"].trail.flush()
    with held["hipspine-store"].reading() as reader:
        versions = reader.history(HistoryQuery("AuditEvent", count=50)).versions
    new = [version for version in versions if version.sequence > held.get("events-seen", 0)]
    held["events-seen"] = max((version.sequence for version in versions), default=0)
    return [r4.parse(version.body or b"", limits=r4.Limits()).resource for version in reversed(new)]


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
    assert entity(event_of(audited, "GET", "/Patient/a2"), "1")["what"] == {"reference": "Patient/a2/_history/1"}
    about = {"reference": "Patient/a2"}
    observation = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": about}
    created = event_of(audited, "POST", "/Observation", observation)
    assert entity(created, "1")["what"] == {"reference": "Patient/a2"}
    assert entity(created, "4")["what"]["reference"].startswith("Observation/")
    assert (created["subtype"][0]["code"], created["action"]) == ("create", "C")
    assert entity(event_of(audited, "GET", "/Observation?patient=a2"), "1")["what"] == {"reference": "Patient/a2"}
    form = (DATA / "hip.json").read_bytes()
    assert entity(event_of(audited, "POST", "/$assess", form), "1")["what"] == {"reference": "Patient/example-hip"}


def stored_events(client: FlaskClient) -> list[Resource]:
    """The events that are in the database, without those that the trail still holds."""
    with client.application.extensions["hipspine-store"].reading() as reader:
        versions = reader.history(HistoryQuery("AuditEvent", count=50)).versions
    return [json.loads(version.body or b"") for version in versions]


def named(event: Resource, role: str) -> list[str]:
    return [one["what"]["reference"] for one in event["entity"] if one.get("role", {}).get("code") == role]


def two_patients(kind: str) -> Resource:
    """A Bundle that writes a finding of each of two patients."""
    return {"resourceType": "Bundle", "type": kind, "entry": [
        {"resource": {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, "subject": {"reference": one}},
         "request": {"method": "POST", "url": "Observation"}}
        for one in ("Patient/b1", "Patient/b2")
    ]}  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "/Patient/w1", {"resourceType": "Patient", "id": "w1"}),
        ("POST", "/Patient", {"resourceType": "Patient"}),
        ("DELETE", "/Patient/w1", None),
        ("POST", "", two_patients("transaction")),
        ("POST", "", {**two_patients("batch"), "entry": two_patients("batch")["entry"][:1]}),
    ],
)
def test_T5_a_write_and_its_event_are_stored_together(
    audited: FlaskClient, method: str, path: str, body: Resource | None
) -> None:
    events(audited)
    before = len(stored_events(audited))
    answer = audited.open(f"/fhir{path}", method=method, data=body and json.dumps(body), content_type=JSON)
    assert answer.status_code < 300
    assert len(stored_events(audited)) == before + 1  # nothing has been flushed
    (event,) = events(audited)  # and there is no second one to come
    assert event["outcome"] == "0" and event["entity"][0]["what"]["identifier"]["value"]
    written = named(event, "4") or named(event, "1")
    assert written and all("/_history/" in one for one in written)


def test_T5_a_write_that_is_undone_leaves_the_event_of_its_failure_alone(audited: FlaskClient) -> None:
    """Whatever undoes the transaction after the event was written undoes the event with it."""
    def refuse(transaction: object, written: Sequence[Version]) -> None:
        if fails and written[0].type == "Patient":
            raise RuntimeError("the last listener fails")

    fails: list[bool] = [True]
    audited.application.extensions["hipspine-store"].listen(refuse)
    events(audited)
    for expected in ("8", "0"):
        audited.put("/fhir/Patient/w2", data='{"resourceType":"Patient","id":"w2"}', content_type=JSON)
        (event,) = events(audited)
        assert event["outcome"] == expected
        fails.clear()


def test_T5_all_patients_are_named_whose_data_was_written_or_shown(audited: FlaskClient) -> None:
    written = event_of(audited, "POST", "", two_patients("transaction"))
    assert sorted(named(written, "1")) == ["Patient/b1", "Patient/b2"]
    assert [one.split("/")[0] for one in named(written, "4")] == ["Observation", "Observation"]
    assert set(named(event_of(audited, "GET", "/Observation?status=final"), "1")) >= {"Patient/b1", "Patient/b2"}
    for name in ("b1", "b2"):
        audited.put(f"/fhir/Patient/{name}", data=json.dumps({"resourceType": "Patient", "id": name}), content_type=JSON)
    assert set(named(event_of(audited, "GET", "/Patient?_id=b1,b2&_pretty=true"), "1")) == {"Patient/b1", "Patient/b2"}
    asked = event_of(audited, "GET", "/Observation?patient=b1,Patient/none")
    assert named(asked, "1") == ["Patient/b1", "Patient/none"]


@pytest.mark.parametrize(
    ("method", "path", "version"),
    [
        ("GET", "", "/_history/2"),
        ("GET", "/_history/1", "/_history/1"),
        ("PUT", "", "/_history/3"),
        ("DELETE", "", "/_history/3"),
        ("GET", "/_history", ""),
        ("GET", "/_history/9", ""),
    ],
)
def test_T5_the_version_is_named_that_the_call_was_about(audited: FlaskClient, method: str, path: str, version: str) -> None:
    """The version read, written or made by the deletion; none where the call was about all of them or ended in nothing."""
    made = audited.post("/fhir/Device", data='{"resourceType":"Device"}', content_type=JSON).headers["Location"]
    resource_id = made.split("/")[-3]
    body = {"resourceType": "Device", "id": resource_id, "status": "active"}
    audited.put(f"/fhir/Device/{resource_id}", data=json.dumps(body), content_type=JSON)
    changed = {**body, "status": "inactive"} if method == "PUT" else None
    event = event_of(audited, method, f"/Device/{resource_id}{path}", changed)
    assert entity(event, "4")["what"] == {"reference": f"Device/{resource_id}{version}"}


def test_T5_an_event_about_a_version_is_found_by_the_resource(audited: FlaskClient) -> None:
    audited.put("/fhir/Patient/a4", data='{"resourceType":"Patient","id":"a4"}', content_type=JSON)
    audited.get("/fhir/Patient/a4")
    events(audited)
    for query in ("entity=Patient/a4", "patient=a4", "entity=Patient/a4/_history/1", "patient:Patient._id=a4"):
        found = audited.get(f"/fhir/AuditEvent?{query}&_include=AuditEvent:entity").get_json(force=True)["entry"]
        assert {one["resource"]["resourceType"] for one in found} == {"AuditEvent", "Patient"}, query
    back = audited.get("/fhir/Patient?_id=a4&_revinclude=AuditEvent:entity").get_json(force=True)["entry"]
    assert "AuditEvent" in {one["resource"]["resourceType"] for one in back}


def test_T5_a_bundle_that_writes_of_one_patient_and_shows_another_names_both(audited: FlaskClient) -> None:
    audited.put("/fhir/Patient/shown", data='{"resourceType":"Patient","id":"shown"}', content_type=JSON)
    bundle = two_patients("batch")
    bundle["entry"].append({"request": {"method": "GET", "url": "Patient/shown"}})
    events(audited)
    audited.post("/fhir", data=json.dumps(bundle), content_type=JSON)
    assert [named(one, "1") for one in events(audited)] == [["Patient/b1"], ["Patient/b2"], ["Patient/shown"]]
    bundle["entry"].pop()
    audited.post("/fhir", data=json.dumps(bundle), content_type=JSON, headers={"Prefer": "return=representation"})
    assert [set(named(one, "1")) for one in events(audited)] == [{"Patient/b1"}, {"Patient/b2"}]


def test_T5_who_fetches_the_file_of_an_export_is_kept_and_who_asks_how_far_it_is_is_not(audited: FlaskClient) -> None:
    exports = audited.application.extensions["hipspine-beside"].exports
    audited.put("/fhir/Patient/bulk", data='{"resourceType":"Patient","id":"bulk"}', content_type=JSON)
    job = audited.get("/fhir/$export?_type=Patient", headers={"Prefer": "respond-async"}).headers["Content-Location"]
    assert exports.work_once()
    events(audited)
    assert audited.get(job.removeprefix("http://localhost")).status_code == 200
    assert events(audited) == []
    assert audited.get(f"{job.removeprefix('http://localhost')}/Patient.ndjson").status_code == 200
    (event,) = events(audited)
    assert (event["subtype"][0]["code"], event["outcomeDesc"], event["outcome"]) == ("operation", "$export", "0")
    assert base64.b64decode(entity(event, "24")["query"]).decode() == f"GET {job}/Patient.ndjson"


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


def test_T5_an_event_that_cannot_be_stored_keeps_no_other_from_it(audited: FlaskClient) -> None:
    events(audited)
    trail = audited.application.extensions["hipspine-beside"].trail
    audited.get("/fhir/Patient/before")
    trail.record({"no": "resource"})
    audited.get("/fhir/Patient/after")
    assert trail.flush() == 2
    assert [named(event, "1") for event in events(audited)] == [["Patient/before"], ["Patient/after"]]


def test_T5_while_nothing_can_be_stored_a_bounded_number_is_held_and_stored_later(
    open_store: Callable[..., SqlStore], tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditing, "MOST_HELD", 3)
    store = open_store(f"sqlite:///{tmp_path / 'held.db'}")
    trail = auditing.AuditTrail(store)
    for number in range(5):
        trail.record({"resourceType": "AuditEvent", "recorded": f"2026-01-0{number + 1}T00:00:00Z"})
    assert caplog.text.count("audit event dropped") == 2
    assert trail.flush() == 3


def test_T5_it_can_be_switched_off(database_url: str, service: Service) -> None:
    app = create_app(Settings(database_url=database_url, audit=False), service=service)
    client = app.test_client()
    client.get("/fhir/metadata")
    assert events(client) == []
    app.extensions["hipspine-store"].close()

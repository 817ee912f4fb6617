"""One resource at a time over HTTP, on SQLite and on PostgreSQL: create, read, update, delete, history, and their conditions."""

from __future__ import annotations

import json
import re
import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient
from support.fhir_calls import FHIR_JSON, Resource, issues_of, made, observation, patient, read_json, send
from werkzeug.http import http_date

from service.fhir.resource_types import RESOURCE_TYPES

STORED = [offered for offered in RESOURCE_TYPES if offered.stored]
# The least that R4 demands of each stored type.
MINIMAL: dict[str, Resource] = {
    "CarePlan": {"status": "draft", "intent": "plan", "subject": {"reference": "Patient/1"}},
    "Condition": {"subject": {"reference": "Patient/1"}},
    "Device": {},
    "DiagnosticReport": {"status": "final", "code": {"text": "x"}},
    "DocumentReference": {"status": "current", "content": [{"attachment": {"title": "x"}}]},
    "Encounter": {"status": "planned", "class": {"code": "AMB"}},
    "Observation": {"status": "final", "code": {"text": "x"}},
    "Organization": {"name": "x"},
    "Patient": {},
    "Practitioner": {},
    "PractitionerRole": {},
    "Procedure": {"status": "completed", "subject": {"reference": "Patient/1"}},
    "Provenance": {
        "target": [{"reference": "Patient/1"}],
        "recorded": "2026-01-15T10:00:00Z",
        "agent": [{"who": {"reference": "Device/hipspine"}}],
    },
    "QuestionnaireResponse": {"status": "in-progress"},
    "RiskAssessment": {"status": "final", "subject": {"reference": "Patient/1"}},
    "ServiceRequest": {"status": "draft", "intent": "proposal", "subject": {"reference": "Patient/1"}},
}
UUID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"


# --- the registry ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(MINIMAL))
def test_R2_every_interaction_of_a_stored_type_works(stored: FlaskClient, name: str) -> None:
    offered = next(one for one in STORED if one.name == name)
    first = made(stored, {"resourceType": name, **MINIMAL[name]})
    place = f"/{name}/{first['id']}"
    called = {
        "create": 201,
        "read": send(stored, "GET", place).status_code,
        "vread": send(stored, "GET", f"{place}/_history/1").status_code,
        "history-instance": send(stored, "GET", f"{place}/_history").status_code,
        "history-type": send(stored, "GET", f"/{name}/_history").status_code,
    }
    if "update" in offered.interactions:
        called["update"] = send(stored, "PUT", place, first).status_code
        called["delete"] = send(stored, "DELETE", place).status_code
    expected = {"create": 201, "delete": 204}
    assert called == {code: expected.get(code, 200) for code in called}
    assert set(called) | {"search-type"} >= set(offered.interactions)


def test_R2_every_stored_type_is_tried() -> None:
    assert {one.name for one in STORED} - set(MINIMAL) <= {"AuditEvent", "Subscription"}, "these have tests of their own"


def test_R3_nobody_but_the_service_writes_the_audit_trail(stored: FlaskClient) -> None:
    event = {
        "resourceType": "AuditEvent",
        "id": "forged",
        "type": {"system": "http://terminology.hl7.org/CodeSystem/audit-event-type", "code": "rest"},
        "recorded": "2026-01-15T10:00:00Z",
        "agent": [{"requestor": True}],
        "source": {"observer": {"display": "test"}},
    }
    refused = send(stored, "POST", "/AuditEvent", event)
    issues_of(refused, 405, "not-supported")
    assert set(refused.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    for method in ("PUT", "DELETE", "PATCH"):
        issues_of(send(stored, method, "/AuditEvent/forged", event if method == "PUT" else None), 405, "not-supported")
    for request in ({"method": "POST", "url": "AuditEvent"}, {"method": "PUT", "url": "AuditEvent/forged"}):
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [{"resource": event, "request": request}]}
        assert 400 <= send(stored, "POST", "", bundle).status_code < 500
        answer = read_json(send(stored, "POST", "", {**bundle, "type": "batch"}))
        assert answer["entry"][0]["response"]["status"].startswith("4")
    assert send(stored, "GET", "/AuditEvent/forged").status_code == 404
    found = read_json(send(stored, "GET", "/AuditEvent?date=2026-01-15T10:00:00Z"))
    assert not found.get("entry"), "none of the six attempts left an event with the forged time"


def test_what_comes_with_the_service_is_read_and_not_changed(stored: FlaskClient) -> None:
    device = read_json(send(stored, "GET", "/Device/hipspine"))
    assert device["meta"]["versionId"] == "1"
    issues_of(send(stored, "PUT", "/Device/hipspine", device), 422, "business-rule")
    issues_of(send(stored, "DELETE", "/Device/hipspine"), 422, "business-rule")
    assert send(stored, "GET", "/DocumentReference/model-card").status_code == 200


# --- create and read -----------------------------------------------------------------------------------------------


def test_R25_a_create_gives_a_new_id_and_the_first_version(stored: FlaskClient) -> None:
    response = send(stored, "POST", "/Observation", observation(id="mine", meta={"versionId": "7", "source": "urn:x"}))
    assert response.status_code == 201
    assert re.fullmatch(rf"http://localhost/fhir/Observation/{UUID}/_history/1", response.headers["Location"])
    assert response.headers["ETag"] == 'W/"1"'
    assert abs(time.time() - response.last_modified.timestamp()) < 60 if response.last_modified else False
    body = read_json(response)
    assert body["id"] != "mine" and body["meta"]["versionId"] == "1" and body["meta"]["source"] == "urn:x"


def test_R26_a_read_gives_back_what_was_created(stored: FlaskClient) -> None:
    sent = observation(note=[{"text": "Ä \U0001f9b4 <b>"}], valueString="  spaces  ")
    created = made(stored, sent)
    response = send(stored, "GET", f"/Observation/{created['id']}")
    assert (response.status_code, response.content_type) == (200, "application/fhir+json; charset=utf-8")
    found = read_json(response)
    assert found == created == {**sent, "id": created["id"], "meta": created["meta"]}
    assert response.headers["ETag"] == f'W/"{found["meta"]["versionId"]}"'
    assert response.headers["Cache-Control"] == "private, no-cache", "no proxy in between keeps a patient's record"
    head = send(stored, "HEAD", f"/Observation/{created['id']}")
    assert (head.status_code, head.data, head.headers["ETag"]) == (200, b"", response.headers["ETag"])


@pytest.mark.parametrize("path", ["/Observation/unknown", "/Observation/a_b", "/Observation/%20", "/Observation/" + "a" * 65])
def test_R27_an_unknown_or_impossible_id_is_404(stored: FlaskClient, path: str) -> None:
    issues_of(send(stored, "GET", path), 404, "not-found")


def test_R28_a_body_of_another_type_is_refused(stored: FlaskClient) -> None:
    issues = issues_of(send(stored, "POST", "/Observation", patient()), 400, "invalid", "structure")
    assert issues[0]["expression"][0] in ("resourceType", "Patient", "Patient.resourceType")


def test_R16_R18_a_faulty_body_is_refused_with_every_fault_and_nothing_is_stored(stored: FlaskClient) -> None:
    before = read_json(send(stored, "GET", "/Observation/_history")).get("entry", [])
    bad = {"resourceType": "Observation", "status": "done", "note": [], "bogus": 1}
    issues = issues_of(send(stored, "POST", "/Observation", bad), 400, "code-invalid", "structure", "required")
    assert len(issues) >= 4
    assert read_json(send(stored, "GET", "/Observation/_history")).get("entry", []) == before


@pytest.mark.parametrize(
    ("preferred", "body"),
    [("return=minimal", ""), ("return=representation", "Observation"), ("return=OperationOutcome", "OperationOutcome")],
)
def test_R29_the_caller_chooses_what_a_create_sends_back(stored: FlaskClient, preferred: str, body: str) -> None:
    response = send(stored, "POST", "/Observation", observation(), Prefer=preferred)
    assert response.status_code == 201 and response.headers["Location"] and response.headers["ETag"] == 'W/"1"'
    if not body:
        assert response.data == b""
    else:
        answer = read_json(response)
        assert answer["resourceType"] == body
        assert all(issue["severity"] == "information" for issue in answer.get("issue", []))
    issues_of(send(stored, "POST", "/Observation", {"resourceType": "Observation"}, Prefer=preferred), 422, "required")


def test_R32_a_conditional_read_of_what_the_caller_has_is_304(stored: FlaskClient) -> None:
    place = f"/Observation/{made(stored, observation())['id']}"
    for tags in ('W/"1"', '"1"', '"x", W/"1"', "*"):
        response = send(stored, "GET", place, If_None_Match=tags)
        assert (response.status_code, response.data, response.headers["ETag"]) == (304, b"", 'W/"1"'), tags
    assert send(stored, "GET", place, If_None_Match='W/"2"').status_code == 200
    later = http_date(datetime.now(UTC) + timedelta(seconds=2))
    assert send(stored, "GET", place, If_Modified_Since=later).status_code == 304
    assert send(stored, "GET", place, If_Modified_Since=http_date(datetime(2020, 1, 1, tzinfo=UTC))).status_code == 200
    issues_of(send(stored, "GET", place, If_None_Match="nonsense"), 400, "value")


@pytest.mark.parametrize(
    ("query", "kept", "gone"),
    [
        ("_elements=subject", {"subject", "status", "code"}, {"note", "valueString", "text"}),
        ("_summary=true", {"status", "code", "subject", "valueString"}, {"note", "text"}),
        ("_summary=text", {"text", "status", "code"}, {"note", "subject"}),
        ("_summary=data", {"note", "subject"}, {"text"}),
    ],
)
def test_R53_a_read_gives_a_part_and_says_so(stored: FlaskClient, query: str, kept: set[str], gone: set[str]) -> None:
    narrative = {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">x</div>'}
    more = {"subject": {"reference": "Patient/1"}, "note": [{"text": "x"}], "valueString": "x", "text": narrative}
    whole = made(stored, observation(**more))
    for place in (f"/Observation/{whole['id']}", f"/Observation/{whole['id']}/_history/1"):
        response = send(stored, "GET", f"{place}?{query}")
        part = read_json(response)
        assert kept <= set(part) and not gone & set(part) and response.headers["ETag"] == 'W/"1"'
        assert [tag["code"] for tag in part["meta"]["tag"]] == ["SUBSETTED"]
    assert read_json(send(stored, "GET", f"/Observation/{whole['id']}?_summary=false")) == whole


@pytest.mark.parametrize("query", ["_summary=count", "_summary=x", "_elements=bogus", "_summary=true&_summary=text"])
def test_a_part_that_is_none_is_refused(stored: FlaskClient, query: str) -> None:
    issues_of(send(stored, "GET", f"/Observation/{made(stored, observation())['id']}?{query}"), 400, "value", "invalid")
    issues_of(send(stored, "GET", f"/CodeSystem/finding?{query}"), 400, "value", "invalid")


def test_R53_a_published_resource_is_read_in_part_too(stored: FlaskClient) -> None:
    assert "concept" not in read_json(send(stored, "GET", "/CodeSystem/finding?_summary=true"))


# --- update ----------------------------------------------------------------------------------------------------------


def test_an_update_makes_a_new_version_and_the_old_one_stays_readable(stored: FlaskClient) -> None:
    first = made(stored, observation())
    place = f"/Observation/{first['id']}"
    response = send(stored, "PUT", place, {**first, "status": "amended"}, If_Match='W/"1"')
    assert (response.status_code, response.headers["ETag"], "Location" in response.headers) == (200, 'W/"2"', False)
    assert read_json(send(stored, "GET", place))["status"] == "amended"
    assert read_json(send(stored, "GET", f"{place}/_history/1")) == first
    assert read_json(send(stored, "GET", f"{place}/_history/2"))["meta"]["versionId"] == "2"
    for version in ("3", "0", "x", "01"):
        issues_of(send(stored, "GET", f"{place}/_history/{version}"), 404, "not-found")


def test_an_update_of_what_does_not_exist_creates_it(stored: FlaskClient) -> None:
    name = f"ours.{uuid.uuid4()}"
    response = send(stored, "PUT", f"/Patient/{name}", patient(id=name))
    assert (response.status_code, response.headers["ETag"]) == (201, 'W/"1"')
    assert response.headers["Location"] == f"http://localhost/fhir/Patient/{name}/_history/1"
    assert read_json(response)["id"] == name


@pytest.mark.parametrize("tag", ['W/"0"', 'W/"2"', 'W/"nope"'])
def test_R33_an_update_from_another_version_is_412_and_not_applied(stored: FlaskClient, tag: str) -> None:
    first = made(stored, observation())
    place = f"/Observation/{first['id']}"
    issues_of(send(stored, "PUT", place, {**first, "status": "amended"}, If_Match=tag), 412, "conflict")
    issues_of(send(stored, "DELETE", place, If_Match=tag), 412, "conflict")
    assert read_json(send(stored, "GET", place)) == first


def test_an_update_can_demand_that_the_resource_exists_or_does_not(stored: FlaskClient) -> None:
    first = made(stored, patient())
    place, fresh = f"/Patient/{first['id']}", f"/Patient/{uuid.uuid4()}"
    issues_of(send(stored, "PUT", place, first, If_None_Match="*"), 412, "conflict")
    issues_of(send(stored, "PUT", fresh, patient(id=fresh.rsplit("/", 1)[1]), If_Match="*"), 412, "conflict")
    issues_of(send(stored, "PUT", fresh, patient(id=fresh.rsplit("/", 1)[1]), If_Match='W/"1"'), 412, "conflict")
    assert send(stored, "PUT", fresh, patient(id=fresh.rsplit("/", 1)[1]), If_None_Match="*").status_code == 201
    assert send(stored, "PUT", place, first, If_Match="*").status_code == 200
    issues_of(send(stored, "PUT", place, first, If_Match="2"), 400, "value")


@pytest.mark.parametrize("body_id", ["other", None])
def test_R34_an_update_whose_body_has_another_id_or_none_is_refused(stored: FlaskClient, body_id: str | None) -> None:
    body = observation() if body_id is None else observation(id=body_id)
    issues = issues_of(send(stored, "PUT", "/Observation/a", body), 400, "invalid", "required")
    assert issues[0]["expression"] == ["Observation.id"]
    assert send(stored, "GET", "/Observation/a").status_code == 404


# --- delete ----------------------------------------------------------------------------------------------------------


def test_what_was_deleted_is_gone_and_its_history_stays(stored: FlaskClient) -> None:
    first = made(stored, observation())
    place = f"/Observation/{first['id']}"
    deleted = send(stored, "DELETE", place)
    assert (deleted.status_code, deleted.data, deleted.headers["ETag"]) == (204, b"", 'W/"2"')
    assert send(stored, "DELETE", place).headers["ETag"] == 'W/"2"', "deleting again changes nothing"
    issues_of(send(stored, "GET", place), 410, "deleted")
    issues_of(send(stored, "GET", f"{place}/_history/2"), 410, "deleted")
    assert read_json(send(stored, "GET", f"{place}/_history/1")) == first
    back = send(stored, "PUT", place, first)
    assert (back.status_code, back.headers["ETag"]) == (201, 'W/"3"')
    never = send(stored, "DELETE", "/Observation/never-there")
    assert (never.status_code, never.data) == (204, b"")
    assert "Content-Type" not in never.headers


@pytest.mark.parametrize("tag", ["*", 'W/"1"'])
def test_deleting_a_version_of_what_never_existed_is_412(stored: FlaskClient, tag: str) -> None:
    issues_of(send(stored, "DELETE", "/Observation/never-there", If_Match=tag), 412, "conflict")


# --- parameters without effect ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "place"),
    [
        ("GET", "/Patient/here"),
        ("GET", "/Patient/here/_history/1"),
        ("GET", "/Questionnaire/hip-spine-intake"),
        ("GET", "/metadata"),
        ("POST", "/Patient"),
        ("PUT", "/Patient/here"),
        ("DELETE", "/Patient/not-here"),
        ("POST", ""),
    ],
)
def test_a_parameter_without_effect_is_told_or_refused_before_anything_is_done(
    stored: FlaskClient, method: str, place: str
) -> None:
    send(stored, "PUT", "/Patient/here", patient(id="here"))
    body = {"resourceType": "Bundle", "type": "batch"} if not place else patient(id="here") if method != "GET" else None
    before = read_json(send(stored, "GET", "/_history?_count=1"))["entry"]
    path = f"{place}?foo=1&_pretty=true"
    strict = issues_of(send(stored, method, path, body, Prefer="handling=strict"), 400, "not-supported")
    assert [issue["expression"] for issue in strict] == [["?foo"]]
    assert read_json(send(stored, "GET", "/_history?_count=1"))["entry"] == before
    lenient = send(stored, method, path, body)
    assert lenient.status_code < 300 and lenient.headers["Warning"] == '299 - "without effect: foo"'
    assert "Warning" not in send(stored, method, f"{place}?_pretty=true", body).headers


def test_a_condition_in_a_header_that_is_not_utf8_creates_nothing(stored: FlaskClient) -> None:
    issues_of(send(stored, "POST", "/Patient", patient(), If_None_Exist="name=%FF"), 400, "structure")


# --- Prefer: assess ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["/Observation", ""])
def test_an_assessment_preferred_where_none_is_made_is_told_or_refused(stored: FlaskClient, place: str) -> None:
    body = observation() if place else {"resourceType": "Bundle", "type": "batch"}
    lenient = send(stored, "POST", place, body, Prefer="assess")
    assert lenient.status_code == (201 if place else 200)
    assert "Prefer: assess has no effect here" in lenient.headers["Warning"] and "Preference-Applied" not in lenient.headers
    before = read_json(send(stored, "GET", "/_history?_count=1"))
    strict = issues_of(send(stored, "POST", place, body, Prefer="assess, handling=strict"), 400, "not-supported")
    assert strict[0]["expression"] == ["Prefer"]
    assert read_json(send(stored, "GET", "/_history?_count=1"))["entry"] == before["entry"]


# --- history ---------------------------------------------------------------------------------------------------------


def test_the_history_of_a_resource_says_who_became_what(stored: FlaskClient) -> None:
    first = made(stored, observation())
    place = f"/Observation/{first['id']}"
    send(stored, "PUT", place, {**first, "status": "amended"})
    send(stored, "DELETE", place)
    bundle = read_json(send(stored, "GET", f"{place}/_history"))
    assert (bundle["type"], bundle["total"]) == ("history", 3)
    assert [entry["request"] for entry in bundle["entry"]] == [
        {"method": "DELETE", "url": place[1:]},
        {"method": "PUT", "url": place[1:]},
        {"method": "POST", "url": "Observation"},
    ]
    assert [entry["response"]["etag"] for entry in bundle["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']
    assert "resource" not in bundle["entry"][0] and bundle["entry"][2]["resource"] == first
    assert all(entry["fullUrl"] == f"http://localhost/fhir{place}" for entry in bundle["entry"])
    issues_of(send(stored, "GET", "/Observation/never-there/_history"), 404, "not-found")


@pytest.mark.parametrize("place", ["/Organization/_history", "/_history"])
def test_a_history_is_paged_to_its_end(stored: FlaskClient, place: str) -> None:
    ids = [made(stored, {"resourceType": "Organization", "name": str(number)})["id"] for number in range(5)]
    seen: list[str] = []
    url = f"http://localhost/fhir{place}?_count=2"
    while True:
        bundle = read_json(stored.get(url.removeprefix("http://localhost")))
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert links["self"] == url and len(bundle["entry"]) <= 2
        seen += [entry["resource"]["id"] for entry in bundle["entry"] if "resource" in entry]
        made(stored, {"resourceType": "Organization", "name": "meanwhile"})
        if "next" not in links or set(ids) <= set(seen):
            break
        url = links["next"]
    assert [one for one in seen if one in ids] == ids[::-1]
    assert len(seen) == len(set(seen))


def test_a_history_since_a_time_and_its_faults(stored: FlaskClient) -> None:
    made(stored, {"resourceType": "Practitioner"})
    future = (datetime.now(UTC) + timedelta(days=1)).isoformat(timespec="seconds")
    assert "entry" not in read_json(stored.get("/fhir/Practitioner/_history", query_string={"_since": future}))
    assert read_json(stored.get("/fhir/Practitioner/_history", query_string={"_since": "2020-01-01T00:00:00Z"}))["entry"]
    for query in ("_count=-1", "_count=abc", "_since=banana", "_since=2026-01-01T10:00:00", "_before=x"):
        issues_of(stored.get(f"/fhir/Practitioner/_history?{query}"), 400, "value")


@pytest.mark.parametrize("place", ["/Practitioner/_history", "/_history"])
def test_a_parameter_that_a_history_has_not_is_told_or_refused(stored: FlaskClient, place: str) -> None:
    lenient = send(stored, "GET", f"{place}?bogus=1&_count=5&b%22c=1")
    assert (lenient.status_code, lenient.headers["Warning"]) == (200, '299 - "without effect: bogus, bc"')
    assert "bogus" not in read_json(lenient)["link"][0]["url"]
    assert "Warning" not in send(stored, "GET", f"{place}?_count=5&_pretty=true").headers
    strict = issues_of(send(stored, "GET", f"{place}?bogus=1&_count=x", Prefer="handling=strict"), 400, "not-supported")
    assert [issue["expression"] for issue in strict] == [["?bogus"], ["?_count"]]
    for name in ("_at", "_list", "_sort"):
        assert issues_of(send(stored, "GET", f"{place}?{name}=2026"), 400, "not-supported")[0]["expression"] == [f"?{name}"]


# --- text ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("digits", ["7.10", "7", "7.0", "0.00000001", "1E+2", "123456789012345678.90"])
def test_R59_decimals_are_given_back_digit_by_digit(stored: FlaskClient, digits: str) -> None:
    body = json.dumps(observation(valueQuantity={"value": 0})).replace('"value": 0', f'"value": {digits}').encode()
    response = stored.post("/fhir/Observation", data=body, content_type=FHIR_JSON)
    assert response.status_code == 201, response.text[:300]
    place = response.headers["Location"].removeprefix("http://localhost").split("/_history")[0]
    for path in (place, f"{place}?_pretty=true", f"{place}/_history/1", f"{place}/_history"):
        text = stored.get(path).text
        assert re.search(rf'"value": ?{re.escape(digits)}[}}\s]', text), (path, text)


def test_R8_a_stored_resource_is_indented_on_demand(stored: FlaskClient) -> None:
    created = made(stored, observation())
    pretty = send(stored, "GET", f"/Observation/{created['id']}?_pretty=true")
    assert b"\n  " in pretty.data and read_json(pretty) == created


def test_R5_a_put_of_another_media_type_is_415(stored: FlaskClient) -> None:
    response = stored.put("/fhir/Observation/a", data=b"<x/>", content_type="application/fhir+xml")
    issues_of(response, 415, "not-supported")


def test_T6_the_log_holds_nothing_of_what_is_stored(stored: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    import logging

    with caplog.at_level(logging.DEBUG):
        created = made(stored, patient(name=[{"family": "Secretname"}], birthDate="1961-02-03"))
        send(stored, "PUT", f"/Patient/{created['id']}", {**created, "gender": "female"}, If_Match='W/"9"')
        send(stored, "GET", f"/Patient/{created['id']}")
        send(stored, "POST", "/Patient", {"resourceType": "Patient", "name": [{"family": 5}], "birthDate": "1961-02-03-04"})
    assert caplog.records
    for secret in ("Secretname", "1961", created["id"]):
        assert secret not in caplog.text


# --- addresses -------------------------------------------------------------------------------------------------------


def outer(client: FlaskClient, **headers: Any) -> str:
    return send(client, "POST", "/Patient", patient(), **headers).headers["Location"].split("/fhir/")[0]


def test_R56_forwarded_addresses_are_ignored_from_anybody(stored: FlaskClient) -> None:
    given = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "evil.example", "X_Forwarded_Prefix": "/x"}
    assert outer(stored, **given) == "http://localhost"

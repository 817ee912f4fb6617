"""$everything of a patient over HTTP, on SQLite and on PostgreSQL."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient
from support.fhir_calls import Resource, issues_of, made, read_json, send

from service.fhir import r4


def named(entry: Resource) -> str:
    return f"{entry['resource']['resourceType']}/{entry['resource']['id']}"


@pytest.fixture(scope="module")
def record(stored: FlaskClient) -> dict[str, list[str]]:
    """What belongs to one patient, what comes along, and what must not."""
    def add(resource: Resource) -> str:
        return f"{resource['resourceType']}/{made(stored, resource)['id']}"

    patient, other = add({"resourceType": "Patient"}), add({"resourceType": "Patient"})
    subject: dict[str, Any] = {"subject": {"reference": patient}}
    doctor = add({"resourceType": "Practitioner"})
    add({"resourceType": "Practitioner"})
    visit = add({"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, **subject,
                 "participant": [{"individual": {"reference": doctor}}]})  # fmt: skip
    finding = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}
    own = [patient, visit, *(add({**finding, **subject, "encounter": {"reference": visit}}) for _ in range(5))]
    performer = {"performer": {"reference": "Device/hipspine"}}
    assessed = add({"resourceType": "RiskAssessment", "status": "final", **subject, **performer})
    own.append(assessed)
    own.append(add({"resourceType": "Provenance", "target": [{"reference": patient}], "recorded": "2026-01-15T10:00:00Z",
                    "agent": [{"who": {"reference": "Device/hipspine"}}]}))  # fmt: skip
    # A resource of another patient that mentions this one's, and one that is gone.
    add({"resourceType": "RiskAssessment", "status": "final", "subject": {"reference": other}, "parent": {"reference": assessed}})
    gone = add({**finding, **subject})
    send(stored, "DELETE", f"/{gone}")
    return {"patient": [patient], "own": own, "along": [doctor, "Device/hipspine"], "other": [other]}


def test_everything_of_a_patient_and_nothing_of_others(stored: FlaskClient, record: dict[str, list[str]]) -> None:
    bundle = read_json(send(stored, "GET", f"/{record['patient'][0]}/$everything"))
    assert not r4.check(bundle).faults
    found: dict[str, list[str]] = {"match": [], "include": []}
    for entry in bundle["entry"]:
        found[entry["search"]["mode"]].append(named(entry))
    assert found["match"] == record["own"]  # in the order they were stored
    assert sorted(found["include"]) == sorted(record["along"])
    other = read_json(send(stored, "GET", f"/{record['other'][0]}/$everything"))
    assert len(other["entry"]) == 2


def test_pages_hold_each_resource_once(stored: FlaskClient, record: dict[str, list[str]]) -> None:
    url = f"/fhir/{record['patient'][0]}/$everything?_count=2"
    seen: list[str] = []
    along: list[str] = []
    while url:
        assert not along, "what comes along comes at the end, once"
        bundle = stored.get(url).get_json(force=True)
        page = [named(entry) for entry in bundle["entry"] if entry["search"]["mode"] == "match"]
        assert len(page) <= 2
        seen += page
        along += [named(entry) for entry in bundle["entry"] if entry["search"]["mode"] == "include"]
        url = next((link["url"].removeprefix("http://localhost") for link in bundle["link"] if link["relation"] == "next"), "")
    assert seen == record["own"]
    assert sorted(along) == sorted(record["along"])


@pytest.mark.parametrize("count", [1, 2, 3, 50])
def test_the_patient_comes_first_though_stored_last(stored: FlaskClient, count: int) -> None:
    own = f"late-{count}"
    about = {"subject": {"reference": f"Patient/{own}"}}
    one = made(stored, {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **about})
    send(stored, "PUT", f"/Patient/{own}", {"resourceType": "Patient", "id": own, "link": [
        {"other": {"reference": f"Patient/{own}"}, "type": "seealso"}]})  # fmt: skip
    two = made(stored, {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **about})
    url, seen = f"/fhir/Patient/{own}/$everything?_count={count}", []
    while url:
        bundle = stored.get(url).get_json(force=True)
        assert len(bundle["entry"]) <= count
        seen += [named(entry) for entry in bundle["entry"]]
        url = next((link["url"].removeprefix("http://localhost") for link in bundle["link"] if link["relation"] == "next"), "")
    assert seen == [f"Patient/{own}", f"Observation/{one['id']}", f"Observation/{two['id']}"]


def test_types_and_time_narrow_it(stored: FlaskClient, record: dict[str, list[str]]) -> None:
    patient = record["patient"][0]
    body = {"resourceType": "Parameters", "parameter": [
        {"name": "_type", "valueCode": "Observation"}, {"name": "_type", "valueCode": "RiskAssessment"},
    ]}  # fmt: skip
    wanted = [name for name in record["own"] if name.startswith(("Observation", "RiskAssessment"))]
    for response in (
        send(stored, "GET", f"/{patient}/$everything?_type=Observation,RiskAssessment"),
        send(stored, "POST", f"/{patient}/$everything", body),
    ):
        assert [named(e) for e in read_json(response)["entry"] if e["search"]["mode"] == "match"] == wanted
    assert "entry" not in read_json(send(stored, "GET", f"/{patient}/$everything?_since=2999-01-01T00:00:00Z"))


@pytest.fixture(scope="module")
def dated(stored: FlaskClient) -> dict[str, str]:
    """The ids of what a patient had when, by a name; the patient is born long before all of it."""
    send(stored, "PUT", "/Patient/dated", {"resourceType": "Patient", "id": "dated", "birthDate": "1950-01-01"})
    subject = {"subject": {"reference": "Patient/dated"}}
    finding = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}, **subject}
    visit = {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, **subject}
    lasting: dict[str, Any] = {"resourceType": "Condition", **subject, "onsetDateTime": "2010-05-01"}
    clinical = "http://terminology.hl7.org/CodeSystem/condition-clinical"
    healed = {"clinicalStatus": {"coding": [{"system": clinical, "code": "resolved"}]}, "abatementDateTime": "2024-03-01"}
    resources = {
        "in 2024": {**finding, "effectiveDateTime": "2024-12-31T23:59:59Z"},
        "in 2025": {**finding, "effectiveDateTime": "2025-01-01"},
        "in 2026": {**finding, "effectivePeriod": {"start": "2026-01-01", "end": "2026-01-02"}},
        "over new year": {**visit, "period": {"start": "2025-12-30", "end": "2026-01-03"}},
        "not over yet": {**visit, "period": {"start": "2025-06-01"}},
        "chronic": lasting,
        "healed in 2024": {**lasting, **healed},
        "some time": finding,
    }
    return {made(stored, resource)["id"]: name for name, resource in resources.items()} | {"dated": "patient"}


@pytest.mark.parametrize(
    ("query", "left_out"),
    [
        ("start=2025-01-01", {"in 2024", "healed in 2024"}),
        ("start=2026", {"in 2024", "in 2025", "healed in 2024"}),
        ("end=2024-12-31", {"in 2025", "in 2026", "over new year", "not over yet"}),
        ("start=2025&end=2025-12", {"in 2024", "in 2026", "healed in 2024"}),
        ("start=2027", {"in 2024", "in 2025", "in 2026", "over new year", "healed in 2024"}),
    ],
)
def test_start_and_end_take_what_tells_of_that_time(
    stored: FlaskClient, dated: dict[str, str], query: str, left_out: set[str]
) -> None:
    """A condition is in the time that it lasts, and what says not when is in all times."""
    bundle = read_json(send(stored, "GET", f"/Patient/dated/$everything?{query}"))
    found = {dated[entry["resource"]["id"]] for entry in bundle["entry"] if entry["search"]["mode"] == "match"}
    assert set(dated.values()) - found == left_out
    assert query in bundle["link"][0]["url"]
    pages = read_json(send(stored, "GET", f"/Patient/dated/$everything?{query}&_count=1"))
    assert query in next(link["url"] for link in pages["link"] if link["relation"] == "next")


def test_what_is_not_understood_is_told_at_once(stored: FlaskClient, record: dict[str, list[str]]) -> None:
    patient = record["patient"][0]
    issues = issues_of(send(stored, "GET", f"/{patient}/$everything?_type=Shoe&_count=-1&_cursor=x"), 400, "value")
    assert len(issues) == 3
    issues_of(send(stored, "GET", f"/{patient}/$everything?start=yesterday"), 400, "value", "invalid")
    issues_of(send(stored, "GET", f"/{patient}/$everything?end=2026-02-30"), 400, "value", "invalid")
    query = "start=yesterday&end=2026-02-30&foo=1&_since=x&_type=Shoe&_count=-1&_cursor=x"
    issues = issues_of(send(stored, "GET", f"/{patient}/$everything?{query}"), 400, "value")
    told = {issue["expression"][0] for issue in issues}
    assert told == {"?start", "?end", "?foo", "?_since", "?_type", "?_count", "?_cursor"}
    issues_of(send(stored, "GET", "/Patient/nobody/$everything"), 404, "not-found")

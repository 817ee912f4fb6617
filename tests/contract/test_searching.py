"""Searching over HTTP, on SQLite and on PostgreSQL: R42 to R53, as a client sees them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from flask.testing import FlaskClient
from support.fhir_calls import Resource, issues_of, made, read_json, send
from werkzeug.test import TestResponse

from service.fhir import r4

RISK = "http://terminology.hl7.org/CodeSystem/risk-probability"
FORM = "application/x-www-form-urlencoded"
Record = dict[str, Resource]


def concept(code: str, system: str = RISK) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def assessment(patient: str, form: str, day: str, risk: str, percent: float) -> Resource:
    return {
        "resourceType": "RiskAssessment",
        "identifier": [{"system": "urn:assessments", "value": f"A-{day}"}],
        "status": "final",
        "subject": {"reference": patient},
        "encounter": {"reference": "Encounter/e1"},
        "occurrenceDateTime": f"{day}T10:00:00+01:00",
        "condition": {"reference": "Condition/c1"},
        "performer": {"reference": "Device/hipspine"},
        "method": concept("exact-posterior", "urn:methods"),
        "basis": [{"reference": f"{form}/_history/1"}],
        "prediction": [
            {"outcome": {"text": "hip"}, "probabilityDecimal": percent, "qualitativeRisk": concept(risk)},
            {"outcome": {"text": "spine"}, "probabilityDecimal": 100 - percent, "qualitativeRisk": concept("low")},
        ],
    }


@pytest.fixture(scope="module")
def record(stored: FlaskClient) -> Record:
    """Two patients: the first with a form and five assessments, the second with one."""
    first = made(stored, {
        "resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "M1"}],
        "name": [{"family": "Müller", "given": ["Zoë"]}], "birthDate": "1961-04-30", "gender": "female", "active": True,
    })  # fmt: skip
    second = made(stored, {"resourceType": "Patient", "identifier": [{"system": "urn:mrn", "value": "M2"}]})
    form = made(stored, {
        "resourceType": "QuestionnaireResponse", "status": "completed", "subject": {"reference": f"Patient/{first['id']}"},
    })  # fmt: skip
    found: Record = {"first": first, "second": second, "form": form}
    for number, (day, risk, percent) in enumerate((
        ("2025-12-31", "low", 10.5), ("2026-01-15", "moderate", 33.25), ("2026-02-01", "high", 60), ("2026-02-02", "high", 61),
        ("2027-01-01", "negligible", 99),
    ), start=1):  # fmt: skip
        found[f"ra{number}"] = made(
            stored, assessment(f"Patient/{first['id']}", f"QuestionnaireResponse/{form['id']}", day, risk, percent)
        )
    found["other"] = made(
        stored, assessment(f"Patient/{second['id']}", "QuestionnaireResponse/none", "2026-03-01", "high", 70)
    )
    found["provenance"] = made(stored, {
        "resourceType": "Provenance", "target": [{"reference": f"RiskAssessment/{found['ra1']['id']}"}],
        "recorded": "2026-01-15T10:00:00Z", "agent": [{"who": {"reference": "Device/hipspine"}}],
    })  # fmt: skip
    return found


def search(client: FlaskClient, query: str, **headers: str) -> Resource:
    response = send(client, "GET", f"/{query}", **headers)
    assert response.status_code == 200, response.text[:800]
    return check_bundle(response)


def check_bundle(response: TestResponse) -> Resource:
    """The Bundle, after a look at what every searchset must be."""
    bundle = read_json(response)
    assert (bundle["resourceType"], bundle["type"]) == ("Bundle", "searchset")
    assert not r4.check(json.loads(response.data)).faults
    for entry in bundle.get("entry", []):
        if entry["search"]["mode"] != "outcome":
            assert entry["fullUrl"] == f"http://localhost/fhir/{entry['resource']['resourceType']}/{entry['resource']['id']}"
    return bundle


def matches(bundle: Resource, mode: str = "match") -> list[str]:
    return [entry["resource"]["id"] for entry in bundle.get("entry", []) if entry["search"]["mode"] == mode]


def url_of(bundle: Resource, relation: str) -> str | None:
    return next((link["url"] for link in bundle["link"] if link["relation"] == relation), None)


def follow(client: FlaskClient, url: str) -> Resource:
    assert url.startswith("http://localhost/fhir/")
    return check_bundle(client.get(url.removeprefix("http://localhost")))


def ids(record: Record, *names: str) -> set[str]:
    return {record[name]["id"] for name in names}


ALL = ("ra1", "ra2", "ra3", "ra4", "ra5")


# --- R42, R43: one search, many ways to write it -------------------------------------------------------------------


def test_R42_every_form_of_a_reference_finds_the_same(stored: FlaskClient, record: Record) -> None:
    patient = record["first"]["id"]
    for query in (
        f"patient=Patient/{patient}", f"patient={patient}", f"subject=Patient/{patient}", f"subject:Patient={patient}",
        f"subject={patient}", f"subject=http://localhost/fhir/Patient/{patient}", "patient.identifier=urn:mrn|M1",
        "subject:Patient.identifier=urn:mrn|M1",
    ):  # fmt: skip
        found = search(stored, f"RiskAssessment?{query}")
        assert set(matches(found)) == ids(record, *ALL), query
        assert (found["total"], len(matches(found))) == (5, 5)
    assert matches(search(stored, f"RiskAssessment?patient=http://elsewhere.example/fhir/Patient/{patient}")) == []


def post_search(client: FlaskClient, path: str, form: str, **headers: str) -> TestResponse:
    return client.post(f"/fhir/{path}", data=form, content_type=FORM, headers=headers)


def test_R43_a_form_asks_what_an_address_asks_and_both_count_together(stored: FlaskClient, record: Record) -> None:
    patient = record["first"]["id"]
    wanted = search(stored, f"RiskAssessment?patient={patient}&date=ge2026-02&_sort=date")
    for path, form in (
        ("RiskAssessment/_search", f"patient={patient}&date=ge2026-02&_sort=date"),
        (f"RiskAssessment/_search?patient={patient}", "date=ge2026-02&_sort=date"),
        (f"RiskAssessment/_search?patient={patient}&date=ge2026-02&_sort=date", ""),
    ):
        found = check_bundle(post_search(stored, path, form))
        assert matches(found) == matches(wanted)
        assert matches(follow(stored, url_of(found, "self") or "")) == matches(wanted)
    twice = check_bundle(post_search(stored, "RiskAssessment/_search?date=ge2026-02-02", "date=le2026-02-02"))
    assert set(matches(twice)) == ids(record, "ra4")
    assert check_bundle(stored.post("/fhir/RiskAssessment/_search"))["total"] == 6


def test_R43_a_body_that_is_no_form_is_refused(stored: FlaskClient) -> None:
    issues_of(stored.post("/fhir/Patient/_search", data="{}", content_type="application/json"), 415, "not-supported")
    issues_of(
        stored.post("/fhir/Patient/_search", data="a=1", content_type=FORM, headers={"Content-Encoding": "gzip"}),
        415, "not-supported",
    )  # fmt: skip
    issues_of(post_search(stored, "Patient/_search", "&".join(["name=a"] * 600)), 400, "too-costly")


# --- R44: each parameter ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("date=ge2026-01-01&date=lt2027", ("ra2", "ra3", "ra4", "other")),
        ("date=2026-02", ("ra3", "ra4")),
        ("date=2026-01-15,2026-02-01", ("ra2", "ra3")),
        ("date=2026-01-15T09:00:00Z", ("ra2",)),
        ("date=2026-01-15T10:00:00%2B01:00", ("ra2",)),
        ("date=sa2026-02-01", ("ra4", "ra5", "other")),
        ("date=eb2026-01-15", ("ra1",)),
        ("date=ne2026", ("ra1", "ra5")),
        (f"risk={RISK}|high", ("ra3", "ra4", "other")),
        ("risk=high", ("ra3", "ra4", "other")),
        ("risk=moderate,negligible", ("ra2", "ra5")),
        ("risk=HIGH&risk=low", ("ra3", "ra4", "other")),
        ("risk:not=high", ("ra1", "ra2", "ra5")),
        ("risk=|high", ()),
        (f"risk={RISK}|", (*ALL, "other")),
        ("probability=gt90", ("ra5",)),
        ("probability=33.25", ("ra2",)),
        ("probability=33", ("ra2",)),
        ("probability=le1", ("ra5",)),
        ("probability=gt66&probability=lt34", ("ra1", "ra2", "ra5", "other")),
        ("encounter=Encounter/e1&identifier=urn:assessments|A-2026-01-15", ("ra2",)),
        ("identifier=A-2026-01-15,A-2026-02-01", ("ra2", "ra3")),
        ("identifier=urn:other|A-2026-01-15", ()),
        ("method=urn:methods|exact-posterior&date=2027", ("ra5",)),
        ("performer=Device/hipspine&risk=negligible", ("ra5",)),
        ("condition=c1&risk=negligible", ("ra5",)),
        ("condition:missing=true", ()),
        ("patient.name=zoe", ALL),
        ("patient:Patient.family:exact=Müller&risk=negligible", ("ra5",)),
        ("patient.family=Muller&patient.birthdate=1961-04&probability=gt98", ("ra5",)),
        ("_has:Provenance:target:agent=Device/hipspine", ("ra1",)),
        ("_lastUpdated=gt2020-01-01&risk=negligible", ("ra5",)),
        ("_lastUpdated=lt2020-01-01", ()),
    ],
)
def test_R44_each_parameter_selects(stored: FlaskClient, record: Record, query: str, names: tuple[str, ...]) -> None:
    assert set(matches(search(stored, f"RiskAssessment?{query}", Prefer="handling=strict"))) == ids(record, *names)


def test_R44_a_period_is_found_by_a_time_inside_it(stored: FlaskClient) -> None:
    """Though it starts before what is asked for, and whether it is shorter or longer than a day."""
    def visit(start: str, end: str) -> str:
        period = {"period": {"start": start, "end": end}}
        body = {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"}, **period}
        return str(made(stored, body)["id"])

    short = visit("1999-04-10T08:00:00Z", "1999-04-10T16:00:00Z")
    long = visit("1999-04-01", "1999-04-30")
    visit("1999-04-10T18:00:00Z", "1999-04-10T19:00:00Z")
    for query in ("date=gt1999-04-10T09:00:00Z&date=lt1999-04-10T10:00:00Z", "date=ge1999-04-10T15:59:59Z&date=lt1999-04-11"):
        found = matches(search(stored, f"Encounter?{query}"))
        assert {short, long} <= set(found), query
    inside = search(stored, "Encounter?date=gt1999-04-10T09:00:00Z&date=lt1999-04-10T10:00:00Z")
    assert set(matches(inside)) == {short, long}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("name=mul", True), ("name=MÜL", True), ("name=ller", False), ("name:contains=LLE", True),
        ("gender=http://hl7.org/fhir/administrative-gender|female", True), ("family:exact=Müller", True),
        ("family:exact=müller", False), ("gender=female", True),
        ("gender=male", False), ("birthdate=1961", True), ("birthdate=lt1961-04-30", False), ("active=true", True),
        ("identifier=m1", False), ("_has:RiskAssessment:patient:risk=negligible", True),
        ("_has:RiskAssessment:patient:_has:Provenance:target:recorded=2026", True), ("email:missing=true", True),
    ],
)  # fmt: skip
def test_parameters_of_a_patient_select(stored: FlaskClient, record: Record, query: str, found: bool) -> None:
    bundle = search(stored, f"Patient?_id={record['first']['id']}&{query}", Prefer="handling=strict")
    assert matches(bundle) == ([record["first"]["id"]] if found else [])


# --- R45 to R47: what is not understood ----------------------------------------------------------------------------


def test_R45_an_unknown_parameter_is_ignored_told_and_not_in_the_self_link(stored: FlaskClient, record: Record) -> None:
    found = search(stored, f"RiskAssessment?bogus=secret&patient={record['first']['id']}&encounter.bogus=x")
    assert found["total"] == 5
    assert set(matches(found)) == ids(record, *ALL)
    (outcome,) = [entry["resource"] for entry in found["entry"] if entry["search"]["mode"] == "outcome"]
    assert [(issue["severity"], issue["code"]) for issue in outcome["issue"]] == [("warning", "not-supported")] * 2
    assert "bogus" in json.dumps(outcome) and "secret" not in json.dumps(found)
    assert url_of(found, "self") == f"http://localhost/fhir/RiskAssessment?patient={record['first']['id']}"


def test_R46_in_strict_handling_it_is_refused_with_what_is_supported(stored: FlaskClient) -> None:
    response = send(stored, "GET", "/RiskAssessment?bogus=1&patient=", Prefer="handling=strict")
    issues = issues_of(response, 400, "not-supported")
    assert len(issues) == 2
    assert "probability" in issues[0]["diagnostics"] and "basis" in issues[0]["diagnostics"]
    assert issues[0]["expression"] == ["http.bogus"]


def test_R47_the_self_link_asked_again_gives_the_same(stored: FlaskClient, record: Record) -> None:
    for query in (
        "RiskAssessment?risk=high&bogus=1&_sort=-date&_count=2&_format=json&_pretty=true",
        "RiskAssessment?date=2026-01-15T10:00:00%2B01:00",
        "RiskAssessment?identifier=urn:assessments|A-2026-01-15&_elements=status&_total=accurate",
        "Patient?name=M%C3%BCller&name:contains=a%5C%2Cb",
        "RiskAssessment?_include=RiskAssessment:subject&_summary=true&date=gt2026",
        "RiskAssessment?_count=5000",
    ):
        first = search(stored, query)
        again = follow(stored, url_of(first, "self") or "")
        assert (again["link"], matches(again), again.get("total")) == (first["link"], matches(first), first.get("total"))
        names = {name for name, _ in parse_qsl(urlsplit(url_of(first, "self") or "").query)}
        assert not names & {"bogus", "_format", "_pretty", "_cursor"}
    assert "_count=1000" in (url_of(search(stored, "RiskAssessment?_count=5000"), "self") or "")


# --- R48: our own parameter ----------------------------------------------------------------------------------------


def test_R48_an_assessment_is_found_by_what_it_was_made_from(stored: FlaskClient, record: Record) -> None:
    form = f"QuestionnaireResponse/{record['form']['id']}"
    for query in (form, f"{form}/_history/1", record["form"]["id"], f"http://localhost/fhir/{form}"):
        assert set(matches(search(stored, f"RiskAssessment?basis={query}"))) == ids(record, *ALL), query
    assert matches(search(stored, f"RiskAssessment?basis={form}/_history/2")) == []
    assert set(matches(search(stored, "RiskAssessment?basis:QuestionnaireResponse.status=completed"))) == ids(record, *ALL)


def test_R48_the_parameter_is_published(stored: FlaskClient) -> None:
    metadata = read_json(send(stored, "GET", "/metadata"))
    listed = {entry["type"]: entry for entry in metadata["rest"][0]["resource"]}["RiskAssessment"]["searchParam"]
    (ours,) = [parameter for parameter in listed if parameter["name"] == "basis"]
    assert ours["definition"].endswith("/SearchParameter/RiskAssessment-basis")
    published = read_json(send(stored, "GET", "/SearchParameter/RiskAssessment-basis"))
    assert (published["code"], published["expression"], published["url"]) == (
        "basis", "RiskAssessment.basis", ours["definition"],
    )  # fmt: skip
    assert matches(search(stored, "SearchParameter?code=basis&base=RiskAssessment")) == ["RiskAssessment-basis"]


# --- R49 to R51: pages ---------------------------------------------------------------------------------------------


@pytest.fixture
def five(stored: FlaskClient) -> Iterator[tuple[str, list[str]]]:
    """A family name, and the ids of five patients who have it."""
    made_ids = [
        made(stored, {"resourceType": "Patient", "name": [{"family": "Pageturner"}], "birthDate": f"19{60 + number}"})["id"]
        for number in range(5)
    ]
    yield "family=Pageturner", made_ids
    found = search(stored, "Patient?family=Pageturner&_count=1000")
    for one in matches(found):
        send(stored, "DELETE", f"/Patient/{one}")


@pytest.mark.parametrize("sort", ["", "&_sort=birthdate", "&_sort=-birthdate", "&_sort=family,-birthdate", "&_sort=_id",
                                  "&_sort=-_lastUpdated"])  # fmt: skip
def test_R49_pages_hold_each_match_once_even_if_one_is_added_meanwhile(
    stored: FlaskClient, five: tuple[str, list[str]], sort: str
) -> None:
    query, wanted = five
    page = search(stored, f"Patient?{query}&_count=2{sort}")
    seen: list[str] = matches(page)
    assert (page["total"], len(seen), url_of(page, "previous")) == (5, 2, None)
    added = made(stored, {"resourceType": "Patient", "name": [{"family": "Pageturner"}], "birthDate": "1963-06"})["id"]
    pages = [seen]
    while (next_url := url_of(page, "next")) is not None:
        page = follow(stored, next_url)
        pages.append(matches(page))
        seen = seen + pages[-1]
    assert len(seen) == len(set(seen))
    assert set(seen) - {added} == set(wanted)
    # and back: what was there when the pages were turned
    back = [matches(page)]
    while (previous := url_of(page, "previous")) is not None:
        page = follow(stored, previous)
        back.insert(0, matches(page))
    assert [one for page_ids in back for one in page_ids if one != added] == [one for one in seen if one != added]


def test_R50_a_count_holds_no_entries(stored: FlaskClient, record: Record) -> None:
    for query in ("_count=0", "_summary=count"):
        for condition, total in (("risk=high", 3), ("date=lt2027", 5), ("date=gt2030", 0), ("risk:not=high", 3)):
            found = search(stored, f"RiskAssessment?{condition}&{query}")
            assert (found["total"], "entry" in found, url_of(found, "next")) == (total, False, None), (condition, query)


@pytest.mark.parametrize(
    "query",
    [
        "_count=-1", "_count=abc", "date=banana", "_sort=zzz", "_cursor=abc", "probability=much", "_total=maybe", "_summary=some",
        "_include=Nothing:here", "_elements=shoes", "patient=Practitioner/1", "date=2026-02-30", "risk:missing=perhaps",
        "_count=1&_count=2", "name%00=1&date=%00", "_cursor=WyIiLFtdLDFd", "_lastUpdated=yesterday",
    ],
)  # fmt: skip
def test_R51_a_value_that_does_not_fit_is_400(stored: FlaskClient, query: str) -> None:
    issues_of(send(stored, "GET", f"/RiskAssessment?{query}"), 400, "value", "invalid")
    issues_of(post_search(stored, "RiskAssessment/_search", query), 400, "value", "invalid")


def test_R51_a_value_that_is_not_utf_8_is_400(stored: FlaskClient) -> None:
    issues_of(send(stored, "GET", "/RiskAssessment?patient=%F0%28%8C%28"), 400, "structure")
    issues_of(post_search(stored, "RiskAssessment/_search", "patient=%F0%28%8C%28"), 400, "structure")


def test_R51_a_modifier_that_is_not_offered_is_400(stored: FlaskClient) -> None:
    for query in ("risk:text=high", "risk:in=urn:x", "date:exact=2026", "method:below=x", "subject:Medication=1"):
        issues_of(send(stored, "GET", f"/RiskAssessment?{query}"), 400, "not-supported")


def test_R51_every_fault_is_told_at_once(stored: FlaskClient) -> None:
    response = send(stored, "GET", "/RiskAssessment?date=banana&_count=-1&risk:in=x&_sort=zzz")
    issues = issues_of(response, 400, "value", "not-supported")
    assert {issue["expression"][0] for issue in issues} == {"http.date", "http._count", "http.risk:in", "http._sort"}


# --- R52: what comes along -----------------------------------------------------------------------------------------


def test_R52_included_resources_come_once_and_are_not_counted(stored: FlaskClient, record: Record) -> None:
    patient = record["first"]["id"]
    found = search(
        stored, f"RiskAssessment?patient={patient}&_include=RiskAssessment:subject&_revinclude=Provenance:target"
    )
    assert found["total"] == 5
    assert set(matches(found)) == ids(record, *ALL)
    assert sorted(matches(found, "include")) == sorted([patient, record["provenance"]["id"]])
    nothing = search(stored, "RiskAssessment?date=gt2050&_include=RiskAssessment:subject")
    assert "entry" not in nothing


def test_R52_includes_of_all_kinds(stored: FlaskClient, record: Record) -> None:
    one = record["ra1"]["id"]
    basis = search(stored, f"RiskAssessment?_id={one}&_include=RiskAssessment:basis")
    assert set(matches(basis, "include")) == ids(record, "form")
    assert matches(search(stored, f"RiskAssessment?_id={one}&_include=RiskAssessment:subject:Group"), "include") == []
    every = set(matches(search(stored, f"RiskAssessment?_id={one}&_include=*"), "include"))
    assert every == {*ids(record, "first", "form"), "hipspine"}
    further = f"Provenance?_id={record['provenance']['id']}&_include=Provenance:target"
    assert set(matches(search(stored, further), "include")) == ids(record, "ra1")
    iterated = set(matches(search(stored, f"{further}&_include:iterate=RiskAssessment:subject"), "include"))
    assert iterated == ids(record, "ra1", "first")
    around = f"Patient?_id={record['first']['id']}&_revinclude=RiskAssessment:patient&_revinclude:iterate=Provenance:target"
    assert set(matches(search(stored, around), "include")) == ids(record, *ALL, "provenance")


def test_R52_a_match_is_not_included_a_second_time(stored: FlaskClient) -> None:
    whole = made(stored, {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
                          "identifier": [{"system": "urn:visits", "value": "1"}]})  # fmt: skip
    part = made(stored, {"resourceType": "Encounter", "status": "finished", "class": {"code": "AMB"},
                         "identifier": [{"system": "urn:visits", "value": "1"}],
                         "partOf": {"reference": f"Encounter/{whole['id']}"}})  # fmt: skip
    found = search(stored, "Encounter?identifier=urn:visits|1&_include=Encounter:part-of&_revinclude=Encounter:part-of")
    assert (set(matches(found)), matches(found, "include")) == ({whole["id"], part["id"]}, [])


def test_R52_the_form_of_a_response_comes_along(stored: FlaskClient) -> None:
    form = matches(search(stored, "Questionnaire"))[0]
    url = read_json(send(stored, "GET", f"/Questionnaire/{form}"))["url"]
    response = made(stored, {"resourceType": "QuestionnaireResponse", "status": "completed", "questionnaire": url})
    found = search(
        stored, f"QuestionnaireResponse?_id={response['id']}&_include=QuestionnaireResponse:questionnaire"
    )
    assert matches(found, "include") == [form]
    assert matches(search(stored, f"QuestionnaireResponse?questionnaire={url}")) == [response["id"]]


# --- R53: parts of resources ---------------------------------------------------------------------------------------


def is_subset(resource: Resource) -> bool:
    return any(tag["code"] == "SUBSETTED" for tag in resource["meta"].get("tag", []))


def test_R53_named_elements_come_with_what_must_not_be_missing(stored: FlaskClient, record: Record) -> None:
    (entry,) = search(stored, f"RiskAssessment?_id={record['ra1']['id']}&_elements=occurrence")["entry"]
    assert set(entry["resource"]) == {"resourceType", "id", "meta", "status", "subject", "occurrenceDateTime"}
    assert is_subset(entry["resource"])
    (entry,) = search(stored, f"RiskAssessment?_id={record['ra1']['id']}&_elements=status,subject")["entry"]
    assert set(entry["resource"]) == {"resourceType", "id", "meta", "status", "subject"}


def test_R53_summaries(stored: FlaskClient, record: Record) -> None:
    def part(kind: str) -> Resource:
        (entry,) = search(stored, f"RiskAssessment?_id={record['ra2']['id']}&_summary={kind}", Prefer="handling=strict")["entry"]
        return dict(entry["resource"])

    whole = record["ra2"]
    assert part("false") == whole
    assert set(part("data")) == set(whole) and is_subset(part("data"))
    assert set(part("text")) == {"resourceType", "id", "meta", "status", "subject"} and is_subset(part("text"))
    short = part("true")
    assert is_subset(short)
    assert "prediction" not in short and "basis" not in short and short["method"] == whole["method"]


def test_R53_a_summary_keeps_contained_resources_that_it_refers_to(stored: FlaskClient) -> None:
    whole = made(stored, {
        "resourceType": "RiskAssessment", "status": "final", "subject": {"reference": "Patient/1"},
        "performer": {"reference": "#engine"}, "basis": [{"reference": "#seen"}],
        "contained": [{"resourceType": "Device", "id": "engine"}, {"resourceType": "Observation", "id": "seen", "status": "final",
                                                                   "code": {"text": "x"}}],
    })  # fmt: skip
    (entry,) = search(stored, f"RiskAssessment?_id={whole['id']}&_summary=true")["entry"]
    assert [one["id"] for one in entry["resource"]["contained"]] == ["engine"]
    assert not r4.check(entry["resource"]).faults


def test_R53_totals(stored: FlaskClient, record: Record) -> None:
    for condition, total in (("risk=high", 3), ("date=lt2027", 5)):
        assert "total" not in search(stored, f"RiskAssessment?{condition}&_total=none")
        assert search(stored, f"RiskAssessment?{condition}&_total=accurate&_count=1")["total"] == total
        assert search(stored, f"RiskAssessment?{condition}&_total=estimate&_count=1")["total"] == total


def test_R59_digits_are_kept_through_a_search(stored: FlaskClient) -> None:
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":7.10}}'
    created = read_json(send(stored, "POST", "/Observation", body))
    for more in ("", "&_pretty=true", "&_elements=value", "&_summary=data"):
        assert b"7.10" in send(stored, "GET", f"/Observation?_id={created['id']}{more}").data.replace(b" ", b"")


# --- R30: the search of a conditional create, and elsewhere --------------------------------------------------------


def test_R30_conditions_are_searches_of_any_kind(stored: FlaskClient, record: Record) -> None:
    body = {"resourceType": "RiskAssessment", "status": "final", "subject": {"reference": f"Patient/{record['second']['id']}"}}
    one = "basis=QuestionnaireResponse/none&date=2026-03&patient.identifier=urn:mrn|M2"
    response = send(stored, "POST", "/RiskAssessment", body, If_None_Exist=one)
    assert response.status_code == 200
    assert response.headers["Location"].endswith(f"/RiskAssessment/{record['other']['id']}/_history/1")
    issues_of(send(stored, "POST", "/RiskAssessment", body, If_None_Exist="risk=high"), 412, "multiple-matches", "conflict")
    issues_of(send(stored, "POST", "/RiskAssessment", body, If_None_Exist="bogus=1"), 400, "not-supported")
    issues_of(send(stored, "POST", "/RiskAssessment", body, If_None_Exist="date=banana"), 400, "value")


def test_a_batch_can_search(stored: FlaskClient, record: Record) -> None:
    url = f"RiskAssessment?patient={record['first']['id']}&date=2026-02"
    batch = {"resourceType": "Bundle", "type": "batch", "entry": [
        {"request": {"method": "GET", "url": url}}, {"request": {"method": "GET", "url": "RiskAssessment?date=banana"}},
    ]}  # fmt: skip
    answer = read_json(send(stored, "POST", "", batch))
    assert answer["entry"][0]["response"]["status"].startswith("200")
    assert set(matches(answer["entry"][0]["resource"])) == ids(record, "ra3", "ra4")
    assert answer["entry"][1]["response"]["status"].startswith("400")


def test_what_was_deleted_or_changed_is_found_as_it_is_now(stored: FlaskClient) -> None:
    one = made(stored, {"resourceType": "Patient", "name": [{"family": "Before"}]})
    send(stored, "PUT", f"/Patient/{one['id']}", {"resourceType": "Patient", "id": one["id"], "name": [{"family": "After"}]})
    assert matches(search(stored, "Patient?family=Before")) == []
    (entry,) = search(stored, "Patient?family=After")["entry"]
    assert entry["resource"]["meta"]["versionId"] == "2"
    send(stored, "DELETE", f"/Patient/{one['id']}")
    assert matches(search(stored, "Patient?family=After")) == []
    assert matches(search(stored, f"Patient?_id={one['id']}")) == []


@pytest.fixture(scope="module")
def half_gone(stored: FlaskClient) -> dict[str, str]:
    """Two pairs, a patient and a finding of each: of one the patient is deleted, of the other the finding."""
    names = {}
    for name in ("patient-gone", "finding-gone"):
        named = [{"system": "urn:gone", "value": name}]
        person = made(stored, {"resourceType": "Patient", "gender": "female", "identifier": named})
        finding = made(stored, {"resourceType": "Observation", "status": "final", "code": {"coding": [{"code": "half-gone"}]},
                                "subject": {"reference": f"Patient/{person['id']}"}})  # fmt: skip
        names |= {f"{name}/Patient": person["id"], f"{name}/Observation": finding["id"]}
    stored.delete(f"/fhir/Patient/{names['patient-gone/Patient']}")
    stored.delete(f"/fhir/Observation/{names['finding-gone/Observation']}")
    return names


@pytest.mark.parametrize(
    "chain",
    ["patient._id={id}", "subject:Patient._id={id}", "patient.gender=female", "patient.gender:not=male",
     "patient.birthdate:missing=true", "patient._lastUpdated=gt2020", "patient.identifier=urn:gone|patient-gone"],
)  # fmt: skip
def test_a_chain_leads_through_nothing_that_is_deleted(stored: FlaskClient, half_gone: dict[str, str], chain: str) -> None:
    """A negation is met by what has no value, and a deleted target has none: it must not count as one that exists."""
    asked = chain.format(id=half_gone["patient-gone/Patient"])
    assert matches(search(stored, f"Observation?code=half-gone&{asked}")) == []
    of_it = half_gone["patient-gone/Observation"]  # whose reference still stands
    assert matches(search(stored, f"Observation?code=half-gone&patient={half_gone['patient-gone/Patient']}")) == [of_it]


@pytest.mark.parametrize("of", ["code=half-gone", "code:not=other", "_lastUpdated=gt2020", "value-quantity:missing=true"])
def test_has_counts_nothing_that_is_deleted(stored: FlaskClient, half_gone: dict[str, str], of: str) -> None:
    mine = f"identifier=urn:gone|finding-gone&_has:Observation:patient:{of}"
    assert matches(search(stored, f"Patient?{mine}")) == []
    made(stored, {"resourceType": "Observation", "status": "final", "code": {"coding": [{"code": "half-gone"}]},
                  "subject": {"reference": f"Patient/{half_gone['finding-gone/Patient']}"}, "id": "x"})  # fmt: skip
    found = search(stored, f"Patient?{mine}")
    assert matches(found) == [half_gone["finding-gone/Patient"]]
    for entry in search(stored, f"Observation?patient={half_gone['finding-gone/Patient']}")["entry"]:
        stored.delete(f"/fhir/Observation/{entry['resource']['id']}")


def test_what_is_deleted_is_included_by_nothing(stored: FlaskClient, half_gone: dict[str, str]) -> None:
    forward = search(stored, f"Observation?_id={half_gone['patient-gone/Observation']}&_include=Observation:patient")
    assert matches(forward) and matches(forward, "include") == []
    backward = search(stored, f"Patient?_id={half_gone['finding-gone/Patient']}&_revinclude=Observation:patient")
    assert matches(backward) and matches(backward, "include") == []


def test_device_and_model_card_are_found(stored: FlaskClient, record: Record) -> None:
    assert "hipspine" in matches(search(stored, "Device"))
    assert "model-card" in matches(search(stored, "DocumentReference?status=current"))


def test_searches_of_every_stored_type_answer(stored: FlaskClient, record: Record) -> None:
    """Each parameter listed, asked with a value that fits and finds nothing, and each as a sort."""
    metadata: dict[str, Any] = read_json(send(stored, "GET", "/metadata"))
    nothing = dict.fromkeys(("string", "token", "reference"), "zzz")
    value = {"date": "1800", "number": "-1", "quantity": "-1", "uri": "urn:zzz", **nothing}
    asked = 0
    for entry in metadata["rest"][0]["resource"]:
        if not entry.get("conditionalCreate"):
            continue
        pairs = [(one["name"], value[one["type"]]) for one in entry["searchParam"] if one["type"] in value]
        for start in range(0, len(pairs), 45):
            query = "&".join(f"{name}={text}" for name, text in pairs[start : start + 45])
            found = search(stored, f"{entry['type']}?{query}", Prefer="handling=strict")
            assert found["total"] == 0
            asked += len(pairs)
        for name, _ in pairs:
            search(stored, f"{entry['type']}?_sort=-{name}&_count=1", Prefer="handling=strict")
    assert asked > 200

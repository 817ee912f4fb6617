"""Transactions and batches over HTTP, on SQLite and on PostgreSQL."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from support.fhir_calls import Resource, issues_of, made, observation, patient, read_json, send
from werkzeug.test import TestResponse

from service.app import create_app
from service.composition.parts import Service
from service.settings import Settings


def urn() -> str:
    return f"urn:uuid:{uuid.uuid4()}"


def entry(method: str, url: str, resource: Resource | None = None, *, full_url: str | None = None, **request: str) -> Resource:
    return {
        **({"fullUrl": full_url} if full_url else {}),
        **({"resource": resource} if resource is not None else {}),
        "request": {"method": method, "url": url, **request},
    }


def post(client: FlaskClient, kind: str, *entries: Resource, **headers: str) -> TestResponse:
    return send(client, "POST", "", {"resourceType": "Bundle", "type": kind, "entry": list(entries)}, **headers)


def answers(response: TestResponse, kind: str) -> list[Resource]:
    assert response.status_code == 200, response.text[:800]
    bundle = read_json(response)
    assert bundle["type"] == f"{kind}-response"
    return list(bundle["entry"])


def where(answered: Resource) -> str:
    """Type/id of what an entry wrote."""
    location: str = answered["response"]["location"]
    assert location.startswith("http://localhost/fhir/")
    return location.removeprefix("http://localhost/fhir/").split("/_history")[0]


def how_many(client: FlaskClient, type_name: str) -> int:
    return len(read_json(send(client, "GET", f"/{type_name}/_history?_count=1000")).get("entry", []))


# --- transactions --------------------------------------------------------------------------------------------------


def test_R37_linked_resources_are_stored_with_real_references(stored: FlaskClient) -> None:
    p, e, q, o = urn(), urn(), urn(), urn()
    narrative = f'<div xmlns="http://www.w3.org/1999/xhtml"><a href="{p}">who</a> {p} <img src="{o}" alt="x"/></div>'
    response = post(
        stored,
        "transaction",
        entry(
            "POST",
            "Observation",
            observation(
                subject={"reference": p},
                encounter={"reference": e},
                derivedFrom=[{"reference": q}],
                text={"status": "generated", "div": narrative},
                identifier=[{"system": "urn:ietf:rfc:3986", "value": p}],
                note=[{"text": p}],
                extension=[{"url": "https://hipspine.example/x", "valueUri": p}],
            ),
            full_url=o,
        ),
        entry("POST", "Encounter", {"resourceType": "Encounter", "status": "planned", "class": {"code": "AMB"},
                                    "subject": {"reference": p}}, full_url=e),
        entry("POST", "QuestionnaireResponse", {"resourceType": "QuestionnaireResponse", "status": "in-progress",
                                                "subject": {"reference": p}, "encounter": {"reference": e}}, full_url=q),
        entry("POST", "Patient", patient(), full_url=p),
    )
    results = answers(response, "transaction")
    assert [result["response"]["status"] for result in results] == ["201 Created"] * 4
    places = [where(result) for result in results]
    assert [place.split("/")[0] for place in places] == ["Observation", "Encounter", "QuestionnaireResponse", "Patient"]
    found = read_json(send(stored, "GET", f"/{places[0]}"))
    assert found["subject"] == {"reference": places[3]}
    assert found["encounter"] == {"reference": places[1]}
    assert found["derivedFrom"] == [{"reference": places[2]}]
    assert found["extension"][0]["valueUri"] == places[3]
    assert f'href="{places[3]}"' in found["text"]["div"] and f'src="{places[0]}"' in found["text"]["div"]
    assert (found["identifier"][0]["value"], found["note"][0]["text"]) == (p, p), "text that is no link stays"
    assert f" {p} " in found["text"]["div"]
    assert read_json(send(stored, "GET", f"/{places[2]}"))["encounter"] == {"reference": places[1]}
    for result in results:
        assert result["response"]["etag"] == 'W/"1"' and result["response"]["lastModified"] and "resource" not in result


def test_references_by_the_address_of_another_server_are_rewritten_too(stored: FlaskClient) -> None:
    base = "http://other.example/fhir/"
    results = answers(
        post(
            stored,
            "transaction",
            entry("POST", "Patient", patient(), full_url=f"{base}Patient/17"),
            entry("POST", "Observation", observation(subject={"reference": "Patient/17"}), full_url=f"{base}Observation/1"),
            entry("POST", "Observation", observation(subject={"reference": f"{base}Patient/17"}), full_url=urn()),
            entry("POST", "Observation", observation(subject={"reference": f"{base}Patient/17/_history/4"}), full_url=urn()),
            entry("POST", "Observation", observation(subject={"reference": f"{base}Patient/99"}), full_url=urn()),
        ),
        "transaction",
    )
    subjects = [read_json(send(stored, "GET", f"/{where(result)}"))["subject"]["reference"] for result in results[1:]]
    assert subjects == [where(results[0])] * 3 + [f"{base}Patient/99"]


def test_entries_are_carried_out_delete_create_update_read_and_answered_in_their_order(stored: FlaskClient) -> None:
    old, changed = made(stored, patient()), made(stored, patient())
    results = answers(
        post(
            stored,
            "transaction",
            entry("GET", f"Patient/{changed['id']}"),
            entry("PUT", f"Patient/{changed['id']}", {**changed, "gender": "female"}, ifMatch='W/"1"'),
            entry("POST", "Observation", observation(), full_url=urn()),
            entry("DELETE", f"Patient/{old['id']}"),
        ),
        "transaction",
    )
    assert [result["response"]["status"][:3] for result in results] == ["200", "200", "201", "204"]
    assert results[0]["resource"]["gender"] == "female", "the read comes last"
    assert results[1]["response"]["etag"] == 'W/"2"'
    assert send(stored, "GET", f"/Patient/{old['id']}").status_code == 410


@pytest.mark.parametrize(("preferred", "key"), [("return=representation", "resource"), ("return=OperationOutcome", "outcome")])
def test_the_caller_chooses_what_the_entries_send_back(stored: FlaskClient, preferred: str, key: str) -> None:
    (result,) = answers(post(stored, "transaction", entry("POST", "Patient", patient(), full_url=urn()), Prefer=preferred),
                        "transaction")
    shown = result if key == "resource" else result["response"]
    assert shown[key]["resourceType"] == ("Patient" if key == "resource" else "OperationOutcome")
    if key == "resource":
        assert result["fullUrl"] == f"http://localhost/fhir/{where(result)}"


def test_R36_with_one_bad_entry_nothing_is_stored(stored: FlaskClient) -> None:
    before = how_many(stored, "Organization")
    good = entry("POST", "Organization", {"resourceType": "Organization", "name": "x"}, full_url=urn())
    response = post(stored, "transaction", good, entry("POST", "Observation", {"resourceType": "Observation"}, full_url=urn()))
    assert response.status_code in (400, 422)
    issues_of(response, response.status_code, "required")
    conflict = post(stored, "transaction", good, entry("PUT", "Patient/none", patient(id="none"), ifMatch='W/"3"'))
    issues = issues_of(conflict, 412, "conflict")
    assert issues[0]["expression"] == ["Bundle.entry[1]"]
    assert how_many(stored, "Organization") == before


def test_R17_a_fault_in_the_third_entry_names_the_third_entry(stored: FlaskClient) -> None:
    there = made(stored, patient())
    response = post(
        stored,
        "transaction",
        entry("PUT", f"Patient/{there['id']}", there),
        entry("DELETE", "Observation/x"),
        entry("POST", "Observation", {"resourceType": "Observation", "status": "final"}, full_url=urn()),
    )
    issues = issues_of(response, response.status_code, "required")
    assert response.status_code in (400, 422)
    assert issues[0]["expression"] == ["Bundle.entry[2].resource.code"]


def test_R17_faults_of_several_entries_are_all_named(stored: FlaskClient) -> None:
    response = post(
        stored,
        "transaction",
        entry("PUT", "Patient/a", patient(id="b")),
        entry("POST", "Appointment", {"resourceType": "Appointment", "status": "proposed",
                                      "participant": [{"actor": {"display": "x"}, "status": "accepted"}]}, full_url=urn()),
        entry("POST", "Observation", patient(), full_url=urn()),
        entry("PATCH", "Patient/a", patient()),
        entry("POST", "Patient/$match", patient()),
        entry("POST", "Patient"),
    )
    assert response.status_code == 400
    places = [issue["expression"][0] for issue in issues_of(response, 400, "invalid")]
    assert places == [
        "Bundle.entry[0].resource.id",
        "Bundle.entry[1].request.url",
        "Bundle.entry[2].resource",
        "Bundle.entry[3].request",
        "Bundle.entry[4].request.url",
        "Bundle.entry[5].resource",
    ]


def test_a_reference_to_no_entry_is_named_and_nothing_is_stored(stored: FlaskClient) -> None:
    before = how_many(stored, "Observation")
    dangling = observation(subject={"reference": urn()})
    response = post(stored, "transaction", entry("POST", "Observation", dangling, full_url=urn()))
    issues = issues_of(response, 422, "not-found")
    assert issues[0]["expression"] == ["Bundle.entry[0].resource.subject.reference"]
    assert how_many(stored, "Observation") == before


def test_two_entries_about_one_resource_are_refused(stored: FlaskClient) -> None:
    there = made(stored, patient())
    place = f"Patient/{there['id']}"
    response = post(stored, "transaction", entry("PUT", place, there), entry("DELETE", place))
    issues = issues_of(response, 422, "business-rule")
    assert issues[0]["expression"] == ["Bundle.entry[1]"]
    assert read_json(send(stored, "GET", f"/Patient/{there['id']}")) == there


def test_an_entry_that_deletes_what_never_existed_undoes_nothing_unless_it_names_a_version(stored: FlaskClient) -> None:
    never, before = entry("DELETE", "Patient/never-there"), how_many(stored, "Patient")
    answered = answers(post(stored, "transaction", never, entry("POST", "Patient", patient())), "transaction")
    assert [one["response"]["status"] for one in answered] == ["204 No Content", "201 Created"]
    named = entry("DELETE", "Patient/never-there", ifMatch='W/"1"')
    issues = issues_of(post(stored, "transaction", entry("POST", "Patient", patient()), named), 412, "conflict")
    assert "Bundle.entry[1]" in issues[0]["expression"][0]
    assert how_many(stored, "Patient") == before + 1


def test_R57_the_base_takes_bundles_with_and_without_a_slash(stored: FlaskClient) -> None:
    for path in ("", "/"):
        assert send(stored, "POST", path, {"resourceType": "Bundle", "type": "batch"}).status_code == 200


def test_an_empty_transaction_is_answered_with_an_empty_bundle(stored: FlaskClient) -> None:
    response = send(stored, "POST", "", {"resourceType": "Bundle", "type": "transaction"})
    assert response.status_code == 200
    assert {name: value for name, value in read_json(response).items() if name != "id"} == {
        "resourceType": "Bundle", "type": "transaction-response",
    }


# --- batches -------------------------------------------------------------------------------------------------------


def test_R35_each_entry_of_a_batch_is_for_itself(stored: FlaskClient) -> None:
    there = made(stored, patient())
    results = answers(
        post(
            stored,
            "batch",
            entry("POST", "Observation", observation()),
            entry("POST", "Observation", {"resourceType": "Observation", "status": "bogus"}),
            entry("GET", f"Patient/{there['id']}"),
            entry("GET", f"Patient/{there['id']}", ifNoneMatch='W/"1"'),
            entry("GET", "Patient/unknown"),
            entry("PUT", f"Patient/{there['id']}", {**there, "gender": "male"}, ifMatch='W/"7"'),
            entry("DELETE", f"Patient/{there['id']}"),
            entry("GET", "Questionnaire/hip-spine-intake"),
            entry("GET", f"Patient/{there['id']}/_history"),
            entry("GET", f"Patient/{there['id']}/_history/1"),
        ),
        "batch",
    )
    assert [result["response"]["status"][:3] for result in results] == [
        "201", "422", "200", "304", "404", "412", "204", "200", "200", "200",
    ]
    outcome = results[1]["response"]["outcome"]
    assert outcome["resourceType"] == "OperationOutcome"
    places = {issue["expression"][0] for issue in outcome["issue"]}
    assert places == {"Bundle.entry[1].resource.status", "Bundle.entry[1].resource.code"}
    assert results[2]["resource"] == results[9]["resource"] == there and "resource" not in results[3]
    assert results[7]["resource"]["resourceType"] == "Questionnaire"
    assert [one["response"]["etag"] for one in results[8]["resource"]["entry"]] == ['W/"2"', 'W/"1"']


def test_operations_can_be_called_in_a_batch(stored: FlaskClient, hip_case: Resource) -> None:
    """Each as a request of its own would be: levels, addresses with a query, stored resources, refusals."""
    form = {**hip_case, "id": "in-a-batch", "subject": {"reference": "Patient/in-a-batch"}}
    for kind, body in (("Patient", {"resourceType": "Patient", "id": "in-a-batch"}), ("QuestionnaireResponse", form)):
        assert send(stored, "PUT", f"/{kind}/in-a-batch", body).status_code in (200, 201)
    found = answers(
        post(
            stored, "batch",
            entry("POST", "$assess", hip_case),
            entry("POST", "QuestionnaireResponse/in-a-batch/$assess"),
            entry("GET", "Patient/in-a-batch/$everything?_type=Patient"),
            entry("POST", "Observation/$validate", {"resourceType": "Observation"}),
            entry("POST", "$assess", {"resourceType": "Patient"}),
            entry("GET", "Patient/nobody/$everything"),
            entry("GET", "$no-such-thing"),
            entry("GET", "$assess"),
            entry("POST", "Observation", {"resourceType": "Observation", "status": "final", "code": {"text": "beside"}}),
            entry("GET", "Patient/in-a-batch"),
        ),
        "batch",
    )
    statuses = [one["response"]["status"][:3] for one in found]
    assert statuses == ["200", "200", "200", "200", "422", "404", "404", "405", "201", "200"]
    assert [one["resource"]["resourceType"] for one in found[:3]] == ["RiskAssessment", "RiskAssessment", "Bundle"]
    alone = read_json(send(stored, "POST", "/$assess", hip_case))
    assert found[0]["resource"]["prediction"] == alone["prediction"]
    assert found[2]["resource"]["link"][0]["url"] == "http://localhost/fhir/Patient/in-a-batch/$everything?_type=Patient"
    for refused in found[4:8]:
        assert refused["response"]["outcome"]["issue"][0]["diagnostics"] and "resource" not in refused


def test_an_operation_in_a_batch_leaves_the_batch_its_own_request(stored: FlaskClient) -> None:
    """The request inside has its own state; the id is the same, so that the log tells what belongs together."""
    response = post(stored, "batch", entry("GET", "Patient/x/$everything"), X_Request_Id="batch-7")
    assert response.headers["X-Request-Id"] == "batch-7" and response.status_code == 200
    assert response.content_type.startswith("application/fhir+json")


def test_R56_an_operation_in_a_batch_answers_with_the_outer_address(service: Service, tmp_path: Path) -> None:
    app = create_app(Settings(data_folder=str(tmp_path), trusted_proxies="127.0.0.1"), service=service)
    client = app.test_client()
    send(client, "PUT", "/Patient/outer", {"resourceType": "Patient", "id": "outer"})
    forwarded = {"X_Forwarded_Proto": "https", "X_Forwarded_Host": "outer.example", "X_Forwarded_Prefix": "/x"}
    (found,) = answers(post(client, "batch", entry("GET", "Patient/outer/$everything"), **forwarded), "batch")
    assert found["resource"]["entry"][0]["fullUrl"] == "https://outer.example/x/fhir/Patient/outer"
    app.extensions["hipspine-store"].close()


def test_a_transaction_calls_no_operations(stored: FlaskClient, hip_case: Resource) -> None:
    refused = post(stored, "transaction", entry("POST", "$assess", hip_case))
    (issue,) = issues_of(refused, 400, "not-supported")
    assert "batch" in issue["diagnostics"]


def test_R40_a_type_that_is_not_stored_fails_alone(stored: FlaskClient) -> None:
    unknown = {"resourceType": "Slot", "schedule": {"reference": "Schedule/1"}, "status": "free",
               "start": "2026-01-01T10:00:00Z", "end": "2026-01-01T11:00:00Z"}
    results = answers(post(stored, "batch", entry("POST", "Slot", unknown), entry("POST", "Patient", patient())), "batch")
    assert [result["response"]["status"][:3] for result in results] == ["404", "201"]
    assert results[0]["response"]["outcome"]["issue"][0]["code"] == "not-supported"


def test_entries_of_a_batch_cannot_refer_to_each_other(stored: FlaskClient) -> None:
    name = urn()
    results = answers(
        post(
            stored, "batch", entry("POST", "Patient", patient(), full_url=name),
            entry("POST", "Observation", observation(subject={"reference": name}), full_url=urn()),
        ),
        "batch",
    )
    assert [result["response"]["status"][:3] for result in results] == ["201", "422"]
    issue = results[1]["response"]["outcome"]["issue"][0]
    assert issue["expression"] == ["Bundle.entry[1].resource.subject.reference"] and "transaction" in issue["diagnostics"]


# --- the Bundle itself ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_R38_an_entry_without_request_is_refused(stored: FlaskClient, kind: str) -> None:
    response = post(stored, kind, entry("POST", "Patient", patient(), full_url=urn()), {"resource": patient(), "fullUrl": urn()})
    issues = issues_of(response, 400, "invariant")
    assert any("bdl-3" in issue["diagnostics"] and issue["expression"] == ["Bundle.entry[1]"] for issue in issues), issues


@pytest.mark.parametrize("kind", ["transaction", "batch"])
def test_R39_two_entries_of_one_full_url_are_refused(stored: FlaskClient, kind: str) -> None:
    name = urn()
    response = post(
        stored, kind, entry("POST", "Patient", patient(), full_url=name), entry("POST", "Patient", patient(), full_url=name)
    )
    issues = issues_of(response, 400, "invariant")
    assert any("bdl-7" in issue["diagnostics"] for issue in issues)


@pytest.mark.parametrize("kind", ["collection", "document", "message", "searchset", "history", "transaction-response"])
def test_R41_another_bundle_is_told_where_to_go(stored: FlaskClient, kind: str, hip_case: Resource) -> None:
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": kind, "entry": [{"resource": hip_case}]}
    issues = issues_of(send(stored, "POST", "", bundle), 400, "not-supported")
    assert "$assess" in issues[0]["diagnostics"]
    if kind == "collection":
        assert send(stored, "POST", "/$assess", bundle).status_code == 200


@pytest.mark.parametrize(
    "body", [{"resourceType": "Patient"}, {"resourceType": "Bundle"}, {"resourceType": "Bundle", "type": "x"}, {}]
)
def test_what_is_no_bundle_to_carry_out_is_refused(stored: FlaskClient, body: Resource) -> None:
    response = send(stored, "POST", "", body)
    assert response.status_code in (400, 422), response.text
    issues_of(response, response.status_code, "invalid", "required", "code-invalid", "structure")


def test_numbers_that_a_form_wrote_as_text_are_told_and_stored_as_numbers(stored: FlaskClient) -> None:
    """R24: the one exception, in a transaction as anywhere."""
    form = {"resourceType": "QuestionnaireResponse", "status": "in-progress",
            "item": [{"linkId": "x", "answer": [{"valueDecimal": "7.50"}]}]}
    (result,) = answers(post(stored, "transaction", entry("POST", "QuestionnaireResponse", form, full_url=urn())), "transaction")
    assert result["response"]["outcome"]["issue"][0]["severity"] == "warning"
    assert b'"valueDecimal":7.50' in send(stored, "GET", f"/{where(result)}").data

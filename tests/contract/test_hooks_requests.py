"""Discovery, refusals, and the data a hook works on: sent, fetched from a real server, missing, or broken."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests
from flask import Flask
from flask.testing import FlaskClient
from support.hook_calls import broken_rules, bundle, case, hook_call, order
from support.servers import LiveServer
from support.stub_ehr import NOTHING, StubEhr, stub_ehr

from service.app import create_app
from service.composition.hooks import build_hooks, build_outbound
from service.composition.parts import Service
from service.fhir import r4
from service.settings import Settings

Resource = dict[str, Any]
HOOKS = ["encounter-discharge", "encounter-start", "order-select", "order-sign", "patient-view"]
SECONDS = 1.0  # time box of the tests' services
LEFT_OUT = "findings: entries that hold no resource, left out: {}."


@pytest.fixture
def ehr() -> Iterator[StubEhr]:
    with stub_ehr() as running:
        patient = {"resourceType": "Patient", "id": "example-spine", "gender": "male", "birthDate": "1972-05-04"}
        running.hold(*case("spine"), patient)
        yield running


@pytest.fixture
def application(service: Service, settings: Settings) -> Callable[..., Flask]:
    """Maker of the application with other settings."""

    def made(**changed: Any) -> Flask:
        other = replace(settings, ehr_seconds=SECONDS, **changed)
        limits = r4.Limits(max_bytes=other.max_body_bytes, max_depth=other.max_depth)
        return create_app(other, service=replace(service, hooks=build_hooks(other, service.parts, build_outbound(other), limits)))

    return made


@pytest.fixture
def caller(ehr: StubEhr, application: Callable[..., Flask]) -> FlaskClient:
    """A client of a service that may call the stub."""
    return application(outbound_private_hosts=f"127.0.0.1:{ehr.host.port}").test_client()


def unsent(ehr: StubEhr, *keys: str, hook: str = "patient-view", **more: Any) -> Resource:
    """A call that leaves prefetch keys out (all of them by default) and says where the data are."""
    access = {"access_token": "good-token", "token_type": "Bearer", "expires_in": 300, "scope": "x", "subject": "cds"}
    body = hook_call(hook, case("spine"), fhirServer=ehr.fhir, fhirAuthorization=access, **more)
    for key in keys or tuple(body["prefetch"]):
        del body["prefetch"][key]
    return body


def outcome(response: Any, status: int) -> Resource:
    assert response.status_code == status, response.get_data(as_text=True)
    assert response.content_type.startswith("application/fhir+json")
    found = response.get_json(force=True)
    assert found["resourceType"] == "OperationOutcome" and r4.check(found).faults == ()
    return found


def expressions(response: Any, status: int = 400) -> list[str]:
    return [issue["expression"][0] for issue in outcome(response, status)["issue"] if "expression" in issue]


# --- discovery ----------------------------------------------------------------------------------------------------


def test_H1_discovery_lists_the_services(client: FlaskClient) -> None:
    response = client.get("/cds-services")
    assert response.status_code == 200 and response.content_type.startswith("application/json")
    assert [one["id"] for one in response.get_json()["services"]] == HOOKS


def test_H2_H3_every_service_is_described_and_nothing_is_null_or_empty(client: FlaskClient) -> None:
    for one in client.get("/cds-services").get_json()["services"]:
        for name in ("hook", "title", "description", "id", "usageRequirements", "version", "hookVersion"):
            assert isinstance(one[name], str) and one[name]
        assert one["id"].replace("-", "").isalpha() and one["id"] == one["id"].lower()
        assert one["prefetch"] and all(isinstance(value, str) and value for value in one["prefetch"].values())


def test_H4_prefetch_needs_nothing_but_the_context_and_standard_parameters(client: FlaskClient) -> None:
    standard = {
        "Observation": {"patient", "category", "code"},
        "Condition": {"patient"},
        "QuestionnaireResponse": {"patient", "questionnaire"},
    }
    for one in client.get("/cds-services").get_json()["services"]:
        for query in one["prefetch"].values():
            plain = query.replace("{{context.patientId}}", "1").replace("{{context.encounterId}}", "2")
            assert "{" not in plain and "_" not in plain and " " not in plain
            kind, _, parameters = plain.partition("?")
            if parameters:
                assert {part.split("=")[0] for part in parameters.split("&")} <= standard[kind]
            else:
                assert kind in ("Patient/1", "Encounter/2")


def test_H21_two_services_on_one_hook_and_one_id_on_two_hooks(
    service: Service, settings: Settings, tmp_path: Path, application: Callable[..., Flask]
) -> None:
    import json

    from service.hooks.registry import load_services, services_directory

    folder = tmp_path / "services"
    folder.mkdir()
    for name, changed in (
        ("a", {}),
        ("b", {"id": "second"}),
        ("c", {"hook": "encounter-start", "context": ["patientId", "encounterId"]}),
    ):
        found = json.loads((services_directory() / "patient-view.json").read_text())
        (folder / f"{name}.json").write_text(json.dumps({**found, **changed}))
    services = load_services(folder, terminology=service.parts.terminology, form=service.parts.questionnaire["url"])
    app = create_app(settings, service=replace(service, hooks=replace(service.hooks, services=services)))
    listed = app.test_client().get("/cds-services").get_json()["services"]
    assert [(one["id"], one["hook"]) for one in listed] == [
        ("patient-view", "patient-view"), ("second", "patient-view"), ("patient-view", "encounter-start"),
    ]
    for one in listed:
        answer = app.test_client().post(f"/cds-services/{one['id']}", json=hook_call(one["hook"], case("spine")))
        assert answer.status_code == 200 and answer.get_json()["cards"]


def test_the_page_on_hooks_names_every_service_prefetch_key_and_setting(service: Service) -> None:
    from support.servers import ROOT

    from service.settings import settings_rows

    page = (ROOT / "docs" / "hooks.md").read_text(encoding="utf-8")
    named = {one.id for one in service.hooks.services.services}
    named |= {key.key for one in service.hooks.services.services for key in one.prefetch}
    assert {name for name in named if f"`{name}`" not in page} == set()
    known = {variable for variable, _, _ in settings_rows()}
    assert {variable for variable in known if variable.startswith(("HIPSPINE_HOOKS_", "HIPSPINE_OUTBOUND_HOSTS"))} - {
        variable for variable in known if variable in page
    } == set()


# --- calls --------------------------------------------------------------------------------------------------------


def test_H5_a_call_with_everything_prefetched_is_answered_at_once(client: FlaskClient) -> None:
    begun = time.process_time()  # the machine may be busy
    response = client.post("/cds-services/patient-view", json=hook_call("patient-view", case("spine")))
    assert time.process_time() - begun < 0.5
    assert response.status_code == 200 and response.content_type.startswith("application/json")
    assert response.get_json()["cards"] and broken_rules(response.get_json()) == []


def test_H6_an_unknown_service_is_404_and_reading_one_is_405(client: FlaskClient) -> None:
    outcome(client.post("/cds-services/nothing", json=hook_call("patient-view", case("spine"))), 404)
    outcome(client.get("/cds-services/nothing/deeper"), 404)
    response = client.get("/cds-services/patient-view")
    outcome(response, 405)
    assert "POST" in response.headers["Allow"]


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"hook": None}, "hook"),
        ({"hook": 5}, "hook"),
        ({"hook": "order-sign"}, "hook"),
        ({"hookInstance": None}, "hookInstance"),
        ({"hookInstance": "12"}, "hookInstance"),
        ({"context": None}, "context"),
        ({"context": []}, "context"),
        ({"context": {}}, "context.patientId"),
        ({"context": {"patientId": 7}}, "context.patientId"),
        ({"context": {"patientId": "a?b=/../c"}}, "context.patientId"),
        ({"context": {"patientId": ".."}}, "context.patientId"),
        ({"fhirAuthorization": {"access_token": "x"}}, "fhirServer"),
        ({"fhirServer": "https://ehr.example", "fhirAuthorization": {}}, "fhirAuthorization.access_token"),
        ({"fhirServer": "https://e.example", "fhirAuthorization": {"access_token": "a\r\nb"}}, "fhirAuthorization.access_token"),
        ({"fhirServer": 5}, "fhirServer"),
        ({"prefetch": []}, "prefetch"),
        ({"prefetch": {"patient": "x"}}, "prefetch.patient"),
    ],
)
def test_H7_what_is_missing_or_wrong_is_named(client: FlaskClient, changed: Resource, where: str) -> None:
    body = hook_call("patient-view", case("spine"))
    body = {name: value for name, value in {**body, **changed}.items() if value is not None}
    assert where in expressions(client.post("/cds-services/patient-view", json=body))


def test_H7_encounter_hooks_need_the_encounter_and_order_hooks_the_orders(client: FlaskClient) -> None:
    body = hook_call("encounter-start", case("spine"), context={"patientId": "example-spine"})
    assert expressions(client.post("/cds-services/encounter-start", json=body)) == ["context.encounterId"]
    body = hook_call("order-select", case("spine"))
    assert expressions(client.post("/cds-services/order-select", json=body)) == ["context.selections", "context.draftOrders"]
    body["context"] |= {"selections": "x", "draftOrders": {"resourceType": "Bundle", "entry": 5}}
    assert expressions(client.post("/cds-services/order-select", json=body)) == ["context.selections", "context.draftOrders"]
    body["context"] |= {"selections": [], "draftOrders": {"resourceType": "Bundle", "entry": [{"resource": {}}, 5, {}]}}
    found = expressions(client.post("/cds-services/order-select", json=body))
    assert found == ["context.draftOrders.entry[1]", "context.draftOrders.entry[2]"]


@pytest.mark.parametrize("raw", [b"", b" ", b"[]", b"5", b"null"])
def test_H7_a_body_that_is_no_object_is_told_of_as_a_hook_request(client: FlaskClient, raw: bytes) -> None:
    response = client.post("/cds-services/patient-view", data=raw, content_type="application/json")
    told = json.dumps(outcome(response, 400))
    assert "hook request" in told and "FHIR resource" not in told


def test_H7_all_faults_come_at_once(client: FlaskClient) -> None:
    found = expressions(client.post("/cds-services/patient-view", json={"prefetch": 5}))
    assert found == ["hook", "hookInstance", "context", "context.patientId", "prefetch"]


@pytest.mark.parametrize("body", [b"", b"{bad", b"[]", b'{"a":1,"a":2}', b"[" * 100_000, b'{"hook": NaN}'])
def test_H7_a_body_that_is_no_json_object_is_400(client: FlaskClient, body: bytes) -> None:
    outcome(client.post("/cds-services/patient-view", data=body, content_type="application/json"), 400)


def test_a_body_of_another_media_type_is_415(client: FlaskClient) -> None:
    outcome(client.post("/cds-services/patient-view", data=b"{}", content_type="text/plain"), 415)


def test_H12_a_fault_of_ours_is_500_and_never_an_empty_list_of_cards(service: Service, settings: Settings) -> None:
    class Broken:
        def assess(self, *args: Any, **kwargs: Any) -> None:
            raise RuntimeError("the name of the patient")

    parts = replace(service.parts, engine=Broken())  # type: ignore[arg-type]
    app = create_app(settings, service=replace(service, hooks=replace(service.hooks, assessment=parts)))
    found = outcome(app.test_client().post("/cds-services/patient-view", json=hook_call("patient-view", case("spine"))), 500)
    assert "cards" not in found and "name of the patient" not in str(found)


def test_H23_what_nobody_knows_is_left_alone(client: FlaskClient) -> None:
    body = hook_call("patient-view", case("spine"), extension={"com.example": {"x": None}}, more=[1])
    body["context"] |= {"unknown": {"a": 1}, "encounterId": None}
    body["prefetch"]["other"] = {"resourceType": "Basic"}
    assert client.post("/cds-services/patient-view", json=body).get_json()["cards"]


def test_data_of_another_patient_are_refused_or_left_out(client: FlaskClient) -> None:
    body = hook_call("patient-view", case("spine"))
    body["prefetch"]["patient"] = {"resourceType": "Patient", "id": "somebody-else"}
    assert expressions(client.post("/cds-services/patient-view", json=body)) == ["prefetch.patient"]
    body = hook_call("patient-view", case("spine"))
    body["context"]["patientId"] = "somebody-else"
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert card["source"]["topic"]["code"] == "unseen"
    assert "QuestionnaireResponse/spine-1: about another patient" in card["detail"]


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        ({"identifier": {"system": "urn:mrn", "value": "7"}}, ""),
        ({"identifier": {"system": "urn:mrn", "value": "8"}}, "about another patient, left out"),
        ({"identifier": {"system": "urn:other", "value": "7"}}, "about another patient, left out"),
        ({"display": "somebody"}, "does not tell whose it is, left out"),
        ({"reference": "#patient"}, "does not tell whose it is, left out"),
        ({"reference": "urn:uuid:0c3a1f52-6d1e-4d61-9a51-000000000001"}, "does not tell whose it is, left out"),
    ],
)
def test_a_subject_is_the_patient_by_an_identifier_or_left_out(client: FlaskClient, subject: Resource, told: str) -> None:
    body = hook_call("patient-view", case("spine"))
    body["prefetch"]["patient"] = {
        "resourceType": "Patient",
        "id": "example-spine",
        "identifier": [{"system": "urn:mrn", "value": "7"}],
    }
    body["prefetch"]["forms"]["entry"][0]["resource"]["subject"] = subject
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert card["source"]["topic"]["code"] == ("unseen" if told else "source")
    assert f"QuestionnaireResponse/spine-1: {told}" in card["detail"] if told else "Spine only" in card["summary"]


@pytest.mark.parametrize(
    ("sent", "where"),
    [
        ({"resourceType": "Bundle", "type": "searchset", "entry": {"a": 1}}, "prefetch.findings.entry"),
        ({"resourceType": "Bundle", "type": "searchset", "entry": "x"}, "prefetch.findings.entry"),
        ({"resourceType": "Patient", "id": "example-spine"}, "prefetch.findings"),
        ({"resourceType": "Basic"}, "prefetch.findings"),
    ],
    ids=["object", "text", "patient", "basic"],
)
def test_H7_a_prefetched_value_of_another_shape_is_never_taken_for_no_data(
    client: FlaskClient, sent: Resource, where: str
) -> None:
    body = hook_call("patient-view", case("spine"))
    body["prefetch"]["findings"] = sent
    assert expressions(client.post("/cds-services/patient-view", json=body)) == [where]


@pytest.mark.parametrize("entry", [5, None, {}, {"a": 1}, {"resource": None}, {"resource": {"id": "x"}}, {"resource": []}])
def test_an_entry_without_a_resource_is_named_and_hides_nothing(client: FlaskClient, entry: Any) -> None:
    body = hook_call("patient-view", [{"resourceType": "Patient", "id": "1"}])
    body["prefetch"]["findings"] = {"resourceType": "Bundle", "type": "searchset", "entry": [entry]}
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert card["source"]["topic"]["code"] == "unseen" and LEFT_OUT.format(1) in card["detail"]
    body["prefetch"]["findings"]["entry"].append({"resource": finding_of("saddle_anaesthesia", valueBoolean=True)})
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert card["indicator"] == "critical" and LEFT_OUT.format(1) in card["detail"].split("### What could not be seen")[1]


@pytest.mark.parametrize(
    "broken", [{"code": "fever"}, {"code": None}, {"code": {"coding": "x"}}, {"status": 5}, {"valueBoolean": "yes"}]
)
def test_an_invalid_observation_beside_a_valid_one_is_named_as_left_out(client: FlaskClient, broken: Resource) -> None:
    valid = finding_of("saddle_anaesthesia", valueBoolean=True)
    invalid = {**finding_of("fever", valueBoolean=True), "id": "broken", **broken}
    body = hook_call("patient-view", [valid])
    body["prefetch"]["findings"] = bundle([valid, {name: value for name, value in invalid.items() if value is not None}])
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert card["indicator"] == "critical"
    assert "Observation/broken" in card["detail"].split("### What could not be seen")[1]


def finding_of(code: str, **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "id": code.replace("_", "-"),
        "status": "final",
        "code": {"coding": [{"system": "https://hipspine.example/fhir/CodeSystem/finding", "code": code}]},
        "subject": {"reference": "Patient/1"},
        **more,
    }


def test_the_full_address_of_the_patient_is_the_patient(client: FlaskClient) -> None:
    body = hook_call("patient-view", case("spine"))
    subject = {"reference": "https://ehr.example/fhir/Patient/example-spine/_history/3"}
    body["prefetch"]["forms"]["entry"][0]["resource"]["subject"] = subject
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert "91.54%" in card["detail"]


# --- data ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["patient", "conditions", "findings"])
def test_H8_without_required_data_and_without_access_it_is_412_naming_the_key(client: FlaskClient, key: str) -> None:
    body = hook_call("patient-view", case("spine"))
    del body["prefetch"][key]
    assert expressions(client.post("/cds-services/patient-view", json=body), 412) == [f"prefetch.{key}"]


def test_H8_every_missing_key_is_named(client: FlaskClient) -> None:
    body = hook_call("patient-view", case("spine"), prefetch=None)
    found = expressions(client.post("/cds-services/patient-view", json=body), 412)
    assert found == ["prefetch.patient", "prefetch.conditions", "prefetch.findings"]


def test_what_was_not_sent_and_is_not_required_is_said_on_the_card(client: FlaskClient) -> None:
    body = hook_call("patient-view", case("spine"))
    del body["prefetch"]["measurements"]
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert "### What could not be seen\n\n- measurements: not sent" in card["detail"]


def test_H9_only_what_is_missing_is_fetched_with_the_token(caller: FlaskClient, ehr: StubEhr) -> None:
    response = caller.post("/cds-services/patient-view", json=unsent(ehr, "forms", "patient"))
    assert response.status_code == 200 and "91.54%" in response.get_json()["cards"][0]["detail"]
    paths = sorted(asked.path.split("?")[0] for asked in ehr.asked)
    assert paths == ["/fhir/Patient/example-spine", "/fhir/QuestionnaireResponse"]
    assert {asked.headers["authorization"] for asked in ehr.asked} == {"Bearer good-token"}


def test_H9_everything_can_be_fetched(caller: FlaskClient, ehr: StubEhr) -> None:
    response = caller.post("/cds-services/patient-view", json=unsent(ehr))
    (card,) = response.get_json()["cards"]
    assert "91.54%" in card["detail"] and "could not be seen" not in card["detail"]


def test_A12_an_alarm_sign_recorded_without_a_category_is_found_by_its_code(caller: FlaskClient, ehr: StubEhr) -> None:
    body = unsent(ehr)
    body["context"]["patientId"] = "example-emergency"
    ehr.hold(*(one for one in case("emergency") if one["resourceType"] != "QuestionnaireResponse"))
    assert "category" not in ehr.resources["Observation", "saddle"]
    card = caller.post("/cds-services/patient-view", json=body).get_json()["cards"][0]
    assert card["indicator"] == "critical" and "Saddle numbness (present)" in card["detail"]


def test_H9_a_key_that_was_sent_is_never_fetched(caller: FlaskClient, ehr: StubEhr) -> None:
    body = unsent(ehr, "forms")
    body["prefetch"]["findings"] = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
    assert expressions(caller.post("/cds-services/patient-view", json=body), 412) == ["prefetch.findings"]
    assert [asked.path.split("?")[0] for asked in ehr.asked] == ["/fhir/QuestionnaireResponse"]


def test_nothing_is_fetched_for_orders_of_other_kinds(caller: FlaskClient, ehr: StubEhr) -> None:
    response = caller.post("/cds-services/order-sign", json=unsent(ehr, hook="order-sign", orders=[order("99999-9")]))
    assert response.get_json() == {"cards": []} and ehr.asked == []


@pytest.mark.parametrize("fault", ["slow", "500", "429", "truncated", "garbage", "expired"])
def test_H9_a_faulty_server_means_412_within_the_time_for_what_is_required(
    caller: FlaskClient, ehr: StubEhr, fault: str
) -> None:
    ehr.faults["Observation"] = fault
    begun = time.monotonic()
    response = caller.post("/cds-services/patient-view", json=unsent(ehr))
    assert time.monotonic() - begun < SECONDS + 0.6
    assert expressions(response, 412) == ["prefetch.findings"]


@pytest.mark.parametrize("fault", ["slow", "500", "429", "truncated", "garbage", "expired"])
def test_H9_a_faulty_server_is_told_on_the_card_for_what_is_not(caller: FlaskClient, ehr: StubEhr, fault: str) -> None:
    ehr.faults["QuestionnaireResponse"] = fault
    body = unsent(ehr, "forms")
    finding = {"system": "https://hipspine.example/fhir/CodeSystem/finding", "code": "pain_groin"}
    present = {"system": "https://hipspine.example/fhir/CodeSystem/answer", "code": "present"}
    body["prefetch"]["findings"] = bundle([
        {
            "resourceType": "Observation",
            "id": "o",
            "status": "final",
            "code": {"coding": [finding]},
            "valueCodeableConcept": {"coding": [present]},
            "subject": {"reference": "Patient/example-spine"},
        }
    ])
    begun = time.monotonic()
    (card,) = caller.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert time.monotonic() - begun < SECONDS + 0.6
    assert "- forms: " in card["detail"].split("### What could not be seen")[1]


def test_a_busy_server_is_asked_again_when_it_says_so(caller: FlaskClient, ehr: StubEhr) -> None:
    ehr.faults["QuestionnaireResponse"] = "429-once"
    response = caller.post("/cds-services/patient-view", json=unsent(ehr))
    assert "could not be seen" not in response.get_json()["cards"][0]["detail"]


def test_an_expired_token_is_said_so(caller: FlaskClient, ehr: StubEhr) -> None:
    ehr.tokens.clear()
    found = outcome(caller.post("/cds-services/patient-view", json=unsent(ehr)), 412)
    assert "did not let this service read it" in found["issue"][0]["details"]["text"]


def test_ten_thousand_entries_are_read_in_part_and_the_card_says_so(caller: FlaskClient, ehr: StubEhr) -> None:
    ehr.faults["Observation"] = "endless"
    begun = time.monotonic()
    (card,) = caller.post("/cds-services/patient-view", json=unsent(ehr)).get_json()["cards"]
    assert time.monotonic() - begun < SECONDS + 0.6
    assert "findings: only part of it could be read" in card["detail"]
    assert len([asked for asked in ehr.asked if "category=" in asked.path]) <= 11


def test_entries_without_a_resource_on_a_fetched_page_are_counted_on_the_card_and_in_the_log(
    caller: FlaskClient, ehr: StubEhr, caplog: pytest.LogCaptureFixture
) -> None:
    ehr.faults["Observation"] = "malformed"
    (card,) = caller.post("/cds-services/patient-view", json=unsent(ehr)).get_json()["cards"]
    assert card["source"]["topic"]["code"] == "source"
    assert LEFT_OUT.format(len(NOTHING)) in card["detail"].split("### What could not be seen")[1]
    (told,) = [record.getMessage() for record in caplog.records if "was not seen" in record.getMessage()]
    assert f"service=patient-view unseen=malformed:{2 * len(NOTHING)} " in told and "example-spine" not in told
    ehr.resources = {key: one for key, one in ehr.resources.items() if key[0] == "Patient"}
    (card,) = caller.post("/cds-services/patient-view", json=unsent(ehr)).get_json()["cards"]
    assert card["source"]["topic"]["code"] == "unseen"  # nothing else is known, and silence would say that nothing is there


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("more-than-given", "only part of it could be read"),
        ("next-without-address", "only part of it could be read"),
        ("entry-text", "the query failed"),
        ("no-type", "the query failed"),
    ],
)
def test_a_page_that_is_not_what_it_should_be_never_counts_as_all_there_is(
    caller: FlaskClient, ehr: StubEhr, fault: str, told: str
) -> None:
    ehr.faults["QuestionnaireResponse"] = fault
    body = unsent(ehr, "forms", orders=[order("36013-1")], hook="order-sign")
    (card,) = caller.post("/cds-services/order-sign", json=body).get_json()["cards"]
    assert f"- forms: {told}." in card["detail"]
    ehr.faults = {"Observation": fault}
    response = caller.post("/cds-services/patient-view", json=unsent(ehr))
    if "failed" in told:
        assert expressions(response, 412) == ["prefetch.findings"]
    else:
        assert f"- findings: {told}." in response.get_json()["cards"][0]["detail"]


def test_a_prefetched_bundle_that_lacks_entries_of_its_total_is_not_all_there_is(client: FlaskClient) -> None:
    body = hook_call("patient-view", case("spine"))
    body["prefetch"]["forms"]["total"] = 1
    assert "could not be seen" not in client.post("/cds-services/patient-view", json=body).get_json()["cards"][0]["detail"]
    body["prefetch"]["forms"]["total"] = 2
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert "- forms: only part of it could be read." in card["detail"]


def test_a_card_names_the_first_of_very_many_things_it_could_not_see(client: FlaskClient) -> None:
    body = hook_call("patient-view", case("spine"))
    broken = {**finding_of("fever", valueBoolean="yes"), "subject": {"reference": "Patient/example-spine"}}
    body["prefetch"]["findings"] = bundle([{**broken, "id": f"b{number}"} for number in range(100)])
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert card["detail"].count(": not valid, left out") == 40 and "and 60 more" in card["detail"]


def test_H8_a_patient_whom_the_server_does_not_have_is_no_patient_without_data(caller: FlaskClient, ehr: StubEhr) -> None:
    ehr.resources.clear()
    assert expressions(caller.post("/cds-services/patient-view", json=unsent(ehr)), 412) == ["prefetch.patient"]


def test_a_type_the_server_does_not_have_is_said_and_a_patient_without_data_is_not(caller: FlaskClient, ehr: StubEhr) -> None:
    ehr.unsupported.add("QuestionnaireResponse")
    body = unsent(ehr)
    ehr.resources = {key: one for key, one in ehr.resources.items() if key[0] == "Patient"}
    assert caller.post("/cds-services/patient-view", json=body).get_json() == {"cards": []}
    body = unsent(ehr, "forms", orders=[order("36013-1")], hook="order-sign")
    (card,) = caller.post("/cds-services/order-sign", json=body).get_json()["cards"]
    assert card["source"]["topic"]["code"] == "unseen" and "forms: the query failed" in card["detail"]


# --- whom it asks ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", ["http://127.0.0.1:{port}/fhir", "http://169.254.169.254/latest", "file:///etc/passwd", "x"])
def test_H10_a_server_that_is_not_listed_is_never_contacted(client: FlaskClient, ehr: StubEhr, server: str) -> None:
    body = unsent(ehr) | {"fhirServer": server.format(port=ehr.host.port)}
    found = outcome(client.post("/cds-services/patient-view", json=body), 412)
    assert "no host that this service may call" in found["issue"][0]["details"]["text"]
    assert ehr.asked == []


def test_H10_with_everything_prefetched_the_server_does_not_matter(client: FlaskClient) -> None:
    body = hook_call("patient-view", case("spine"), fhirServer="http://169.254.169.254/")
    assert client.post("/cds-services/patient-view", json=body).get_json()["cards"]


def test_H11_null_is_no_data_and_no_error(client: FlaskClient) -> None:
    body = hook_call("patient-view", case("spine"))
    body["prefetch"] = dict.fromkeys(body["prefetch"])
    assert client.post("/cds-services/patient-view", json=body).get_json() == {"cards": []}


def test_H11_an_outcome_is_a_failed_query(client: FlaskClient) -> None:
    failed = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}
    body = hook_call("patient-view", case("spine"))
    body["prefetch"]["findings"] = failed
    assert expressions(client.post("/cds-services/patient-view", json=body), 412) == ["prefetch.findings"]
    body = hook_call("patient-view", case("spine"))
    body["prefetch"]["measurements"] = failed
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert "measurements: the query failed" in card["detail"]
    body["prefetch"]["measurements"] = bundle([failed])
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert "measurements: only part of it could be read" in card["detail"]


def test_H11_further_pages_are_followed_or_their_absence_is_said(
    client: FlaskClient, caller: FlaskClient, ehr: StubEhr
) -> None:
    body = unsent(ehr, "forms")
    following = f"{ehr.fhir}/QuestionnaireResponse?patient=example-spine"
    body["prefetch"]["forms"] = bundle([], link=[{"relation": "next", "url": following}])
    (card,) = caller.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert "91.54%" in card["detail"] and len(ehr.asked) == 1
    del body["fhirServer"], body["fhirAuthorization"]
    forms = hook_call("patient-view", case("spine"))["prefetch"]["forms"]
    body["prefetch"]["forms"] = {**forms, "link": body["prefetch"]["forms"]["link"]}
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert "forms: only part of it could be read" in card["detail"]


@pytest.mark.parametrize("place", ["prefetch", "server"])
def test_H11_a_further_page_on_another_host_is_not_followed(caller: FlaskClient, ehr: StubEhr, place: str) -> None:
    body = unsent(ehr, "forms")
    if place == "prefetch":
        forms = hook_call("patient-view", case("spine"))["prefetch"]["forms"]
        with stub_ehr() as other:
            body["prefetch"]["forms"] = {**forms, "link": [{"relation": "next", "url": f"{other.fhir}/QuestionnaireResponse"}]}
            (card,) = caller.post("/cds-services/patient-view", json=body).get_json()["cards"]
            assert other.asked == []
    else:
        ehr.faults["QuestionnaireResponse"] = "next-elsewhere"
        (card,) = caller.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert "forms: only part of it could be read" in card["detail"]


def test_one_resource_that_cannot_be_read_does_not_silence_the_others(client: FlaskClient) -> None:
    body = hook_call("patient-view", case("spine"))
    good = body["prefetch"]["forms"]["entry"][0]["resource"]
    invalid = {**good, "id": "invalid", "status": "complete"}
    unknown = {**good, "id": "unknown", "item": [{"linkId": "nothing", "answer": [{"valueBoolean": True}]}]}
    body["prefetch"]["forms"] = bundle([invalid, good, unknown])
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    told = card["detail"].split("### What could not be seen")[1]
    assert "91.54%" in card["detail"]
    assert "QuestionnaireResponse/invalid: not valid" in told and "QuestionnaireResponse/unknown: not valid" in told


def test_when_all_that_concerns_the_question_is_unreadable_silence_would_mislead(client: FlaskClient) -> None:
    body = hook_call("patient-view", case("spine"))
    body["prefetch"]["forms"]["entry"][0]["resource"]["status"] = "complete"
    (card,) = client.post("/cds-services/patient-view", json=body).get_json()["cards"]
    assert card["source"]["topic"]["code"] == "unseen" and broken_rules({"cards": [card]}) == []


# --- browsers -------------------------------------------------------------------------------------------------------


def test_H20_a_listed_origin_may_call_from_a_browser_and_no_other(application: Callable[..., Flask]) -> None:
    caller = application(cors_origins="https://ehr.example, https://other.example:8443").test_client()
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization,content-type"}
    allowed = caller.options("/cds-services/patient-view", headers={"Origin": "https://ehr.example", **asked})
    assert 200 <= allowed.status_code < 300
    assert allowed.headers["Access-Control-Allow-Origin"] == "https://ehr.example"
    assert "POST" in allowed.headers["Access-Control-Allow-Methods"]
    assert "authorization" in allowed.headers["Access-Control-Allow-Headers"].lower()
    assert "Origin" in allowed.headers["Vary"] and "Access-Control-Allow-Credentials" not in allowed.headers
    for origin in ("https://evil.example", "https://ehr.example.evil.example", "null", "*"):
        refused = caller.options("/cds-services/patient-view", headers={"Origin": origin, **asked})
        assert not [name for name, _ in refused.headers if name.startswith("Access-Control")]
    answered = caller.post("/cds-services/patient-view", json={}, headers={"Origin": "https://ehr.example"})
    assert answered.status_code == 400 and answered.headers["Access-Control-Allow-Origin"] == "https://ehr.example"
    elsewhere = caller.get("/fhir/metadata", headers={"Origin": "https://ehr.example"})
    assert "Access-Control-Allow-Origin" not in elsewhere.headers


# --- logs -----------------------------------------------------------------------------------------------------------


def test_no_level_of_logging_tells_of_a_patient_or_a_token(ehr: StubEhr, start_server: Callable[..., LiveServer]) -> None:
    server = start_server(HIPSPINE_LOG_LEVEL="DEBUG", HIPSPINE_OUTBOUND_PRIVATE_HOSTS=f"127.0.0.1:{ehr.host.port}")
    for token in ("good-token", "bad-token"):
        body = unsent(ehr)
        body["fhirAuthorization"]["access_token"] = token
        requests.post(f"{server.url}/cds-services/patient-view", json=body, timeout=30)
    server.stop()
    log = server.log()
    assert "route=/cds-services/<service_id> status=200" in log and "status=412" in log
    assert not [word for word in ("example-spine", "good-token", "bad-token", "spine-1", "1972") if word in log]

"""Assessments written into the record system they were made for, once, whatever happens on the way."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support.hook_calls import case, hook_call
from support.stub_ehr import StubEhr, stub_ehr

from service.app import create_app, start_background
from service.cli.ehr import command
from service.clients.smart import new_key_pair, read_private_key
from service.composition.after_hooks import build_write_back
from service.composition.hooks import build_outbound
from service.composition.parts import Service, new_id, utc_now
from service.delivery.worker import DeliveryFailed
from service.errors import InvalidInput, UpstreamFailed
from service.fhir import r4
from service.settings import Settings

Resource = dict[str, Any]


@pytest.fixture
def ehr(tmp_path: Path) -> Iterator[StubEhr]:
    private, public = new_key_pair("key-1")
    (tmp_path / "key.json").write_text(json.dumps(private))
    with stub_ehr() as running:
        running.client_keys = public
        running.tokens.clear()  # nothing but a granted token opens it
        yield running


@pytest.fixture
def connected(ehr: StubEhr, settings: Settings, tmp_path: Path) -> Settings:
    return replace(
        settings,
        outbound_private_hosts=f"127.0.0.1:{ehr.host.port}",
        ehr_write_back="on",
        ehr_fhir_url=ehr.fhir,
        ehr_token_url=f"{ehr.url}/token",
        ehr_private_key=str(tmp_path / "key.json"),
        database_url=f"sqlite:///{tmp_path}/store.sqlite",
    )


def connected_to(service: Service, settings: Settings) -> Service:
    hooks = replace(service.hooks, kept_for=settings.ehr_fhir_url or "")
    return replace(service, outbound=build_outbound(settings), hooks=hooks)


@pytest.fixture
def write_back(connected: Settings) -> Any:
    return build_write_back(connected, build_outbound(connected), now=utc_now, new_id=new_id)


@pytest.fixture
def assessment(service: Service) -> Resource:
    return service.assess(json.dumps(case("spine")[0]).encode(), None)


def test_everything_is_written_in_order_and_tied_together(write_back: Any, ehr: StubEhr, assessment: Resource) -> None:
    written = write_back.write(assessment)
    assert [reference.split("/")[0] for reference in written] == ["RiskAssessment", "ServiceRequest", "Provenance"]
    (kept,), (request,), (provenance,) = (ehr.of_type(kind) for kind in ("RiskAssessment", "ServiceRequest", "Provenance"))
    for resource in (kept, request, provenance):
        assert r4.check(resource).faults == ()
    assert kept["identifier"] == assessment["identifier"] and kept["subject"] == {"reference": "Patient/example-spine"}
    assert request["status"] == "draft" and request["supportingInfo"] == [{"reference": f"RiskAssessment/{kept['id']}"}]
    assert request["meta"]["security"][0]["code"] == "AIAST" and "requester" not in request
    assert [target["reference"] for target in provenance["target"]] == written[:2]
    assert provenance["agent"][0]["who"]["identifier"]["value"] == "hipspine"
    assert [asked.path for asked in ehr.asked].count("/token") == 1  # one token serves all


def test_written_twice_it_is_there_once(write_back: Any, ehr: StubEhr, assessment: Resource) -> None:
    first = write_back.write(assessment)
    assert write_back.write(assessment)[:2] == first[:2]
    assert len(ehr.of_type("RiskAssessment")) == len(ehr.of_type("ServiceRequest")) == len(ehr.of_type("Provenance")) == 1


def test_what_was_broken_off_is_completed_and_not_doubled(write_back: Any, ehr: StubEhr, assessment: Resource) -> None:
    ehr.faults["Provenance"] = "500"
    with pytest.raises(DeliveryFailed) as failed:
        write_back.write(assessment)
    assert not failed.value.final and "Provenance was answered 500" in str(failed.value)
    ehr.faults.clear()
    write_back.write(assessment)
    assert len(ehr.of_type("RiskAssessment")) == len(ehr.of_type("Provenance")) == 1


def test_a_token_that_was_revoked_is_replaced_once(write_back: Any, ehr: StubEhr, assessment: Resource) -> None:
    write_back.write(assessment)
    ehr.tokens.clear()
    write_back.write(assessment)
    assert len(ehr.assertions) == 2


@pytest.mark.parametrize(("status", "final"), [("expired", False), ("500", False), ("429", False), ("truncated", False)])
def test_what_may_pass_is_tried_again_later(
    write_back: Any, ehr: StubEhr, assessment: Resource, status: str, final: bool
) -> None:
    ehr.faults["RiskAssessment"] = status
    with pytest.raises((DeliveryFailed, UpstreamFailed)) as failed:
        write_back.write(assessment)
    assert getattr(failed.value, "final", False) is final


def test_what_the_server_does_not_take_is_given_up(write_back: Any, ehr: StubEhr, assessment: Resource) -> None:
    ehr.unsupported.add("RiskAssessment")
    with pytest.raises(DeliveryFailed) as failed:
        write_back.write(assessment)
    assert failed.value.final


@pytest.mark.parametrize("fault", ["500", "garbage", "truncated"])
def test_without_a_token_nothing_is_sent(write_back: Any, ehr: StubEhr, assessment: Resource, fault: str) -> None:
    ehr.faults["token"] = fault
    with pytest.raises(UpstreamFailed):
        write_back.write(assessment)
    ehr.faults.clear()
    ehr.client_keys = new_key_pair("other")[1]
    with pytest.raises(UpstreamFailed, match="status 401"):
        write_back.write(assessment)
    assert {asked.path for asked in ehr.asked} == {"/token"}


def test_a_start_of_an_encounter_is_written_back_through_the_outbox(
    connected: Settings, service: Service, ehr: StubEhr
) -> None:
    app = create_app(connected, service=connected_to(service, connected))
    body = hook_call("encounter-start", case("spine"), fhirServer=ehr.fhir)
    for hook in ("patient-view", "encounter-start", "encounter-start"):
        answer = app.test_client().post(f"/cds-services/{hook}", json={**body, "hook": hook})
        assert answer.status_code == 200
    app.extensions["hipspine-after-hooks"].wait()
    until = time.monotonic() + 10
    with start_background(app, "http://localhost/fhir"):
        while not ehr.of_type("Provenance") and time.monotonic() < until:
            time.sleep(0.05)
    (kept,) = ehr.of_type("RiskAssessment")
    assert kept["encounter"] == {"reference": "Encounter/encounter-1"} and ehr.of_type("Provenance")
    link = answer.get_json()["cards"][-1]["links"][0]["url"]
    here = app.test_client().get(link.removeprefix("http://localhost")).get_json(force=True)
    assert here["identifier"] == kept["identifier"]
    assert here["subject"]["reference"] == f"{ehr.fhir}/Patient/example-spine"
    app.extensions["hipspine-store"].close()


def test_an_assessment_for_another_server_stays_here(connected: Settings, service: Service, ehr: StubEhr) -> None:
    app = create_app(connected, service=connected_to(service, connected))
    for server in (None, "https://other.example/fhir"):
        body = hook_call("encounter-start", case("spine"), fhirServer=server)
        assert app.test_client().post("/cds-services/encounter-start", json=body).status_code == 200
    app.extensions["hipspine-after-hooks"].wait()
    assert ehr.asked == []
    app.extensions["hipspine-store"].close()


@pytest.mark.parametrize(
    ("changed", "where"),
    [
        ({"ehr_fhir_url": None}, "HIPSPINE_EHR_FHIR_URL"),
        ({"ehr_private_key": "/nowhere"}, "HIPSPINE_EHR_PRIVATE_KEY"),
        ({"ehr_private_key": None}, "HIPSPINE_EHR_PRIVATE_KEY"),
        ({"ehr_write_types": "Patient"}, "HIPSPINE_EHR_WRITE_TYPES"),
    ],
)
def test_what_is_missing_stops_the_start(connected: Settings, changed: Resource, where: str) -> None:
    broken = replace(connected, **changed)
    with pytest.raises(InvalidInput) as refused:
        build_write_back(broken, build_outbound(broken), now=utc_now, new_id=new_id)
    assert refused.value.faults[0].where == where


@pytest.mark.parametrize("text", ["", "[]", "{}", json.dumps({"kty": "oct", "k": "x", "d": "x", "kid": "k"})])
def test_what_is_no_private_key_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(InvalidInput):
        read_private_key(text, where="HIPSPINE_EHR_PRIVATE_KEY")
    with pytest.raises(InvalidInput):
        read_private_key(json.dumps(new_key_pair("k")[1]["keys"][0]), where="HIPSPINE_EHR_PRIVATE_KEY")


# --- command line ---------------------------------------------------------------------------------------------------


def test_check_says_what_the_server_supports(ehr: StubEhr) -> None:
    found = CliRunner().invoke(command, ["check", ehr.fhir, "--json"])
    assert found.exit_code == 0, found.output
    told = json.loads(found.output)
    assert told["ready"] and told["software"] == "Stub EHR"
    by_what = {row["what"]: row for row in told["checks"]}
    assert by_what["search Condition by patient"]["supported"] and by_what["create RiskAssessment"]["note"] == ""
    assert by_what["create ServiceRequest"]["note"] == "no conditional create: sending again may write twice"
    assert not by_what["create Provenance"]["supported"]
    assert [asked.path for asked in ehr.asked] == ["/fhir/metadata"]


def test_check_ends_with_1_if_something_required_is_missing(ehr: StubEhr) -> None:
    ehr.unsupported |= {"Observation", "QuestionnaireResponse"}
    found = CliRunner().invoke(command, ["check", ehr.fhir], env={"COLUMNS": "200"})
    assert found.exit_code == 1 and "no, required" in found.output and "Observation is not offered" in found.output


def test_check_of_what_is_no_fhir_server_says_so(ehr: StubEhr) -> None:
    found = CliRunner().invoke(command, ["check", f"{ehr.url}/elsewhere"])
    assert isinstance(found.exception, UpstreamFailed) and "no CapabilityStatement (status 404)" in str(found.exception)


def test_a_dry_run_prints_what_would_be_sent_and_sends_nothing(
    ehr: StubEhr, monkeypatch: pytest.MonkeyPatch, connected: Settings
) -> None:
    for name in ("outbound_private_hosts", "ehr_fhir_url", "ehr_token_url", "ehr_private_key"):
        monkeypatch.setenv(f"HIPSPINE_{name.upper()}", str(getattr(connected, name)))
    monkeypatch.setenv("HIPSPINE_DATABASE_URL", "none")
    found = CliRunner().invoke(command, ["write", "tests/data/spine.json", "--dry-run"])
    assert found.exit_code == 0, found.output
    assert f"POST {ehr.fhir}/RiskAssessment\nIf-None-Exist: identifier=" in found.output
    assert f"POST {ehr.fhir}/Provenance\nIf-None-Exist: target=RiskAssessment/" in found.output
    assert ehr.asked == []
    sent = CliRunner().invoke(command, ["write", "tests/data/spine.json"])
    assert sent.exit_code == 0 and f"{ehr.fhir}/RiskAssessment/" in sent.output and len(ehr.of_type("RiskAssessment")) == 1


def test_a_key_is_made_once_readable_by_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "client.json"
    made = CliRunner().invoke(command, ["key", str(file), "--kid", "k"])
    (public,) = json.loads(made.output)["keys"]
    assert public["kid"] == "k" and "d" not in public and public["crv"] == "P-384"
    assert file.stat().st_mode & 0o777 == 0o600
    assert read_private_key(file.read_text(), where="x")["x"] == public["x"]
    again = CliRunner().invoke(command, ["key", str(file)])
    assert isinstance(again.exception, InvalidInput)

"""R54: $validate on every type we handle, against R4, our profiles and our extensions. Both verdicts are 200."""

from __future__ import annotations

import copy
import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.app import create_app
from service.composition.parts import Service
from service.fhir.resource_types import RESOURCE_TYPES
from service.settings import Settings

Resource = dict[str, Any]
Path = tuple[str | int, ...]

BASE = "https://hipspine.example/fhir"
PROFILES = f"{BASE}/StructureDefinition"


def validate(client: FlaskClient, path: str, body: Resource | bytes | None, status: int = 200, **query: str) -> list[Resource]:
    """The issues of the answer."""
    data = body if isinstance(body, bytes) else None if body is None else json.dumps(body)
    response = client.post(f"/fhir/{path}/$validate", data=data, query_string=query, content_type="application/fhir+json")
    assert response.status_code == status, response.text
    outcome: Resource = response.get_json(force=True)
    assert outcome["resourceType"] == "OperationOutcome"
    issues: list[Resource] = outcome["issue"]
    assert all(issue["details"]["text"] and issue["diagnostics"] for issue in issues)
    return issues


def errors(issues: list[Resource]) -> list[tuple[str, str]]:
    """(code, place) of every error."""
    return [(issue["code"], issue.get("expression", [""])[0]) for issue in issues if issue["severity"] in ("error", "fatal")]


def changed(resource: Resource, path: Path, value: Any) -> Resource:
    """A copy with one place changed; None takes the place away."""
    copied = copy.deepcopy(resource)
    node: Any = copied
    for step in path[:-1]:
        node = node[step]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return copied


@pytest.fixture(scope="module")
def assessment(app: Any, hip_case: Resource) -> Resource:
    response = app.test_client().post(
        "/fhir/$assess?care-plan=true", data=json.dumps(hip_case), content_type="application/fhir+json"
    )
    made: Resource = response.get_json(force=True)
    return made


PATIENT: Resource = {"resourceType": "Patient", "id": "1", "birthDate": "1960-05-01"}


@pytest.fixture
def finding() -> Resource:
    return {
        "resourceType": "Observation",
        "meta": {"profile": [f"{PROFILES}/exam-finding"]},
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "exam"}]}
        ],
        "code": {"coding": [{"system": f"{BASE}/CodeSystem/finding", "code": "fadir"}]},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2026-01-15",
        "valueCodeableConcept": {"coding": [{"system": f"{BASE}/CodeSystem/answer", "code": "present"}]},
    }


# --- the operation -----------------------------------------------------------------------------------------------------


def test_R54_every_type_we_handle_can_be_validated(client: FlaskClient) -> None:
    for offered in RESOURCE_TYPES:
        issues = validate(client, offered.name, {"resourceType": offered.name, "nonsense": 1})
        assert ("structure", f"{offered.name}.nonsense") in errors(issues), offered.name


def test_R54_a_valid_resource_has_only_information(client: FlaskClient, assessment: Resource) -> None:
    issues = validate(client, "RiskAssessment", assessment)
    assert [issue["severity"] for issue in issues] == ["information"]


def test_R54_raw_and_in_parameters_give_the_same_verdict(client: FlaskClient, finding: Resource) -> None:
    wrong = {**finding, "status": "done"}
    wrapped = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": wrong}]}
    assert validate(client, "Observation", wrapped) == validate(client, "Observation", wrong)
    assert ("code-invalid", "Observation.status") in errors(validate(client, "Observation", wrong))


def test_R54_nothing_is_stored_or_answered_but_the_outcome(client: FlaskClient) -> None:
    body = json.dumps({**PATIENT, "id": "validated"})
    response = client.post("/fhir/Patient/$validate", data=body, content_type="application/fhir+json")
    assert "Location" not in response.headers and "ETag" not in response.headers
    assert client.get("/fhir/Patient/validated").status_code == 404


def test_R54_a_resource_of_another_type_is_refused(client: FlaskClient, finding: Resource) -> None:
    assert errors(validate(client, "Patient", finding, 400)) == [("structure", "Observation")]
    wrapped = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": finding}]}
    assert errors(validate(client, "Patient", wrapped, 400)) == [("structure", "Observation")]
    assert errors(validate(client, "Patient", {}, 400)) == [("structure", "")]


def test_R54_broken_json_is_400(client: FlaskClient) -> None:
    assert errors(validate(client, "Patient", b'{"resourceType": ', 400))[0][0] == "structure"


def test_R54_no_resource_is_400(client: FlaskClient) -> None:
    assert errors(validate(client, "Patient", None, 400)) == [("required", "resource")]
    assert errors(validate(client, "Patient", {"resourceType": "Parameters"}, 400)) == [("required", "resource")]


def test_R54_faults_of_the_call_are_400_and_told_together(client: FlaskClient) -> None:
    call = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "mode", "valueInteger": 3},
            {"name": "profiles", "valueUri": "x"},
            {"name": "resource", "resource": {"resourceType": "Patient", "nonsense": True}},
        ],
    }
    assert errors(validate(client, "Patient", call, 400)) == [
        ("structure", "Parameters.parameter[0]"), ("not-supported", "Parameters.parameter[1]")
    ]
    assert errors(validate(client, "Patient", PATIENT, 400, mode="upsert")) == [("code-invalid", "?mode")]
    assert errors(validate(client, "Patient", PATIENT, 400, mode="update")) == [("invalid", "?mode")]


def test_R54_parameters_can_be_validated_in_parameters_by_the_bundle_they_are_in(client: FlaskClient) -> None:
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": {"resourceType": "Parameters", "x": 1}}]}
    assert errors(validate(client, "Bundle", bundle)) == [("structure", "Bundle.entry[0].resource.x")]


# --- profiles ----------------------------------------------------------------------------------------------------------


def test_R54_the_profile_parameter_is_honoured(client: FlaskClient, finding: Resource) -> None:
    plain = changed(finding, ("meta",), None)
    bare = changed(plain, ("subject",), None)
    assert errors(validate(client, "Observation", bare)) == []
    named = validate(client, "Observation", bare, profile=f"{PROFILES}/exam-finding")
    assert errors(named) == [("required", "Observation.subject")]
    wrapped = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "resource", "resource": bare},
            {"name": "profile", "valueCanonical": f"{PROFILES}/exam-finding|0.1.0"},
        ],
    }
    assert errors(validate(client, "Observation", wrapped)) == [("required", "Observation.subject")]


def test_R54_an_unknown_profile_is_404(client: FlaskClient, finding: Resource) -> None:
    for profile in ("http://example.org/StructureDefinition/x", f"{PROFILES}/exam-finding|9"):
        assert errors(validate(client, "Observation", finding, 404, profile=profile)) == [("not-found", "profile")]


def test_R54_a_claimed_profile_that_is_not_held_is_a_warning(client: FlaskClient, finding: Resource) -> None:
    issues = validate(client, "Observation", changed(finding, ("meta", "profile", 0), "http://example.org/StructureDefinition/x"))
    assert errors(issues) == []
    assert ("warning", "not-found") in [(issue["severity"], issue["code"]) for issue in issues]


def test_R54_the_profile_of_another_type_is_an_error(client: FlaskClient, finding: Resource) -> None:
    for profile in (f"{PROFILES}/spine-hip-risk-assessment", "http://hl7.org/fhir/StructureDefinition/Patient"):
        assert errors(validate(client, "Observation", finding, profile=profile)) == [("structure", "Observation")]
    base = "http://hl7.org/fhir/StructureDefinition/Observation"
    assert errors(validate(client, "Observation", finding, profile=base)) == []


def test_R54_everything_published_is_valid_where_it_stands(client: FlaskClient, service: Service) -> None:
    for one in service.definitions:
        assert errors(validate(client, f"{one.type_name}/{one.id}", None)) == [], one.id


def test_R54_an_instance_that_does_not_exist_is_404(client: FlaskClient) -> None:
    assert errors(validate(client, "Device/none", None, 404))[0][0] == "not-found"


BREAKS: list[tuple[str, Path, Any, tuple[str, str]]] = [
    ("a required element", ("method",), None, ("required", "RiskAssessment.method")),
    ("a required language", ("language",), None, ("required", "RiskAssessment.language")),
    ("a code outside a binding", ("code", "coding", 0, "code"), "nothing", ("code-invalid", "RiskAssessment.code")),
    ("the label of the machine", ("meta", "security", 0, "code"), "HTEST", ("required", "RiskAssessment.meta.security")),
    ("an outcome of no slice", ("prediction", 0, "outcome"), {"text": "x"}, ("structure", "RiskAssessment.prediction[0]")),
    ("another type of choice", ("occurrenceDateTime",), None, ("required", "RiskAssessment.occurrence")),
    ("a sum that is not 100", ("prediction", 0, "probabilityDecimal"), 0.01, ("invariant", "RiskAssessment")),
    ("a performer of another type", ("performer", "reference"), "Practitioner/1", ("value", "RiskAssessment.performer")),
    ("a band of no risk", ("prediction", 0, "qualitativeRisk", "coding", 0, "code"), "sure",
     ("code-invalid", "RiskAssessment.prediction[0].qualitativeRisk")),
]


@pytest.mark.parametrize(("path", "value", "found"), [case[1:] for case in BREAKS], ids=[case[0] for case in BREAKS])
def test_R54_each_rule_of_the_profile_is_checked(
    client: FlaskClient, assessment: Resource, path: Path, value: Any, found: tuple[str, str]
) -> None:
    assert found in errors(validate(client, "RiskAssessment", changed(assessment, path, value)))


def extension_places(node: Any, path: Path = ()) -> Iterator[tuple[Path, Resource]]:
    if isinstance(node, list):
        for index, item in enumerate(node):
            yield from extension_places(item, (*path, index))
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "extension":
                yield from ((((*path, name, index)), one) for index, one in enumerate(value))
            yield from extension_places(value, (*path, name))


def test_R54_every_extension_of_ours_is_checked_wherever_it_stands(client: FlaskClient, assessment: Resource) -> None:
    """Each extension loses its content, moves to another place, or gets an address of ours that does not exist."""
    seen: set[str] = set()
    bare = {"resourceType": "RiskAssessment", "status": "final", "subject": {"reference": "Patient/1"}}
    for path, extension in extension_places(assessment):
        url = extension["url"]
        if not url.startswith(PROFILES) or url in seen:
            continue
        seen.add(url)

        def placed(content: Resource, path: Path = path) -> Resource:
            """The extension alone, where it stood: on the assessment or on a prediction."""
            held = {"extension": [content]}
            return {**bare, "prediction": [held]} if "prediction" in path else {**bare, **held}

        if len(path) == 2 or "prediction" in path:  # others stand in what is contained
            assert errors(validate(client, "RiskAssessment", placed(extension))) == [], url
            assert errors(validate(client, "RiskAssessment", placed({"url": url, "valueTime": "10:00:00"}))), url
            renamed = errors(validate(client, "RiskAssessment", placed({**extension, "url": f"{PROFILES}/no-such-thing"})))
            assert [place.rsplit(".", 1)[1] for _, place in renamed] == ["url"]
        elsewhere = {**PATIENT, "extension": [extension]}
        assert ("structure", "Patient.extension[0]") in errors(validate(client, "Patient", elsewhere)), url
    assert len(seen) > 15


def test_R54_an_extension_of_others_is_left_alone(client: FlaskClient) -> None:
    other = {**PATIENT, "extension": [{"url": "http://example.org/x", "valueString": "y"}]}
    assert errors(validate(client, "Patient", other)) == []


def test_R54_what_is_contained_and_what_is_in_a_bundle_is_checked_by_its_own_profile(
    client: FlaskClient, finding: Resource
) -> None:
    bare = changed(finding, ("subject",), None)
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": bare}]}
    assert errors(validate(client, "Bundle", bundle)) == [("required", "Bundle.entry[0].resource.subject")]


def test_R54_validation_changes_nothing_of_what_it_is_given(service: Service, assessment: Resource) -> None:
    before = json.dumps(assessment)
    service.validator.verdict(assessment, type_name="RiskAssessment")
    assert json.dumps(assessment) == before


# --- what nobody foresees ----------------------------------------------------------------------------------------------

JUNK: tuple[Any, ...] = (None, 5, -1.5, "", "x", True, [], {}, [None], [[]], [1, "a"], {"x": 1}, {"extension": 5}, "\u0000")


def places(node: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(node, (list, dict)):
        for step in node if isinstance(node, dict) else range(len(node)):
            yield (*path, step)
            yield from places(node[step], (*path, step))


def test_R54_junk_anywhere_is_a_verdict_and_never_a_failure(client: FlaskClient, hip_case: Resource, finding: Resource) -> None:
    made = client.post("/fhir/$assess", data=json.dumps(hip_case), content_type="application/fhir+json")
    dice = random.Random(4)
    for resource, times in ((made.get_json(force=True), 12), (finding, 100), (hip_case, 60)):
        everywhere = list(places(resource))
        for _ in range(times):
            copied = copy.deepcopy(resource)
            for path in dice.sample(everywhere, 3):
                node: Any = copied
                for step in path[:-1]:
                    node = node[step] if isinstance(node, (dict, list)) and _has(node, step) else None
                if isinstance(node, (dict, list)) and _has(node, path[-1]) and path != ("resourceType",):
                    node[path[-1]] = copy.deepcopy(dice.choice(JUNK))
            response = client.post(
                f"/fhir/{resource['resourceType']}/$validate", data=json.dumps(copied), content_type="application/fhir+json"
            )
            assert response.status_code in (200, 400), (response.text, copied)


def _has(node: Any, step: str | int) -> bool:
    return step in node if isinstance(node, dict) else isinstance(step, int) and step < len(node)


def test_R54_a_body_with_very_many_faults_or_rules_is_answered_in_time(client: FlaskClient) -> None:
    bare: Resource = {"resourceType": "RiskAssessment", "status": "final", "subject": {"reference": "Patient/1"}}
    unknown = {"url": f"{PROFILES}/no-such", "valueCode": "x"}
    issues = validate(client, "RiskAssessment", {**bare, "extension": [unknown] * 5_000})
    assert 500 <= len(issues) <= 1_100 and "more faults" in issues[-1]["details"]["text"]
    costly = {"url": f"{PROFILES}/coverage", "valueDecimal": 0.5}
    started = time.monotonic()
    found = errors(validate(client, "RiskAssessment", {**bare, "extension": [costly] * 20_000}))
    assert ("too-costly", "") in found
    assert time.monotonic() - started < 30


# --- stored resources --------------------------------------------------------------------------------------------------


@pytest.fixture
def storing(settings: Settings, service: Service, tmp_path: Any) -> Iterator[FlaskClient]:
    from service.composition.parts import open_store

    store = open_store(Settings(database_url=f"sqlite:///{tmp_path}/v.db"))
    assert store is not None
    yield create_app(settings, service=service, store=store).test_client()
    store.close()


def put(client: FlaskClient, resource: Resource) -> None:
    path = f"/fhir/{resource['resourceType']}/{resource['id']}"
    assert client.put(path, data=json.dumps(resource), content_type="application/fhir+json").status_code == 201


def test_R54_a_stored_resource_is_validated_where_it_stands(storing: FlaskClient, finding: Resource) -> None:
    put(storing, {**changed(finding, ("subject",), None), "id": "bare"})
    assert errors(validate(storing, "Observation/bare", None)) == [("required", "Observation.subject")]


def test_R54_modes_of_change(storing: FlaskClient) -> None:
    put(storing, PATIENT)
    assert errors(validate(storing, "Patient", PATIENT, mode="create")) == []
    assert errors(validate(storing, "Patient/1", PATIENT, mode="update")) == []
    assert errors(validate(storing, "Patient/1", {**PATIENT, "id": "2"}, mode="update")) == [("value", "Patient.id")]
    assert errors(validate(storing, "Patient/1", None, mode="delete")) == []
    assert errors(validate(storing, "Patient/none", None, 404, mode="delete"))[0][0] == "not-found"
    assert errors(validate(storing, "CodeSystem/finding", None, mode="delete")) == [("not-supported", "CodeSystem")]
    assert storing.get("/fhir/Patient/1").get_json(force=True)["meta"]["versionId"] == "1"


def test_R54_without_a_store_nothing_can_be_changed(settings: Settings, service: Service) -> None:
    stateless = create_app(replace(settings, database_url="none"), service=service).test_client()
    assert errors(validate(stateless, "Patient", PATIENT)) == []
    assert errors(validate(stateless, "Patient", PATIENT, mode="create")) == [("not-supported", "Patient")]


def test_R54_what_the_service_alone_writes_cannot_be_created(storing: FlaskClient) -> None:
    kept = {"resourceType": "AuditEvent", "type": {"code": "rest"}, "recorded": "2026-01-15T10:00:00Z", "agent": [
        {"requestor": False}], "source": {"observer": {"reference": "Device/hipspine"}}}
    assert errors(validate(storing, "AuditEvent", kept, mode="create")) == [("not-supported", "AuditEvent")]
    assert errors(validate(storing, "AuditEvent", kept)) == []

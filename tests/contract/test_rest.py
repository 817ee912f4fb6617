"""The FHIR door over HTTP: what is listed works, what is not is refused in FHIR's own words."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from service.app import create_app
from service.composition.parts import Service
from service.fhir import r4
from service.fhir.index_values import DateValue, ReferenceValue, StringValue, TokenValue
from service.fhir.resource_types import RESOURCE_TYPES, ResourceType
from service.fhir.search_index import resource_indexer
from service.settings import Settings

FHIR_JSON = "application/fhir+json"


def published_types() -> list[ResourceType]:
    """The types whose resources come with the service and are only read."""
    return [offered for offered in RESOURCE_TYPES if "read" in offered.interactions and not offered.stored]


Resource = dict[str, Any]


def assert_outcome(response: TestResponse, status: int, *codes: str) -> list[Resource]:
    """The issues of an answer that must be an OperationOutcome with one of the codes first."""
    assert response.status_code == status, response.text[:500]
    assert response.content_type == "application/fhir+json; charset=utf-8"
    body = json.loads(response.data)
    assert body["resourceType"] == "OperationOutcome"
    issues: list[Resource] = body["issue"]
    assert issues[0]["code"] in codes, issues
    for issue in issues:
        assert issue["details"]["text"]
        assert issue["diagnostics"]
    return issues


def post(client: FlaskClient, path: str, body: bytes | Resource, **more: Any) -> TestResponse:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    more.setdefault("content_type", FHIR_JSON)
    return client.post(path, data=data, **more)


# --- capability --------------------------------------------------------------------------------------------------


def test_R1_metadata_describes_this_instance(client: FlaskClient) -> None:
    response = client.get("/fhir/metadata", base_url="http://localhost:8080")
    assert (response.status_code, response.content_type) == (200, "application/fhir+json; charset=utf-8")
    statement = response.get_json(force=True)
    assert statement["resourceType"] == "CapabilityStatement"
    assert (statement["fhirVersion"], statement["kind"], statement["status"]) == ("4.0.1", "instance", "active")
    assert statement["implementation"]["url"] == "http://localhost:8080/fhir"


def test_R1_every_listed_format_works(client: FlaskClient) -> None:
    for name in client.get("/fhir/metadata").get_json(force=True)["format"]:
        assert client.get("/fhir/metadata", query_string={"_format": name}, headers={"Accept": "text/html"}).status_code == 200, (
            name
        )
        if "/" in name:
            assert client.get("/fhir/metadata", headers={"Accept": name}).status_code == 200, name


def test_R1_the_statement_is_valid_r4(client: FlaskClient) -> None:
    """cpb-1, cpb-2, cpb-3, cpb-9, cpb-12 and cpb-14 by hand, the shape by the library."""
    from fhir.resources.R4B.capabilitystatement import CapabilityStatement

    statement = client.get("/fhir/metadata").get_json(force=True)
    CapabilityStatement.model_validate(statement)
    assert statement["rest"] and statement["implementation"]
    resources = statement["rest"][0]["resource"]
    assert len({entry["type"] for entry in resources}) == len(resources)
    for entry in resources:
        names = [parameter["name"] for parameter in entry.get("searchParam", [])]
        assert len(set(names)) == len(names)


def test_R2_every_published_resource_is_found_and_read(client: FlaskClient) -> None:
    for offered in published_types():
        search = client.get(f"/fhir/{offered.name}")
        assert search.status_code == 200, offered.name
        held = search.get_json(force=True)["entry"][0]["resource"]
        assert client.get(f"/fhir/{offered.name}/{held['id']}").get_json(force=True) == held


def test_R2_every_listed_operation_is_there_and_defined(client: FlaskClient) -> None:
    rest = client.get("/fhir/metadata").get_json(force=True)["rest"][0]
    listed = [("/fhir", operation) for operation in rest["operation"]]
    listed += [(f"/fhir/{entry['type']}", operation) for entry in rest["resource"] for operation in entry.get("operation", [])]
    assert len(listed) >= 9
    on_instances_alone = {operation.name for offered in RESOURCE_TYPES for operation in offered.operations
                          if operation.levels == ("instance",)}  # fmt: skip
    for path, operation in listed:
        if operation["name"] in on_instances_alone:
            assert client.get(f"{path}/nobody/${operation['name']}?bogus=1").status_code == 400
        else:
            assert post(client, f"{path}/${operation['name']}", {}).status_code in (400, 422)
        if operation["definition"].startswith("http://hl7.org/fhir/"):  # of R4 or of a guide, published by HL7
            continue
        definition = client.get(f"/fhir/OperationDefinition/{operation['definition'].rsplit('/', 1)[1]}").get_json(force=True)
        assert (definition["url"], definition["code"]) == (operation["definition"], operation["name"])


def asked_for(value: Any) -> str:
    """A value a resource is found by, as one would ask for it."""
    match value:
        case TokenValue():
            return value.code.replace(",", "\\,") or f"{value.system}|"
        case DateValue():
            return "ge" + (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value.low)).strftime("%Y-%m-%dT%H:%M")
        case StringValue():
            return value.exact.replace(",", "\\,")[:200]
        case ReferenceValue():
            return value.target_id if not value.target_type else f"{value.target_type}/{value.target_id}"
        case _:
            return str(value.value)


def test_R2_every_listed_search_parameter_selects(client: FlaskClient) -> None:
    """Each parameter of each published type, by a value of a resource that has one, finds that resource and not every other."""
    tried = 0
    for offered in published_types():
        held = [entry["resource"] for entry in client.get(f"/fhir/{offered.name}?_count=1000").get_json(force=True)["entry"]]
        for parameter in offered.search_parameters:
            query = {parameter.name: "urn:no"} if parameter.type in ("uri", "token") else {f"{parameter.name}:missing": "true"}
            if parameter.name == "_lastUpdated":
                continue
            strict = {"Prefer": "handling=strict"}
            assert client.get(f"/fhir/{offered.name}", query_string=query, headers=strict).status_code == 200, parameter
            for resource in held:
                values = [v for v in resource_indexer()(resource) if v.name == parameter.name]
                text = resource["id"] if parameter.name == "_id" else asked_for(values[0]) if values else ""
                if text and parameter.type != "composite":
                    ask = {parameter.name: text, "_count": "1000"}
                    found = client.get(f"/fhir/{offered.name}", query_string=ask, headers=strict).get_json(force=True)
                    ids = {entry["resource"]["id"] for entry in found.get("entry", [])}
                    assert resource["id"] in ids, (offered.name, ask, found)
                    assert parameter.name not in ("_id", "url") or ids == {resource["id"]}
                    tried += 1
                    break
    assert tried > 40


# Interaction -> the address below the type and the method that call it.
CALLS = {
    "create": ("", "POST"),
    "search-type": ("", "GET"),  # and POST to _search
    "read": ("/<fhir_id:resource_id>", "GET"),
    "update": ("/<fhir_id:resource_id>", "PUT"),
    "delete": ("/<fhir_id:resource_id>", "DELETE"),
    "vread": ("/<fhir_id:resource_id>/_history/<fhir_id:version>", "GET"),
    "history-instance": ("/<fhir_id:resource_id>/_history", "GET"),
    "history-type": ("/_history", "GET"),
}


def test_R3_what_a_listed_type_does_not_offer_is_405_with_allow(client: FlaskClient) -> None:
    for entry in client.get("/fhir/metadata").get_json(force=True)["rest"][0]["resource"]:
        allowed = {CALLS[interaction["code"]] for interaction in entry.get("interaction", [])}
        if entry.get("conditionalUpdate"):
            allowed.add(("", "PUT"))
        if entry.get("conditionalDelete") == "single":
            allowed.add(("", "DELETE"))
        for path in ("", "/<fhir_id:resource_id>"):
            for method in {"GET", "POST", "PUT", "DELETE", "PATCH"} - {one for place, one in allowed if place == path}:
                response = client.open(f"/fhir/{entry['type']}{path and '/some-id'}", method=method)
                assert_outcome(response, 405, "not-supported")
                assert method not in response.headers["Allow"].split(", ")


def test_R3_every_route_is_in_the_capability_statement_or_in_a_short_list(client: FlaskClient) -> None:
    """And the other way round: for each listed interaction there is a route with its method."""
    rest = client.get("/fhir/metadata").get_json(force=True)["rest"][0]
    pages = ("/fhir/metadata", "/healthz", "/readyz", "/package.tgz", "/openapi.json", "/docs/", "/docs/<path:path>")
    pages += ("/", "/favicon.ico")
    pages += ("/profiles/", "/profiles/<type_name>/<fhir_id:resource_id>", "/profiles/examples/<type_name>/<fhir_id:resource_id>")
    listed = {(page, "GET") for page in pages}
    listed |= {("/cds-services", "GET"), ("/cds-services/<service_id>", "POST")}
    listed |= {("/cds-services/<service_id>/feedback", "POST"), ("/reports/feedback", "GET")}
    job = "/bulk/<fhir_id:job_id>"
    listed |= {(job, "GET"), (job, "DELETE"), (f"{job}/<fhir_id:name>", "GET"), ("/fhir/$export", "GET")}
    listed |= {(f"/fhir/${operation['name']}", "POST") for operation in rest["operation"]}
    system = {interaction["code"] for interaction in rest.get("interaction", [])}
    assert system == {"transaction", "batch", "history-system"}
    listed |= {("/fhir", "POST"), ("/fhir/_history", "GET")}
    operations = set()
    for entry in rest["resource"]:
        base = f"/fhir/{entry['type']}"
        for interaction in entry.get("interaction", []):
            path, method = CALLS[interaction["code"]]
            listed.add((base + path, method))
            if interaction["code"] == "search-type":
                listed.add((f"{base}/_search", "POST"))
        if entry.get("conditionalUpdate"):
            listed.add((base, "PUT"))
        if entry.get("conditionalDelete") == "single":
            listed.add((base, "DELETE"))
        operations |= {
            f"{base}{level}/${operation['name']}"
            for operation in entry.get("operation", [])
            for level in ("", "/<fhir_id:resource_id>")
        }
    routes = {
        (rule.rule, method)
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
        if rule.rule not in operations
    }
    assert routes == listed


def test_R4_metadata_twice_is_the_same_and_head_has_no_body(client: FlaskClient) -> None:
    first, second, head = client.get("/fhir/metadata"), client.get("/fhir/metadata"), client.head("/fhir/metadata")
    assert first.data == second.data
    assert (head.status_code, head.data) == (200, b"")
    assert (head.content_type, head.content_length) == (first.content_type, len(first.data))


# --- media types -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/fhir/$assess", "/fhir/Observation", "/fhir/Observation/$assess"])
@pytest.mark.parametrize("content_type", ["text/plain", "application/fhir+xml", "application/x-www-form-urlencoded"])
def test_R5_a_body_that_is_not_declared_as_json_is_415(client: FlaskClient, path: str, content_type: str) -> None:
    assert_outcome(post(client, path, b"<Observation/>", content_type=content_type), 415, "not-supported")


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/fhir+json;fhirVersion=4.0", "application/json+fhir"])
def test_R6_every_name_of_json_is_served(client: FlaskClient, accept: str) -> None:
    assert client.get("/fhir/metadata", headers={"Accept": accept}).status_code == 200


@pytest.mark.parametrize("accept", ["application/fhir+xml", "application/fhir+json;fhirVersion=5.0"])
def test_R6_R9_other_formats_and_versions_are_406(client: FlaskClient, accept: str) -> None:
    assert_outcome(client.get("/fhir/metadata", headers={"Accept": accept}), 406, "not-supported")


def test_R7_format_parameter_wins(client: FlaskClient) -> None:
    assert client.get("/fhir/metadata?_format=json", headers={"Accept": "text/html"}).status_code == 200
    assert_outcome(client.get("/fhir/metadata?_format=xml"), 406, "not-supported")


def test_R8_pretty_is_indented_and_the_same_value(client: FlaskClient) -> None:
    plain, pretty = client.get("/fhir/metadata"), client.get("/fhir/metadata?_pretty=true")
    assert b"\n  " in pretty.data and b"\n" not in plain.data
    assert json.loads(plain.data) == json.loads(pretty.data)


def test_R8_an_error_is_indented_too(client: FlaskClient) -> None:
    assert b"\n  " in client.get("/fhir/Foo?_pretty=true").data


# --- addresses and methods ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path",
    [
        "/fhir/Foo",
        "/fhir/nope/x",
        "/not-fhir",
        "/fhir/$nope",
        "/fhir/Questionnaire/$nope",
        "/fhir/Questionnaire/a/b",
        "/fhir//metadata",
        "/fhir/Questionnaire/" + "a" * 65,
        "/fhir/Appointment/1",
        "/metadata",
        "/static/x.js",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_R10_what_does_not_exist_is_404_in_json(client: FlaskClient, path: str, method: str) -> None:
    assert_outcome(client.open(path, method=method), 404, "not-found", "not-supported")


@pytest.mark.parametrize(
    ("method", "path"), [("PUT", "/fhir/$assess"), ("DELETE", "/fhir/metadata"), ("POST", "/healthz"), ("PATCH", "/fhir")]
)
def test_R11_another_method_is_405_with_allow(client: FlaskClient, method: str, path: str) -> None:
    response = client.open(path, method=method)
    assert_outcome(response, 405, "not-supported")
    assert response.headers["Allow"]


def test_R57_trailing_slash_and_percent_encoding_are_the_same_address(client: FlaskClient, hip_case: Resource) -> None:
    assert client.get("/fhir/metadata/").data == client.get("/fhir/metadata").data
    assert client.get("/fhir/Questionnaire/").status_code == 200
    assert post(client, "/fhir/%24assess", hip_case).status_code == 200
    assert post(client, "/fhir/$assess/", hip_case).status_code == 200
    assert post(client, "/fhir/QuestionnaireResponse/%24assess", hip_case).status_code == 200


def test_R61_assess_by_get_is_405(client: FlaskClient) -> None:
    for path in ("/fhir/$assess", "/fhir/Observation/$assess", "/fhir/QuestionnaireResponse/$assess"):
        response = client.get(path)
        assert_outcome(response, 405, "not-supported")
        assert "POST" in response.headers["Allow"].split(", ")


# --- request id --------------------------------------------------------------------------------------------------


def test_R55_a_request_id_is_echoed(client: FlaskClient) -> None:
    for path in ("/fhir/metadata", "/fhir/Foo", "/healthz"):
        assert client.get(path, headers={"X-Request-Id": "abc-1.2_3"}).headers["X-Request-Id"] == "abc-1.2_3"


@pytest.mark.parametrize("given", [None, "", "a" * 65, "two words", "line%0d%0abreak", "<script>"])
def test_R55_without_a_safe_request_id_one_is_made(client: FlaskClient, given: str | None) -> None:
    headers = {} if given is None else {"X-Request-Id": given}
    first, second = (client.get("/fhir/metadata", headers=headers).headers["X-Request-Id"] for _ in range(2))
    assert re.fullmatch(r"[0-9a-f-]{36}", first) and first != second


# --- published definitions ---------------------------------------------------------------------------------------


def test_S1_the_questionnaire_is_read_by_id_and_found_by_address(client: FlaskClient, questionnaire: Resource) -> None:
    read = client.get("/fhir/Questionnaire/hip-spine-intake").get_json(force=True)
    assert (read["resourceType"], read["status"], read["subjectType"]) == ("Questionnaire", "active", ["Patient"])
    assert read["version"]
    found = client.get("/fhir/Questionnaire", query_string={"url": read["url"]}, base_url="http://localhost").get_json(
        force=True
    )
    assert (found["type"], found["total"]) == ("searchset", 1)
    entry = found["entry"][0]
    assert entry["fullUrl"] == "http://localhost/fhir/Questionnaire/hip-spine-intake"
    assert (entry["resource"], entry["search"]["mode"]) == (read, "match")


def test_S1_every_question_is_coded(client: FlaskClient) -> None:
    def questions(items: list[Resource]) -> list[Resource]:
        return [
            one
            for item in items
            for one in ([item] if item["type"] not in ("group", "display") else []) + questions(item.get("item", []))
        ]

    asked = questions(client.get("/fhir/Questionnaire/hip-spine-intake").get_json(force=True)["item"])
    assert len(asked) > 50
    assert [item["linkId"] for item in asked if not item.get("code")] == []


def test_the_self_link_repeats_the_search(client: FlaskClient) -> None:
    address = client.get("/fhir/Questionnaire").get_json(force=True)["entry"][0]["resource"]["url"]
    found = client.get("/fhir/Questionnaire", query_string={"url": address, "_format": "json"}).get_json(force=True)
    link = found["link"][0]["url"]
    again = client.get(link.removeprefix("http://localhost")).get_json(force=True)
    assert again["entry"] == found["entry"] and "_format" not in link


def test_an_unknown_search_parameter_is_left_out_and_named(client: FlaskClient) -> None:
    found = client.get("/fhir/CodeSystem?bogus=secret&_id=finding").get_json(force=True)
    modes = [entry["search"]["mode"] for entry in found["entry"]]
    assert (modes, found["total"]) == (["match", "outcome"], 1)
    assert found["entry"][1]["fullUrl"].startswith("urn:uuid:")
    issue = found["entry"][1]["resource"]["issue"][0]
    assert (issue["severity"], issue["code"]) == ("warning", "not-supported")
    assert "bogus" in json.dumps(issue) and "secret" not in json.dumps(found)
    assert "bogus" not in found["link"][0]["url"]


def test_an_unknown_search_parameter_is_refused_in_strict_handling(client: FlaskClient) -> None:
    response = client.get("/fhir/CodeSystem?bogus=1", headers={"Prefer": "handling=strict"})
    issues = assert_outcome(response, 400, "not-supported")
    assert "_id" in issues[0]["diagnostics"] and "url" in issues[0]["diagnostics"]


def test_an_unknown_id_is_404(client: FlaskClient) -> None:
    assert_outcome(client.get("/fhir/CodeSystem/nope"), 404, "not-found")


def test_every_published_resource_has_our_canonical_base(client: FlaskClient, settings: Any) -> None:
    for offered in published_types():
        if "url" in {parameter.name for parameter in offered.search_parameters}:
            for entry in client.get(f"/fhir/{offered.name}").get_json(force=True)["entry"]:
                resource = entry["resource"]
                assert resource["url"] == f"{settings.base_url}/{offered.name}/{resource['id']}"


# --- health ------------------------------------------------------------------------------------------------------


def test_health_and_readiness_answer(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json()["status"] == "ok"
    assert client.get("/readyz").get_json()["status"] == "ready"


# --- assess: the plumbing ----------------------------------------------------------------------------------------


def test_R61_bare_and_in_parameters_give_the_same_predictions(client: FlaskClient, hip_case: Resource) -> None:
    bare = post(client, "/fhir/$assess", hip_case)
    held = {"resourceType": "Parameters", "parameter": [{"name": "questionnaire-response", "resource": hip_case}]}
    bundled = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": hip_case}]}
    assert bare.status_code == 200, bare.text[:500]
    assert bare.get_json(force=True)["resourceType"] == "RiskAssessment"
    for other in (
        post(client, "/fhir/$assess", held),
        post(client, "/fhir/QuestionnaireResponse/$assess", hip_case),
        post(client, "/fhir/QuestionnaireResponse/$assess", held),
        post(client, "/fhir/$assess", bundled),
    ):
        assert other.status_code == 200, other.text[:500]
        assert other.get_json(force=True)["prediction"] == bare.get_json(force=True)["prediction"]


def test_the_type_form_takes_only_its_type(client: FlaskClient, hip_case: Resource) -> None:
    issues = assert_outcome(post(client, "/fhir/Observation/$assess", hip_case), 400, "structure", "invalid")
    assert issues[0]["expression"] == ["QuestionnaireResponse"]
    held = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": hip_case}]}
    issues = assert_outcome(post(client, "/fhir/Observation/$assess", held), 400, "structure", "invalid")
    assert issues[0]["expression"] == ["Parameters.parameter[0].resource"]


def test_R60_equal_input_gives_equal_predictions_and_identifier(client: FlaskClient, hip_case: Resource) -> None:
    first, second = (post(client, "/fhir/$assess", hip_case).get_json(force=True) for _ in range(2))
    assert first["prediction"] == second["prediction"]
    assert first["identifier"] == second["identifier"]
    assert first["id"] != second["id"]


def test_an_assessment_is_not_to_be_cached(client: FlaskClient, hip_case: Resource) -> None:
    assert post(client, "/fhir/$assess", hip_case).headers["Cache-Control"] == "no-store"


def test_findings_are_assessed_at_every_form_for_every_listed_body_type(
    client: FlaskClient, respond: Callable[..., Resource]
) -> None:
    for content_type in (FHIR_JSON, "application/json", "application/json+fhir", "application/json; charset=utf-8"):
        assert post(client, "/fhir/$assess", respond(pain_groin="present"), content_type=content_type).status_code == 200


def test_everything_published_is_valid_r4(client: FlaskClient) -> None:
    """By our own complete check, the statement and the search Bundles too."""
    answers = [client.get("/fhir/metadata")]
    answers += [
        client.get(f"/fhir/{offered.name}?bogus=1") for offered in published_types()
    ]
    for answer in answers:
        parsed = r4.parse(answer.data, limits=r4.Limits())
        assert parsed.resource["resourceType"] in ("CapabilityStatement", "Bundle")


# --- nothing said of nothing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/fhir/$assess", "/cds-services", "/healthz"])
def test_an_answer_without_a_body_has_no_content_type(client: FlaskClient, path: str) -> None:
    response = client.options(path)
    assert response.headers["Allow"] and not response.data
    assert "Content-Type" not in response.headers


@pytest.mark.parametrize(
    "path", ["/fhir/Patient?name=%FF%FE", "/fhir/Patient/_history?_since=%E9", "/fhir/CodeSystem/$lookup?code=%C3"]
)
def test_a_parameter_that_is_not_utf8_is_400_and_named(client: FlaskClient, path: str) -> None:
    issues = assert_outcome(client.get(path), 400, "structure")
    assert issues[0]["expression"] == ["?" + path.partition("?")[2].partition("=")[0]]


def test_a_form_that_is_not_utf8_is_400(client: FlaskClient) -> None:
    response = client.post("/fhir/Patient/_search", data=b"name=%FF", content_type="application/x-www-form-urlencoded")
    assert_outcome(response, 400, "structure")


# --- names -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/fhir/metadata", "/fhir/Patient", "/openapi.json", "/cds-services", "/docs/", "/nothing"])
def test_a_name_that_is_not_ours_is_421_and_an_impossible_one_400(client: FlaskClient, path: str) -> None:
    """DNS rebinding: a page of a stranger reaches loopback under the stranger's name."""
    issues = assert_outcome(client.get(path, headers={"Host": "evil.example:8000"}), 421, "security")
    assert issues[0]["expression"] == ["Host"] and "HIPSPINE_ALLOWED_HOSTS" in issues[0]["diagnostics"]
    assert_outcome(client.get(path, headers={"Host": "a b"}), 400, "structure")


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_health_is_told_under_any_name(client: FlaskClient, path: str) -> None:
    assert client.get(path, headers={"Host": "10.1.2.3:8000"}).status_code == 200


def test_links_begin_with_the_public_address_and_never_with_the_host(settings: Settings, service: Service) -> None:
    outer = create_app(
        replace(settings, host="0.0.0.0", database_url="none", public_url="https://hip.example/spine/fhir"), service=service
    ).test_client()
    for host in ("10.1.2.3:8000", "evil.example"):
        found = outer.get("/fhir/Questionnaire", headers={"Host": host})
        assert found.status_code == 200
        assert "https://hip.example/spine/fhir/Questionnaire" in found.text and host not in found.text
        servers = outer.get("/openapi.json", headers={"Host": host}).get_json()["servers"]
        assert servers == [{"url": "https://hip.example/spine"}]


def test_the_table_of_the_readme_names_every_address(client: FlaskClient) -> None:
    """Pages by their address, what is below /fhir by its operation or its last word."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    table = readme.partition("## Endpoints and operations")[2].partition("\n\nMore of an answer")[0]
    words = {re.sub(r"{[^}]*}", "{}", word.rstrip(",`;")) for word in re.split(r"[\s`]+", table)}
    words |= {word.rsplit("/", 1)[-1] for word in words if "$" in word}
    missing = set()
    for rule in client.application.url_map.iter_rules():
        path = re.sub(r"<[^>]*>", "{}", rule.rule)
        last = path.rsplit("/", 1)[-1]
        if not path.startswith("/fhir"):
            missing |= {path} - words - {"/favicon.ico", "/docs/{}"}
        elif last.startswith("$") or last in ("metadata", "_search", "_history"):
            missing |= {last} - words - {word.rsplit("/", 1)[-1].partition("?")[0] for word in words}
    assert missing == set()


# --- addresses that lead nowhere ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("bad", "told"), [("a_b", "this one has 3, among them '_'"), ("a" * 70, "this one has 70.")])
@pytest.mark.parametrize(("method", "status"), [("PUT", 400), ("DELETE", 400), ("GET", 404), ("HEAD", 404)])
def test_an_illegal_id_is_named_with_the_rule_and_the_repair(
    client: FlaskClient, bad: str, told: str, method: str, status: int
) -> None:
    response = client.open(f"/fhir/Patient/{bad}", method=method)
    if method == "HEAD":
        assert response.status_code == status
        return
    issue = assert_outcome(response, status, "value", "not-found")[0]
    assert bad in issue["details"]["text"]
    assert all(part in issue["diagnostics"] for part in (told, "1 to 64 characters", "Correct the id"))


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", "/fhir/patient/1", "Patient meant"),
        ("GET", "/fhir/Pateint", "Patient meant"),
        ("GET", "/fhir/Medication/1", "/fhir/metadata lists"),
        ("GET", "/fhir//Patient", "Write /fhir/Patient."),
        ("GET", "/Patient/1", "Write /fhir/Patient/1."),
        ("POST", "/fhir/$asess", "$assess meant, at /fhir/$assess"),
        ("POST", "/fhir/Patient/$assess", "/fhir/Observation/$assess"),
        ("GET", "/fhir/Patient/1/$lookup", "/fhir/CodeSystem/[id]/$lookup"),
        ("POST", "/fhir/$assess/x", "Write /fhir/$assess."),
        ("GET", "/fhir/Patient/1/Observation", "/fhir/Observation?patient=1"),
        ("GET", "/fhir/Patient/1/_history/a_b", "1 to 64 characters"),
        ("GET", "/fhir/_search?name=x", "/fhir/[type]?"),
        ("GET", "/FHIR/metadata", "lower case"),
        ("GET", "/cds-services/a/b/c", "GET /cds-services lists"),
        ("GET", "/elsewhere", "GET / lists"),
    ],
)
def test_an_address_that_leads_nowhere_says_what_was_probably_meant(
    client: FlaskClient, method: str, path: str, told: str
) -> None:
    assert told in assert_outcome(client.open(path, method=method), 404, "not-found")[0]["diagnostics"]


@pytest.mark.parametrize(
    ("method", "path", "told"),
    [
        ("GET", "/cds-services/patient-view", "POST /cds-services/[id]"),
        ("POST", "/cds-services", "GET /cds-services lists"),
        ("PATCH", "/fhir/Patient/1", "PUT the whole resource"),
        ("POST", "/fhir/Patient/1", "create with POST /fhir/Patient."),
        ("PUT", "/fhir/Questionnaire/1", "only read"),
        ("DELETE", "/fhir/AuditEvent/1", "service alone writes"),
        ("PUT", "/fhir/Patient/_search", "as a form"),
        ("GET", "/fhir", "Bundle"),
        ("DELETE", "/fhir/Patient/1/_history/1", "only read"),
    ],
)
def test_a_refused_method_is_told_what_to_do_at_this_very_address(
    client: FlaskClient, method: str, path: str, told: str
) -> None:
    issue = assert_outcome(client.open(path, method=method), 405, "not-supported")[0]
    assert told in issue["diagnostics"] and "$assess" not in issue["diagnostics"]


# --- the front door ----------------------------------------------------------------------------------------------


def test_the_front_door_lists_places_that_are_there_and_leads_browsers_to_the_page(client: FlaskClient) -> None:
    places = client.get("/").get_json()["places"]
    for name, place in places.items():
        response = client.get(place.removeprefix("http://localhost"))
        assert response.status_code == (405 if name in ("fhir", "assess") else 200), name
    browser = client.get("/", headers={"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"})
    assert (browser.status_code, browser.headers["Location"]) == (303, "docs/")
    assert_outcome(client.get("/", headers={"Accept": "application/xml"}), 406, "not-supported")


def test_the_picture_of_the_tab_is_one(client: FlaskClient) -> None:
    response = client.get("/favicon.ico")
    assert (response.content_type, response.data[:4]) == ("image/vnd.microsoft.icon", b"\0\0\1\0")


# --- parameters that $assess has not -----------------------------------------------------------------------------


def test_a_parameter_that_assess_has_not_is_told_in_the_answer_or_refused(client: FlaskClient, hip_case: Resource) -> None:
    path = "/fhir/QuestionnaireResponse/$assess?foo=1&what-if=true&_pretty=true"
    answer = post(client, path, hip_case)
    assert answer.status_code == 200
    warnings = [
        {part["url"]: part["valueString"] for part in extension["extension"]}
        for extension in json.loads(answer.data)["extension"]
        if extension["url"].endswith("/warning")
    ]
    assert [warning["message"] for warning in warnings if warning.get("where") == "?foo"] == [
        "The parameter foo of the address is none of $assess; it has no effect."
    ]
    refused = post(client, path + "&care-plan=x", hip_case, headers={"Prefer": "handling=strict"})
    assert {issue["expression"][0] for issue in assert_outcome(refused, 400, "value", "not-supported")} == {"?foo", "?care-plan"}


@pytest.mark.parametrize("path", ["/fhir/QuestionnaireResponse/$extract?foo=1", "/fhir/Questionnaire/$populate?foo=1&bar=2"])
def test_a_parameter_that_an_operation_on_forms_has_not_is_refused(client: FlaskClient, hip_case: Resource, path: str) -> None:
    assert assert_outcome(post(client, path, hip_case), 400, "not-supported")[0]["expression"] == ["?foo"]


def test_validate_tells_every_fault_of_its_call(client: FlaskClient) -> None:
    response = post(client, "/fhir/Patient/$validate?mode=banana&foo=1", {"resourceType": "Observation"})
    told = {issue["expression"][0] for issue in assert_outcome(response, 400, "not-supported", "value")}
    assert {"?mode", "?foo"} < told and len(told) == 3


@pytest.mark.parametrize(
    ("path", "sent", "told"),
    [
        ("/fhir/$assess", "application/x-www-form-urlencoded", "this one is application/x-www-form-urlencoded. Send"),
        ("/fhir/$assess", "", "there is none. Send"),
        ("/fhir/$assess", "x<y>", "this one is none. Send"),
        ("/cds-services/patient-view", "text/xml", "with Content-Type: application/json."),
    ],
)
def test_a_body_of_another_type_is_told_which_it_has_and_which_it_should_have(
    client: FlaskClient, path: str, sent: str, told: str
) -> None:
    response = client.post(path, data=b"{}", headers={"Content-Type": sent} if sent else {})
    assert told in assert_outcome(response, 415, "not-supported")[0]["diagnostics"]


def test_the_page_works_below_the_prefix_of_a_proxy(client: FlaskClient) -> None:
    page = client.get("/docs/", environ_overrides={"SCRIPT_NAME": "/spine"}).text
    assert '"/spine/docs/swagger-ui-bundle.js"' in page and '"/spine/openapi.json"' in page and '"/docs/' not in page
    assert '"/docs/swagger-ui-bundle.js"' in client.get("/docs/").text


def test_a_statement_is_given_in_part_to_whoever_asks_for_a_part(client: FlaskClient) -> None:
    whole = client.get("/fhir/metadata").get_json(force=True)
    short = client.get("/fhir/metadata?_summary=true").get_json(force=True)
    assert set(whole) - set(short) == {"description"}
    assert short["fhirVersion"] == "4.0.1" and short["meta"]["tag"][-1]["code"] == "SUBSETTED"
    part = client.get("/fhir/metadata?mode=terminology&_elements=codeSystem").get_json(force=True)
    assert "codeSystem" in part and "description" not in part
    assert_outcome(client.get("/fhir/metadata?_summary=banana"), 400, "value")

"""What is not held here is asked of a configured terminology server: a real one on loopback, asked, remembered, late, broken."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest
from flask.testing import FlaskClient
from support.other_hosts import Asked, OtherHost, answer, other_host

from service.app import create_app
from service.errors import ServiceError
from service.settings import Settings

Resource = dict[str, Any]

BASE = "https://hipspine.example/fhir"
SNOMED, RXNORM = "http://snomed.info/sct", "http://www.nlm.nih.gov/research/umls/rxnorm"
UNKNOWN_SNOMED = "74400008"  # no code our maps lead to


class Server:
    """Answers as told, and counts."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.status = 200
        self.body: Resource | bytes = {"resourceType": "Parameters", "parameter": [{"name": "display", "valueString": "there"}]}
        self.wait = 0.0

    def __call__(self, handler: BaseHTTPRequestHandler, asked: Asked) -> None:
        time.sleep(self.wait)
        answer(handler, self.status, self.body if isinstance(self.body, bytes) else json.dumps(self.body).encode())


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Server, OtherHost]]:
    behaviour = Server()
    with other_host(behaviour) as found:
        yield behaviour, found


@pytest.fixture
def server(running: tuple[Server, OtherHost]) -> Server:
    running[0].reset()
    return running[0]


@pytest.fixture
def host(running: tuple[Server, OtherHost]) -> OtherHost:
    running[1].asked.clear()
    return running[1]


@pytest.fixture(scope="module")
def asking(settings: Settings, running: tuple[Server, OtherHost]) -> FlaskClient:
    """A service that asks the host; without a store, because nothing here is stored. Every test asks for codes of its own."""
    _, host = running
    given = replace(
        settings,
        database_url="none",
        terminology_server=f"{host.url}/fhir",
        outbound_private_hosts=f"127.0.0.1:{host.port}",
        terminology_seconds=0.5,
    )
    return create_app(given).test_client()


def lookup(client: FlaskClient, system: str, code: str, status: int = 200) -> Resource:
    response = client.get("/fhir/CodeSystem/$lookup", query_string={"system": system, "code": code})
    assert response.status_code == status, response.text
    found: Resource = response.get_json(force=True)
    return found


def test_a_system_that_is_not_held_is_asked_for_there_and_the_answer_says_where_it_is_from(
    asking: FlaskClient, host: OtherHost
) -> None:
    found = lookup(asking, RXNORM, "102")
    assert found["parameter"] == [{"name": "display", "valueString": "there"}]
    assert found["meta"]["source"] == f"{host.url}/fhir"
    (asked,) = host.asked
    assert (asked.method, asked.path) == ("POST", "/fhir/CodeSystem/$lookup")
    sent = {one["name"]: one for one in json.loads(asked.body)["parameter"]}
    assert sent == {
        "system": {"name": "system", "valueUri": RXNORM}, "code": {"name": "code", "valueCode": "102"},
    }


def test_a_code_outside_a_fragment_is_asked_for_and_one_inside_is_not(asking: FlaskClient, host: OtherHost) -> None:
    lookup(asking, SNOMED, "49218002")
    lookup(asking, "http://hl7.org/fhir/sid/icd-10-cm", "M16.11")
    assert host.asked == []
    lookup(asking, SNOMED, UNKNOWN_SNOMED)
    assert len(host.asked) == 1


def test_an_answer_is_remembered(asking: FlaskClient, host: OtherHost) -> None:
    first = lookup(asking, RXNORM, "104")
    assert lookup(asking, RXNORM, "104") == first
    lookup(asking, RXNORM, "2")
    assert len(host.asked) == 2


def test_what_is_ours_is_never_asked_for_elsewhere(asking: FlaskClient, host: OtherHost) -> None:
    lookup(asking, f"{BASE}/CodeSystem/finding", "none", 404)
    lookup(asking, f"{BASE}/CodeSystem/none", "none", 404)
    assert asking.get("/fhir/ValueSet/$expand", query_string={"url": f"{BASE}/ValueSet/none"}).status_code == 404
    assert asking.get("/fhir/CodeSystem/finding/$lookup?code=none").status_code == 404
    assert host.asked == []


def test_parameters_are_forwarded_as_they_came(asking: FlaskClient, host: OtherHost, server: Server) -> None:
    server.body = {"resourceType": "ValueSet", "status": "active", "expansion": {"timestamp": "2026-01-01", "total": 0}}
    body = {"resourceType": "Parameters", "parameter": [{"name": "url", "valueUri": "http://example.org/ValueSet/x"}]}
    response = asking.post(
        "/fhir/ValueSet/$expand?count=2", data=json.dumps(body), content_type="application/fhir+json"
    )
    assert response.get_json(force=True)["resourceType"] == "ValueSet"
    assert json.loads(host.asked[0].body)["parameter"] == [
        {"name": "url", "valueUri": "http://example.org/ValueSet/x"}, {"name": "count", "valueInteger": 2}
    ]


def test_where_both_do_not_know_both_say_so(asking: FlaskClient, server: Server) -> None:
    server.status = 404
    server.body = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "not-found",
                                                                  "details": {"text": "Nobody knows 107."}}]}
    issues = lookup(asking, RXNORM, "107", 404)["issue"]
    assert [issue["code"] for issue in issues] == ["not-found", "not-found"]
    assert "Nobody knows 107." in issues[1]["diagnostics"]


@pytest.mark.parametrize(
    ("status", "body"), [(500, b"{}"), (200, b"not json"), (200, b'{"resourceType":"Patient"}'), (200, b"[]")]
)
def test_a_broken_answer_is_502_and_not_remembered(
    asking: FlaskClient, server: Server, status: int, body: bytes
) -> None:
    code, good = f"{status}-{len(body)}", server.body
    server.status, server.body = status, body
    outcome = lookup(asking, RXNORM, code, 502)
    assert outcome["resourceType"] == "OperationOutcome"
    server.status, server.body = 200, good
    assert lookup(asking, RXNORM, code)["parameter"]


def test_a_late_answer_is_not_waited_for(asking: FlaskClient, server: Server) -> None:
    server.wait = 3.0
    started = time.monotonic()
    lookup(asking, RXNORM, "110", 502)
    assert time.monotonic() - started < 2.0


def test_snomed_that_is_switched_off_is_not_asked_for_elsewhere(settings: Settings, host: OtherHost) -> None:
    given = replace(
        settings, database_url="none", snomed=False, terminology_server=host.url, outbound_private_hosts=f"127.0.0.1:{host.port}"
    )
    lookup(create_app(given).test_client(), SNOMED, UNKNOWN_SNOMED, 404)
    assert host.asked == []


def test_a_host_that_is_not_listed_stops_the_start(settings: Settings) -> None:
    with pytest.raises(ServiceError) as refused:
        create_app(replace(settings, database_url="none", terminology_server="https://tx.example/fhir"))
    assert any("HIPSPINE_TERMINOLOGY_SERVER" in fault.where for fault in refused.value.faults)


def test_without_the_setting_nobody_is_asked(client: FlaskClient, host: OtherHost) -> None:
    lookup(client, RXNORM, "113", 404)
    assert host.asked == []

"""Writes whose resource is named by a search, on SQLite and on PostgreSQL; alone, in Bundles, and many at once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from support.fhir_calls import FHIR_JSON, Resource, issues_of, made, observation, patient, read_json, send
from support.servers import LiveServer

SYSTEM = "https://hipspine.example/test"


def fresh() -> str:
    return uuid.uuid4().hex


def named(value: str, **more: Any) -> Resource:
    return patient(identifier=[{"system": SYSTEM, "value": value}], **more)


def condition(value: str) -> str:
    return f"identifier={SYSTEM}|{value}"


def entry(method: str, url: str, resource: Resource | None = None, **request: str) -> Resource:
    body = {"resource": resource, "fullUrl": f"urn:uuid:{uuid.uuid4()}"} if resource is not None else {}
    return {**body, "request": {"method": method, "url": url, **request}}


def transaction(client: FlaskClient, *entries: Resource, kind: str = "transaction") -> Any:
    return send(client, "POST", "", {"resourceType": "Bundle", "type": kind, "entry": list(entries)})


# --- create ----------------------------------------------------------------------------------------------------------


def test_R30_a_conditional_create_makes_one_and_finds_it_again(stored: FlaskClient) -> None:
    value = fresh()
    first = send(stored, "POST", "/Patient", named(value), If_None_Exist=condition(value))
    assert (first.status_code, first.headers["ETag"]) == (201, 'W/"1"')
    again = send(stored, "POST", "/Patient", named(value, gender="male"), If_None_Exist=condition(value))
    assert again.status_code == 200
    assert (again.headers["Location"], again.headers["ETag"]) == (first.headers["Location"], 'W/"1"')
    assert read_json(again) == read_json(first), "nothing was written"


def test_R30_two_matches_are_412(stored: FlaskClient) -> None:
    value = fresh()
    made(stored, named(value)), made(stored, named(value))
    response = send(stored, "POST", "/Patient", named(value), If_None_Exist=condition(value))
    issues_of(response, 412, "multiple-matches", "conflict")


def test_a_deleted_resource_meets_no_condition(stored: FlaskClient) -> None:
    value = fresh()
    gone = made(stored, named(value))
    send(stored, "DELETE", f"/Patient/{gone['id']}")
    assert send(stored, "POST", "/Patient", named(value), If_None_Exist=condition(value)).status_code == 201


@pytest.mark.parametrize("criteria", ["", "?", "bogus=1", "_count=5", "identifier=", "identifier=x&bogus=1", "birthdate=banana"])
def test_a_condition_that_is_not_wholly_understood_is_refused(stored: FlaskClient, criteria: str) -> None:
    """A condition of which a part is left out is another condition; one that selects nothing would mean everything."""
    for response in (
        send(stored, "POST", "/Patient", patient(), If_None_Exist=criteria),
        send(stored, "PUT", f"/Patient?{criteria}", patient()),
        send(stored, "DELETE", f"/Patient?{criteria}"),
    ):
        issues_of(response, 400, "required", "not-supported", "invalid", "value")


# --- update ----------------------------------------------------------------------------------------------------------


def test_a_conditional_update_creates_updates_or_refuses(stored: FlaskClient) -> None:
    value = fresh()
    path = f"/Patient?{condition(value)}"
    first = send(stored, "PUT", path, named(value))
    assert (first.status_code, first.headers["ETag"]) == (201, 'W/"1"')
    second = send(stored, "PUT", path, named(value, gender="female"), If_Match='W/"1"')
    assert (second.status_code, second.headers["ETag"], read_json(second)["id"]) == (200, 'W/"2"', read_json(first)["id"])
    issues_of(send(stored, "PUT", path, named(value), If_Match='W/"1"'), 412, "conflict")
    same = send(stored, "PUT", path, named(value, id=read_json(first)["id"]))
    assert same.headers["ETag"] == 'W/"3"'
    issues_of(send(stored, "PUT", path, named(value, id="another")), 400, "invalid")
    made(stored, named(value))
    issues_of(send(stored, "PUT", path, named(value)), 412, "multiple-matches")


def test_a_conditional_update_without_a_match_takes_the_id_it_is_given(stored: FlaskClient) -> None:
    value, name = fresh(), f"given-{fresh()}"
    response = send(stored, "PUT", f"/Patient?{condition(value)}", named(value, id=name))
    assert (response.status_code, read_json(response)["id"]) == (201, name)
    other = send(stored, "PUT", f"/Patient?{condition(fresh())}", named(value, id=name))
    issues_of(other, 412, "conflict")


# --- delete ----------------------------------------------------------------------------------------------------------


def test_a_conditional_delete_deletes_one_or_none_and_never_several(stored: FlaskClient) -> None:
    value = fresh()
    first = made(stored, named(value))
    path = f"/Patient?{condition(value)}"
    assert send(stored, "DELETE", path).status_code == 204
    assert send(stored, "GET", f"/Patient/{first['id']}").status_code == 410
    nothing = send(stored, "DELETE", path, Prefer="return=OperationOutcome")
    assert nothing.status_code == 200 and "ETag" not in nothing.headers
    kept = [made(stored, named(value)), made(stored, named(value))]
    issues_of(send(stored, "DELETE", path), 412, "multiple-matches")
    assert [send(stored, "GET", f"/Patient/{one['id']}").status_code for one in kept] == [200, 200]


# --- in Bundles ------------------------------------------------------------------------------------------------------


def test_conditional_entries_of_a_transaction(stored: FlaskClient) -> None:
    there, gone, absent = fresh(), fresh(), fresh()
    old, doomed = made(stored, named(there)), made(stored, named(gone))
    again = entry("POST", "Patient", named(there), ifNoneExist=condition(there))
    about = entry("POST", "Observation", observation(subject={"reference": again["fullUrl"]}))
    response = transaction(
        stored, again, about, entry("DELETE", f"Patient?{condition(gone)}"), entry("DELETE", f"Patient?{condition(fresh())}"),
        entry("PUT", f"Patient?{condition(absent)}", named(absent)),
    )
    results = [one["response"] for one in read_json(response)["entry"]]
    assert [one["status"][:3] for one in results] == ["200", "201", "204", "204", "201"]
    assert results[0]["location"].endswith(f"/Patient/{old['id']}/_history/1"), "what was there is what is meant"
    seen = read_json(stored.get(results[1]["location"].removeprefix("http://localhost")))
    assert seen["subject"]["reference"] == f"Patient/{old['id']}"
    assert send(stored, "GET", f"/Patient/{doomed['id']}").status_code == 410


def test_a_conditional_reference_means_the_one_resource_that_meets_it(stored: FlaskClient) -> None:
    value = fresh()
    person = made(stored, named(value))
    by_condition = observation(subject={"reference": f"Patient?{condition(value)}"})
    response = transaction(stored, entry("POST", "Observation", by_condition))
    assert response.status_code == 200, response.text[:500]
    location = read_json(response)["entry"][0]["response"]["location"]
    assert read_json(stored.get(location.removeprefix("http://localhost")))["subject"]["reference"] == f"Patient/{person['id']}"


@pytest.mark.parametrize("matches", [0, 2])
def test_a_conditional_reference_to_none_or_several_stores_nothing(stored: FlaskClient, matches: int) -> None:
    value = fresh()
    for _ in range(matches):
        made(stored, named(value))
    other = fresh()
    dangling = observation(subject={"reference": f"Patient?{condition(value)}"})
    response = transaction(stored, entry("POST", "Patient", named(other)), entry("POST", "Observation", dangling))
    issues = issues_of(response, 422, "not-found", "multiple-matches")
    assert issues[0]["expression"] == ["Bundle.entry[1].resource.subject.reference"]
    assert send(stored, "POST", "/Patient", named(other), If_None_Exist=condition(other)).status_code == 201


def test_a_condition_with_two_matches_fails_the_transaction_or_the_entry_of_a_batch(stored: FlaskClient) -> None:
    value = fresh()
    made(stored, named(value)), made(stored, named(value))
    bad = entry("POST", "Patient", named(value), ifNoneExist=condition(value))
    issues = issues_of(transaction(stored, entry("POST", "Patient", patient()), bad), 412, "multiple-matches")
    assert issues[0]["expression"] == ["Bundle.entry[1]"]
    batch = read_json(transaction(stored, entry("POST", "Patient", patient()), bad, kind="batch"))["entry"]
    assert [one["response"]["status"][:3] for one in batch] == ["201", "412"]


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_one_condition_in_two_entries_is_refused(stored: FlaskClient, method: str) -> None:
    """Each would create what the other one's condition asks for."""
    value = fresh()
    first = entry("POST", "Patient", named(value), ifNoneExist=condition(value))
    second = entry("POST", "Patient", named(value), ifNoneExist=condition(value))
    if method == "PUT":
        second = entry("PUT", f"Patient?{condition(value)}", named(value))
    issues = issues_of(transaction(stored, first, second), 422, "business-rule")
    assert issues[0]["expression"] == ["Bundle.entry[1]"]
    assert send(stored, "POST", "/Patient", named(value), If_None_Exist=condition(value)).status_code == 201, "nothing was stored"


# --- many at once ----------------------------------------------------------------------------------------------------


def post_at_once(servers: list[LiveServer], make: Callable[[int], tuple[str, Resource, dict[str, str]]], count: int) -> list[Any]:
    """The answers to `count` requests that start at the same moment, spread over the servers."""
    barrier = Barrier(count)

    def one(number: int) -> requests.Response:
        path, body, headers = make(number)
        with requests.Session() as session:
            session.get(f"{servers[number % len(servers)].url}/healthz", timeout=30)  # the connection is there already
            barrier.wait(60)
            url = servers[number % len(servers)].fhir + path
            return session.post(url, json=body, headers={"Content-Type": FHIR_JSON, **headers}, timeout=60)

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(one, range(count)))


def test_R31_twenty_conditional_creates_at_once_on_two_servers_make_one_resource(
    database_url: str, start_server: Callable[..., LiveServer]
) -> None:
    """Two processes, as two workers or two hosts are; by header, and as entries of transactions."""
    servers = [start_server(HIPSPINE_DATABASE_URL=database_url, HIPSPINE_THREADS="8") for _ in range(2)]
    value = fresh()
    answers = post_at_once(servers, lambda _: ("/Patient", named(value), {"If-None-Exist": condition(value)}), 20)
    assert sorted(answer.status_code for answer in answers) == [200] * 19 + [201]
    assert len({answer.json()["id"] for answer in answers}) == 1

    value = fresh()
    bundle = {"resourceType": "Bundle", "type": "transaction",
              "entry": [entry("POST", "Patient", named(value), ifNoneExist=condition(value)),
                        entry("POST", "Observation", observation())]}
    answers = post_at_once(servers, lambda _: ("", bundle, {}), 20)
    assert [answer.status_code for answer in answers] == [200] * 20
    places = [answer.json()["entry"][0]["response"]["location"].split("/fhir/")[1] for answer in answers]
    assert len(set(places)) == 1

    value = fresh()
    by_condition = ("/Patient", named(value), {"If-None-Exist": condition(value)})
    mixed = post_at_once(servers, lambda number: by_condition if number % 4 else ("/Patient", patient(), {}), 20)
    assert sorted(answer.status_code for answer in mixed) == [200] * 14 + [201] * 6
    for server in servers:
        assert server.stop() == 0

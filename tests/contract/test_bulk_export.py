"""Bulk export: asked for, followed, fetched, cancelled; whole and consistent; across a restart."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from flask.testing import FlaskClient
from support.servers import LiveServer
from werkzeug.test import TestResponse

from service.app import create_app
from service.composition.parts import Service
from service.fhir import r4
from service.interactions.exporting import PAGE, Exports
from service.settings import Settings

Resource = dict[str, Any]
ASYNC = {"Prefer": "respond-async", "Accept": "application/fhir+json"}


@pytest.fixture
def client(database_url: str, service: Service, tmp_path: Path) -> Iterator[FlaskClient]:
    app = create_app(Settings(database_url=database_url, data_folder=str(tmp_path / "data")), service=service)
    yield app.test_client()
    app.extensions["hipspine-store"].close()


def exports_of(client: FlaskClient) -> Exports:
    exports: Exports = client.application.extensions["hipspine-beside"].exports
    return exports


def observation(number: int, **more: Any) -> Resource:
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": f"n{number}"},
        "subject": {"reference": "Patient/1"},
        **more,
    }


def store_many(client: FlaskClient, count: int, **more: Any) -> None:
    entries = [{"resource": observation(n, **more), "request": {"method": "POST", "url": "Observation"}} for n in range(count)]
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    response = client.post("/fhir", data=json.dumps(bundle), content_type="application/fhir+json")
    assert response.status_code == 200, response.text[:500]


def path_of(address: str) -> str:
    return address.removeprefix("http://localhost")


def kick_off(client: FlaskClient, query: str = "", place: str = "/fhir/$export") -> str:
    response = client.get(f"{place}{query}", headers=ASYNC)
    assert response.status_code == 202, response.text
    return path_of(response.headers["Content-Location"])


def exported(client: FlaskClient, query: str = "", place: str = "/fhir/$export") -> tuple[Resource, dict[str, list[Resource]]]:
    """The manifest, and what the files hold by type."""
    status = kick_off(client, query, place)
    waiting = client.get(status)
    assert waiting.status_code == 202 and waiting.headers["X-Progress"] and int(waiting.headers["Retry-After"])
    assert exports_of(client).work_once()
    done = client.get(status)
    assert done.status_code == 200 and done.content_type == "application/json" and "Expires" in done.headers
    manifest = done.get_json()
    files = {}
    for output in manifest["output"]:
        response: TestResponse = client.get(path_of(output["url"]))
        assert response.content_type == "application/fhir+ndjson"
        lines = response.data.splitlines()
        assert len(lines) == output["count"]
        files[output["type"]] = [json.loads(line) for line in lines]
    return manifest, files


def test_every_resource_is_exported_once_as_it_is_stored(client: FlaskClient) -> None:
    store_many(client, PAGE + 3)
    digits = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":7.10}}'
    client.post("/fhir/Observation", data=digits, content_type="application/fhir+json")
    manifest, files = exported(client)
    assert set(files) == {"Observation"} and len({one["id"] for one in files["Observation"]}) == PAGE + 4
    assert manifest["requiresAccessToken"] is False and manifest["error"] == []
    assert manifest["request"] == "http://localhost/fhir/$export"
    raw = client.get(path_of(manifest["output"][0]["url"])).data
    assert b'"value":7.10' in raw
    for line in raw.splitlines()[:5]:
        r4.parse(line, limits=r4.Limits())


def test_types_and_since_choose(client: FlaskClient) -> None:
    store_many(client, 3)
    client.put("/fhir/Patient/1", data='{"resourceType":"Patient","id":"1"}', content_type="application/fhir+json")
    first, files = exported(client, "?_type=Patient,Observation")
    assert {kind: len(held) for kind, held in files.items()} == {"Patient": 1, "Observation": 3}
    time.sleep(0.01)
    store_many(client, 2)
    since = first["transactionTime"].replace("+", "%2B")
    manifest, files = exported(client, f"?_type=Observation&_since={since}&_outputFormat=ndjson")
    assert len(files["Observation"]) == 2 and "_since" in manifest["request"]


def test_the_patient_level_holds_what_is_about_patients(client: FlaskClient) -> None:
    store_many(client, 2)
    nobody = {name: value for name, value in observation(9).items() if name != "subject"}
    client.post("/fhir/Observation", data=json.dumps(nobody), content_type="application/fhir+json")
    client.put("/fhir/Patient/1", data='{"resourceType":"Patient","id":"1"}', content_type="application/fhir+json")
    _, files = exported(client, place="/fhir/Patient/$export")
    assert {kind: len(held) for kind, held in files.items()} == {"Observation": 2, "Patient": 1}


def test_without_a_type_every_exported_type_is_given(client: FlaskClient) -> None:
    about = {"subject": {"reference": "Patient/1"}}
    for kind, more in (("Encounter", {"status": "finished", "class": {"code": "AMB"}}), ("Condition", {}), ("Patient", {})):
        resource = {"resourceType": kind, **more, **(about if kind != "Patient" else {})}
        client.post(f"/fhir/{kind}", data=json.dumps(resource), content_type="application/fhir+json")
    for place in ("/fhir/$export", "/fhir/Patient/$export"):
        assert set(exported(client, place=place)[1]) == {"Encounter", "Condition", "Patient"}


def test_nothing_stored_is_an_empty_manifest(client: FlaskClient) -> None:
    manifest, files = exported(client)
    assert manifest["output"] == [] and files == {}


def test_what_is_deleted_is_not_exported(client: FlaskClient) -> None:
    store_many(client, 2)
    _, files = exported(client)
    client.delete(f"/fhir/Observation/{files['Observation'][0]['id']}")
    _, files = exported(client)
    assert len(files["Observation"]) == 1


def test_an_export_can_be_cancelled_and_removed(client: FlaskClient) -> None:
    status = kick_off(client)
    assert client.delete(status).status_code == 202
    assert client.get(status).status_code == 404 and client.delete(status).status_code == 404
    assert not exports_of(client).work_once()
    manifest, _ = (store_many(client, 1), exported(client))[1]
    file = path_of(manifest["output"][0]["url"])
    client.delete(file.rpartition("/")[0])
    assert client.get(file).status_code == 404


def test_files_expire(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    store_many(client, 1)
    manifest, _ = exported(client)
    exports = exports_of(client)
    monkeypatch.setattr(exports, "_now", lambda: datetime.now(UTC) + timedelta(hours=25))
    exports.work_once()
    assert client.get(path_of(manifest["output"][0]["url"])).status_code == 404


@pytest.mark.parametrize(
    ("query", "headers", "where"),
    [
        ("", {}, "Prefer"),
        ("?_type=Subscription", ASYNC, "?_type"),
        ("?_since=yesterday", ASYNC, "?_since"),
        ("?_outputFormat=text/csv", ASYNC, "?_outputFormat"),
        ("?_typeFilter=x", ASYNC, "?_typeFilter"),
    ],
)
def test_what_is_not_offered_is_refused(client: FlaskClient, query: str, headers: dict[str, str], where: str) -> None:
    response = client.get(f"/fhir/$export{query}", headers=headers)
    assert response.status_code == 400, response.text
    assert response.get_json(force=True)["issue"][0]["expression"] == [where]


def test_all_that_is_wrong_with_a_kick_off_is_told_at_once(client: FlaskClient) -> None:
    response = client.get("/fhir/$export?_type=Subscription&_since=yesterday&_outputFormat=text/csv&_typeFilter=x")
    places = [issue["expression"][0] for issue in response.get_json(force=True)["issue"]]
    assert (response.status_code, sorted(places)) == (400, ["?_outputFormat", "?_since", "?_type", "?_typeFilter", "Prefer"])


def test_too_many_at_a_time_are_put_off(client: FlaskClient) -> None:
    for _ in range(10):
        kick_off(client)
    assert client.get("/fhir/$export", headers=ASYNC).status_code == 503


def test_only_files_of_the_job_are_served(client: FlaskClient) -> None:
    store_many(client, 1)
    manifest, _ = exported(client)
    folder = path_of(manifest["output"][0]["url"]).rpartition("/")[0]
    for name in ("job.json", "..%2Fjob.json", "Patient.ndjson", ".lock"):
        assert client.get(f"{folder}/{name}").status_code == 404


def test_a_job_outlives_the_service(start_server: Callable[..., LiveServer], tmp_path: Path) -> None:
    folder = {"HIPSPINE_DATA_FOLDER": str(tmp_path / "data")}
    server = start_server(**folder)
    headers = {"Content-Type": "application/fhir+json"}
    requests.post(f"{server.fhir}/Observation", data=json.dumps(observation(1)), headers=headers, timeout=10)
    done = follow(requests.get(f"{server.fhir}/$export", headers=ASYNC, timeout=10).headers["Content-Location"])
    pending = requests.get(f"{server.fhir}/$export", headers=ASYNC, timeout=10).headers["Content-Location"]
    server.stop(9)
    again = start_server(**folder)
    for address in (done["output"][0]["url"], follow(pending.replace(server.url, again.url))["output"][0]["url"]):
        held = requests.get(address.replace(server.url, again.url), timeout=10)
        assert held.status_code == 200 and held.json()["code"] == {"text": "n1"}


def follow(status: str) -> Resource:
    for _ in range(200):
        response = requests.get(status, timeout=10)
        if response.status_code == 200:
            return dict(response.json())
        assert response.status_code == 202, response.text
        time.sleep(0.1)
    raise AssertionError("the export does not end")

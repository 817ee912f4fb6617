"""Clients that others wrote, against a running server on each database: what an integrator does on the first day."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from clients.kit import prepared
from support.servers import LiveServer

Resource = dict[str, Any]


@pytest.fixture(scope="module")
def base(module_database_url: str, start_server: Callable[..., LiveServer]) -> str:
    """The FHIR base of a server of the module's own, on an empty database."""
    return f"{start_server(HIPSPINE_DATABASE_URL=module_database_url).url}/fhir"


def encounter_of(patient: str) -> list[Resource]:
    """Five findings of one patient, on five days."""
    return [
        {"resourceType": "Observation", "status": "final", "code": {"text": "Groin pain"},
         "subject": {"reference": patient}, "effectiveDateTime": f"2026-01-0{day}"}
        for day in range(1, 6)
    ]  # fmt: skip


def transaction_of(resources: list[Resource]) -> Resource:
    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [{"resource": one, "request": {"method": "POST", "url": one["resourceType"]}} for one in resources],
    }


def test_fhirpy(base: str, hip_case: Resource) -> None:
    from fhirpy import SyncFHIRClient
    from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

    client = SyncFHIRClient(base)
    patient = client.resource("Patient", name=[{"family": "Py"}], identifier=[{"system": "urn:py", "value": "1"}])
    patient.create()
    reference = f"Patient/{patient.id}"
    assert client.get("Patient", patient.id)["name"][0]["family"] == "Py"

    answer = client.execute("/", method="post", data=transaction_of(encounter_of(reference)))
    assert [entry["response"]["status"][:3] for entry in answer["entry"]] == ["201"] * 5

    found = client.resources("Observation").search(patient=patient.id, date__ge="2026-01-02").sort("-date").limit(2)
    assert [one["effectiveDateTime"] for one in found.fetch()] == ["2026-01-05", "2026-01-04"]
    assert [one["effectiveDateTime"] for one in found.fetch_all()] == [f"2026-01-0{day}" for day in (5, 4, 3, 2)]
    assert found.count() == 4
    assert client.resources("Observation").search(patient__identifier="urn:py|1").count() == 5
    included = client.resources("Observation").search(patient=patient.id).include("Observation", "patient").fetch_raw()
    assert {entry.resource.resource_type for entry in included.entry} == {"Observation", "Patient"}

    # Its own get_or_create asks in a way of its own; the standard's header says the same.
    conditional = SyncFHIRClient(base, extra_headers={"If-None-Exist": "identifier=urn:py|1"})
    assert conditional.execute("/Patient", method="post", data={"resourceType": "Patient"})["id"] == patient.id
    patient["name"][0]["family"] = "Pie"
    patient.save()
    assert client.get("Patient", patient.id)["meta"]["versionId"] == "2"

    assessed = client.execute("/QuestionnaireResponse/$assess", method="post", data=hip_case)
    assert assessed["resourceType"] == "RiskAssessment"
    with pytest.raises(OperationOutcome):
        client.resources("Observation").search(date="banana").fetch()
    patient.delete()
    with pytest.raises(ResourceNotFound):
        client.get("Patient", patient.id)


def test_fhirclient(base: str) -> None:
    from fhirclient import client
    from fhirclient.models.bundle import Bundle
    from fhirclient.models.humanname import HumanName
    from fhirclient.models.observation import Observation
    from fhirclient.models.patient import Patient

    server = client.FHIRClient(settings={"app_id": "hipspine-test", "api_base": base}).server
    patient = Patient({"name": [{"family": "Client"}], "birthDate": "1961-04-30"})
    answer = patient.create(server)
    patient_id = answer["id"]
    read = Patient.read(patient_id, server)
    assert read.name[0].family == "Client" and read.birthDate.isostring == "1961-04-30"

    sent = Bundle(transaction_of(encounter_of(f"Patient/{patient_id}")))
    done = Bundle(server.post_json("", sent.as_json()).json())
    assert [entry.response.status[:3] for entry in done.entry] == ["201"] * 5

    search = Observation.where({"patient": patient_id, "_sort": "date", "_count": "2"})
    first = search.perform(server)
    assert first.total == 5 and len(first.entry) == 2
    assert [one.effectiveDateTime.as_json() for one in search.perform_resources_iter(server)] == [
        f"2026-01-0{day}" for day in range(1, 6)
    ]
    read.name = [HumanName({"family": "Changed"})]
    read.update(server)
    assert [one.id for one in Patient.where({"family": "chang"}).perform_resources(server)] == [patient_id]

    assessed = server.post_json("$assess", {
        "resourceType": "Bundle", "type": "collection", "entry": [{"resource": read.as_json()}, *(
            {"resource": one} for one in encounter_of(f"Patient/{patient_id}")
        )],
    }).json()  # fmt: skip
    assert assessed["resourceType"] == "RiskAssessment"
    read.delete(server)


def test_fhir_kit_client(base: str) -> None:
    folder = prepared()
    done = subprocess.run(
        ["node", "fhir_kit.mjs", base], cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert json.loads(done.stdout) == {
        "version": "4.0.1",
        "read": "Kit",
        "created": ["201"] * 5,
        "pages": [["2026-01-05", "2026-01-04"], ["2026-01-03", "2026-01-02"]],
        "previous": ["2026-01-05", "2026-01-04"],
        "posted": 5,
        "updated": "2",
        "history": 2,
        "assessed": ["RiskAssessment", True],
        "refused": [400, "value"],
        "gone": 410,
    }

"""`python -m tests.support.profile_examples` (`make docs`): the examples of the profiles, from answers of the service as it is.

Each request of tests/data is posted to the application, with a clock that stands still and ids that count, so that the same
service gives the same examples. What an answer contains is also written as a resource of its own, as a record system that takes
it up would store it.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT)]  # as pytest does

from support.example_requests import STORIES  # noqa: E402

if TYPE_CHECKING:
    from flask.testing import FlaskClient

Resource = dict[str, Any]
FOLDER = ROOT / "profiles" / "fsh-generated" / "examples"
HL7 = "http://terminology.hl7.org/CodeSystem"
FHIR_JSON = "application/fhir+json"
STANDING_STILL = datetime(2026, 7, 2, 9, 30, tzinfo=UTC)


def examples() -> dict[str, Resource]:
    """File name -> resource."""
    from service.app import create_app
    from service.composition.parts import build_service
    from service.settings import Settings

    numbers = count(1)
    settings = Settings(database_url="none")
    service = build_service(settings, clock=lambda: STANDING_STILL, ids=lambda: f"example-{next(numbers)}")
    client = create_app(settings, service=service).test_client()
    found = list(_examples(client, f"{settings.base_url}/StructureDefinition", service.parts.version))
    found.append(_provenance(next(one for one in found if (one["resourceType"], one["id"]) == ("RiskAssessment", "hip"))))
    named = {f"{one['resourceType']}-{one['id']}.json": one for one in found}
    assert len(named) == len(found), "two examples of one type and id"
    return dict(sorted(named.items()))


def text_of(resource: Mapping[str, Any]) -> str:
    """The file of an example: a line for each element, and for each of a list. Indented, an assessment would be megabytes."""
    from service.fhir import r4

    def line(value: Any) -> str:
        return r4.serialise(value).decode("utf-8")

    parts = []
    for name, value in resource.items():
        if isinstance(value, list):
            parts.append(f"{line(name)}: [\n    " + ",\n    ".join(line(one) for one in value) + "\n  ]")
        else:
            parts.append(f"{line(name)}: {line(value)}")
    return "{\n  " + ",\n  ".join(parts) + "\n}\n"


def main() -> int:
    from service.settings import limit_blas_threads

    limit_blas_threads()  # before NumPy is imported: the last digits depend on it
    FOLDER.mkdir(parents=True, exist_ok=True)
    made = examples()
    for path in FOLDER.glob("*.json"):
        if path.name not in made:
            path.unlink()
    for name, resource in made.items():
        (FOLDER / name).write_text(text_of(resource), encoding="utf-8")
    return 0


def _examples(client: FlaskClient, profiles: str, version: str) -> Iterator[Resource]:
    def of_profile(name: str, resource: Resource, example_id: str) -> Resource:
        return _identified(resource, example_id) | {"meta": {"profile": [f"{profiles}/{name}|{version}"]}}

    for name in STORIES:
        story = name.removesuffix(".json")
        yield _identified(_assessed(client, _request(name)), story)
    planned = _identified(_assessed(client, _request("hip.json"), "?care-plan=true&what-if=true"), "hip-in-full")
    yield planned
    yield from _taken_up(planned)
    later = _request("hip.json")
    again = [later | {"id": "hip-2", "authored": "2026-03-05T10:00:00+01:00"}, _identified(planned, "hip-in-full")]
    _answer(again[0], "hip_injection_relief", "50-79")
    yield _identified(_assessed(client, _bundle(again)), "hip-again")
    sparse = _request("sparse.json")
    yield _identified(_assessed(client, _bundle([sparse, sparse | {"id": "withdrawn", "status": "cancelled"}])), "sparse-ignored")
    yield of_profile("intake-response", _request("hip.json"), "hip")
    for number, one in enumerate(_findings(_request("both.json")), 1):
        yield of_profile("exam-finding", one, f"both-{number}")
    yield of_profile("exam-finding", _sided(), "straight-leg-raise-right")
    yield _read(client, "Device", "hipspine")


def _request(name: str) -> Resource:
    found: Resource = json.loads((ROOT / "tests" / "data" / name).read_text(encoding="utf-8"))
    return found


def _assessed(client: FlaskClient, body: Resource, options: str = "") -> Resource:
    return _posted(client, f"/fhir/$assess{options}", body)


def _provenance(assessment: Resource) -> Resource:
    """What a service with a store writes down when it stores an assessment, at the time at which everything here stands still."""
    from service.app import create_app
    from service.settings import Settings

    with tempfile.TemporaryDirectory() as folder:
        client = create_app(Settings(database_url=f"sqlite:///{folder}/examples.db")).test_client()
        path = f"/fhir/RiskAssessment/{assessment['id']}"
        stored = client.put(path, data=text_of(assessment), content_type=FHIR_JSON)
        assert stored.status_code == 201, stored.text[:2000]
        found = client.get("/fhir/Provenance", query_string={"target": f"RiskAssessment/{assessment['id']}"})
        (entry,) = _digits_kept(found.text)["entry"]
    written = entry["resource"]
    meta = {"profile": written["meta"]["profile"]}
    return _identified(written | {"recorded": STANDING_STILL.isoformat(), "meta": meta}, assessment["id"])


def _posted(client: FlaskClient, path: str, body: Resource) -> Resource:
    from service.fhir import r4

    response = client.post(path, data=r4.serialise(body), content_type=FHIR_JSON)
    assert response.status_code == 200, response.text[:2000]
    return _digits_kept(response.text)


def _read(client: FlaskClient, type_name: str, resource_id: str) -> Resource:
    response = client.get(f"/fhir/{type_name}/{resource_id}")
    assert response.status_code == 200, response.text[:2000]
    return _digits_kept(response.text)


def _digits_kept(text: str) -> Resource:
    found: Resource = json.loads(text, parse_float=Decimal)
    return found


def _identified(resource: Resource, example_id: str) -> Resource:
    head = {"resourceType": resource["resourceType"], "id": example_id}
    return head | {key: value for key, value in resource.items() if key not in head}


def _bundle(resources: list[Resource]) -> Resource:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in resources]}


def _answer(response: Resource, finding: str, code: str) -> None:
    """Adds or replaces one coded answer of a form."""
    group = {"linkId": "group-treatment-response", "item": []}
    held = next((one for one in response["item"] if one["linkId"] == group["linkId"]), None)
    if held is None:
        response["item"].append(held := group)
    held["item"] = [one for one in held["item"] if one["linkId"] != finding]
    system = response["questionnaire"].rpartition("/Questionnaire/")[0] + "/CodeSystem/answer"
    held["item"].append({"linkId": finding, "answer": [{"valueCoding": {"system": system, "code": code}}]})


def _findings(bundle: Resource) -> Iterator[Resource]:
    """The Observations of a request, about a patient that can be referred to outside of it."""
    for entry in bundle["entry"]:
        if entry["resource"]["resourceType"] == "Observation":
            yield {
                **{key: value for key, value in entry["resource"].items() if key != "encounter"},
                "subject": {"reference": "Patient/example-both"},
            }


def _taken_up(assessment: Resource) -> Iterator[Resource]:
    """What the answer contains, each with an id of its own: the engine apart, which is published."""
    story = assessment["id"]
    names = {f"#{one['id']}": f"{one['resourceType']}/{story}-{one['id']}" for one in assessment["contained"]}
    names |= {"#device": "Device/hipspine", "#": f"RiskAssessment/{story}"}
    for one in assessment["contained"]:
        if one["resourceType"] in ("ServiceRequest", "CarePlan"):
            yield _identified(_renamed(one, names), f"{story}-{one['id']}")


def _renamed(element: Any, names: Mapping[str, str]) -> Any:
    if isinstance(element, dict):
        return {
            key: names.get(value, value) if key == "reference" and isinstance(value, str) else _renamed(value, names)
            for key, value in element.items()
        }
    return [_renamed(value, names) for value in element] if isinstance(element, list) else element


def _sided() -> Resource:
    """An Observation with side and level as the profile has them."""
    base = "https://hipspine.example/fhir/CodeSystem"

    def part(name: str, system: str, code: str, display: str) -> Resource:
        return {
            "code": {"coding": [{"system": f"{base}/observation-part", "code": name}]},
            "valueCodeableConcept": {"coding": [{"system": f"{base}/{system}", "code": code, "display": display}]},
        }

    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [{"coding": [{"system": f"{HL7}/observation-category", "code": "exam", "display": "Exam"}]}],
        "code": {"coding": [{"system": f"{base}/finding", "code": "slr", "display": "Straight leg raise"}]},
        "subject": {"reference": "Patient/example-spine"},
        "effectiveDateTime": "2026-03-04T14:20:00+01:00",
        "valueCodeableConcept": {"coding": [{"system": f"{base}/answer", "code": "present", "display": "Present"}]},
        "interpretation": [{"coding": [{"system": f"{HL7}/v3-ObservationInterpretation", "code": "POS", "display": "Positive"}]}],
        "component": [
            part("laterality", "side", "right", "Right"),
            part("spinal-level", "spinal-level", "L5", "L5 root or segment"),
        ],
    }


if __name__ == "__main__":
    sys.exit(main())

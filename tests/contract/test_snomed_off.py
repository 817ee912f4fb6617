"""With HIPSPINE_SNOMED=false no SNOMED CT code leaves the service, whatever is asked; codes that are sent are understood."""

from __future__ import annotations

import gzip
import io
import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import pytest
from flask.testing import FlaskClient
from support.hook_calls import case, hook_call, order

from service.app import create_app
from service.composition.parts import Service
from service.settings import Settings

Resource = dict[str, Any]

BASE = "https://hipspine.example/fhir"
SNOMED = "http://snomed.info/sct"
DATA = Path(__file__).parents[1] / "data"
MAPS = Path(__file__).parents[2] / "terminology" / "conceptmaps"
CASES = sorted(path.stem for path in DATA.glob("*.json"))


def snomed_codes() -> frozenset[str]:
    """Every SNOMED CT code the maps hold, but for those that are also numbers of another kind (none has fewer than 7 digits)."""
    return frozenset(
        target["code"]
        for path in MAPS.glob("*-to-snomed.json")
        for group in json.loads(path.read_text(encoding="utf-8"))["group"]
        for element in group["element"]
        for target in element["target"] if len(target.get("code", "")) >= 7
    )


CODES = snomed_codes()


def assert_free(text: str, what: str) -> None:
    """No address of SNOMED CT and none of its codes in a text."""
    at = text.find("snomed.info")
    assert at < 0, (what, text[max(0, at - 200) : at + 60])  # not `in`: the difference of long texts takes minutes to draw
    found = CODES & set(re.findall(r"(?<![0-9.])[0-9]{7,18}(?![0-9.])", text))
    assert not found, (what, found)


@pytest.fixture(scope="module")
def without(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    folder = str(tmp_path_factory.mktemp("unlicensed"))
    return create_app(replace(settings, snomed=False, data_folder=folder)).test_client()


def assess(client: FlaskClient, case: str) -> str:
    raw = (DATA / f"{case}.json").read_bytes()
    response = client.post("/fhir/$assess?care-plan=true&what-if=true", data=raw, content_type="application/fhir+json")
    assert response.status_code == 200, response.text
    return response.text


def test_the_scan_would_find_codes_where_the_switch_is_on(client: FlaskClient) -> None:
    with pytest.raises(AssertionError):
        assert_free(assess(client, "hip"), "an assessment")


@pytest.mark.parametrize("case", CASES)
def test_no_assessment_holds_a_snomed_code(without: FlaskClient, case: str) -> None:
    answer = assess(without, case)
    assert_free(answer, case)
    assert "http://hl7.org/fhir/sid/icd-10-cm" in answer or case in ("sparse",)


def published(client: FlaskClient) -> Iterator[tuple[str, str]]:
    """(address, text) of everything that can be read without a patient."""
    statement = client.get("/fhir/metadata").get_json(force=True)
    yield "metadata", json.dumps(statement)
    for entry in statement["rest"][0]["resource"]:
        response = client.get(f"/fhir/{entry['type']}")
        yield entry["type"], response.text
        bundle = response.get_json(force=True)
        for one in bundle.get("entry", ()):
            if one["resource"]["resourceType"] == "ValueSet":
                place = f"/fhir/ValueSet/{one['resource']['id']}/$expand?includeDesignations=true"
                yield place, client.get(place).text
    for place in ("/openapi.json", "/cds-services", "/readyz"):
        response = client.get(place)
        assert response.status_code == 200, place
        yield place, response.text


def test_nothing_published_holds_a_snomed_code(without: FlaskClient) -> None:
    places = dict(published(without))
    for place, text in places.items():
        assert_free(text, place)
    assert len(places) > 50


def test_the_package_holds_no_snomed_code(without: FlaskClient) -> None:
    response = without.get("/package.tgz")
    assert response.status_code == 200
    with tarfile.open(fileobj=io.BytesIO(gzip.decompress(response.data))) as archive:
        names = [member.name for member in archive.getmembers() if member.isfile()]
        for name in names:
            member = archive.extractfile(name)
            assert member is not None
            assert_free(member.read().decode(), name)
    assert not [name for name in names if "snomed" in name]
    assert [name for name in names if "example/RiskAssessment" in name]


def test_maps_of_snomed_are_not_published_and_the_others_are(without: FlaskClient, client: FlaskClient) -> None:
    def ids(of: FlaskClient) -> set[str]:
        return {entry["resource"]["id"] for entry in of.get("/fhir/ConceptMap").get_json(force=True)["entry"]}

    assert {one for one in ids(client) if "snomed" not in one} == ids(without)
    assert {"condition-to-icd10cm", "icd10cm-to-condition", "finding-to-loinc"} <= ids(without)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        (f"CodeSystem/$lookup?system={SNOMED}&code=49218002", 404),
        (f"CodeSystem/$validate-code?url={SNOMED}&code=49218002", 404),
        (f"CodeSystem/$subsumes?system={SNOMED}&codeA=49218002&codeB=49218002", 404),
        (f"ConceptMap/$translate?system={BASE}/CodeSystem/condition&code=hip_oa&targetsystem={SNOMED}", 404),
        (f"ConceptMap/$translate?system={SNOMED}&code=239872002", 404),
        (f"ConceptMap/$translate?system={BASE}/CodeSystem/condition&code=hip_oa", 200),
    ],
)
def test_the_terminology_operations_say_that_it_is_switched_off(without: FlaskClient, path: str, status: int) -> None:
    response = without.get(f"/fhir/{path}")
    assert response.status_code == status, response.text
    if status == 200:
        assert_free(response.text, path)
    elif f"system={SNOMED}" in path or "url=" in path:
        assert "switched off" in response.text


def test_no_page_about_the_definitions_holds_one(without: FlaskClient) -> None:
    waiting, seen = ["/profiles/"], set()
    while waiting:
        place = waiting.pop()
        if place in seen:
            continue
        seen.add(place)
        response = without.get(place)
        assert response.status_code == 200, place
        assert_free(response.text, place)
        links = re.findall(r'href="([^"#?]+)', response.text)
        waiting += [found for link in links if (found := urljoin(place, link)).startswith("/profiles/")]
    assert len(seen) > 100


@pytest.mark.parametrize("name", ["hip", "spine", "emergency"])
@pytest.mark.parametrize("hook", ["patient-view", "order-select", "order-sign"])
def test_no_card_holds_one(without: FlaskClient, hook: str, name: str) -> None:
    orders = [order("24762-7")] if hook.startswith("order") else None
    response = without.post(f"/cds-services/{hook}", json=hook_call(hook, case(name), orders=orders))
    assert response.status_code == 200, response.text
    assert_free(response.text, f"{hook} {name}")


def test_the_form_and_a_filled_form_hold_none(without: FlaskClient) -> None:
    form = without.get("/fhir/Questionnaire").get_json(force=True)["entry"][0]["resource"]
    assert_free(json.dumps(form), "the form")
    for operation, body in (
        ("Questionnaire/$populate", {"resourceType": "Parameters", "parameter": [
            {"name": "canonical", "valueCanonical": form["url"]},
            {"name": "subject", "valueReference": {"reference": "Patient/1"}}]}),
        ("QuestionnaireResponse/$extract", json.loads((DATA / "hip.json").read_text(encoding="utf-8"))),
    ):
        response = without.post(f"/fhir/{operation}", data=json.dumps(body), content_type="application/fhir+json")
        assert response.status_code == 200, response.text
        assert_free(response.text, operation)


def test_snomed_codes_that_are_sent_are_understood_all_the_same(without: FlaskClient, client: FlaskClient) -> None:
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": SNOMED, "code": "16973004"}]},
        "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2026-01-15",
        "valueCodeableConcept": {"coding": [{"system": SNOMED, "code": "52101004"}]},
    }
    said = []
    for one in (client, without):
        response = one.post("/fhir/$assess", data=json.dumps(observation), content_type="application/fhir+json")
        assert response.status_code == 200, response.text
        said.append([prediction["probabilityDecimal"] for prediction in response.get_json(force=True)["prediction"]])
    assert said[0] == said[1]


def test_a_started_service_takes_the_switch_from_its_environment(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    from service.settings import read_settings

    assert service.settings.snomed
    monkeypatch.setenv("HIPSPINE_SNOMED", "false")
    assert not read_settings().snomed

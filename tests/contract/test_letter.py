"""The half page at the top of the narrative: what a clinician reads first, in either language."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

Resource = dict[str, Any]
BEHIND = {"en": "BEHIND THE ANSWER", "de": "WAS HINTER DER ANTWORT STEHT"}
DATA = Path(__file__).resolve().parents[1] / "data"
OSTEOARTHRITIS = {"pain_groin": "present", "hip_xray_oa": "present", "limp": "present", "hip_ir_reduced": "present"}


def example(name: str) -> Resource:
    resource: Resource = json.loads((DATA / f"{name}.json").read_text(encoding="utf-8"))
    return resource


@pytest.fixture(scope="module")
def read() -> Callable[..., tuple[str, str, Resource]]:
    """`read(client, resource)`: the half page, what stands behind it, and the whole answer."""

    def told(client: FlaskClient, resource: Resource, language: str = "en") -> tuple[str, str, Resource]:
        response = client.post("/fhir/$assess", json=resource, headers={"Accept-Language": language})
        assert response.status_code == 200, response.get_json()
        found = response.get_json()
        plain = html.unescape(re.sub("<[^>]+>", " ", found["text"]["div"]))
        letter, behind = plain.split(BEHIND[language])
        return " ".join(letter.split()), " ".join(behind.split()), found

    return told


@pytest.mark.parametrize("name", ["hip", "spine", "both", "sacroiliac", "sparse"])
def test_the_letter_is_half_a_page_in_clinical_words(client: FlaskClient, read: Any, name: str) -> None:
    letter, behind, _ = read(client, example(name))
    assert len(letter.split()) <= 300
    assert not re.search(r"urn:uuid|Bundle\.|entry\[|[a-z]+_[a-z]+|Patient/|\d{2}:\d{2}:\d{2}|log-odds", letter)
    assert re.search(r"assessed on \d{4}-\d{2}-\d{2}\.", letter) and "Next step" in letter
    assert "no substitute for clinical judgement" in letter
    assert "log-odds" in behind and "Source pattern" in behind


def test_the_letter_names_age_and_sex_where_they_are_known(client: FlaskClient, read: Any) -> None:
    letter, _, _ = read(client, example("emergency"))
    assert re.search(r"\d\d years, (fe)?male; assessed on", letter)


def test_in_an_emergency_the_alarm_leads_and_nothing_argues_against_it(client: FlaskClient, read: Any) -> None:
    letter, behind, found = read(client, example("emergency"))
    assert letter.index("RED FLAGS") < letter.index("An emergency has to be excluded first.")
    whole = f"{letter} {behind}"
    for benign in ("Leading so far", "Leading single condition", "Most likely source", "peaks against it", "Why:"):
        assert benign not in whole
    assert "These figures do not answer the alarm sign." in behind
    alarms = ("Saddle numbness", "New urinary retention", "Progressive leg weakness", "Reduced anal tone")
    for one in found["prediction"]:
        against = one["rationale"].partition("Strongest against:")[2]
        assert not any(alarm in against for alarm in alarms), one["rationale"]


def test_what_an_image_shows_is_reported_as_seen_and_never_final(client: FlaskClient, read: Any, respond: Any) -> None:
    letter, _, found = read(client, respond(status="completed", **OSTEOARTHRITIS, fracture_imaging="hip-or-femur"))
    assert found["status"] == "preliminary"
    assert "reported as seen" in letter and "the number does not replace the image" in letter
    (fracture,) = [one for one in found["prediction"] if one["outcome"]["coding"][0]["code"] == "hip_fracture"]
    assert fracture["probabilityDecimal"] < 50 and "does not replace the image" in fracture["rationale"]
    _, _, before = read(client, respond(status="completed", **OSTEOARTHRITIS))
    assert before["status"] == "final"


def test_a_child_is_told_nothing_made_of_adults(client: FlaskClient, read: Any, respond: Any) -> None:
    patient = {"resourceType": "Patient", "id": "p", "birthDate": "2019-01-01", "gender": "male"}
    form = respond(pain_groin="present", limp="present") | {"subject": {"reference": "Patient/p"}}
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [
        {"fullUrl": "http://a.example/fhir/Patient/p", "resource": patient},
        {"fullUrl": "http://a.example/fhir/QuestionnaireResponse/q", "resource": form | {"id": "q"}},
    ]}  # fmt: skip
    letter, behind, _ = read(client, bundle)
    assert "No source is named" in letter and "Children's orthopaedics" in letter
    assert "Replacement" not in f"{letter} {behind}" and "Leading" not in letter


@pytest.mark.parametrize(
    ("language", "told"), [("en", "The record contradicts itself"), ("de", "Die Angaben widersprechen sich")]
)
def test_contradictions_on_alarm_questions_stand_at_the_red_flags(
    client: FlaskClient, read: Any, respond: Any, language: str, told: str
) -> None:
    forms = [respond(saddle_anaesthesia=answer, pain_groin="present") for answer in ("present", "absent")]
    entries = [{"fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{n}", "resource": one} for n, one in enumerate(forms)]
    letter, _, _ = read(client, {"resourceType": "Bundle", "type": "collection", "entry": entries}, language)
    assert told in letter


def test_german_writes_its_figures_with_a_comma(client: FlaskClient, read: Any) -> None:
    letter, behind, found = read(client, example("hip"), "de")
    printed = f"{found['prediction'][0]['probabilityDecimal']}".replace(".", ",")
    assert f"{printed} %" in letter and f"{printed} %" in behind
    assert not re.search(r"\d\.\d+ ?%", f"{letter} {behind}")
    assert any(re.search(r"\d,\d+ %", one["rationale"]) for one in found["prediction"])


def test_the_patient_is_named_as_the_record_displays_them_and_not_by_an_id(
    client: FlaskClient, read: Any, hip_case: Mapping[str, Any]
) -> None:
    named = {**hip_case, "subject": {"reference": "Patient/example-hip", "display": "A. Example"}}
    assert "A. Example; assessed on" in read(client, named)[0]
    bare = {**hip_case, "subject": {"reference": "Patient/example-hip"}}
    assert "The patient; assessed on" in read(client, bare)[0]

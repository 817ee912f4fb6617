"""The model card: complete, filled with figures, and the same as page, command and FHIR."""

from __future__ import annotations

import base64
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from service.errors import KnowledgeBaseError
from service.fhir import r4
from service.model_card.card import FOLDER, load_card
from service.model_card.page import card_json, card_page, card_summary
from service.model_card.resources import card_resources
from service.settings import Settings

# 45 CFR 170.315(b)(11)(iv)(B): how many attributes each numbered paragraph has. Written down from the rule, not the card.
PREDICTIVE = {1: 4, 2: 4, 3: 2, 4: 4, 5: 2, 6: 4, 7: 5, 8: 4, 9: 2}
ROMAN = ("i", "ii", "iii", "iv", "v")


def test_all_31_source_attributes_of_predictive_interventions_are_answered() -> None:
    expected = [f"(B)({number})({ROMAN[index]})" for number, count in PREDICTIVE.items() for index in range(count)]
    assert len(expected) == 31
    card = load_card()
    assert [attribute.paragraph for attribute in card.predictive] == expected
    assert all(attribute.name.strip() and len(attribute.text.strip()) > 10 for attribute in card.predictive)


def test_all_13_source_attributes_of_evidence_based_interventions_are_answered() -> None:
    card = load_card()
    assert [attribute.paragraph for attribute in card.evidence_based] == [f"(A)({number})" for number in range(1, 14)]
    assert all(attribute.name.strip() and attribute.text.strip() for attribute in card.evidence_based)


def test_what_is_not_available_says_why() -> None:
    card = load_card()
    lacking = [attribute for attribute in (*card.evidence_based, *card.predictive, *card.transparency) if not attribute.available]
    assert lacking
    for attribute in lacking:
        assert attribute.answer == f"not available: {attribute.text}"
        assert len(attribute.text) > 20


def test_all_four_criteria_have_an_assessment_and_their_place_in_the_statute() -> None:
    criteria = load_card().criteria
    assert [criterion.number for criterion in criteria] == ["1", "2", "3", "4"]
    assert all("520(o)(1)(E)" in criterion.statute and criterion.assessment for criterion in criteria)


def test_figures_of_the_card_are_filled_in_and_not_written_by_hand() -> None:
    raw = json.loads((FOLDER / "model_card.json").read_text(encoding="utf-8"))
    [validity] = [row for row in raw["predictive"] if row["paragraph"] == "(B)(7)(iii)"]
    assert not any(character.isdigit() for character in validity["value"].replace("top_1", "").replace("top_3", ""))
    card = load_card()
    [filled] = [attribute for attribute in card.predictive if attribute.paragraph == "(B)(7)(iii)"]
    assert f"in {card.figures['strict']} of {card.figures['cases']}" in filled.text
    assert "{" not in card_page(card)


@pytest.mark.parametrize("change", [
    {"value": "one", "not_available": "and the other"}, {"value": None, "not_available": None}, {"paragraph": ""},
    {"surprise": "x"}, {"value": "the figure {nobody}"},
])
def test_an_incomplete_card_stops_the_start(change: dict[str, str | None], tmp_path: Path) -> None:
    for name in ("model_card.json", "figures.json"):
        shutil.copy(FOLDER / name, tmp_path)
    raw = json.loads((tmp_path / "model_card.json").read_text(encoding="utf-8"))
    row = {**raw["predictive"][0], **change}
    raw["predictive"][0] = {name: value for name, value in row.items() if value is not None}
    (tmp_path / "model_card.json").write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(KnowledgeBaseError):
        load_card(tmp_path)


def test_the_fhir_resources_are_valid_r4() -> None:
    for resource in card_resources(load_card(), base_url="https://example.org/fhir", version="1", knowledge_version="2"):
        verdict = r4.check(resource)
        assert verdict.faults == ()


def test_the_server_offers_device_and_card(client: FlaskClient) -> None:
    device = client.get("/fhir/Device/hipspine").get_json(force=True)
    [extension] = device["extension"]
    document = client.get(f"/fhir/{extension['valueReference']['reference']}").get_json(force=True)
    assert document["author"] == [{"reference": "Device/hipspine"}]
    markdown, plain = (
        base64.b64decode(content["attachment"]["data"]).decode("utf-8") for content in document["content"]
    )
    assert markdown == card_page(load_card())
    assert json.loads(plain) == card_json(load_card())


def test_an_answer_names_the_device_and_the_card_that_the_server_offers(
    client: FlaskClient, hip_case: dict[str, Any], settings: Settings
) -> None:
    answer = client.post(
        "/fhir/$assess", data=json.dumps(hip_case), headers={"Content-Type": "application/fhir+json"}
    ).get_json(force=True)
    [device] = [one for one in answer["contained"] if one["resourceType"] == "Device"]
    offered = client.get("/fhir/Device/hipspine").get_json(force=True)
    assert device["identifier"] == offered["identifier"]
    assert device["version"] == offered["version"]
    [extension] = device["extension"]
    assert extension["url"] == "http://hl7.org/fhir/uv/aitransparency/StructureDefinition/aitransparency.modelCardDescription"
    card = client.get("/fhir/DocumentReference/model-card").get_json(force=True)
    assert [extension["valueReference"]["identifier"]] == card["identifier"]


def test_the_summary_counts_what_is_known() -> None:
    card = load_card()
    known = sum(attribute.available for attribute in card.predictive)
    assert f"Of the 31 source attributes of 45 CFR 170.315(b)(11)(iv)(B) {known} have a value" in card_summary(card)


def test_the_command_prints_the_page_and_the_json() -> None:
    from click.testing import CliRunner

    from service.cli.model_card import command

    assert CliRunner().invoke(command, []).output == card_page(load_card())
    assert json.loads(CliRunner().invoke(command, ["--json"]).output) == card_json(load_card())

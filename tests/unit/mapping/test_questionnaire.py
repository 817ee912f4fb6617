"""The form against its sources: the findings table and the terminology."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from service.engine.model import KnowledgeBase
from service.fhir.r4 import check
from service.fhir.terminology import Terminology
from service.knowledge.load import load_knowledge_base
from service.mapping.questionnaire import GROUPS, build_questionnaire
from service.resources import tables_directory

Resource = dict[str, Any]
BASE = "https://hipspine.example/fhir"
ORIENTATION = "http://hl7.org/fhir/StructureDefinition/questionnaire-choiceOrientation"


def items(element: Resource) -> Iterator[Resource]:
    for item in element.get("item", ()):
        yield item
        yield from items(item)


def questions(form: Resource) -> list[Resource]:
    return [item for item in items(form) if item["type"] not in ("group", "display")]


def test_S1_the_form_is_a_valid_questionnaire(form: Resource) -> None:
    assert not [fault for fault in check(form).faults if fault.severity == "error"]


def test_S1_status_version_and_subject_type_are_stated(form: Resource) -> None:
    assert (form["status"], form["version"], form["subjectType"]) == ("active", "1.0.0", ["Patient"])


def test_S1_every_question_is_coded_with_our_code_first(form: Resource) -> None:
    for question in questions(form):
        assert question["code"][0]["code"] == question["linkId"]
        assert all(coding["system"] and coding["display"] for coding in question["code"])


def test_S1_the_questions_are_exactly_the_findings(form: Resource, small_knowledge: KnowledgeBase) -> None:
    assert sorted(question["linkId"] for question in questions(form)) == sorted(one.id for one in small_knowledge.findings)


def test_S1_link_ids_are_unique(form: Resource) -> None:
    link_ids = [item["linkId"] for item in items(form)]
    assert len(link_ids) == len(set(link_ids))


def test_S1_choices_offer_unknown_and_carry_displays(form: Resource) -> None:
    for question in questions(form):
        if question["type"] == "choice":
            options = [option["valueCoding"] for option in question["answerOption"]]
            assert options[-1]["code"] == "unknown"
            assert all(option["display"] for option in options)


def test_choice_codes_are_the_choices_in_lower_case_with_hyphens(form: Resource) -> None:
    faber = next(question for question in questions(form) if question["linkId"] == "faber")
    codes = [option["valueCoding"]["code"] for option in faber["answerOption"]]
    assert codes == ["negative", "groin-or-anterior-pain", "posterior-or-sij-pain", "lateral-hip-pain", "unknown"]


def test_quantities_are_decimals_with_unit_and_range(form: Resource) -> None:
    rotation = next(question for question in questions(form) if question["linkId"] == "hip_ir_rom")
    values = {extension["url"].rsplit("/", 1)[-1]: extension for extension in rotation["extension"]}
    assert rotation["type"] == "decimal"
    assert values["questionnaire-unit"]["valueCoding"]["code"] == "deg"
    assert (values["minValue"]["valueDecimal"], values["maxValue"]["valueDecimal"]) == (0, 90)


def test_S1_the_form_of_the_real_tables_is_valid_and_covers_them(terminology: Terminology) -> None:
    knowledge = load_knowledge_base(tables_directory())
    form = build_questionnaire(knowledge, terminology, base_url="https://hipspine.example/fhir", version="1")
    assert not check(form).faults
    assert sorted(question["linkId"] for question in questions(form)) == sorted(one.id for one in knowledge.findings)
    assert {group["linkId"] for group in form["item"]} == {f"group-{kind}" for kind, _, _ in GROUPS}


def real_form(terminology: Terminology) -> dict[str, Resource]:
    """The questions of the form of the real tables, by linkId."""
    built = build_questionnaire(load_knowledge_base(tables_directory()), terminology, base_url=BASE, version="1.0.0")
    return {question["linkId"]: question for question in questions(built)}


def control(question: Resource) -> str:
    held = next(one for one in question["extension"] if one["url"].endswith("/questionnaire-itemControl"))
    code: str = held["valueCodeableConcept"]["coding"][0]["code"]
    return code


def test_S1_few_options_stand_in_a_row_and_many_drop_down(terminology: Terminology) -> None:
    asked = real_form(terminology)
    assert control(asked["pain_groin"]) == "radio-button"
    assert {"url": ORIENTATION, "valueCode": "horizontal"} in asked["pain_groin"]["extension"]
    assert control(asked["symptom_duration"]) == "drop-down"


def test_S1_options_with_an_order_carry_it_and_unknown_has_none(terminology: Terminology) -> None:
    options = [option["valueCoding"] for option in real_form(terminology)["symptom_duration"]["answerOption"]]
    ordinals = [coding["extension"][0]["valueDecimal"] for coding in options if "extension" in coding]
    assert ordinals == sorted(ordinals) and len(ordinals) == 5
    assert options[-1]["code"] == "unknown" and "extension" not in options[-1]


def test_S1_options_without_an_order_have_no_ordinal(terminology: Terminology) -> None:
    for name in ("pain_groin", "onset_precipitant", "faber", "fracture_imaging"):
        assert all("extension" not in option["valueCoding"] for option in real_form(terminology)[name]["answerOption"]), name


def test_S6_every_group_says_the_category_of_its_findings(terminology: Terminology) -> None:
    built = build_questionnaire(load_knowledge_base(tables_directory()), terminology, base_url=BASE, version="1.0.0")
    said = {
        group["linkId"].removeprefix("group-"): group["extension"][0]["valueCodeableConcept"]["coding"][0]["code"]
        for group in built["item"]
    }
    assert said == {kind: category for kind, _, category in GROUPS}
    assert set(said.values()) == {"survey", "exam", "imaging", "laboratory"}


def test_S5_the_parts_of_a_count_are_asked_until_the_count_is_given(terminology: Terminology) -> None:
    knowledge, asked = load_knowledge_base(tables_directory()), real_form(terminology)
    for count, parts in knowledge.clusters.items():
        assert "enableWhen" not in asked[count]
        for part in parts:
            assert {"question": count, "operator": "exists", "answerBoolean": False} in asked[part]["enableWhen"]
    hidden = {name for name, question in asked.items() if "enableWhen" in question}
    assert hidden == {part for parts in knowledge.clusters.values() for part in parts}


def test_a_kind_without_a_title_still_appears(small_knowledge: KnowledgeBase, terminology: Terminology) -> None:
    renamed = replace(small_knowledge, findings=tuple(replace(one, kind="new-kind") for one in small_knowledge.findings))
    form = build_questionnaire(renamed, terminology, base_url="https://x.example/fhir", version="2")
    assert [group["linkId"] for group in form["item"]] == ["group-new-kind"]
    assert len(form["item"][0]["item"]) == len(small_knowledge.findings)

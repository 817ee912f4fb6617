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
    assert {group["linkId"] for group in form["item"]} == {f"group-{kind}" for kind, _ in GROUPS}


def test_a_kind_without_a_title_still_appears(small_knowledge: KnowledgeBase, terminology: Terminology) -> None:
    renamed = replace(small_knowledge, findings=tuple(replace(one, kind="new-kind") for one in small_knowledge.findings))
    form = build_questionnaire(renamed, terminology, base_url="https://x.example/fhir", version="2")
    assert [group["linkId"] for group in form["item"]] == ["group-new-kind"]
    assert len(form["item"][0]["item"]) == len(small_knowledge.findings)

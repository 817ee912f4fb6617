"""Reading a QuestionnaireResponse: the form, its versions, its answers, and what disables a question."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from service.engine.model import Answer
from service.errors import Fault, InvalidInput
from service.mapping.case import Reading, ReadingContext, read_submission

Resource = dict[str, Any]
Read = Callable[[Resource], Reading]
Respond = Callable[..., Resource]

ANSWER = "https://hipspine.example/fhir/CodeSystem/answer"
FORM = "https://hipspine.example/fhir/Questionnaire/hip-spine-intake"
SNOMED = "http://snomed.info/sct"


def faults(read: Read, resource: Resource) -> tuple[Fault, ...]:
    with pytest.raises(InvalidInput) as caught:
        read(resource)
    return caught.value.faults


def item(link_id: str, **answer: Any) -> Resource:
    return {"linkId": link_id, "answer": [answer]}


def coded(code: str, **more: Any) -> Resource:
    return {"valueCoding": {"system": ANSWER, "code": code} | more}


def test_a_flat_form_gives_one_answer_per_item(read: Read, respond: Respond) -> None:
    reading = read(respond(pain_groin="present", fadir="absent", faber="groin-or-anterior-pain", hip_ir_rom=15))
    assert reading.case.answers == (
        Answer("pain_groin", True),
        Answer("faber", "groin or anterior pain"),
        Answer("fadir", False),
        Answer("hip_ir_rom", 15.0),
    )
    assert reading.subject == {"reference": "Patient/1"}
    assert not reading.warnings and not reading.ignored and not reading.preliminary


@pytest.mark.parametrize(("code", "side"), [("left", "left"), ("right", "right"), ("both", "bilateral"), ("unknown", None)])
def test_C11_the_form_tells_the_side_of_its_answers(read: Read, respond: Respond, code: str, side: str | None) -> None:
    assert read(respond(pain_groin="present", symptom_side=code)).case.side == side


def test_C11_the_side_may_be_answered_with_the_code_of_a_qualifier(read: Read, respond: Respond) -> None:
    right = {"valueCoding": {"system": SNOMED, "code": "24028007"}}
    assert read(respond(_item=[item("symptom_side", **right)])).case.side == "right"


def test_items_inside_groups_and_below_answers_are_read_alike(read: Read, respond: Respond) -> None:
    below = {"linkId": "fadir", "answer": [coded("present") | {"item": [item("slr", **coded("absent"))]}]}
    reading = read(respond(_item=[{"linkId": "group-history", "item": [item("pain_groin", **coded("present"))]}, below]))
    assert [answer.finding_id for answer in reading.case.answers] == ["pain_groin", "fadir", "slr"]


def test_A7_a_form_without_an_id_is_to_be_contained_and_one_with_an_id_is_referred_to(read: Read, respond: Respond) -> None:
    assert read(respond(fadir="present")).inputs[0].reference == "#input-1"
    assert read(respond(fadir="present", _id="qr7")).inputs[0].reference == "QuestionnaireResponse/qr7"


def test_A13_a_form_without_answers_is_an_empty_case(read: Read, respond: Respond) -> None:
    reading = read(respond(_item=None))
    assert reading.case.answers == () and reading.inputs == ()


def test_A15_a_form_without_subject_is_refused(read: Read, respond: Respond) -> None:
    (fault,) = faults(read, respond(fadir="present", _subject=None))
    assert (fault.kind, fault.where) == ("required", "QuestionnaireResponse.subject")


def test_a_form_about_a_practitioner_is_refused(read: Read, respond: Respond) -> None:
    (fault,) = faults(read, respond(_subject={"reference": "Practitioner/1"}))
    assert (fault.kind, fault.where) == ("not-supported", "QuestionnaireResponse.subject")


def test_C1_a_form_entered_in_error_is_refused(read: Read, respond: Respond) -> None:
    (fault,) = faults(read, respond(fadir="present", _status="entered-in-error"))
    assert (fault.kind, fault.where) == ("business-rule", "QuestionnaireResponse.status")


@pytest.mark.parametrize("status", ["in-progress", "stopped"])
def test_C1_an_unfinished_form_is_read_as_preliminary_with_a_warning(read: Read, respond: Respond, status: str) -> None:
    reading = read(respond(fadir="present", _status=status))
    assert reading.preliminary
    assert [warning.where for warning in reading.warnings] == ["QuestionnaireResponse.status"]
    assert reading.case.value("fadir") is True


def test_C1_an_amended_form_is_as_good_as_a_completed_one(read: Read, respond: Respond) -> None:
    assert not read(respond(fadir="present", _status="amended")).preliminary


def test_C4_unknown_is_no_answer_but_is_listed(read: Read, respond: Respond) -> None:
    reading = read(respond(fadir="unknown", slr="absent"))
    assert reading.case.answers == (Answer("slr", False),)
    assert reading.case.asked_unknown == ("fadir",)
    assert [(used.finding_id, used.value) for used in reading.used] == [("fadir", None), ("slr", False)]


@pytest.mark.parametrize(
    ("canonical", "warned"),
    [(f"{FORM}|1.0.0", False), (FORM, True), (f"{FORM}|0.9", True), (None, True)],
)
def test_C12_our_form_is_read_in_any_version(read: Read, respond: Respond, canonical: str | None, warned: bool) -> None:
    reading = read(respond(fadir="present", _questionnaire=canonical))
    assert reading.case.value("fadir") is True
    assert [warning.where for warning in reading.warnings] == ["QuestionnaireResponse.questionnaire"] * warned


FOREIGN = "http://loinc.org/q/44249-1"  # a questionnaire on mood


def _faulty(respond: Respond, kind: str) -> Resource:
    gone = [{"linkId": "of-an-older-form", "answer": [{"valueBoolean": True}]}]
    return {
        "foreign": lambda: respond(pain_groin="present", _questionnaire=FOREIGN, _item=[{**gone[0], "linkId": "q1"}]),
        "older": lambda: respond(_questionnaire=f"{FORM}|0.1.0", _item=gone),
        "modified": lambda: respond(pain_groin="absent", _modifierExtension=[{"url": "http://x.example", "valueBoolean": True}]),
        "mistaken": lambda: respond(pain_groin="absent", _status="entered-in-error"),
    }[kind]()


@pytest.mark.parametrize("kind", ["foreign", "older", "modified", "mistaken"])
def test_B0_a_form_nobody_can_read_is_ignored_beside_what_can_be_read(read: Read, respond: Respond, kind: str) -> None:
    """Else one questionnaire of another service in the record would silence every alarm sign."""
    ours, other = respond(fever="present", _id="ours"), _faulty(respond, kind) | {"id": "other"}
    for both in ([ours, other], [other, ours]):
        reading = read({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in both]})
        assert reading.case.value("fever") is True and reading.case.value("pain_groin") is None
        assert ["left out" in one.reason for one in reading.ignored] == [True]
        assert "QuestionnaireResponse/other was left out" in "".join(one.message for one in reading.warnings)


@pytest.mark.parametrize("kind", ["foreign", "older", "modified", "mistaken"])
def test_B0_a_form_nobody_can_read_is_a_fault_as_the_body_and_as_all_there_is(
    read: Read, respond: Respond, kind: str
) -> None:
    other = _faulty(respond, kind)
    patient = {"resourceType": "Patient", "id": "1"}
    for sent in (other, {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient}, {"resource": other}]}):
        with pytest.raises(InvalidInput):
            read(sent)


def test_B0_a_wrong_answer_in_the_form_in_force_stays_a_fault_for_who_sent_it(read: Read, respond: Respond) -> None:
    forms = [respond(fever="present"), respond(pain_groin="perhaps")]
    with pytest.raises(InvalidInput):
        read({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in forms]})


def test_A2_answers_of_a_form_keep_the_side_that_the_form_tells(read: Read, respond: Respond) -> None:
    left = respond(symptom_side="left", fadir="present", fever="present", _authored="2026-04-13T10:00:00Z")
    right = respond(symptom_side="right", pain_groin="present")
    reading = read({"resourceType": "Bundle", "type": "collection", "entry": [{"resource": one} for one in (left, right)]})
    assert reading.case.side == "right"
    assert {answer.finding_id for answer in reading.case.answers} == {"pain_groin", "symptom_side", "fever"}
    assert any("(FADIR test) is about the left side; the pain is on the right" in one.reason for one in reading.ignored)


def test_C12_an_unknown_form_is_refused(read: Read, respond: Respond) -> None:
    response = respond(_questionnaire="http://other.example/q", _item=[item("1.1", **coded("present"))])
    (fault,) = faults(read, response)
    assert (fault.kind, fault.where) == ("not-supported", "QuestionnaireResponse.questionnaire")


def test_C12_an_unknown_form_with_our_link_ids_is_read_with_a_warning(read: Read, respond: Respond) -> None:
    reading = read(respond(fadir="present", _questionnaire="http://other.example/q"))
    assert reading.case.value("fadir") is True and len(reading.warnings) == 1


def test_C12_an_unknown_form_sent_along_is_mapped_by_its_item_codes(
    read: Read, respond: Respond, bundle: Callable[..., Resource]
) -> None:
    theirs = {
        "resourceType": "Questionnaire",
        "url": "http://other.example/q",
        "status": "active",
        "item": [
            {"linkId": "1", "type": "boolean", "code": [{"system": SNOMED, "code": "102570003"}]},
            {"linkId": "2", "type": "string"},
        ],
    }
    response = respond(
        _questionnaire="http://other.example/q", _item=[item("1", valueBoolean=True), item("2", valueString="free text")]
    )
    reading = read(bundle(theirs, response))
    assert reading.case.answers == (Answer("pain_groin", True),)
    assert [ignored.where for ignored in reading.ignored] == ["Bundle.entry[1].resource.item[1]"]


def test_S2_an_unknown_link_id_is_named_with_its_path(read: Read, respond: Respond) -> None:
    found = faults(
        read,
        respond(_item=[item("fadir", **coded("present")), {"linkId": "group-x", "item": [item("nope", **coded("present"))]}]),
    )
    assert [(fault.kind, fault.where) for fault in found] == [
        ("invalid", "QuestionnaireResponse.item[1].linkId"),
        ("invalid", "QuestionnaireResponse.item[1].item[0].linkId"),
    ]


def test_S3_a_truth_value_is_not_a_coded_answer(read: Read, respond: Respond) -> None:
    (fault,) = faults(read, respond(_item=[item("fadir", valueBoolean=False)]))
    assert (fault.kind, fault.where) == ("value", "QuestionnaireResponse.item[0].answer[0].value")
    assert "absent" in fault.repair


def test_S3_a_text_is_not_a_number(read: Read, respond: Respond) -> None:
    (fault,) = faults(read, respond(_item=[item("hip_ir_rom", valueString="20")]))
    assert fault.kind == "value" and "decimal" in fault.rule


def test_S3_a_code_outside_the_options_is_refused_with_the_list(read: Read, respond: Respond) -> None:
    (fault,) = faults(read, respond(morning_stiffness="a-while"))
    assert fault.kind == "code-invalid"
    assert all(code in fault.rule for code in ("none", "20-30-min", "over-60-min", "unknown"))


def test_S3_a_code_of_ours_that_is_another_questions_option_is_refused(read: Read, respond: Respond) -> None:
    (fault,) = faults(read, respond(fadir="negative"))
    assert fault.kind == "code-invalid"


@pytest.mark.parametrize(
    ("coding", "value"),
    [({"code": "present"}, True), ({"system": SNOMED, "code": "52101004"}, True), ({"system": SNOMED, "code": "2667000"}, False)],
)
def test_an_answer_without_system_or_in_snomed_means_the_option(
    read: Read, respond: Respond, coding: Resource, value: bool
) -> None:
    assert read(respond(_item=[item("fadir", valueCoding=coding)])).case.value("fadir") is value


@pytest.mark.parametrize("answer", [{"valueInteger": 20}, {"valueDecimal": Decimal("20.5")}])
def test_a_number_may_be_whole_or_not(read: Read, respond: Respond, answer: Resource) -> None:
    assert read(respond(_item=[item("hip_ir_rom", **answer)])).case.value("hip_ir_rom") == float(next(iter(answer.values())))


@pytest.mark.parametrize("number", [-1, 91, Decimal("90.1")])
def test_a_number_out_of_range_is_refused(read: Read, respond: Respond, number: Any) -> None:
    (fault,) = faults(read, respond(hip_ir_rom=number))
    assert (fault.kind, fault.where) == ("value", "QuestionnaireResponse.item[0].answer[0].value")
    assert "0" in fault.rule and "90" in fault.rule


@pytest.mark.parametrize(("number", "sound"), [(2, True), (Decimal("2.0"), True), (Decimal("2.5"), False)])
def test_A11_a_count_is_a_whole_number(read: Read, respond: Respond, number: Any, sound: bool) -> None:
    form = respond(_item=[item("hip_planes_restricted", valueDecimal=number)])
    if sound:
        assert read(form).case.value("hip_planes_restricted") == 2.0
    else:
        (fault,) = faults(read, form)
        assert fault.kind == "value" and "whole number" in fault.message


def test_A11_answers_that_cannot_both_be_true_are_a_conflict_and_both_stay(read: Read, respond: Respond) -> None:
    reading = read(respond(faber="negative", slr="present"))
    assert {one.finding_id for one in reading.case.answers} == {"faber", "slr"}
    assert [(one.kind, "cannot both be true" in one.message) for one in reading.warnings] == [("conflict", True)]
    assert read(respond(faber="negative", slr="absent")).warnings == ()


def test_A11_of_answers_that_cannot_both_be_true_the_one_that_states_a_red_flag_counts(read: Read, respond: Respond) -> None:
    reading = read(respond(motor_any="absent", progressive_motor_deficit="present"))
    assert [one.finding_id for one in reading.case.answers] == ["progressive_motor_deficit"]
    assert "states a red flag" in reading.ignored[0].reason and [one.kind for one in reading.warnings] == ["conflict"]


def test_two_answers_to_one_question_are_refused(read: Read, respond: Respond) -> None:
    (fault,) = faults(read, respond(_item=[{"linkId": "fadir", "answer": [coded("present"), coded("absent")]}]))
    assert (fault.kind, fault.where) == ("value", "QuestionnaireResponse.item[0].answer")


def test_one_link_id_answered_twice_is_a_conflict(read: Read, respond: Respond) -> None:
    (fault,) = faults(read, respond(_item=[item("fadir", **coded("present")), item("fadir", **coded("present"))]))
    assert (fault.kind, fault.where) == ("conflict", "QuestionnaireResponse.item[1].linkId")


def test_all_faults_of_a_form_come_at_once(read: Read, respond: Respond) -> None:
    response = respond(
        _subject=None, _item=[item("nope", **coded("x")), item("fadir", **coded("x")), item("hip_ir_rom", valueDecimal=400)]
    )
    assert [fault.kind for fault in faults(read, response)] == ["required", "invalid", "code-invalid", "value"]


# --- forms with required and conditional items ---------------------------------------------------------------------------


@pytest.fixture
def read_with(context: ReadingContext, form: Resource) -> Callable[..., Reading]:
    """Reads a response against the form with some items changed: `read_with(response, fadir={"required": True})`."""

    def change(element: Resource, changes: dict[str, Resource]) -> None:
        for one in element.get("item", ()):
            one.update(changes.get(one["linkId"], {}))
            change(one, changes)

    def run(response: Resource, **changes: Resource) -> Reading:
        changed = copy.deepcopy(form)
        change(changed, {key.replace("group_", "group-"): value for key, value in changes.items()})
        return read_submission(response, context=replace(context, questionnaire=changed))

    return run


def when(question: str, operator: str, **answer: Any) -> Resource:
    return {"question": question, "operator": operator} | answer


PRESENT = {"answerCoding": {"system": ANSWER, "code": "present"}}


def test_S4_a_completed_form_without_a_required_answer_is_refused(read_with: Callable[..., Reading], respond: Respond) -> None:
    with pytest.raises(InvalidInput) as caught:
        read_with(respond(slr="present"), fadir={"required": True})
    assert [fault.kind for fault in caught.value.faults] == ["required"]
    assert "fadir" in caught.value.faults[0].message


def test_S4_an_unfinished_form_without_a_required_answer_is_warned_of(
    read_with: Callable[..., Reading], respond: Respond
) -> None:
    reading = read_with(respond(slr="present", _status="in-progress"), fadir={"required": True})
    assert [warning.kind for warning in reading.warnings] == ["informational", "required"]


def test_S4_a_required_item_that_is_disabled_is_not_missed(read_with: Callable[..., Reading], respond: Respond) -> None:
    conditional = {"required": True, "enableWhen": [when("slr", "=", **PRESENT)]}
    assert read_with(respond(slr="absent"), fadir=conditional).case.value("slr") is False
    with pytest.raises(InvalidInput):
        read_with(respond(slr="present"), fadir=conditional)


def test_S4_a_required_group_needs_one_answer_inside(read_with: Callable[..., Reading], respond: Respond) -> None:
    assert read_with(respond(fadir="absent"), **{"group_exam-test": {"required": True}}).case.value("fadir") is False
    with pytest.raises(InvalidInput):
        read_with(respond(pain_groin="present"), **{"group_exam-test": {"required": True}})


def test_S5_an_answer_to_a_disabled_item_is_ignored_with_a_warning(read_with: Callable[..., Reading], respond: Respond) -> None:
    reading = read_with(respond(slr="absent", fadir="present"), fadir={"enableWhen": [when("slr", "=", **PRESENT)]})
    assert reading.case.value("fadir") is None
    assert [ignored.where for ignored in reading.ignored] == ["QuestionnaireResponse.item[1]"]
    assert [warning.where for warning in reading.warnings] == ["QuestionnaireResponse.item[1]"]


@pytest.mark.parametrize(
    ("behavior", "slr", "groin", "enabled"),
    [
        ("any", "present", "absent", True),
        ("any", "absent", "present", True),
        ("any", "absent", "absent", False),
        ("all", "present", "present", True),
        ("all", "present", "absent", False),
    ],
)
def test_S5_two_conditions_are_joined_by_the_behavior(
    read_with: Callable[..., Reading], respond: Respond, behavior: str, slr: str, groin: str, enabled: bool
) -> None:
    conditions = [when("slr", "=", **PRESENT), when("pain_groin", "=", **PRESENT)]
    reading = read_with(
        respond(slr=slr, pain_groin=groin, fadir="present"), fadir={"enableWhen": conditions, "enableBehavior": behavior}
    )
    assert (reading.case.value("fadir") is True) is enabled


@pytest.mark.parametrize(
    ("condition", "enabled"),
    [
        (when("hip_ir_rom", ">", answerDecimal=15), True),
        (when("hip_ir_rom", ">", answerDecimal=20), False),
        (when("hip_ir_rom", ">=", answerInteger=20), True),
        (when("hip_ir_rom", "<", answerDecimal=Decimal("20.5")), True),
        (when("hip_ir_rom", "<=", answerDecimal=19), False),
        (when("hip_ir_rom", "=", answerDecimal=Decimal("20.0")), True),
        (when("hip_ir_rom", "!=", answerDecimal=20), False),
        (when("slr", "!=", **PRESENT), True),
        (when("hip_ir_rom", "exists", answerBoolean=True), True),
        (when("hip_ir_rom", "exists", answerBoolean=False), False),
        (when("slr", "exists", answerBoolean=True), False),
        (when("slr", "exists", answerBoolean=False), True),
        (when("slr", "=", **PRESENT), False),
        (when("slr", ">", answerInteger=1), False),
    ],
)
def test_S5_every_operator_of_a_condition(
    read_with: Callable[..., Reading], respond: Respond, condition: Resource, enabled: bool
) -> None:
    reading = read_with(respond(hip_ir_rom=20, fadir="present"), fadir={"enableWhen": [condition]})
    assert (reading.case.value("fadir") is True) is enabled


def test_S5_what_a_disabled_item_answers_enables_nothing(read_with: Callable[..., Reading], respond: Respond) -> None:
    reading = read_with(
        respond(pain_groin="absent", slr="present", fadir="present"),
        slr={"enableWhen": [when("pain_groin", "=", **PRESENT)]},
        fadir={"enableWhen": [when("slr", "=", **PRESENT)]},
    )
    assert [answer.finding_id for answer in reading.case.answers] == ["pain_groin"]


def test_S5_a_disabled_group_disables_what_is_in_it_even_in_a_flat_response(
    read_with: Callable[..., Reading], respond: Respond
) -> None:
    reading = read_with(
        respond(pain_groin="absent", fadir="present"), **{"group_exam-test": {"enableWhen": [when("pain_groin", "=", **PRESENT)]}}
    )
    assert reading.case.value("fadir") is None


def test_S5_items_that_depend_on_each_other_do_not_hang(read_with: Callable[..., Reading], respond: Respond) -> None:
    reading = read_with(
        respond(slr="present", fadir="present"),
        slr={"enableWhen": [when("fadir", "=", **PRESENT)]},
        fadir={"enableWhen": [when("slr", "=", **PRESENT)]},
    )
    assert len(reading.case.answers) == 2

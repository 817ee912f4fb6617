"""Reading Observations and Conditions: codes, values, status, side, and what they may and may not say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest

from service.engine import model
from service.engine.model import Answer, Finding
from service.errors import InvalidInput
from service.mapping.case import Reading, ReadingContext
from service.mapping.codes import Meaning, measured_answer

Resource = dict[str, Any]
Read = Callable[[Resource], Reading]
Make = Callable[..., Resource]

FINDING = "https://hipspine.example/fhir/CodeSystem/finding"
ANSWER = "https://hipspine.example/fhir/CodeSystem/answer"
SNOMED = "http://snomed.info/sct"
LOINC = "http://loinc.org"
INTERPRETATION = "http://terminology.hl7.org/CodeSystem/v3-ObservationInterpretation"
ABSENT_REASON = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
GROIN_PAIN = (SNOMED, "102570003")
THIGH_PAIN = (SNOMED, "78514002")  # wider than the anterior and than the medial thigh


def concept(system: str, code: str) -> Resource:
    return {"coding": [{"system": system, "code": code}]}


def test_a_local_code_with_a_local_answer_is_read(read: Read, observe: Make) -> None:
    reading = read(observe("fadir", "present"))
    assert reading.case.answers == (Answer("fadir", True),)
    assert reading.subject == {"reference": "Patient/1"}
    assert reading.inputs[0].reference == "#input-1"


def test_A15_an_observation_without_subject_is_refused(read: Read, observe: Make) -> None:
    with pytest.raises(InvalidInput) as caught:
        read(observe("fadir", "present", subject=None))
    assert [(fault.kind, fault.where) for fault in caught.value.faults] == [("required", "Observation.subject")]


@pytest.mark.parametrize("status", ["entered-in-error", "cancelled", "registered"])
def test_C2_an_observation_of_that_status_is_ignored_and_listed(read: Read, observe: Make, bundle: Make, status: str) -> None:
    reading = read(bundle(observe("slr", "present"), observe("fadir", "present", status=status)))
    assert [answer.finding_id for answer in reading.case.answers] == ["slr"]
    assert [(one.where, status in one.reason) for one in reading.ignored] == [("Bundle.entry[1].resource", True)]
    assert len(reading.inputs) == 1


def test_C2_an_ignored_observation_alone_is_an_empty_case(read: Read, observe: Make) -> None:
    reading = read(observe("fadir", "present", status="cancelled"))
    assert reading.case.answers == () and reading.subject == {"reference": "Patient/1"} and len(reading.ignored) == 1


def test_C10_an_observation_about_a_group_is_refused_alone_and_ignored_among_others(
    read: Read, observe: Make, bundle: Make
) -> None:
    about_group = observe("slr", "present", subject={"reference": "Group/1"})
    with pytest.raises(InvalidInput):
        read(about_group)
    assert read(bundle(observe("fadir", "present"), about_group)).case.value("slr") is None


def test_C2_a_preliminary_observation_makes_the_reading_preliminary(read: Read, observe: Make) -> None:
    assert read(observe("fadir", "present", status="preliminary")).preliminary
    assert not read(observe("fadir", "present", status="corrected")).preliminary


def test_C3_any_coding_may_be_the_known_one(read: Read, observe: Make) -> None:
    codings = [{"system": "http://ehr.example/codes", "code": "77"}, {"system": SNOMED, "code": "102570003"}]
    assert read(observe("fadir", True, code={"coding": codings})).case.answers == (Answer("pain_groin", True),)


@pytest.mark.parametrize(
    "coding", [{"code": "fadir"}, {"system": FINDING, "code": "FADIR"}, {"system": FINDING + "/", "code": "fadir"}]
)
def test_C3_the_system_is_needed_and_case_counts(read: Read, observe: Make, coding: Resource) -> None:
    reading = read(observe("fadir", "present", code={"coding": [coding]}))
    assert reading.case.answers == () and reading.ignored[0].where == "Observation"


@pytest.mark.parametrize(
    ("element", "value"),
    [
        ({"valueBoolean": True}, True),
        ({"valueBoolean": False}, False),
        ({"valueCodeableConcept": concept(SNOMED, "10828004")}, True),
        ({"valueCodeableConcept": concept(SNOMED, "260385009")}, False),
        ({"valueCodeableConcept": concept(LOINC, "LA6576-8")}, True),
        ({"interpretation": [concept(INTERPRETATION, "POS")]}, True),
        ({"interpretation": [concept(INTERPRETATION, "NEG")]}, False),
    ],
)
def test_a_yes_no_finding_is_answered_in_many_ways(read: Read, observe: Make, element: Resource, value: bool) -> None:
    assert read(observe("fadir", **element)).case.value("fadir") is value


@pytest.mark.parametrize(
    "element",
    [
        {"dataAbsentReason": concept(ABSENT_REASON, "not-performed")},
        {"interpretation": [concept(INTERPRETATION, "IND")]},
        {"valueCodeableConcept": concept(SNOMED, "261665006")},
        {"valueCodeableConcept": concept(ANSWER, "unknown")},
    ],
)
def test_C4_unknown_in_any_form_is_no_answer_but_is_listed(read: Read, observe: Make, element: Resource) -> None:
    reading = read(observe("fadir", **element))
    assert reading.case.answers == () and reading.case.asked_unknown == ("fadir",)
    assert reading.inputs == ()


def test_C4_a_finding_code_without_a_value_asserts_nothing(read: Read, observe: Make) -> None:
    reading = read(observe(GROIN_PAIN))
    assert reading.case.answers == () and "no value" in reading.ignored[0].reason


def test_a_choice_is_answered_by_its_code(read: Read, observe: Make) -> None:
    assert read(observe("faber", "posterior-or-sij-pain")).case.value("faber") == "posterior or SIJ pain"


def test_a_negative_test_is_the_choice_that_says_so(read: Read, observe: Make) -> None:
    assert read(observe("faber", interpretation=[concept(INTERPRETATION, "NEG")])).case.value("faber") == "negative"


def test_a_positive_test_does_not_tell_which_of_several_choices(read: Read, observe: Make) -> None:
    reading = read(observe("faber", interpretation=[concept(INTERPRETATION, "POS")]))
    assert reading.case.answers == () and len(reading.ignored) == 1


def test_a_wider_code_cannot_assert_but_denies_each_finding_inside_it(read: Read, observe: Make) -> None:
    assert read(observe(THIGH_PAIN, True)).case.answers == ()
    assert read(observe(THIGH_PAIN, False)).case.answers == (
        Answer("pain_anterior_thigh", False),
        Answer("pain_medial_thigh", False),
    )


def test_a_narrower_code_asserts_but_cannot_deny(read: Read, observe: Make) -> None:
    foot_drop = (SNOMED, "6077001")
    assert read(observe(foot_drop, True)).case.value("motor_any") is True
    reading = read(observe(foot_drop, False))
    assert reading.case.answers == () and "motor_any" in reading.ignored[0].reason


@pytest.mark.parametrize(("value", "expected"), [((7, "{score}"), 7.0), ((7, "1"), 7.0)])
def test_C8_pain_intensity_is_read_in_its_unit(read: Read, observe: Make, value: Any, expected: float) -> None:
    assert read(observe((LOINC, "72514-3"), value)).case.value("pain_intensity") == expected


def test_C8_an_angle_in_radians_is_converted(read: Read, observe: Make) -> None:
    assert read(observe("hip_ir_rom", (Decimal("0.5"), "rad"))).case.value("hip_ir_rom") == pytest.approx(28.6479, abs=1e-4)


@pytest.mark.parametrize("unit", ["furlong", "cm", "", "Deg"])
def test_C8_an_unknown_unit_is_ignored_with_a_warning(read: Read, observe: Make, unit: str) -> None:
    reading = read(observe("hip_ir_rom", (20, unit)))
    assert reading.case.answers == ()
    assert [one.where for one in reading.ignored] == ["Observation"]
    assert [(one.kind, one.where) for one in reading.warnings] == [("value", "Observation.value")]


def test_C8_a_unit_of_another_system_is_not_guessed(read: Read, observe: Make) -> None:
    quantity = {"value": 20, "system": "http://snomed.info/sct", "code": "deg"}
    assert read(observe("hip_ir_rom", valueQuantity=quantity)).case.answers == ()


def test_a_measured_value_out_of_range_is_ignored_with_a_warning(read: Read, observe: Make) -> None:
    reading = read(observe("hip_ir_rom", (400, "deg")))
    assert reading.case.answers == () and len(reading.warnings) == 1


def test_A11_a_count_that_is_no_whole_number_is_ignored_with_a_warning(read: Read, observe: Make) -> None:
    assert read(observe("hip_planes_restricted", ("2", "1"))).case.value("hip_planes_restricted") == 2.0
    reading = read(observe("hip_planes_restricted", ("2.5", "1")))
    assert reading.case.answers == () and "whole number" in reading.ignored[0].reason


def test_an_integer_is_in_the_unit_of_the_finding(read: Read, observe: Make) -> None:
    assert read(observe("pain_intensity", valueInteger=4)).case.value("pain_intensity") == 4.0


def test_C9_a_comparator_is_kept_with_the_bound(read: Read, observe: Make) -> None:
    assert read(observe("hip_ir_rom", (15, "deg", "<"))).case.answers == (Answer("hip_ir_rom", 15.0, "<"),)


@dataclass(frozen=True, slots=True)
class Measured(Finding):
    """A yes/no finding as the tables may state it: present from a threshold on."""

    present_when: model.Test | None = None


FEVER = Measured("fever", "Fever", "red-flag", "boolean", "g", 1, "patient", present_when=model.Test.parse(">=38"))


@pytest.mark.parametrize(
    ("number", "unit", "comparator", "present"),
    [
        ("101.3", "[degF]", "", True),
        ("38.5", "Cel", "", True),
        ("36.9", "Cel", "", False),
        ("98.6", "[degF]", "", False),
        ("38", "Cel", "<", False),
        ("37", "Cel", "<", False),
        ("38", "Cel", ">=", True),
        ("39", "Cel", ">", True),
    ],
)
def test_C8_C9_a_temperature_decides_fever(
    context: ReadingContext, number: str, unit: str, comparator: Any, present: bool
) -> None:
    assert measured_answer(Decimal(number), unit, comparator, FEVER, context) == Meaning(present)


@pytest.mark.parametrize(("number", "comparator"), [("39", "<"), ("37", ">"), ("38", "<=")])
def test_C9_a_bound_that_leaves_it_open_says_nothing(context: ReadingContext, number: str, comparator: Any) -> None:
    assert isinstance(measured_answer(Decimal(number), "Cel", comparator, FEVER, context), str)


def test_components_are_findings_of_their_own(read: Read, observe: Make) -> None:
    parts = [
        {"code": concept(FINDING, "fadir"), "valueBoolean": True},
        {"code": concept(FINDING, "slr"), "valueCodeableConcept": concept(ANSWER, "absent")},
        {"code": concept("http://ehr.example", "x"), "valueBoolean": True},
    ]
    reading = read(observe(("http://ehr.example", "panel"), component=parts))
    assert reading.case.answers == (Answer("fadir", True), Answer("slr", False))
    assert len(reading.inputs) == 1


@pytest.mark.parametrize(
    "element",
    [
        {"bodySite": concept(SNOMED, "287679003")},
        {"bodySite": {"coding": [{"system": SNOMED, "code": "24136001"}, {"system": SNOMED, "code": "7771000"}]}},
        {
            "component": [
                {"code": concept("http://ehr.example", "laterality"), "valueCodeableConcept": concept(SNOMED, "7771000")}
            ]
        },
    ],
)
def test_C11_the_side_is_read_from_body_site_or_component(read: Read, observe: Make, element: Resource) -> None:
    reading = read(observe("fadir", "present", **element))
    assert reading.case.answers == (Answer("fadir", True, side="left"),) and reading.case.side == "left"


LEFT, RIGHT = {"bodySite": concept(SNOMED, "7771000")}, {"bodySite": concept(SNOMED, "24028007")}


def test_C11_left_hip_and_right_spine_are_not_merged(read: Read, observe: Make, bundle: Make) -> None:
    reading = read(bundle(observe("fadir", "present", **LEFT), observe("slr", "present", **RIGHT)))
    assert reading.case.answers == () and reading.case.side is None
    assert len(reading.ignored) == 2 and "business-rule" in [one.kind for one in reading.warnings]


@pytest.mark.parametrize("value", ["present", "absent"])
def test_C11_what_is_the_same_on_both_sides_counts_where_the_side_is_not_known(
    read: Read, observe: Make, bundle: Make, value: str
) -> None:
    reading = read(bundle(observe("slr", value, **LEFT), observe("slr", value, **RIGHT)))
    assert reading.case.value("slr") is (value == "present") and not reading.ignored
    assert "business-rule" not in [one.kind for one in reading.warnings]


def test_C11_the_side_of_the_symptoms_counts(read: Read, observe: Make, bundle: Make) -> None:
    reading = read(
        bundle(
            observe("pain_groin", "present", **LEFT),
            observe("slr", "present", **RIGHT),
            observe("fadir", "absent"),
        )
    )
    assert reading.case.answers == (Answer("pain_groin", True, side="left"), Answer("fadir", False))
    assert reading.case.side == "left" and len(reading.ignored) == 1


def test_C11_one_test_on_both_sides_is_no_conflict(read: Read, observe: Make, bundle: Make) -> None:
    reading = read(bundle(observe("fadir", "absent", **LEFT), observe("fadir", "present", **RIGHT)))
    assert reading.case.answers == (Answer("fadir", True, side="right"),)
    assert "conflict" not in [one.kind for one in reading.warnings]


def test_C11_without_a_side_that_hurts_the_better_documented_one_counts(read: Read, observe: Make, bundle: Make) -> None:
    reading = read(
        bundle(
            observe("fadir", "present", **LEFT),
            observe("faber", "negative", **LEFT),
            observe("slr", "present", **RIGHT),
        )
    )
    assert {answer.finding_id for answer in reading.case.answers} == {"faber", "fadir"} and reading.case.side == "left"


def test_C11_a_red_flag_counts_on_either_side(read: Read, observe: Make, bundle: Make) -> None:
    reading = read(
        bundle(
            observe("pain_groin", "present", **LEFT),
            observe("progressive_motor_deficit", "present", **RIGHT),
        )
    )
    assert reading.case.value("progressive_motor_deficit") is True


def test_A12_weakness_of_the_leg_that_does_not_hurt_still_counts(read: Read, observe: Make, bundle: Make) -> None:
    reading = read(bundle(observe("pain_groin", "present", **LEFT), observe("motor_any", "present", **RIGHT)))
    assert reading.case.value("motor_any") is True and reading.case.side == "left"


def test_A12_weakness_of_both_legs_counts_though_no_side_is_known_to_hurt(read: Read, observe: Make, bundle: Make) -> None:
    reading = read(bundle(observe("motor_any", "present", **LEFT), observe("motor_any", "present", **RIGHT)))
    assert reading.case.value("motor_any") is True


@pytest.mark.parametrize("denied_first", [True, False])
@pytest.mark.parametrize("finding", ["progressive_motor_deficit", "motor_any"])
def test_A12_a_danger_denied_on_one_side_does_not_hide_it_on_the_other(
    read: Read, observe: Make, bundle: Make, finding: str, denied_first: bool
) -> None:
    both = [observe(finding, "absent", **LEFT), observe(finding, "present", **RIGHT)]
    reading = read(bundle(observe("pain_groin", "present", **LEFT), *(both if denied_first else reversed(both))))
    assert reading.case.value(finding) is True
    assert "conflict" not in [one.kind for one in reading.warnings]


def test_text_values_and_doubtful_values_are_listed_not_guessed(read: Read, observe: Make) -> None:
    assert "String" in read(observe("fadir", valueString="positive")).ignored[0].reason
    assert len(read(observe("fadir", valueCodeableConcept={"text": "positive"})).ignored) == 1


@pytest.mark.parametrize(("code", "conflicts"), [("NEG", 1), ("POS", 0), ("IND", 0)])
@pytest.mark.parametrize("value", [{"valueBoolean": True}, {"valueCodeableConcept": concept(ANSWER, "present")}])
def test_C6_a_value_that_its_interpretation_contradicts_counts_with_a_warning(
    read: Read, observe: Make, value: Resource, code: str, conflicts: int
) -> None:
    reading = read(observe("fadir", interpretation=[concept(INTERPRETATION, code)], **value))
    assert reading.case.value("fadir") is True
    assert [one.kind for one in reading.warnings] == ["conflict"] * conflicts


HIP_PAIN = (SNOMED, "49218002")


def test_C11_the_side_of_the_complaint_decides_though_it_is_no_finding(read: Read, observe: Make, bundle: Make) -> None:
    complaint = observe(HIP_PAIN, True, **LEFT)
    reading = read(bundle(complaint, observe("fadir", "present", **LEFT), observe("slr", "present", **RIGHT)))
    assert reading.case.answers == (Answer("fadir", True, side="left"),) and reading.case.side == "left"
    assert [one.where for one in reading.ignored] == ["Bundle.entry[0].resource", "Bundle.entry[2].resource"]


def test_C11_a_finding_of_the_other_side_than_the_complaint_is_ignored(read: Read, observe: Make, bundle: Make) -> None:
    reading = read(bundle(observe(HIP_PAIN, True, **LEFT), observe("slr", "present", **RIGHT)))
    assert reading.case.answers == () and reading.case.side == "left"


def test_C11_a_complaint_that_is_denied_names_no_side(read: Read, observe: Make, bundle: Make) -> None:
    reading = read(bundle(observe(HIP_PAIN, False, **LEFT), observe("slr", "present", **RIGHT)))
    assert reading.case.side == "right"


def test_C11_with_a_complaint_on_both_sides_one_sided_findings_count(read: Read, observe: Make, bundle: Make) -> None:
    both = [observe(HIP_PAIN, True, **LEFT), observe(HIP_PAIN, True, **RIGHT)]
    reading = read(bundle(*both, observe("slr", "present", **RIGHT)))
    assert reading.case.side == "bilateral" and reading.case.value("slr") is True


# --- Condition -----------------------------------------------------------------------------------------------------------

OSTEOPOROSIS = (SNOMED, "64859006")


def condition(code: tuple[str, str], clinical: str | None = "active", verification: str | None = None) -> Resource:
    base = "http://terminology.hl7.org/CodeSystem/condition-"
    made: Resource = {"resourceType": "Condition", "id": "c1", "code": concept(*code), "subject": {"reference": "Patient/1"}}
    if clinical:
        made["clinicalStatus"] = concept(f"{base}clinical", clinical)
    if verification:
        made["verificationStatus"] = concept(f"{base}ver-status", verification)
    return made


@pytest.mark.parametrize("clinical", ["active", "recurrence", None])
def test_a_current_problem_that_is_a_finding_is_present(read: Read, bundle: Make, clinical: str | None) -> None:
    reading = read(bundle(condition(OSTEOPOROSIS, clinical)))
    assert reading.case.answers == (Answer("osteoporosis", True),)
    assert [one.reference for one in reading.inputs] == ["Condition/c1"]


def test_a_refuted_problem_is_absent(read: Read, bundle: Make) -> None:
    history_of_cancer = condition((SNOMED, "266987004"), None, "refuted")
    assert read(bundle(history_of_cancer)).case.answers == (Answer("cancer_history", False),)


@pytest.mark.parametrize(
    ("clinical", "verification"), [("resolved", None), ("inactive", "confirmed"), (None, "entered-in-error")]
)
def test_a_past_or_mistaken_problem_is_ignored(read: Read, bundle: Make, clinical: str | None, verification: str | None) -> None:
    reading = read(bundle(condition(OSTEOPOROSIS, clinical, verification)))
    assert reading.case.answers == () and len(reading.ignored) == 1


@pytest.mark.parametrize("clinical", ["inactive", "remission", "resolved"])
def test_A5_a_previous_cancer_counts_whatever_its_clinical_status(read: Read, bundle: Make, clinical: str) -> None:
    """It is the history that is asked for, and what is over is still history."""
    reading = read(bundle(condition((SNOMED, "266987004"), clinical)))
    assert reading.case.answers == (Answer("cancer_history", True),) and reading.ignored == ()


LOCAL = {"system": "http://ehr.example/status", "code": "NO"}


@pytest.mark.parametrize("place", [0, 1])
@pytest.mark.parametrize(("element", "code", "answers"), [
    ("verificationStatus", "refuted", (Answer("osteoporosis", False),)),
    ("verificationStatus", "entered-in-error", ()),
    ("clinicalStatus", "resolved", ()),
    ("clinicalStatus", "active", (Answer("osteoporosis", True),)),
])
def test_A6_the_status_is_the_coding_of_the_hl7_system_wherever_it_stands(
    read: Read, bundle: Make, element: str, code: str, answers: tuple[Answer, ...], place: int
) -> None:
    system = "clinical" if element == "clinicalStatus" else "ver-status"
    problem = condition((FINDING, "osteoporosis"), None)
    problem[element] = concept(f"http://terminology.hl7.org/CodeSystem/condition-{system}", code)
    problem[element]["coding"].insert(place, LOCAL)
    assert read(bundle(problem)).case.answers == answers


def test_an_unconfirmed_problem_makes_the_reading_preliminary(read: Read, bundle: Make) -> None:
    assert read(bundle(condition(OSTEOPOROSIS, "active", "provisional"))).preliminary


def test_a_diagnosis_is_not_a_finding(read: Read, bundle: Make) -> None:
    reading = read(bundle(condition((SNOMED, "239872002"))))
    assert reading.case.answers == () and "diagnosis" in reading.ignored[0].reason


ICD10CM = "http://hl7.org/fhir/sid/icd-10-cm"


@pytest.mark.parametrize(
    ("code", "flag"),
    [
        ((ICD10CM, "G83.4"), "cauda_equina"),
        ((ICD10CM, "G834"), "cauda_equina"),
        ((SNOMED, "192970008"), "cauda_equina"),
        ((ICD10CM, "S72.001A"), "hip_fracture_imaging"),
        ((ICD10CM, "M84.350A"), "fracture_imaging"),  # the pelvis, inside a family of pelvis and femur
        ((ICD10CM, "M46.46"), "infection_without_fever"),
        ((ICD10CM, "C79.51"), "malignancy"),
    ],
)
def test_A4_a_dangerous_diagnosis_on_the_problem_list_raises_its_red_flag(
    read: Read, bundle: Make, code: tuple[str, str], flag: str
) -> None:
    reading = read(bundle(condition(code, "active", "confirmed")))
    assert [one.red_flag for one in reading.case.recorded] == [flag]
    assert [one.reference for one in reading.inputs] == ["Condition/c1"]
    assert "On the problem list" in reading.warnings[0].message and reading.ignored == ()


@pytest.mark.parametrize(
    ("code", "elements", "told"),
    [
        ("S72.001S", {}, ""),  # what a fracture left behind
        ("G83.4", {"clinical": "resolved"}, ""),
        ("G83.4", {"verification": "refuted"}, ""),
        ("G83.4", {"verification": "provisional"}, "settle it first"),
        ("S72.001A", {"recordedDate": "2019-01-01"}, "too old"),
        ("M16.11", {}, ""),  # osteoarthritis of the hip
    ],
)
def test_A4_only_what_is_active_confirmed_and_recent_raises_a_red_flag(
    read: Read, bundle: Make, code: str, elements: dict[str, str], told: str
) -> None:
    problem = condition((ICD10CM, code), elements.get("clinical", "active"), elements.get("verification"))
    reading = read(bundle(problem | {key: value for key, value in elements.items() if key == "recordedDate"}))
    assert reading.case.recorded == ()
    warned = "".join(one.message for one in reading.warnings if one.severity == "warning")
    assert told in warned and bool(told) is bool(warned)


@pytest.mark.parametrize("code", ["C50.911", "C7B.02", "C61", "Z85.3"])
@pytest.mark.parametrize("clinical", ["active", "remission"])
def test_A4_any_malignancy_is_a_history_of_cancer(read: Read, bundle: Make, code: str, clinical: str) -> None:
    assert read(bundle(condition((ICD10CM, code), clinical))).case.answers == (Answer("cancer_history", True),)


@pytest.mark.parametrize("code", ["C97", "D45", "C7", "Z86.0"])
def test_A4_what_is_no_malignancy_is_none(read: Read, bundle: Make, code: str) -> None:
    assert read(bundle(condition((ICD10CM, code)))).case.answers == ()


def test_C11_a_complaint_on_the_problem_list_names_the_side(read: Read, observe: Make, bundle: Make) -> None:
    complaint = condition(HIP_PAIN) | {"bodySite": [concept(SNOMED, "24028007")]}
    reading = read(bundle(complaint, observe("fadir", "present", **LEFT)))
    assert reading.case.side == "right" and reading.case.answers == ()


# --- questions for any finding ---------------------------------------------------------------------------------------------

CLINICAL_FINDING, SYMPTOM = (SNOMED, "404684003"), (LOINC, "75325-1")


@pytest.mark.parametrize("question", [CLINICAL_FINDING, SYMPTOM])
def test_a_question_for_any_finding_asserts_the_finding_in_its_value(
    read: Read, observe: Make, question: tuple[str, str]
) -> None:
    reading = read(observe(question, valueCodeableConcept=concept(*GROIN_PAIN)))
    assert reading.case.answers == (Answer("pain_groin", True),)


def test_a_value_that_is_a_finding_asserts_nothing_under_another_question(read: Read, observe: Make) -> None:
    family_history = ("http://ehr.example/codes", "family-history")
    reading = read(observe(family_history, valueCodeableConcept=concept(*OSTEOPOROSIS)))
    assert reading.case.answers == () and len(reading.ignored) == 1


def test_a_question_for_any_finding_without_a_known_value_is_ignored(read: Read, observe: Make) -> None:
    assert len(read(observe(CLINICAL_FINDING, valueCodeableConcept={"text": "sore"})).ignored) == 1


def test_a_finding_as_value_of_its_own_code_is_asserted(read: Read, observe: Make) -> None:
    assert read(observe(GROIN_PAIN, valueCodeableConcept=concept(*GROIN_PAIN))).case.value("pain_groin") is True

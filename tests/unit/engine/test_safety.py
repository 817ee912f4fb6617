"""What a red flag forbids of the plan, the referrals and the next examination. On the tables and the engine as they are.

Which flags must forbid is written here by hand, by category and urgency, and not read from the table that is under test.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from service.composition.parts import Service
from service.engine.model import SAFETY_CLASSES, Answer, AnswerValue, Assessment, Case, KnowledgeBase, RedFlagRule
from service.engine.model import Test as Statement

DANGEROUS = ("cauda-equina", "fracture", "infection", "malignancy", "vascular", "pain")
ONLY = {"protects", "specialist", "diagnoses"}
HIP_PATIENT: dict[str, AnswerValue] = {"pain_groin": True, "hip_xray_oa": True, "limp": True, "hip_ir_reduced": True}
Assess = Callable[..., Assessment]


@pytest.fixture(scope="module")
def knowledge(service: Service) -> KnowledgeBase:
    return service.parts.knowledge


@pytest.fixture(scope="module")
def assess(service: Service) -> Assess:
    """`assess(age=70, sex="female", pain_groin=True)`: that patient's assessment."""

    def made(age: float | None = None, sex: Any = None, /, **answers: AnswerValue) -> Assessment:
        return service.parts.engine.assess(Case(tuple(Answer(*item) for item in answers.items()), age_years=age, sex=sex))

    return made


def threatens(rule: RedFlagRule) -> bool:
    """Whether bone, nerve, vessel or life is at stake: no mere risk, and no wait for a result."""
    if rule.urgency == "emergency" or rule.id in ("osteonecrosis_imaging", "cord_compression", "bilateral_deficit"):
        return True
    return rule.category in DANGEROUS and rule.urgency == "urgent"


def raising(expression: Mapping[str, Any]) -> dict[str, AnswerValue]:
    """Answers that make a rule true: of ``any`` the first part that answers alone can make true."""
    if "all" in expression:
        return {name: value for part in expression["all"] for name, value in raising(part).items()}
    if "any" in expression:
        return next(found for part in expression["any"] if (found := raising(part)))
    return {expression["finding"]: Statement.parse(expression["is"]).example()} if "finding" in expression else {}


def given(result: Assessment) -> set[str]:
    return {item.rule.id for item in result.plan if not item.withheld}


def referred(result: Assessment) -> dict[str, str]:
    return {one.referral.id: one.urgency for one in result.recommendations}


# --- every flag, among whatever else is known ------------------------------------------------------------------------


def test_no_threatening_flag_leaves_load_injection_reassurance_or_course_in_the_plan(
    knowledge: KnowledgeBase, service: Service
) -> None:
    chance = random.Random(20261128)
    free = [one for one in knowledge.findings if one.answer_type == "boolean" and one.kind not in ("red-flag", "imaging")]
    forbidden_kinds = {"gait", "exam-test"}
    for rule in knowledge.red_flags:
        if not threatens(rule):
            continue
        for count in (0, 4, 12):
            known = {one.id: chance.random() < 0.6 for one in chance.sample(free, count)} | raising(rule.when)
            result = service.parts.engine.assess(
                Case(tuple(Answer(*item) for item in known.items()), age_years=chance.uniform(20, 90))
            )
            assert rule.id in {flag.rule.id for flag in result.red_flags.raised}, (rule.id, known)
            assert all(item.rule.safety == ("protects",) for item in result.plan if not item.withheld), (rule.id, known)
            assert all(set(one.referral.safety) <= ONLY for one in result.recommendations), (rule.id, known)
            proposed = {knowledge.finding(one.finding_id).kind for one in result.next_findings}
            assert not proposed & forbidden_kinds, (rule.id, known)
            assert result.what_if is None or result.what_if.best is None or (
                knowledge.finding(result.what_if.best.finding_id).kind not in forbidden_kinds
            ), (rule.id, known)
            most = {"emergency": None, "urgent": 2, "soon": 14}[result.red_flags.raised[0].urgency]
            assert result.reassess_after_days == most, (rule.id, known)
            places = [one.referral.specialty or one.referral.service for one in result.recommendations]
            assert len(set(places)) == len(places), (rule.id, known)


def test_every_class_is_permitted_somewhere_and_forbidden_by_the_dangers(knowledge: KnowledgeBase) -> None:
    assert set(knowledge.threats["none"].permits) == set(SAFETY_CLASSES)
    for rule in knowledge.red_flags:
        assert (set(knowledge.threats[rule.threat].permits) == ONLY) == threatens(rule), rule.id


def test_a_flag_whose_threat_nobody_knows_permits_nothing_that_treats(knowledge: KnowledgeBase, service: Service) -> None:
    from dataclasses import replace

    from service.engine.model import RedFlag, RedFlagScreen
    from service.engine.safety import against

    rule = replace(next(rule for rule in knowledge.red_flags if rule.id == "bilateral_symptoms"), threat="new")
    screen = RedFlagScreen((RedFlag(rule, "soon", ()),), (), ())
    assert against(("loads",), screen, knowledge) == ("red-flag:bilateral_symptoms",)
    assert against(("protects",), screen, knowledge) == ()


# --- the cases of the review -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sign", "protected_by"),
    [
        ({"fracture_imaging": "hip or femur"}, {"unload-hip-fracture-seen"}),
        ({"mass_imaging": True}, {"spare-lesion-seen", "diagnosis-before-treatment"}),
        ({"unable_to_bear_weight": True}, {"unload-suspected-hip-fracture"}),
        ({"hip_mri_avn": True, "corticosteroid_use": True}, {"relieve-necrotic-femoral-head"}),
        ({"fracture_imaging": "vertebra"}, {"spare-fracture-seen"}),
        ({"cancer_history": True, "night_pain": True}, {"diagnosis-before-treatment"}),
    ],
    ids=["hip fracture seen", "mass seen", "cannot bear weight", "necrosis seen", "vertebral fracture seen", "cancer"],
)
def test_under_an_urgent_sign_a_patient_with_arthritis_is_protected_and_not_exercised(
    sign: dict[str, AnswerValue], protected_by: set[str], assess: Assess
) -> None:
    result = assess(68, **HIP_PATIENT, **sign)
    assert given(result) == protected_by
    assert "hip-joint-injection" not in given(result) and not any("physiotherapist" in name for name in referred(result))
    assert "limp" not in {one.finding_id for one in result.next_findings}


def test_the_same_patient_without_the_sign_is_offered_exercise_and_physiotherapy(assess: Assess) -> None:
    result = assess(68, **HIP_PATIENT)
    assert {"exercise-education-hip-oa", "keep-moving"} <= given(result)
    assert "physiotherapist-hip" in referred(result) and result.reassess_after_days == 84


def test_a_hip_fracture_on_an_image_goes_to_the_surgeon_and_not_to_the_same_image_again(assess: Assess) -> None:
    result = assess(80, "female", **HIP_PATIENT, fracture_imaging="hip or femur")
    assert given(result) == {"unload-hip-fracture-seen"}
    found = referred(result)
    assert found["orthopaedic-hip"] == "urgent" and found["urgent-same-day"] == "urgent"
    assert not set(found) & {"hip-radiograph", "hip-radiograph-fracture", "hip-mri-fracture"}


def test_a_mass_on_an_image_goes_to_surgeon_and_oncologist_and_is_imaged_where_it_hurts(assess: Assess) -> None:
    found = referred(assess(60, **HIP_PATIENT, mass_imaging=True))
    assert found["orthopaedic-lesion"] == found["oncologist"] == found["mass-hip-pelvis-mri"] == "urgent"
    assert "mass-spine-mri" in referred(assess(60, lbp_present=True, mass_imaging=True))


def test_cancer_with_groin_pain_images_hip_and_pelvis_beside_the_spine(assess: Assess) -> None:
    found = referred(assess(60, **HIP_PATIENT, cancer_history=True, night_pain=True))
    assert {"hip-pelvis-mri-malignancy", "lumbar-mri-malignancy"} <= set(found)
    assert "hip-pelvis-mri-malignancy" not in referred(assess(60, lbp_present=True, cancer_history=True, night_pain=True))


def test_necrosis_on_mri_asks_for_no_second_mri_and_names_one_surgeon(assess: Assess) -> None:
    found = referred(assess(45, **HIP_PATIENT, hip_mri_avn=True, corticosteroid_use=True))
    assert found["orthopaedic-hip"] == "soon" and "orthopaedic-hip-oa" not in found and "hip-mri-necrosis" not in found


def test_a_known_film_of_arthritis_is_not_asked_for_again(assess: Assess) -> None:
    shown = {"pain_groin": True, "hip_ir_reduced": True, "morning_stiffness": "under 30 min", "shoes_socks_difficulty": True}
    shown = {name: value for name, value in shown.items() if name != "morning_stiffness"}
    assert "hip-radiograph" in referred(assess(70, **shown, hip_flexion_rom=85.0))
    assert "hip-radiograph" not in referred(assess(70, **shown, hip_flexion_rom=85.0, hip_xray_oa=True))


def test_in_pregnancy_an_image_without_radiation_comes_first(assess: Assess) -> None:
    signs = {"unable_to_bear_weight": True, "pain_groin": True}
    assert "hip-radiograph-fracture" in referred(assess(30, "female", **signs))
    found = referred(assess(30, "female", **signs, pregnancy_postpartum=True))
    assert "hip-mri-pregnancy" in found and not any("radiograph" in name for name in found)
    impingement = {"fadir": True, "pain_groin": True, "hip_mri_labral_cam": True, "c_sign": True}
    result = assess(30, "female", **impingement, pregnancy_postpartum=True)
    assert "hip-films-for-impingement" not in given(result)
    assert "hip-films-for-impingement" in given(assess(30, "female", **impingement))


def test_a_child_gets_flags_and_a_paediatrician_and_nothing_made_for_adults(assess: Assess) -> None:
    calm = assess(15, "female", pain_buttock=True, limp=False)
    assert calm.plan == () and referred(calm) == {"paediatrician": "soon"} and calm.next_findings == ()
    limping = assess(7, "male", pain_groin=True, limp=True)
    assert limping.plan == () and referred(limping) == {"paediatrician-urgent": "urgent"}
    lame = assess(7, "male", pain_groin=True, limp=True, unable_to_bear_weight=True)
    assert lame.plan == () and {"paediatrician-urgent", "urgent-same-day"} <= set(referred(lame))
    assert not set(referred(lame)) & {"orthopaedic-hip-oa", "hip-radiograph", "physiotherapist-hip"}
    assert not any("paediatrician" in name for name in referred(assess(18, "male", pain_groin=True, limp=True)))


def test_a_mere_risk_forbids_thrust_and_injection_and_nothing_else(assess: Assess) -> None:
    result = assess(68, **HIP_PATIENT, osteoporosis=True)
    assert {"exercise-education-hip-oa", "keep-moving"} <= given(result) and "hip-joint-injection" not in given(result)
    assert result.reassess_after_days == 14  # by the flag, sooner than the twelve weeks of the plan


def test_an_urgent_flag_that_the_figures_hold_for_unlikely_leaves_the_answer_open(assess: Assess) -> None:
    codes = {reason.code for reason in assess(68, **HIP_PATIENT, fracture_imaging="hip or femur").undecided}
    assert "alarm-not-explained" in codes
    assert "alarm-not-explained" not in {reason.code for reason in assess(68, **HIP_PATIENT).undecided}

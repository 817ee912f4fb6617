"""The shipped rules on single pictures: what each raises, how urgently, and what it leaves alone."""

from __future__ import annotations

import pytest

from service.engine.model import Answer, AnswerValue, Case, KnowledgeBase, RedFlagScreen
from service.engine.red_flags import screen

Findings = dict[str, AnswerValue]


def screened(knowledge: KnowledgeBase, findings: Findings, age: float | None = 50.0) -> RedFlagScreen:
    return screen(Case(tuple(Answer(finding, value) for finding, value in findings.items()), age), knowledge.red_flags)


def raised(knowledge: KnowledgeBase, findings: Findings, age: float | None = 50.0) -> dict[str, str]:
    return {flag.rule.id: flag.urgency for flag in screened(knowledge, findings, age).raised}


@pytest.mark.parametrize(
    ("findings", "rule", "urgency"),
    [
        ({"unable_to_stand": True}, "unable_to_bear_weight", "urgent"),
        ({"unable_to_stand": True, "fever": True}, "septic_hip", "emergency"),
        ({"umn_signs": True}, "cord_compression", "urgent"),
        ({"umn_signs": True, "urinary_retention_incontinence": True}, "cord_compression_severe", "emergency"),
        ({"umn_signs": True, "faecal_incontinence": True}, "cord_compression_severe", "emergency"),
        ({"umn_signs": True, "unable_to_stand": True}, "cord_compression_severe", "emergency"),
        ({"anticoagulation": True, "pain_groin": True, "weakness_reported": True, "onset_mode": "sudden"},
         "bleeding_with_weakness", "emergency"),
        ({"anticoagulation": True, "pain_anterior_thigh": True, "myo_l3": True, "symptom_duration": "under 2 weeks"},
         "bleeding_with_weakness", "emergency"),
        ({"anticoagulation": True, "pain_groin": True, "motor_any": True}, "bleeding_suspected", "urgent"),
        ({"anticoagulation": True, "pain_groin": True, "onset_mode": "sudden", "symptom_duration": "under 2 weeks"},
         "bleeding_suspected", "urgent"),
        ({"low_energy_availability": True, "load_spike": True}, "stress_fracture", "urgent"),
        ({"low_energy_availability": True, "hop_fulcrum": True}, "stress_fracture", "urgent"),
        ({"mass_imaging": True}, "mass_imaging", "urgent"),
        ({"fracture_imaging": "hip or femur"}, "hip_fracture_imaging", "urgent"),
        ({"fracture_imaging": "hip or femur", "unable_to_stand": True}, "hip_fracture_imaging_unable_to_stand", "emergency"),
        ({"fracture_imaging": "sacrum or pelvis"}, "fracture_imaging", "urgent"),
        ({"fracture_imaging": "vertebra"}, "fracture_imaging", "urgent"),
        ({"systemically_unwell": True}, "systemically_unwell", "urgent"),
        ({"systemically_unwell": True, "fever": True}, "fever_and_unwell", "emergency"),
        ({"inflammatory_markers": True, "fever": True}, "fever_and_unwell", "emergency"),
        ({"inflammatory_markers": True}, "inflammatory_markers", "soon"),
        ({"inflammatory_markers": True, "cancer_history": True}, "malignancy", "urgent"),
        ({"inflammatory_markers": True, "ivdu_immunosuppression": True}, "infection_without_fever", "urgent"),
        ({"inflammatory_markers": True, "symptom_duration": "under 2 weeks", "hip_rom_full_painless": False},
         "acute_hip_raised_markers", "emergency"),
        ({"inflammatory_markers": True, "symptom_duration": "under 2 weeks", "unable_to_bear_weight": True},
         "acute_hip_raised_markers", "emergency"),
        ({"inflammatory_markers": True, "symptom_duration": "under 2 weeks", "unable_to_stand": True},
         "acute_hip_raised_markers", "emergency"),
        ({"inflammatory_markers": True, "symptom_duration": "6-12 weeks", "lbp_present": True},
         "new_back_pain_raised_markers", "urgent"),
        ({"weakness_reported": True}, "weakness_reported", "soon"),
        ({"weakness_reported": True, "onset_mode": "sudden"}, "weakness_sudden", "urgent"),
        ({"onset_precipitant": "fall or direct blow", "symptom_duration": "under 2 weeks", "osteoporosis": True},
         "fracture_after_trauma", "urgent"),
    ],
)
def test_a_picture_raises_its_flag(knowledge: KnowledgeBase, findings: Findings, rule: str, urgency: str) -> None:
    assert raised(knowledge, findings)[rule] == urgency


@pytest.mark.parametrize(
    "findings",
    [
        {"anticoagulation": True, "pain_groin": True, "symptom_duration": "over 1 year"},
        {"anticoagulation": True, "pain_buttock": True, "symptom_duration": "under 2 weeks", "onset_mode": "gradual"},
        {"fracture_imaging": "none seen", "walking_aid": True},
        {"low_energy_availability": True, "pain_groin": True},
        {"onset_precipitant": "fall or direct blow", "symptom_duration": "over 1 year"},
        {"symptom_duration": "over 1 year", "hip_treatment_response": "not better", "treatment_visits": 12.0},
        {"smoking": True, "psychosocial_load": True, "spinal_surgery": True, "pregnancy_postpartum": True},
    ],
    ids=lambda findings: ", ".join(findings),
)
def test_what_is_common_and_harmless_raises_nothing(knowledge: KnowledgeBase, findings: Findings) -> None:
    assert raised(knowledge, findings, 70.0) == {}


@pytest.mark.parametrize(
    ("findings", "rule"),
    [
        ({"inflammatory_markers": True, "symptom_duration": "under 2 weeks", "hip_rom_full_painless": True},
         "acute_hip_raised_markers"),
        ({"inflammatory_markers": True, "symptom_duration": "2-6 weeks", "hip_rom_full_painless": False},
         "acute_hip_raised_markers"),
        ({"inflammatory_markers": False, "symptom_duration": "under 2 weeks", "hip_rom_full_painless": False},
         "acute_hip_raised_markers"),
        ({"inflammatory_markers": True, "symptom_duration": "3-12 months", "lbp_present": True}, "new_back_pain_raised_markers"),
        ({"inflammatory_markers": True, "symptom_duration": "2-6 weeks", "lbp_present": False}, "new_back_pain_raised_markers"),
        ({"onset_mode": "sudden", "weakness_reported": False}, "weakness_sudden"),
        ({"onset_mode": "gradual", "weakness_reported": True}, "weakness_sudden"),
    ],
)
def test_what_guidance_does_not_call_alarming_raises_no_such_flag(
    knowledge: KnowledgeBase, findings: Findings, rule: str
) -> None:
    assert rule not in raised(knowledge, findings)


def test_images_and_tests_that_were_not_done_are_not_owed(knowledge: KnowledgeBase) -> None:
    open_rules = {rule.id for rule in screened(knowledge, {}).not_screened}
    assert not open_rules & {
        "mass_imaging", "fracture_imaging", "hip_fracture_imaging", "hip_fracture_imaging_unable_to_stand",
        "inflammatory_markers", "cord_compression", "cord_compression_severe", "weakness_reported",
        "acute_hip_raised_markers", "new_back_pain_raised_markers", "weakness_sudden",
    }
    assert {"systemically_unwell", "bleeding_suspected"} <= open_rules


def test_an_image_nobody_took_is_neither_owed_nor_called_absent(knowledge: KnowledgeBase) -> None:
    rules = {"mass_imaging", "fracture_imaging", "hip_fracture_imaging", "inflammatory_markers", "cord_compression"}
    assert not rules & {rule.id for rule in screened(knowledge, {"fever": False}).absent}
    nothing: Findings = {"mass_imaging": False, "inflammatory_markers": False, "umn_signs": False}
    nothing["fracture_imaging"] = "none seen"
    seen = screened(knowledge, nothing)
    assert rules <= {rule.id for rule in seen.absent}


def test_a_cord_sign_asks_for_the_whole_spine(knowledge: KnowledgeBase) -> None:
    asked = {referral.service for referral in knowledge.referrals if "red-flag:cord_compression" in referral.applies_to}
    assert "mri-whole-spine" in asked and "mri-lumbar-spine" not in asked

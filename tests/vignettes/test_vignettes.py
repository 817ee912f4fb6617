"""The published cases through the HTTP door: each is answered, alarm signs are raised, and the documents say what came out.

Rankings are reported and never asserted: they measure the model and must not steer it.
"""

from __future__ import annotations

from typing import Any

import pytest
from support.readme import README, section
from support.servers import LiveServer
from vignettes import write

from service.evaluation.vignettes import Outcome, evaluate, published_cases, report

Resource = dict[str, Any]

# Findings any one of which is an alarm sign by itself, whatever the rest of the record says. Written down here from the
# clinical wording of the form, not read from the rules of the service.
ALARM_SIGNS = (
    "saddle_anaesthesia",
    "urinary_retention_incontinence",
    "faecal_incontinence",
    "anal_tone_reduced",
    "progressive_motor_deficit",
    "motor_any",
    "trauma_significant",
    "unable_to_bear_weight",
    "cancer_history",
    "weight_loss",
    "fever",
    "osteoporosis",
    "corticosteroid_use",
    "bilateral_symptoms",
    "pulsatile_abdomen",
)


@pytest.fixture(scope="session")
def form(live_server: LiveServer) -> Resource:
    import requests

    answer = requests.get(f"{live_server.fhir}/Questionnaire/hip-spine-intake", timeout=30)
    assert answer.status_code == 200
    return answer.json()


@pytest.fixture(scope="session")
def answers(live_server: LiveServer, form: Resource) -> tuple[list[Outcome], dict[str, Resource]]:
    """What the service said of every case, and the whole answers by case."""
    held: dict[str, Resource] = {}

    def post(submission: Resource) -> Resource:
        case = submission["entry"][0]["resource"]["id"]
        answer = live_server.assess(submission)
        assert answer.status_code == 200, f"{case}: {answer.text[:1000]}"
        held[case] = answer.json()
        return held[case]

    return evaluate(post, form), held


def test_every_published_case_gets_a_risk_assessment_over_http(answers: tuple[list[Outcome], dict[str, Resource]]) -> None:
    outcomes, held = answers
    assert len(outcomes) == len(held) == 54
    assert {answer["resourceType"] for answer in held.values()} == {"RiskAssessment"}
    for case, answer in held.items():
        ignored = [item for item in answer["extension"] if item["url"].endswith("/ignored-input")]
        assert not ignored, f"{case}: an answer was not read"


def test_every_mapped_answer_is_used(answers: tuple[list[Outcome], dict[str, Resource]]) -> None:
    for case in published_cases():
        used = {
            part["valueCoding"]["code"]
            for item in answers[1][case.case]["extension"]
            if item["url"].endswith("/used-finding")
            for part in item["extension"]
            if part["url"] == "finding"
        }
        assert set(case.answers) <= used, case.case


def test_A12_every_alarm_sign_of_a_published_case_raises_a_red_flag(
    answers: tuple[list[Outcome], dict[str, Resource]],
) -> None:
    checked = 0
    for case in published_cases():
        for finding in ALARM_SIGNS:
            if case.answers.get(finding) == "present":
                flags = [item for item in answers[1][case.case]["extension"] if item["url"].endswith("/red-flag")]
                named = {part["valueCode"] for flag in flags for part in flag["extension"] if part["url"] == "finding"}
                assert finding in named, f"{case.case}: {finding} is present and no red flag names it"
                checked += 1
    assert checked > 10, "the records are known to hold alarm signs"


def test_alarm_signs_are_questions_of_the_form(form: Resource) -> None:
    links = {question["linkId"] for group in form["item"] for question in group["item"]}
    assert set(ALARM_SIGNS) <= links


def test_readme_states_the_accuracy_as_found(answers: tuple[list[Outcome], dict[str, Resource]]) -> None:
    """Mend it with: make docs"""
    assert section(README.read_text(encoding="utf-8"), "vignettes") == report(answers[0]).strip()


def test_the_page_of_the_cases_is_up_to_date(answers: tuple[list[Outcome], dict[str, Resource]]) -> None:
    """Mend it with: python -m tests.vignettes.write"""
    assert write.PAGE.read_text(encoding="utf-8") == write.page(answers[0])

"""A later submission with the assessment before it: what carries over, what changed, and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

Resource = dict[str, Any]


@pytest.fixture
def assess(client: FlaskClient) -> Callable[[Resource], Resource]:
    def assessed(resource: Resource) -> Resource:
        response = client.post("/fhir/$assess", data=json.dumps(resource), content_type="application/fhir+json")
        assert response.status_code == 200, response.text
        return dict(response.get_json())

    return assessed


def later(earlier: Resource, response: Resource) -> Resource:
    return {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "earlier-assessment", "resource": earlier},
            {"name": "questionnaire-response", "resource": response},
        ],
    }


def extension(resource: Resource, name: str) -> list[Resource]:
    return [one for one in resource["extension"] if one["url"].endswith(f"/StructureDefinition/{name}")]


def parts(one: Resource, name: str) -> list[Resource]:
    return [part for part in one["extension"] if part["url"] == name]


def used(resource: Resource) -> dict[str, Any]:
    found = {}
    for one in extension(resource, "used-finding"):
        code = parts(one, "finding")[0]["valueCoding"]["code"]
        value = parts(one, "value")[0]
        found[code] = value.get("valueCode", value.get("valueDecimal"))
    return found


def percents(resource: Resource) -> dict[str, float]:
    return {
        prediction["outcome"]["coding"][0]["code"]: prediction["probabilityDecimal"]
        for prediction in resource["prediction"]
        if prediction["outcome"]["coding"][0]["system"].endswith("source-pattern")
    }


@pytest.fixture
def first(assess: Callable[[Resource], Resource], respond: Callable[..., Resource]) -> Resource:
    return assess(respond(pain_groin="present", fadir="present", hip_ir_rom=20, slr="absent"))


def test_the_earlier_assessment_is_the_parent_and_its_answers_carry_over(
    assess: Callable[[Resource], Resource], respond: Callable[..., Resource], first: Resource
) -> None:
    second = assess(later(first, respond(failed_hip_treatment="present")))
    assert second["parent"] == {"reference": f"RiskAssessment/{first['id']}"}
    assert used(second) == used(first) | {"failed_hip_treatment": "present"}
    assert {"reference": f"RiskAssessment/{first['id']}"} in second["basis"]


def test_the_same_answers_at_once_or_in_two_steps_give_the_same_probabilities(
    assess: Callable[[Resource], Resource], respond: Callable[..., Resource], first: Resource
) -> None:
    second = assess(later(first, respond(failed_hip_treatment="present")))
    at_once = assess(
        respond(pain_groin="present", fadir="present", hip_ir_rom=20, slr="absent", failed_hip_treatment="present")
    )
    assert percents(second) == percents(at_once)


def test_a_new_answer_goes_before_the_earlier_one_without_a_warning(
    assess: Callable[[Resource], Resource], respond: Callable[..., Resource], first: Resource
) -> None:
    second = assess(later(first, respond(pain_groin="absent")))
    assert used(second)["pain_groin"] == "absent"
    assert not [one for one in extension(second, "warning") if "differ" in json.dumps(one)]


def test_the_change_adds_up_and_names_the_answer_behind_it(
    assess: Callable[[Resource], Resource], respond: Callable[..., Resource], first: Resource
) -> None:
    second = assess(later(first, respond(pain_groin="absent", pain_changes_spinal_position="present")))
    (change,) = extension(second, "change")
    reasons = parts(change, "reason")
    total = parts(change, "prior-log-odds")[0]["valueDecimal"] + sum(
        parts(reason, "log-odds")[0]["valueDecimal"] for reason in reasons
    )
    assert total == pytest.approx(parts(change, "log-odds")[0]["valueDecimal"], abs=1e-6)
    named = {parts(reason, "finding")[0]["valueCode"]: reason for reason in reasons}
    assert parts(named["pain_groin"], "before")[0]["valueCode"] == "present"
    assert parts(named["pain_groin"], "after")[0]["valueCode"] == "absent"
    assert not parts(named["pain_changes_spinal_position"], "before")
    reported, now = (
        {parts(one, "code")[0]["valueCoding"]["code"]: parts(one, when)[0]["valueDecimal"] for one in parts(change, "pattern")}
        for when in ("reported", "now")
    )
    assert (reported, now) == (percents(first), percents(second))
    assert "Since the assessment before" in second["text"]["div"]


def test_a_relief_after_a_hip_block_moves_the_answer_towards_the_hip(
    assess: Callable[[Resource], Resource], respond: Callable[..., Resource], first: Resource
) -> None:
    relieved = assess(later(first, respond(hip_injection_relief="80-or-more")))
    unrelieved = assess(later(first, respond(hip_injection_relief="under-50")))
    assert percents(relieved)["hip"] > percents(first)["hip"] > percents(unrelieved)["hip"]


def test_of_several_earlier_assessments_the_newest_counts(
    assess: Callable[[Resource], Resource], respond: Callable[..., Resource], first: Resource
) -> None:
    old = json.loads(json.dumps(first)) | {"id": "old", "occurrenceDateTime": "2020-01-01T00:00:00+00:00"}
    both = later(first, respond(slump="present"))
    both["parameter"].append({"name": "earlier-assessment", "resource": old})
    second = assess(both)
    assert second["parent"] == {"reference": f"RiskAssessment/{first['id']}"}
    assert any("RiskAssessment/old" in json.dumps(one) for one in extension(second, "ignored-input"))


@pytest.mark.parametrize("spoil", [{"meta": {"profile": ["https://other.example/assessment"]}}, {"status": "entered-in-error"}])
def test_a_foreign_or_withdrawn_assessment_is_ignored_with_a_reason(
    assess: Callable[[Resource], Resource], respond: Callable[..., Resource], first: Resource, spoil: Resource
) -> None:
    second = assess(later(first | spoil, respond(slump="present")))
    assert "parent" not in second
    assert extension(second, "ignored-input")
    assert used(second) == {"slump": "present"}


def test_C10_an_earlier_assessment_of_another_patient_is_ignored(
    assess: Callable[[Resource], Resource], respond: Callable[..., Resource], first: Resource
) -> None:
    second = assess(later(first | {"subject": {"reference": "Patient/other"}}, respond(slump="present")))
    assert "parent" not in second
    assert used(second) == {"slump": "present"}


def test_without_an_earlier_assessment_nothing_is_said_of_a_change(
    assess: Callable[[Resource], Resource], respond: Callable[..., Resource]
) -> None:
    alone = assess(respond(slump="present"))
    assert not extension(alone, "change")
    assert "parent" not in alone

"""The plan of a case: what it holds, and above all what it withholds. On the tables as they are."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from service.composition.parts import Service
from service.engine.care import care_plan
from service.engine.model import (
    PATTERNS,
    PLAN_KINDS,
    URGENCY_ORDER,
    Answer,
    Case,
    CombinedPattern,
    Finding,
    KnowledgeBase,
    PlanItem,
    Prediction,
    RedFlag,
    RedFlagRule,
    RedFlagScreen,
)
from service.engine.model import Test as Statement

Plan = Callable[..., tuple[PlanItem, ...]]
FORCEFUL = {"lumbar-manipulation", "disc-decompression", "sacroiliac-correction", "pelvic-balancing", "iliopsoas-release"}
CLEAR = RedFlagScreen((), (), ())
# Claims of the two source documents that the plan carries.
CLAIMS = {
    *(f"K{number}" for number in (*range(21, 33), *range(35, 41))),
    "H01", "H03", "H04", "H11", *(f"H{number}" for number in range(16, 29)), "H30",
}  # fmt: skip


@pytest.fixture(scope="module")
def knowledge(service: Service) -> KnowledgeBase:
    return service.parts.knowledge


def predictions(kind: Any, **probabilities: float) -> list[Prediction]:
    made = [Prediction(name.replace("_and_", "-and-") if kind == "pattern" else name, kind, 0.1, p, p, p)
            for name, p in probabilities.items()]  # fmt: skip
    return sorted(made, key=lambda one: -one.probability)


@pytest.fixture(scope="module")
def plan(knowledge: KnowledgeBase) -> Plan:
    """`plan(pattern="spine", conditions={...}, answers={...}, raised=[...])`: the plan where just that is known."""

    def made(
        pattern: str = "",
        conditions: dict[str, float] | None = None,
        answers: dict[str, Any] | None = None,
        raised: tuple[RedFlagRule, ...] = (),
        stage: int | None = None,
        screen: RedFlagScreen | None = None,
    ) -> tuple[PlanItem, ...]:
        flags = tuple(RedFlag(rule, rule.urgency, ()) for rule in raised)
        combined = None if stage is None else CombinedPattern("spine", 0.8, ((stage, 0.9),), ())
        return care_plan(
            knowledge,
            Case(tuple(Answer(finding, value) for finding, value in (answers or {}).items())),
            screen or RedFlagScreen(flags, (), ()),
            [Prediction(pattern, "pattern", 0.1, 0.8, 0.8, 0.8)] if pattern else [],
            predictions("condition", **(conditions or {})),
            combined,
            min((flag.urgency for flag in flags), key=URGENCY_ORDER.index, default="routine"),
        )

    return made


def given(items: tuple[PlanItem, ...]) -> set[str]:
    return {item.rule.id for item in items if not item.withheld}


def withheld(items: tuple[PlanItem, ...]) -> dict[str, tuple[str, ...]]:
    return {item.rule.id: item.withheld for item in items if item.withheld}


# --- the table -------------------------------------------------------------------------------------------------------


def test_every_claim_on_management_is_carried_by_an_item(knowledge: KnowledgeBase) -> None:
    assert {claim for rule in knowledge.plan_rules for claim in rule.claims} == CLAIMS


def test_no_item_is_without_a_source_and_only_judgement_calls_itself_so(knowledge: KnowledgeBase) -> None:
    for rule in knowledge.plan_rules:
        assert rule.source_id in knowledge.citations, rule.id
        assert (rule.evidence == "expert") == (rule.source_id == "expert-judgement"), rule.id


@pytest.mark.parametrize("claim", [
    "K21", "K22", "K23", "K24", "K25", "K28", "K30", "K32", "K37", "K38", "K39", "H18", "H23", "H27",
])  # fmt: skip
def test_where_the_literature_is_thinner_than_the_claim_the_item_says_so(claim: str, knowledge: KnowledgeBase) -> None:
    assert any(rule.thinner for rule in knowledge.plan_rules if claim in rule.claims)


def test_claim_H23_the_trial_of_pain_reprocessing_is_cited_with_its_figure(knowledge: KnowledgeBase) -> None:
    rule = next(rule for rule in knowledge.plan_rules if rule.id == "pain-reprocessing")
    assert "66 %" in rule.text
    assert knowledge.citations[rule.source_id].doi == "10.1001/jamapsychiatry.2021.2669"


def test_medicines_leave_contra_indications_to_the_clinician_and_say_so(knowledge: KnowledgeBase) -> None:
    for rule in knowledge.plan_rules:
        if any(word in rule.text for word in ("NSAID", "over-the-counter", "steroid injection")) or rule.service == "nsaid":
            assert "Contra-indications" in rule.text, rule.id


def test_forceful_items_are_those_that_need_screening(knowledge: KnowledgeBase) -> None:
    assert {rule.id for rule in knowledge.plan_rules if rule.after_screening} == FORCEFUL


def test_every_item_is_given_to_someone(knowledge: KnowledgeBase, plan: Plan) -> None:
    for rule in knowledge.plan_rules:
        assert any(rule.id in given(reached(word, knowledge, plan)) for word in rule.applies_to), rule.id


def reached(word: str, knowledge: KnowledgeBase, plan: Plan) -> tuple[PlanItem, ...]:
    """The plan where nothing is known but the one thing a word of `applies_to` says."""
    kind, _, target = word.partition(":")
    if kind == "finding":
        finding, _, text = target.partition(" ")
        return plan(answers={finding: Statement.parse(text).example()})
    if kind == "pattern":
        return plan(pattern=target)
    if kind == "condition":
        return plan(conditions={target: 0.9})
    if kind == "stage":
        return plan(stage=int(target))
    if kind == "red-flag":
        return plan(raised=tuple(rule for rule in knowledge.red_flags if rule.id == target))
    return plan()


# --- safety ----------------------------------------------------------------------------------------------------------


def everything_that_calls_for_force(plan: Plan, **known: Any) -> tuple[PlanItem, ...]:
    """Plans in which each forceful item would stand, put together."""
    return (
        *plan("spine", {"lumbar_facet": 0.6}, **known),
        *plan("sij", {"sij_dysfunction": 0.6}, **known),
        *plan("spine", {"upper_lumbar_dh": 0.6}, **known),
        *plan("hip", {"iliopsoas_tendinopathy": 0.6}, **known),
    )


def test_without_a_red_flag_the_forceful_items_are_given(plan: Plan) -> None:
    assert given(everything_that_calls_for_force(plan)) >= FORCEFUL


def test_manipulation_is_withheld_under_every_red_flag_there_is(knowledge: KnowledgeBase, plan: Plan) -> None:
    categories = set()
    for rule in knowledge.red_flags:
        items = everything_that_calls_for_force(plan, raised=(rule,))
        assert not given(items) & FORCEFUL, rule.id
        reasons = [reason for item in items if item.rule.id in FORCEFUL for reason in item.withheld]
        assert f"red-flag:{rule.id}" in reasons
        categories.add(rule.category)
    assert categories >= {"fracture", "infection", "malignancy", "cauda-equina", "neurological", "vascular"}


@pytest.mark.parametrize("condition", [
    "cauda_equina", "malignancy_spine_pelvis", "infection_spine_hip", "vertebral_compression_fx", "hip_fracture", "aaa",
])  # fmt: skip
def test_manipulation_is_withheld_where_a_dangerous_condition_carries_weight(condition: str, plan: Plan) -> None:
    items = plan("spine", {"lumbar_facet": 0.6, condition: 0.06})
    assert withheld(items)["lumbar-manipulation"] == (f"condition:{condition}",)


@pytest.mark.parametrize("finding", [
    "osteoporosis", "corticosteroid_use", "unable_to_bear_weight", "unable_to_stand", "anticoagulation", "umn_signs",
])  # fmt: skip
def test_manipulation_is_withheld_by_a_risk_that_is_answered_present_even_without_a_flag(finding: str, plan: Plan) -> None:
    items = plan("spine", {"lumbar_facet": 0.6}, answers={finding: True})
    assert withheld(items)["lumbar-manipulation"] == (f"finding:{finding}",)
    assert "lumbar-manipulation" in given(plan("spine", {"lumbar_facet": 0.6}, answers={finding: False}))


def test_exercise_is_withheld_where_load_may_harm_and_not_for_a_mere_risk(knowledge: KnowledgeBase, plan: Plan) -> None:
    for rule in knowledge.red_flags:
        held = rule.urgency == "emergency" or "imaging" in rule.id or rule.id in ("cord_compression", "bilateral_deficit")
        held = held or (rule.category in ("fracture", "infection", "malignancy", "vascular", "pain") and rule.urgency == "urgent")
        items = plan("hip", {"hip_oa": 0.6}, raised=(rule,))
        assert ("hip-oa-programme" in withheld(items)) == held, rule.id
        assert ("hip-oa-programme" in given(items)) == (not held), rule.id


def test_claim_H28_gentle_movement_is_advised_unless_a_red_flag_may_mean_harm_by_it(
    knowledge: KnowledgeBase, plan: Plan
) -> None:
    beside = {"weakness_reported", "fragility_risk", "inflammatory_disease", "bilateral_symptoms"}
    for rule in knowledge.red_flags:
        for pattern in PATTERNS:
            items = plan(pattern, {"lumbar_facet": 0.4, "hip_oa": 0.4, "gtps": 0.4}, raised=(rule,))
            assert ("keep-moving" in given(items)) == (rule.id in beside), rule.id


def test_nothing_is_given_in_an_emergency(knowledge: KnowledgeBase, plan: Plan) -> None:
    for rule in knowledge.red_flags:
        if rule.urgency == "emergency":
            for pattern in PATTERNS:
                items = plan(pattern, {"ldh_l5_radic": 0.5, "hip_oa": 0.5}, raised=(rule,))
                assert items and not given(items), rule.id


def test_an_emergency_of_the_case_withholds_without_a_flag(knowledge: KnowledgeBase) -> None:
    conditions = predictions("condition", hip_oa=0.6, aaa=0.06)
    items = care_plan(knowledge, Case((Answer("pain_groin", True),)), CLEAR, [], conditions, None, "emergency")
    assert given(items) == {"keep-moving"}
    assert withheld(items)["hip-oa-programme"] == ("urgency:emergency",)


def test_an_anti_inflammatory_is_withheld_from_whom_it_may_make_bleed(plan: Plan) -> None:
    items = plan("spine", {"ldh_l5_radic": 0.8}, answers={"anticoagulation": True})
    assert withheld(items)["anti-inflammatory-disc"] == ("finding:anticoagulation",)
    assert "physiotherapy-disc" in given(items)


def test_manipulation_waits_for_the_questions_that_are_open(knowledge: KnowledgeBase, plan: Plan) -> None:
    first = knowledge.red_flags[0]
    answers = {finding: False for rule in knowledge.plan_rules for finding in asked_of(rule.withheld_when)}
    answers["fracture_imaging"] = "none seen"
    items = plan("spine", {"lumbar_facet": 0.6}, answers=answers, screen=RedFlagScreen((), (), (first,)))
    open_questions = {item.rule.id: item.open_screening for item in items}
    assert open_questions["lumbar-manipulation"] == (f"red-flag:{first.id}",)
    assert not any(found for rule_id, found in open_questions.items() if rule_id not in FORCEFUL)
    settled = plan("spine", {"lumbar_facet": 0.6}, answers=answers, screen=CLEAR)
    assert {item.open_screening for item in settled} == {()}
    assert "finding:anticoagulation" in next(
        item.open_screening for item in plan("spine", {"lumbar_facet": 0.6}) if item.rule.id == "lumbar-manipulation"
    )


def asked_of(words: tuple[str, ...]) -> list[str]:
    return [word.removeprefix("finding:").partition(" ")[0] for word in words if word.startswith("finding:")]


def random_answer(finding: Finding, chance: random.Random) -> Any:
    if finding.answer_type == "boolean":
        return chance.random() < 0.3
    if finding.answer_type == "choice":
        return chance.choice(finding.choices)
    return round(chance.uniform(finding.minimum or 0.0, finding.maximum or 10.0), 1)


@pytest.mark.slow
def test_manipulation_never_stands_beside_a_raised_flag_in_random_cases(service: Service) -> None:
    engine, findings = service.parts.engine, service.parts.knowledge.findings
    chance = random.Random(20240611)
    offered = 0
    for number in range(150):
        # Alarm signs are rare among findings; in some cases leave them unanswered, or the items would never be offered.
        usable = [one for one in findings if number % 3 or one.kind not in ("red-flag", "neuro")]
        answered = chance.sample(usable, chance.randint(1, 25))
        case = Case(tuple(Answer(one.id, random_answer(one, chance)) for one in answered), chance.choice((None, 30.0, 75.0)))
        assessment = engine.assess(case)
        done = given(assessment.plan)
        offered += bool(done & FORCEFUL)
        if assessment.red_flags.raised:
            assert not done & FORCEFUL, case
        if any(flag.urgency == "emergency" for flag in assessment.red_flags.raised):
            assert not done, case
        assert len(assessment.plan) <= 15
        assert len({item.rule.id for item in assessment.plan}) == len(assessment.plan)
        assert engine.assess(case).plan == assessment.plan
    assert offered > 5, "the cases must be able to show it"


# --- what is chosen --------------------------------------------------------------------------------------------------


def test_a_plan_is_short_in_the_order_of_the_kinds_and_holds_nothing_twice(knowledge: KnowledgeBase, plan: Plan) -> None:
    everybody = {one.id: 0.9 for one in knowledge.conditions}
    answers = {one.id: True for one in knowledge.findings if one.answer_type == "boolean" and one.kind != "red-flag"}
    items = plan("spine", everybody, answers=answers, stage=3)
    kinds = [item.rule.kind for item in items]
    assert len(items) == knowledge.constant("plan_items_most") == 15
    assert kinds == sorted(kinds, key=PLAN_KINDS.index)
    by_rank = [item.rule.kind for item in items if not item.rule.always]
    assert max(by_rank.count(kind) for kind in by_rank) <= knowledge.constant("plan_items_per_kind")
    assert len({item.rule.id for item in items}) == len(items)
    assert "keep-moving" in {item.rule.id for item in items}


def test_without_answers_the_plan_holds_only_what_holds_for_anybody(plan: Plan, service: Service) -> None:
    assert {item.because for item in plan()} == {("any",)}
    assert {item.because for item in service.parts.engine.assess(Case(age_years=70.0)).plan} == {("any",)}


def test_a_condition_goes_before_a_pattern_and_a_likelier_one_before_a_less_likely(plan: Plan) -> None:
    first_line = [item.rule.id for item in plan("hip", {"gtps": 0.3, "hip_oa": 0.6}) if item.rule.kind == "first-line"]
    assert first_line == ["exercise-education-hip-oa", "load-education-gluteal"]


def test_a_condition_below_the_threshold_calls_for_nothing(plan: Plan) -> None:
    assert "exercise-education-hip-oa" not in given(plan("hip", {"hip_oa": 0.19}))


@pytest.mark.parametrize(("conditions", "pattern", "expected"), [
    ({"ldh_l4_radic": 0.4, "hip_oa": 0.6}, "hip", "existing-hip-exercise-pause"),
    ({"lumbar_facet": 0.6}, "spine", "existing-hip-exercise-modify"),
    ({"hip_oa": 0.9}, "hip", "existing-hip-exercise-continue"),
])  # fmt: skip
def test_K40_existing_exercise_is_paused_modified_or_continued_and_only_one_of_them(
    conditions: dict[str, float], pattern: str, expected: str, plan: Plan
) -> None:
    assert [item.rule.id for item in plan(pattern, conditions) if item.rule.kind == "existing-exercise"] == [expected]


@pytest.mark.parametrize(("stage", "expected"), [
    (1, "stage-1-spine-first"), (2, "stage-2-spine-and-hip-load"), (3, "stage-3-both-spine-first"),
])  # fmt: skip
def test_K26_K27_K28_the_stage_decides_what_is_treated_first(stage: int, expected: str, plan: Plan) -> None:
    items = plan("hip-and-spine", {"hip_oa": 0.5, "lumbar_stenosis": 0.5}, stage=stage)
    assert next(item.rule.id for item in items if item.rule.kind == "first-line") == expected


def test_K37_K38_K39_windows_by_visits_and_days(knowledge: KnowledgeBase, plan: Plan) -> None:
    windows = {item.rule.id: (item.rule.visits, item.rule.reassess_after_days)
               for item in plan("spine", {"lumbar_facet": 0.6}) if item.rule.kind == "expected-response"}  # fmt: skip
    assert windows == {"early-response": ((2, 3), 14), "response-spine": ((4, 6), 28)}
    disc = {item.rule.id: item.rule.visits for item in plan("spine", {"ldh_l5_radic": 0.6})}
    assert disc["response-disc"] == (6, 12)
    assert "response-spine" not in disc
    assert next(rule for rule in knowledge.plan_rules if rule.id == "response-disc").reassess_after_days == 56


def test_K35_a_normal_hip_mri_sends_to_the_lumbar_spine_and_a_normal_film_does_not(plan: Plan) -> None:
    assert "lumbar-imaging-after-normal-hip-mri" in given(plan("hip", answers={"hip_imaging_normal": "MRI normal"}))
    assert "lumbar-imaging-after-normal-hip-mri" not in given(plan("hip", answers={"hip_imaging_normal": "radiograph normal"}))


def test_claim_H11_where_no_structure_is_found_the_plan_aims_at_relief(plan: Plan) -> None:
    items = plan("none-identified")
    assert items[1].rule.id == "relief-without-a-structure"
    assert {"pain-reprocessing", "massage", "mindfulness"} & given(items)

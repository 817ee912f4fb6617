"""Each rule across tables, shown to fire on a copy that breaks it, and silent on the tables as they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from service.engine.model import KnowledgeBase
from service.errors import KnowledgeBaseError
from service.knowledge.lint import RULES, lint, lint_codes
from service.knowledge.load import load_knowledge_base, read_tables
from service.knowledge.schema import Tables

TERMINOLOGY = Path(__file__).parents[3] / "terminology" / "codesystems"


@dataclass(frozen=True)
class Breach:
    """One change to the tables, the rule it breaks and the fault it must raise."""

    rule: str
    file: str
    key: str
    value: str
    where: str
    said: str
    cells: dict[str, object] = field(default_factory=dict)


BREACHES = {
    "an id used twice": Breach(
        "ids_are_unique",
        "likelihoods.csv", "row_id", "L068", "likelihoods.csv row L067", "used twice", {"row_id": "L067"}),
    "a row without a source": Breach(
        "sources_exist",
        "likelihoods.csv", "row_id", "L067", "row L067 column source_id", "no source 'nobody'", {"source_id": "nobody"}),
    "a source no row uses": Breach(
        "sources_exist",
        "sources.csv", "id", "trainor-2011", "sources.csv row trainor-2012", "no row uses", {"id": "trainor-2012"}),
    "a prior outside its limits": Breach(
        "condition_priors_are_a_distribution",
        "conditions.csv", "id", "gtps", "conditions.csv row gtps", "outside its limits", {"prevalence_low": "0.2"}),
    "priors that do not sum to one": Breach(
        "condition_priors_are_a_distribution",
        "conditions.csv", "id", "gtps", "conditions.csv row all", "not to 1", {"prevalence": "0.17"}),
    "a group with a stranger": Breach(
        "groups_have_known_members",
        "groups.csv", "id", "group:hip_joint", "row group:hip_joint column members", "no condition 'knee_oa'",
        {"members": "hip_oa;knee_oa"}),
    "a choice with one answer": Breach(
        "findings_fit_their_answer_type",
        "findings.csv", "id", "faber", "findings.csv row faber column choices", "two or more", {"choices": "negative"}),
    "a quantity without a unit": Breach(
        "findings_fit_their_answer_type",
        "findings.csv", "id", "hip_ir_rom", "row hip_ir_rom column unit", "has a unit", {"unit": ""}),
    "a quantity without limits": Breach(
        "findings_fit_their_answer_type",
        "findings.csv", "id", "hip_ir_rom", "row hip_ir_rom column minimum", "least and a greatest", {"maximum": ""}),
    "a finding nobody knows how to elicit": Breach(
        "findings_fit_their_answer_type",
        "findings.csv", "id", "slr", "row slr column how_elicited", "how it is elicited", {"how_elicited": ""}),
    "a count of unknown parts": Breach(
        "findings_fit_their_answer_type",
        "findings.csv", "id", "sij_count", "row sij_count column parts", "no other finding 'sij_push'", {"parts": "sij_push"}),
    "a finding without a background rate": Breach(
        "every_finding_has_background_rates",
        "background_rates.csv", "finding_id", "slr", "findings.csv row slr", "no background rate",
        {"finding_id": "slump", "observable_id": "slump:2"}),
    "levels that do not sum to one": Breach(
        "levels_are_exclusive_and_sum_to_one",
        "background_rates.csv", "level", "over-60-min", "row morning_stiffness column p", "not to 1", {"p": "0.09"}),
    "levels that overlap": Breach(
        "levels_are_exclusive_and_sum_to_one",
        "background_rates.csv", "level", "over-15-to-25", "row hip_ir_rom column when", "is both", {"when": "<=25"}),
    "a level of a choice that does not exist": Breach(
        "levels_are_exclusive_and_sum_to_one",
        "background_rates.csv", "level", "lateral-hip-pain", "row faber column when", "names no choice", {"when": "=side pain"}),
    "a rate of one": Breach(
        "levels_are_exclusive_and_sum_to_one",
        "background_rates.csv", "finding_id", "fever", "row fever column p", "is 0, 1 or outside", {"p": "1", "p_high": "1"}),
    "a row on an unknown target": Breach(
        "likelihoods_point_at_known_things",
        "likelihoods.csv", "row_id", "L067", "row L067 column target_id", "no condition or group", {"target_id": "stenosis"}),
    "a row on another finding's observable": Breach(
        "likelihoods_point_at_known_things",
        "likelihoods.csv", "row_id", "L067", "row L067 column observable_id", "no observable of", {"observable_id": "slr"}),
    "a comparison with an unknown condition": Breach(
        "likelihoods_point_at_known_things",
        "likelihoods.csv", "row_id", "L093", "row L093 column comparator_id", "unknown or the target",
        {"comparator_id": "stenosis"}),
    "a comparison with the target itself": Breach(
        "likelihoods_point_at_known_things",
        "likelihoods.csv", "row_id", "L093", "row L093 column comparator_id", "unknown or the target",
        {"comparator_id": "hip_oa"}),
    "a kind of comparison that names nobody": Breach(
        "likelihoods_point_at_known_things",
        "likelihoods.csv", "row_id", "L093", "row L093 column comparator_id", "kind condition", {"comparator_id": ""}),
    "a judgement dressed as a publication": Breach(
        "likelihoods_point_at_known_things",
        "likelihoods.csv", "row_id", "L089", "row L089 column source_id", "assigned figure", {"source_kind": "seen"}),
    "a check without a reason": Breach(
        "roles_are_explained_and_usable",
        "likelihoods.csv", "row_id", "L078", "row L078 column decision", "says why", {"decision": ""}),
    "an input without a number": Breach(
        "roles_are_explained_and_usable",
        "likelihoods.csv", "row_id", "L257", "row L257 column lr_pos", "holds a ratio",
        {"lr_pos": "", "lr_neg": "", "sensitivity": ""}),
    "an input without a statement": Breach(
        "roles_are_explained_and_usable",
        "likelihoods.csv", "row_id", "L067", "row L067 column when", "has no statement", {"when": ""}),
    "a sample used as a diagnosis": Breach(
        "roles_are_explained_and_usable",
        "likelihoods.csv", "row_id", "L067", "row L067 column role", "no inputs", {"target_id": "group:lbp_any"}),
    "a range upside down": Breach(
        "ranges_are_in_order",
        "likelihoods.csv", "row_id", "L067", "row L067 column lr_pos_low", "above the upper", {"lr_pos_low": "31"}),
    "a statement that cuts through a level": Breach(
        "statements_are_unions_of_levels",
        "likelihoods.csv", "row_id", "L140", "row L140 column when", "cuts through", {"when": "<=20", "when_not": ">20"}),
    "a statement and a denial that share a level": Breach(
        "statements_are_unions_of_levels",
        "likelihoods.csv", "row_id", "L140", "row L140 column when_not", "share a level", {"when_not": ">15"}),
    "a statement about a choice that does not exist": Breach(
        "statements_are_unions_of_levels",
        "likelihoods.csv", "row_id", "L225", "row L225 column when", "names no choice", {"when": "=side pain"}),
    "two inputs that state the same": Breach(
        "one_input_per_statement",
        "likelihoods.csv", "row_id", "L379", "row L379 column role", "states the same as L068", {"role": "input"}),
    "two inputs that cut across each other": Breach(
        "inputs_on_one_observable_nest",
        "likelihoods.csv", "row_id", "L144", "row L144 column when", "cuts across L142", {"when": "<=1", "when_not": ">1"}),
    "a constant that is missing": Breach(
        "constants_are_complete",
        "model.csv", "id", "interval_z", "model.csv row interval_z", "is missing", {"id": "interval"}),
    "a constant outside its limits": Breach(
        "constants_are_complete",
        "model.csv", "id", "lr_pos_cap", "row lr_pos_cap column value", "outside its limits", {"value": "80"}),
    "a red flag on an unknown finding": Breach(
        "red_flags_point_at_known_things",
        "red_flags.json", "id", "fever", "row fever column when", "no finding 'chills'",
        {"when": {"any": [{"finding": "chills", "is": "true"}]}}),
    "a red flag no answer can raise": Breach(
        "red_flags_point_at_known_things",
        "red_flags.json", "id", "severe_unrelenting_pain", "row severe_unrelenting_pain column when", "true of no answer",
        {"when": {"finding": "pain_intensity", "is": ">10"}}),
    "a weak flag that claims an emergency": Breach(
        "red_flags_point_at_known_things",
        "red_flags.json", "id", "cancer_history", "row cancer_history column urgency", "at most urgent",
        {"urgency": "emergency"}),
    "a red flag for an unknown condition": Breach(
        "red_flags_point_at_known_things",
        "red_flags.json", "id", "aaa", "red_flags.json row aaa column conditions", "no 'aorta'", {"conditions": ["aorta"]}),
    "an answer that cannot be given, said not to fit another": Breach(
        "incompatible_answers_can_be_given",
        "incompatible.csv", "finding_id", "failed_hip_treatment", "row failed_hip_treatment column when", "true of no answer",
        {"other_when": "=cured"}),
    "a qualifier of an answer there is not": Breach(
        "qualifiers_point_at_known_things",
        "qualifiers.json", "id", "hip_trial_too_short", "row hip_trial_too_short column value", "no such answer",
        {"value": "worse"}),
    "a qualifier that asks for nothing": Breach(
        "qualifiers_point_at_known_things",
        "qualifiers.json", "id", "spine_trial_too_short", "row spine_trial_too_short column needs", "true of no answer",
        {"needs": {"finding": "visits_paid", "is": ">=4"}}),
    "a referral for nothing": Breach(
        "referrals_cover_what_they_must",
        "plans.json", "id", "rheumatologist", "row rheumatologist column applies_to", "no 'pattern:joint'",
        {"applies_to": ["pattern:joint"]}),
    "a pattern without a next step": Breach(
        "referrals_cover_what_they_must",
        "plans.json", "id", "physiotherapist-sij", "plans.json row pattern:sij", "no referral applies",
        {"applies_to": ["pattern:spine"]}),
    "a referral of unknown urgency": Breach(
        "referrals_cover_what_they_must",
        "plans.json", "id", "rheumatologist", "row rheumatologist column urgency", "one of the four", {"urgency": "whenever"}),
    "a claim carried by an unknown row": Breach(
        "claims_are_carried",
        "claims.csv", "claim_id", "K13", "claims.csv row K13 column rows", "no 'L999'", {"rows": "L999"}),
    "a claim put off": Breach(
        "claims_are_carried",
        "claims.csv", "claim_id", "K06", "claims.csv row K06 column status", "is represented", {"status": "later"}),
    "a claim that nothing carries": Breach(
        "claims_are_carried",
        "claims.csv", "claim_id", "H05", "claims.csv row H05 column findings", "nothing that carries",
        {"findings": "", "conditions": "", "rules": "", "rows": ""}),
    "a controversy about an unknown finding": Breach(
        "claims_are_carried",
        "controversies.csv", "finding_id", "kemp", "controversies.csv row kemps", "no such finding", {"finding_id": "kemps"}),
    "a plan item for a finding that does not exist": Breach(
        "plan_items_name_known_things",
        "plan_rules.json", "id", "keep-moving", "row keep-moving column applies_to", "no finding 'mood'",
        {"applies_to": ["finding:mood true"]}),
    "a plan item with a choice the finding does not have": Breach(
        "plan_items_name_known_things",
        "plan_rules.json", "id", "keep-moving", "row keep-moving column applies_to", "true of no answer",
        {"applies_to": ["finding:hip_imaging_normal =odd"]}),
    "a plan item that replaces nothing there is": Breach(
        "plan_items_name_known_things",
        "plan_rules.json", "id", "keep-moving", "row keep-moving column replaces", "no 'rest'", {"replaces": ["rest"]}),
    "a plan item that survives an emergency": Breach(
        "plan_items_are_withheld_where_they_must",
        "plan_rules.json", "id", "massage", "row massage column withheld_when", "in an emergency",
        {"withheld_when": ["category:fracture"]}),
    "manipulation that survives a red flag": Breach(
        "plan_items_are_withheld_where_they_must",
        "plan_rules.json", "id", "lumbar-manipulation", "row lumbar-manipulation column withheld_when", "under any red flag",
        {"withheld_when": ["urgency:emergency"]}),
    "an exercise without a dosage": Breach(
        "plan_items_fit_their_kind",
        "plan_rules.json", "id", "daily-mobility", "row daily-mobility column dosage", "has a dosage", {"dosage": ""}),
    "an expected response without a date": Breach(
        "plan_items_fit_their_kind",
        "plan_rules.json", "id", "response-disc", "row response-disc column kind", "when to assess again",
        {"reassess_after_days": None}),
    "a spinal level without a source": Breach(
        "level_and_stage_rows_are_sound",
        "levels.csv", "row_id", "LS001", "levels.csv row LS001 column source_id", "no source 'nobody'",
        {"source_id": "nobody"}),
    "a level rate outside its limits": Breach(
        "level_and_stage_rows_are_sound",
        "level_findings.csv", "row_id", "LF001", "level_findings.csv row LF001 column p", "outside its limits",
        {"p_low": "0.3"}),
    "shares of levels that do not sum to one": Breach(
        "shares_are_distributions",
        "levels.csv", "row_id", "LS002", "levels.csv row ldh_l4_radic column p", "not to 1", {"p": "0.8"}),
    "a level of a stranger": Breach(
        "level_rates_fit_the_findings",
        "level_findings.csv", "row_id", "LF001", "level_findings.csv row LF001 column finding_id", "no yes/no finding 'faber'",
        {"finding_id": "faber"}),
    "a cluster about an unknown condition": Breach(
        "clusters_point_at_known_things",
        "clusters.csv", "row_id", "LC01", "clusters.csv row LC01 column target_id", "no condition", {"target_id": "gout"}),
    "a cluster with one ratio": Breach(
        "clusters_point_at_known_things",
        "clusters.csv", "row_id", "LC02", "clusters.csv row LC02 column lr_neg", "needs both ratios", {"lr_neg": ""}),
    "a cluster compared with nobody": Breach(
        "clusters_point_at_known_things",
        "clusters.csv", "row_id", "LC01", "clusters.csv row LC01 column comparator_id", "condition or group",
        {"comparator_id": ""}),
    "a cluster that counts a part of another count": Breach(
        "clusters_are_countable",
        "clusters.csv", "row_id", "LC01", "clusters.csv row LC01 column items", "counted in another way",
        {"items": "sij_distraction true;second_half_night true"}),
    "a cluster whose rule is always met": Breach(
        "clusters_are_countable",
        "clusters.csv", "row_id", "LC01", "clusters.csv row LC01 column when", "of some numbers", {"when": ">=0"}),
    "a cluster whose item cuts a level": Breach(
        "clusters_are_countable",
        "clusters.csv", "row_id", "LC01", "clusters.csv row LC01 column items", "no union of levels",
        {"items": "morning_stiffness =long;second_half_night true"}),
    "a level rate beyond the cap": Breach(
        "level_rates_fit_the_findings",
        "level_findings.csv", "row_id", "LF001", "level_findings.csv row LF001 column p", "more than the cap",
        {"p": "0.3", "p_high": "0.5"}),
    "a stage without its rate": Breach(
        "stages_are_distributions",
        "stages.csv", "observable_id", "hip_xray_oa", "stages.csv row hip_xray_oa column level", "one rate per stage",
        {"stage": "3"}),
    "stage rates that do not sum to one": Breach(
        "stages_are_distributions",
        "stages.csv", "row_id", "ST007", "stages.csv row hip_injection_relief column p", "not to 1", {"p": "0.72"}),
    "a claim that does not name its plan item": Breach(
        "claims_and_plan_items_name_each_other",
        "claims.csv", "claim_id", "H25", "claims.csv row H25 column plan_items", "does not name the plan item",
        {"plan_items": ""}),
    "a plan item that does not name its claim": Breach(
        "claims_and_plan_items_name_each_other",
        "plan_rules.json", "id", "brace-stretch-rock", "row brace-stretch-rock column claims", "does not name the claim",
        {"claims": []}),
    "a red flag without a threat": Breach(
        "flags_name_their_threat",
        "red_flags.json", "id", "fever", "red_flags.json row fever column threat", "no threat 'worry'", {"threat": "worry"}),
    "an urgent fracture that leaves exercise in the plan": Breach(
        "flags_name_their_threat",
        "red_flags.json", "id", "trauma", "red_flags.json row trauma column threat", "permits nothing that loads or treats",
        {"threat": "raised-markers"}),
    "an urgent weakness under which somebody is reassured": Breach(
        "flags_name_their_threat",
        "red_flags.json", "id", "motor_weakness", "row motor_weakness column threat", "nobody is reassured", {"threat": "none"}),
    "necrosis of the hip with an injection": Breach(
        "flags_name_their_threat",
        "red_flags.json", "id", "osteonecrosis_imaging", "row osteonecrosis_imaging column threat", "no injection",
        {"threat": "weakness"}),
    "a threat that forbids a referral": Breach(
        "flags_name_their_threat",
        "threats.csv", "id", "cord", "threats.csv row cord column permits", "always permitted", {"permits": "protects"}),
    "a threat that forbids an examination there is not": Breach(
        "threats_forbid_known_examinations",
        "threats.csv", "id", "cord", "threats.csv row cord column not_examined", "'dance'", {"not_examined": "dance"}),
    "an exercise that calls itself protective": Breach(
        "items_say_what_they_do",
        "plan_rules.json", "id", "daily-mobility", "row daily-mobility column safety", "of the class loads",
        {"safety": ["protects"]}),
    "physiotherapy that calls itself a specialist": Breach(
        "referrals_say_what_they_do",
        "plans.json", "id", "physiotherapist-hip", "row physiotherapist-hip column safety", "physiotherapy loads",
        {"safety": ["specialist"]}),
    "a referral under a condition nobody can answer": Breach(
        "referrals_say_what_they_do",
        "plans.json", "id", "spine-film", "row spine-film column unless", "true of no answer",
        {"unless": ["finding:fracture_imaging =skull"]}),
}


@pytest.mark.parametrize("breach", BREACHES.values(), ids=BREACHES.keys())
def test_a_breach_of_a_rule_stops_the_start_and_names_the_row(
    breach: Breach, copied_tables: Path, edit: Callable[..., None]
) -> None:
    edit(breach.file, breach.key, breach.value, **breach.cells)
    rule = next(rule for rule in RULES if rule.__name__ == breach.rule)
    assert any(breach.said in fault.message for fault in rule(read_tables(copied_tables)[0]))
    with pytest.raises(KnowledgeBaseError) as caught:
        load_knowledge_base(copied_tables)
    assert any(breach.where in fault.where and breach.said in fault.message for fault in caught.value.faults), [
        f"{fault.where}: {fault.message}" for fault in caught.value.faults
    ]


def test_the_tables_as_they_are_break_no_rule(tables: Tables) -> None:
    assert lint(tables) == ()


def test_an_item_and_a_referral_must_say_what_they_do_to_the_patient(
    copied_tables: Path, edit: Callable[..., None]
) -> None:
    edit("plan_rules.json", "id", "massage", safety=[])
    edit("plans.json", "id", "rheumatologist", safety=["calms"])
    with pytest.raises(KnowledgeBaseError) as caught:
        load_knowledge_base(copied_tables)
    said = {fault.where: fault.message for fault in caught.value.faults}
    assert said["plan_rules.json row massage column safety"] == "must not be empty."
    assert "must be among protects" in said["plans.json row rheumatologist column safety"]


def test_every_rule_has_a_breach_that_fires_it() -> None:
    assert {breach.rule for breach in BREACHES.values()} == {rule.__name__ for rule in RULES}


def codes(name: str) -> set[str]:
    system = json.loads((TERMINOLOGY / f"{name}.json").read_text(encoding="utf-8"))
    return {concept["code"] for concept in system["concept"]}


def test_every_id_of_the_tables_has_a_code_and_every_code_a_row(knowledge: KnowledgeBase) -> None:
    assert lint_codes(
        knowledge,
        findings=codes("finding"), conditions=codes("condition"), red_flags=codes("red-flag"), services=codes("service"),
        body_sites=codes("body-site"),
    ) == ()


def test_an_id_without_a_code_and_a_code_without_a_row_are_named(knowledge: KnowledgeBase) -> None:
    faults = lint_codes(
        knowledge,
        findings=(codes("finding") - {"slr"}) | {"laser"}, conditions=codes("condition"),
        red_flags=(rule.id for rule in knowledge.red_flags), services=codes("service") - {"ref-rheumatologist"},
        body_sites=codes("body-site") - {"hip-region"},
    )
    assert [fault.where for fault in faults] == [
        "findings.csv row slr", "findings.csv row laser",
        *(f"plans.json row {one.id}" for one in knowledge.referrals if one.body_site or one.id == "rheumatologist"),
    ]

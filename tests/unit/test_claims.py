"""Every claim of the two source documents: where it is carried, and where the literature says otherwise."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from service.engine.model import KnowledgeBase
from service.engine.network import compile_network
from service.knowledge.load import load_knowledge_base, read_tables
from service.knowledge.schema import Row

TABLES = Path(__file__).parents[2] / "service" / "knowledge" / "tables"
CARRIERS = ("findings", "conditions", "rules", "rows", "plan_items", "tests")
# What a claim of a kind needs beyond any carrier: data the engine computes with, a rule, or an item of the plan.
NEEDED = {
    ("anatomy", "condition", "spine-sign", "exam", "distinction", "bilateral", "imaging"): ("rows",),
    ("red-flag",): ("rules",),
    ("treatment", "prevention", "timeline", "advice", "exercise", "combined"): ("plan_items",),
}
CLAIMS = [*(f"K{number:02d}" for number in range(1, 41)), *(f"H{number:02d}" for number in range(1, 31))]
# Claims that the literature contradicts or qualifies, and the findings whose texts must say so.
CONTRADICTED = {
    "K03": ("hip_flexor_tightness",),
    "K04": ("pelvic_asymmetry",),
    "K08": ("palp_sij",),
    "K12": ("morning_stiffness", "worse_static_loading"),
    "K13": ("pain_below_knee",),
    "K14": ("thigh_burning_numb", "outer_thigh_sensory"),
    "K16": ("failed_hip_treatment", "hip_treatment_response"),
    "K17": ("faber", "faber_positive", "fadir", "scour", "kemp", "slr"),
    "K33": ("weight_bearing_pain", "pain_groin", "hip_ir_reduced"),
    "K35": ("hip_imaging_normal",),
    "K36": ("hip_mri_labral_cam", "lumbar_mri_compression"),
    "K39": ("spine_treatment_response",),
    "H08": ("fair_test", "seated_piriformis"),
    "H15": ("night_pain", "fever"),
}


@pytest.fixture(scope="module")
def claims() -> dict[str, Row]:
    return {row["claim_id"]: row for row in read_tables(TABLES)[0].claims}


@pytest.fixture(scope="module")
def knowledge() -> KnowledgeBase:
    return load_knowledge_base(TABLES)


def test_every_claim_has_its_line_in_order(claims: dict[str, Row]) -> None:
    assert list(claims) == CLAIMS


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_what_a_claim_names_exists_and_is_used(claim_id: str, claims: dict[str, Row], knowledge: KnowledgeBase) -> None:
    claim = claims[claim_id]
    findings = {finding.id for finding in knowledge.findings}
    conditions = {condition.id for condition in knowledge.conditions}
    roles = {row.row_id: row.role for row in knowledge.likelihoods}
    assert set(claim["findings"]) <= findings
    assert set(claim["conditions"]) <= conditions
    assert set(claim["rules"]) <= {rule.id for rule in knowledge.red_flags}
    assert {roles.get(row) for row in claim["rows"]} <= {"input"}, "a claim rests on rows the engine computes with"


@pytest.mark.parametrize("claim_id", CLAIMS)
def test_every_claim_is_represented_by_something_that_exists(claim_id: str, claims: dict[str, Row]) -> None:
    """A claim is carried by a finding, condition, rule, row, item of the plan, or a test; none is put off."""
    claim = claims[claim_id]
    assert claim["status"] == "represented"
    assert any(claim[column] for column in CARRIERS)
    for kinds, columns in NEEDED.items():
        if claim["kind"] in kinds:
            assert any(claim[column] for column in columns), f"{claim['kind']} needs one of {columns}"


def test_every_finding_a_claim_asks_for_has_a_row_or_a_rule_or_says_why_not(
    claims: dict[str, Row], knowledge: KnowledgeBase
) -> None:
    weighed = {row.finding_id for row in knowledge.likelihoods if row.role == "input"}
    notes = {observable.finding_id: observable.note for observable in knowledge.observables}
    for claim in claims.values():
        for finding in set(claim["findings"]) - weighed:
            assert "weight of its own" in notes[finding], (claim["claim_id"], finding)


def test_tests_that_claims_name_are_there(claims: dict[str, Row]) -> None:
    defined = {
        name
        for path in Path(__file__).parents[1].rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
    }
    named = {name for claim in claims.values() for name in claim["tests"]}
    assert named and named <= defined


def test_a_red_flag_claim_and_its_rules_name_each_other(claims: dict[str, Row], knowledge: KnowledgeBase) -> None:
    rules = {rule.id: set(rule.claims) for rule in knowledge.red_flags}
    for claim_id, claim in claims.items():
        for rule in claim["rules"]:
            assert claim_id in rules[rule], rule
        if claim["kind"] == "red-flag":
            assert claim["rules"]
    for rule, named in rules.items():
        for claim_id in named:
            assert rule in claims[claim_id]["rules"], claim_id


@pytest.mark.parametrize("claim_id", CONTRADICTED)
def test_where_the_literature_contradicts_a_claim_the_finding_says_that_sources_differ(
    claim_id: str, claims: dict[str, Row], knowledge: KnowledgeBase
) -> None:
    said = {row["finding_id"]: row for row in read_tables(TABLES)[0].controversies}
    for finding in CONTRADICTED[claim_id]:
        assert claim_id in said[finding]["claims"]
        assert knowledge.controversies[finding] == said[finding]["text"]


def test_K13_pain_below_the_knee_favours_a_root_only_modestly(knowledge: KnowledgeBase) -> None:
    """Poulsen E et al. Fam Pract 2016;33:601: 15 % of primary-care hip osteoarthritis have it."""
    rows = {row.row_id: row for row in knowledge.likelihoods}
    assert rows["L114"].role == "input"
    assert rows["L114"].sensitivity is not None and rows["L114"].sensitivity.point == 0.15
    assert rows["L048"].lr_pos is not None and rows["L048"].lr_pos.point < 2.0
    assert rows["L045"].role == "check"


def test_K14_a_numb_outer_thigh_speaks_first_of_the_thigh_nerve(knowledge: KnowledgeBase) -> None:
    rows = {
        row.target_id: row for row in knowledge.likelihoods if row.finding_id == "thigh_burning_numb" and row.role == "input"
    }
    assert set(rows) == {"meralgia", "upper_lumbar_dh"}
    meralgia, root = rows["meralgia"].sensitivity, rows["upper_lumbar_dh"].sensitivity
    assert meralgia is not None and root is not None
    assert meralgia.point > root.point


def test_K14_a_numb_outer_thigh_beside_back_pain_still_speaks_first_of_the_thigh_nerve(knowledge: KnowledgeBase) -> None:
    network = compile_network(knowledge)
    rates = network.rate_table.compiled["outer_thigh_sensory"]
    assert rates["meralgia"].rates[0] > 2 * rates["upper_lumbar_dh"].rates[0]
    groups = {finding.id: finding.dependency_group for finding in knowledge.findings}
    assert groups["outer_thigh_sensory"] == groups["thigh_burning_numb"]


def test_K28_partial_relief_from_either_treatment_speaks_weakly_for_both_sources(knowledge: KnowledgeBase) -> None:
    rows = {(row.finding_id, row.target_id): row for row in knowledge.likelihoods if row.role == "input"}
    for finding in ("hip_treatment_response", "spine_treatment_response"):
        row = rows[finding, "hip_spine_syndrome"]
        assert row.when is not None and row.when.choices == ("partly better",)
        assert row.lr_pos is not None and row.lr_pos.point < 2.0
    for finding in ("treatment_visits", "treatment_weeks", "symptom_side"):
        assert not [target for asked, target in rows if asked == finding], "it qualifies other answers"


def test_claim_H01_strain_of_the_hip_muscles_is_a_condition_of_its_own(knowledge: KnowledgeBase) -> None:
    network = compile_network(knowledge)
    strain = next(condition for condition in network.hypotheses.conditions if condition.id == "hip_muscle_strain")
    assert (strain.region, strain.urgency) == ("hip", "routine")
    assert network.hypotheses.count == 1 + 25 + 300 + 2300
    bucket = next(condition for condition in knowledge.conditions if condition.id == "other_unclassified")
    assert knowledge.constant("class_mass_empty") == bucket.prevalence


def test_K18_and_K19_every_root_and_segment_can_be_answered(knowledge: KnowledgeBase) -> None:
    findings = {finding.id for finding in knowledge.findings}
    assert {f"derm_{level}" for level in ("l1", "l2", "l3", "l4", "l5", "s1")} <= findings
    assert {f"myo_{level}" for level in ("l2", "l3", "l4", "l5", "s1")} <= findings
    assert {f"palp_segment_{level}" for level in ("l1", "l2", "l3", "l4", "l5", "s1")} <= findings

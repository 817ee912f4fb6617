"""Every claim of the two source documents: where it is carried, and where the literature says otherwise."""

from __future__ import annotations

from pathlib import Path

import pytest

from service.engine.model import KnowledgeBase
from service.knowledge.lint import MUST_BE_REPRESENTED
from service.knowledge.load import load_knowledge_base, read_tables
from service.knowledge.schema import Row

TABLES = Path(__file__).parents[2] / "service" / "knowledge" / "tables"
CLAIMS = [*(f"K{number:02d}" for number in range(1, 41)), *(f"H{number:02d}" for number in range(1, 31))]
# Claims that the literature contradicts or qualifies, and the findings whose texts must say so.
CONTRADICTED = {
    "K12": ("morning_stiffness",),
    "K13": ("pain_below_knee",),
    "K14": ("thigh_burning_numb",),
    "K16": ("failed_hip_treatment",),
    "K17": ("faber", "fadir", "scour", "kemp", "slr"),
    "K33": ("weight_bearing_pain", "pain_groin", "hip_ir_reduced"),
    "K35": ("hip_imaging_normal",),
    "K36": ("hip_mri_labral_cam", "lumbar_mri_compression"),
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


def test_claims_the_issue_asks_for_are_represented_by_data(claims: dict[str, Row]) -> None:
    asked = [claim for claim in claims.values() if claim["kind"] in MUST_BE_REPRESENTED]
    assert len(asked) == 33
    for claim in asked:
        assert claim["status"] == "represented"
        assert claim["conditions"] or claim["findings"]


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


def test_K18_and_K19_every_root_and_segment_can_be_answered(knowledge: KnowledgeBase) -> None:
    findings = {finding.id for finding in knowledge.findings}
    assert {f"derm_{level}" for level in ("l1", "l2", "l3", "l4", "l5", "s1")} <= findings
    assert {f"myo_{level}" for level in ("l2", "l3", "l4", "l5", "s1")} <= findings
    assert {f"palp_segment_{level}" for level in ("l1", "l2", "l3", "l4", "l5", "s1")} <= findings

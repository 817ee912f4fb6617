"""The plain implementation on a toy knowledge base whose numbers can be worked out on paper."""

from __future__ import annotations

import csv
from math import log
from pathlib import Path

import pytest
from plain_engine import PlainEngine, holds, representative

HIP, HIP2, SPINE, SERIOUS = "hip_a", "hip_b", "spine_a", "serious_a"
ROW = {
    "finding_id": "sign", "observable_id": "sign", "role": "input", "when": "true", "when_not": "false",
    "comparator_kind": "patients", "comparator_id": "", "sensitivity": "",
    "lr_pos": "", "lr_neg": "", "quality": "A", "confidence": "high",
}
LEVELS = [("low", "<=15", "0.2"), ("mid", ">15 <=25", "0.3"), ("high", ">25", "0.5")]


def write(path: Path, rows: list[dict[str, str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def toy(directory: Path, *rows: dict[str, str]) -> PlainEngine:
    """Four conditions, one yes/no sign at background 0.2 (and a sister of the same group), one angle in three levels."""
    prevalences = [(HIP, "hip", "0.3"), (HIP2, "hip", "0.1"), (SPINE, "spine", "0.4"), (SERIOUS, "serious", "0.1")]
    write(directory / "conditions.csv", [{"id": i, "region": r, "prevalence": p} for i, r, p in prevalences])
    write(directory / "groups.csv", [
        {"id": "group:hip", "members": f"{HIP};{HIP2};hip_spine_syndrome"},
        {"id": "group:all", "members": f"{HIP};{HIP2};{SPINE};{SERIOUS}"},
    ])
    findings = [(n, "signs", "no") for n in ("sign", "sister")] + [("angle", "rom", "no"), ("block", "block", "yes")]
    demographic = [("age_band", "age", "no"), ("sex", "sex", "no")]
    write(directory / "findings.csv", [{"id": i, "dependency_group": g, "definite": d} for i, g, d in findings + demographic])
    rates = [(n, level, when, p) for n in ("sign", "sister", "block") for level, when, p in
             (("present", "true", "0.2"), ("absent", "false", "0.8"))]
    rates += [("angle", *level) for level in LEVELS]
    rates += [("age_band", band, f"={band}", "0.2") for band in ("18-39", "40-49", "50-59", "60-69", "70 and over")]
    rates += [("sex", each, f"={each}", "0.5") for each in ("female", "male")]
    write(directory / "background_rates.csv", [
        {"observable_id": o, "finding_id": o, "level": level, "when": when, "p": p} for o, level, when, p in rates
    ])
    filler = {**ROW, "row_id": "X", "target_id": HIP, "role": "check"}
    write(directory / "likelihoods.csv", [filler] + [{**ROW, "row_id": f"T{i}", **row} for i, row in enumerate(rows)])
    constants = {
        "weight_quality_A": 1.0, "weight_quality_B": 0.75, "weight_quality_C": 0.5, "weight_quality_D": 0.6,
        "weight_confidence_low": 0.8, "weight_healthy": 0.5, "lr_pos_cap": 8.0, "lr_neg_cap": 0.15, "lr_pos_cap_definite": 12.0,
        "lr_neg_cap_definite": 0.1, "lr_only_max_rate": 0.95, "class_mass_empty": 0.04, "class_mass_hip_and_spine": 0.06,
        "class_mass_combination": 0.04, "dependence_shrink": 0.3,
    }
    write(directory / "model.csv", [{"id": name, "value": str(value)} for name, value in constants.items()])
    return PlainEngine(directory)


def rate(directory: Path, condition: str = HIP, observable: str = "sign", **row: str) -> list[float]:
    return toy(directory, {"target_id": condition, **row}).rates_of(condition, observable)


def test_both_ratios_of_weight_one_multiply_the_odds_by_their_quotient(tmp_path: Path) -> None:
    """Odds 1/4 times 3/0.75 is 1: a half."""
    assert rate(tmp_path, lr_pos="3", lr_neg="0.75")[0] == pytest.approx(0.5)


def test_quality_c_takes_the_square_root_of_the_quotient(tmp_path: Path) -> None:
    """Odds 1/4 times root of 4 is 1/2: a third."""
    assert rate(tmp_path, lr_pos="3", lr_neg="0.75", quality="C")[0] == pytest.approx(1 / 3)


def test_healthy_comparators_halve_the_weight(tmp_path: Path) -> None:
    assert rate(tmp_path, lr_pos="3", lr_neg="0.75", comparator_kind="healthy")[0] == pytest.approx(1 / 3)


def test_a_positive_ratio_alone_multiplies_the_rate_and_a_negative_one_alone_the_rate_of_absence(tmp_path: Path) -> None:
    assert rate(tmp_path, lr_pos="2")[0] == pytest.approx(0.4)
    assert rate(tmp_path, lr_neg="0.5")[0] == pytest.approx(0.6)


def test_a_positive_ratio_alone_never_passes_95_percent(tmp_path: Path) -> None:
    """0.2 times 7 is above 1; 0.95 is then within the caps only of a definite finding: 1 - 0.1 x 0.8 = 0.92 < 0.95."""
    assert rate(tmp_path, lr_pos="7")[0] == pytest.approx(1 - 0.15 * 0.8)
    assert rate(tmp_path, observable="block", finding_id="block", observable_id="block", lr_pos="7")[0] == pytest.approx(0.92)


def test_a_sensitivity_alone_of_full_weight_is_the_rate(tmp_path: Path) -> None:
    assert rate(tmp_path, sensitivity="0.7")[0] == pytest.approx(0.7)


def test_the_cap_stands_in_for_a_negative_ratio_of_zero(tmp_path: Path) -> None:
    """Odds 1/4 times 2/0.15 is 10/3: 10 of 13."""
    assert rate(tmp_path, lr_pos="2", lr_neg="0")[0] == pytest.approx(10 / 13)


def test_a_row_for_levels_moves_them_together_and_keeps_their_proportion(tmp_path: Path) -> None:
    """<=25 goes from 0.5 to 0.8 by sensitivity, split 2 to 3; the rest is 0.2."""
    levels = rate(tmp_path, observable="angle", finding_id="angle", observable_id="angle", when="<=25", sensitivity="0.8")
    assert levels == pytest.approx([0.32, 0.48, 0.2])


def test_two_rows_on_nested_levels_both_hold(tmp_path: Path) -> None:
    angle = {"finding_id": "angle", "observable_id": "angle", "target_id": HIP}
    engine = toy(tmp_path, {**angle, "when": "<=25", "sensitivity": "0.8"}, {**angle, "when": "<=15", "sensitivity": "0.5"})
    assert engine.rates_of(HIP, "angle") == pytest.approx([0.5, 0.3, 0.2])


def test_the_narrowest_group_speaks_for_members_without_their_own_row(tmp_path: Path) -> None:
    engine = toy(
        tmp_path,
        {"target_id": "group:all", "sensitivity": "0.3"},
        {"target_id": "group:hip", "sensitivity": "0.4"},
        {"target_id": HIP, "sensitivity": "0.5"},
    )
    assert [engine.rates_of(c, "sign")[0] for c in (HIP, HIP2, SPINE, SERIOUS)] == pytest.approx([0.5, 0.4, 0.3, 0.3])


def test_a_comparator_of_ours_takes_the_place_of_the_background(tmp_path: Path) -> None:
    """Against the spine's 0.4, a positive ratio of 1.5 is 0.6."""
    engine = toy(
        tmp_path, {"target_id": HIP, "lr_pos": "1.5", "comparator_id": SPINE}, {"target_id": SPINE, "sensitivity": "0.4"}
    )
    assert engine.rates_of(HIP, "sign")[0] == pytest.approx(0.6)


def test_a_comparator_group_is_weighted_by_prevalence_without_the_target(tmp_path: Path) -> None:
    """0.4 x 0.4 (spine), 0.1 x 0.2 (other hip) and 0.1 x 0.2 (serious) over 0.6 make 1/3; half more is 0.5."""
    engine = toy(
        tmp_path, {"target_id": HIP, "lr_pos": "1.5", "comparator_id": "group:all"}, {"target_id": SPINE, "sensitivity": "0.4"}
    )
    assert engine.rates_of(HIP, "sign")[0] == pytest.approx(0.5)


def test_two_raisers_miss_independently_and_a_lowerer_multiplies(tmp_path: Path) -> None:
    """1 - 0.8 x (0.5/0.8) x (0.6/0.8) = 0.625; with a lowerer of 0.1 against 0.2 half of that."""
    engine = toy(
        tmp_path,
        {"target_id": HIP, "sensitivity": "0.5"},
        {"target_id": SPINE, "sensitivity": "0.4"},
        {"target_id": SERIOUS, "sensitivity": "0.1"},
    )
    assert engine.rates_in_set("sign", engine.sets.index((HIP, SPINE)))[0] == pytest.approx(0.625)
    assert engine.rates_in_set("sign", engine.sets.index((HIP, SPINE, SERIOUS)))[0] == pytest.approx(0.3125)


def test_the_extra_member_joins_only_sets_with_hip_and_spine(tmp_path: Path) -> None:
    """Alone on the finding, its own 0.6 is the rate of those sets, and the background that of the others."""
    engine = toy(tmp_path, {"target_id": "hip_spine_syndrome", "sensitivity": "0.6"})
    assert engine.rates_in_set("sign", engine.sets.index((HIP, SPINE, SERIOUS)))[0] == pytest.approx(0.6)
    assert engine.rates_in_set("sign", engine.sets.index((HIP, HIP2, SERIOUS)))[0] == pytest.approx(0.2)


def test_the_less_informative_sister_counts_three_tenths_on_the_logit_scale(tmp_path: Path) -> None:
    engine = toy(tmp_path, {"target_id": HIP, "sensitivity": "0.6"},
                 {"target_id": HIP, "finding_id": "sister", "observable_id": "sister", "sensitivity": "0.5"})
    assert engine.leaders({"sister": 0, "sign": 0}) == {"sign"}
    shrunk = engine.shrink("sister", [0.5, 0.5])[0]
    assert log(shrunk / (1 - shrunk)) == pytest.approx(0.7 * log(0.2 / 0.8))


def test_class_masses_hold_without_age_and_sex(tmp_path: Path) -> None:
    engine = toy(tmp_path)
    prior = dict(zip(engine.sets, engine.prior(None, None), strict=True))
    both = sum(p for members, p in prior.items() if SPINE in members and {HIP, HIP2} & set(members))
    assert len(prior) == 1 + 4 + 6 + 4
    assert prior[()] == pytest.approx(0.04)
    assert both == pytest.approx(0.06)
    assert sum(p for members, p in prior.items() if len(members) == 1) == pytest.approx(0.86)
    assert prior[(HIP,)] == pytest.approx(0.86 * 0.3 / 0.9)


def test_sex_multiplies_the_prior_and_is_normalised_once(tmp_path: Path) -> None:
    """Women are 0.75 of one hip condition against 0.5: ratio 1.5 for every set that holds it."""
    women = {"finding_id": "sex", "observable_id": "sex", "when": "=female", "sensitivity": "0.75"}
    engine = toy(tmp_path, {"target_id": HIP, **women})
    plain = dict(zip(engine.sets, engine.prior(None, None), strict=True))
    female = dict(zip(engine.sets, engine.prior(None, "female"), strict=True))
    share = sum(p for members, p in plain.items() if HIP in members)
    assert female[(HIP,)] == pytest.approx(plain[(HIP,)] * 1.5 / (1 + 0.5 * share))
    assert female[(SPINE,)] == pytest.approx(plain[(SPINE,)] / (1 + 0.5 * share))


def test_one_finding_moves_single_conditions_by_their_ratio(tmp_path: Path) -> None:
    engine = toy(tmp_path, {"target_id": HIP, "sensitivity": "0.5"})
    posterior = dict(zip(engine.sets, engine.posterior({"sign": True}), strict=True))
    prior = dict(zip(engine.sets, engine.prior(None, None), strict=True))
    assert posterior[(HIP,)] / posterior[(SPINE,)] == pytest.approx(2.5 * prior[(HIP,)] / prior[(SPINE,)])


def test_patterns_follow_the_first_rule_that_applies(tmp_path: Path) -> None:
    engine = toy(tmp_path)
    expected = {
        (): "none-identified", (HIP, HIP2): "hip", (HIP, SPINE): "hip-and-spine",
        (HIP, SPINE, SERIOUS): "serious", (SERIOUS,): "serious",
    }
    assert {members: engine.pattern_of(members) for members in expected} == expected


@pytest.mark.parametrize(("statement", "answer", "expected"), [
    ("true", True, True), ("true", False, False), ("false", False, True), ("=A|B b", "B b", True), ("=A", "B", False),
    (">15 <=25", 25.0, True), (">15 <=25", 15.0, False), ("=2", 2.0, True), (">=3", True, False), ("=18-39", "18-39", True),
])
def test_statements_read_as_written(statement: str, answer: bool | str | float, expected: bool) -> None:
    assert holds(statement, answer) is expected


@pytest.mark.parametrize("statement", ["true", "false", "=A|B", "<=15", ">15 <=25", ">25", "<3", "=0", ">=3"])
def test_a_representative_answer_makes_its_statement_true(statement: str) -> None:
    assert holds(statement, representative(statement))

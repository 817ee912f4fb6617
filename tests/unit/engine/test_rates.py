"""From published figures to rates: the rules of the model, each against a number worked out by hand."""

from __future__ import annotations

import math

import pytest

from service.engine.odds import expit, logit
from service.engine.rates import compile_rates
from tests.unit.engine.small_knowledge import row, small_knowledge

MEMBERS = ("disc", "stenosis", "hip_oa", "sij_pain", "tumour")


def rate(*rows, observable="slr", of="disc", level=0):
    knowledge = small_knowledge(*rows)
    table = compile_rates(knowledge, MEMBERS, set_level_ids=("hip_spine_syndrome",))
    return table.rates(next(item for item in knowledge.observables if item.id == observable), of)[level]


def test_both_ratios_move_the_log_odds_by_the_weighted_log_of_their_quotient():
    expected = expit(logit(0.18) + 0.75 * math.log(4.0 / 0.5))
    assert rate(row("L1", "slr", "disc", lr_pos=4.0, lr_neg=0.5)) == pytest.approx(expected)


def test_a_positive_ratio_alone_multiplies_the_background():
    assert rate(row("L1", "slr", "disc", lr_pos=2.0)) == pytest.approx(0.18 * 2.0**0.75)


def test_a_negative_ratio_alone_multiplies_the_absence():
    assert rate(row("L1", "slr", "disc", lr_neg=0.5)) == pytest.approx(1 - 0.82 * 0.5**0.75)


def test_a_sensitivity_alone_moves_from_the_background_by_its_weight():
    expected = expit(logit(0.18) + 0.75 * (logit(0.6) - logit(0.18)))
    assert rate(row("L1", "slr", "disc", sensitivity=0.6)) == pytest.approx(expected)


def test_low_confidence_and_healthy_comparators_weigh_less():
    sure = rate(row("L1", "slr", "disc", lr_pos=3.0, lr_neg=0.5))
    unsure = rate(row("L1", "slr", "disc", lr_pos=3.0, lr_neg=0.5, confidence="low"))
    healthy = rate(row("L1", "slr", "disc", lr_pos=3.0, lr_neg=0.5, comparator_kind="healthy"))
    assert 0.18 < healthy < unsure < sure


def test_no_single_finding_passes_the_caps():
    assert rate(row("L1", "slr", "disc", lr_pos=100.0, lr_neg=0.9, quality="A")) <= 8.0 * 0.18
    high = rate(row("L1", "buttock", "disc", lr_pos=5.0, lr_neg=0.001, quality="A"), observable="buttock")
    assert 1 - high == pytest.approx(0.15 * 0.5)


def test_the_cap_stands_in_for_a_negative_ratio_of_zero():
    zero = rate(row("L1", "slr", "disc", lr_pos=2.0, lr_neg=0.0))
    capped = rate(row("L1", "slr", "disc", lr_pos=2.0, lr_neg=0.15))
    assert zero == pytest.approx(capped)


def test_own_rows_win_over_group_rows_and_the_narrowest_group_wins():
    own = row("L1", "slr", "disc", lr_pos=3.0)
    narrow = row("L2", "slr", "group:spine", lr_pos=2.0)
    wide = row("L3", "slr", "group:any", lr_pos=1.5)
    assert rate(own, narrow, wide, of="disc") == pytest.approx(0.18 * 3.0**0.75)
    assert rate(own, narrow, wide, of="stenosis") == pytest.approx(0.18 * 2.0**0.75)
    assert rate(own, narrow, wide, of="hip_oa") == pytest.approx(0.18 * 1.5**0.75)
    assert rate(own, narrow, wide, of="tumour") == pytest.approx(0.18)


def test_a_group_never_fills_the_coexistence_event():
    assert rate(row("L2", "slr", "group:spine", lr_pos=2.0), of="hip_spine_syndrome") == pytest.approx(0.18)


def test_a_comparator_that_is_a_condition_of_ours_takes_the_place_of_the_background():
    base = row("L1", "groin", "stenosis", sensitivity=0.1)
    against = row("L2", "groin", "hip_oa", lr_pos=2.0, comparator_id="stenosis", comparator_kind="condition")
    stenosis = rate(base, against, observable="groin", of="stenosis")
    assert stenosis < 0.28
    assert rate(base, against, observable="groin", of="hip_oa") == pytest.approx(stenosis * 2.0**0.75)


def test_a_group_comparator_is_the_mean_of_the_other_members_by_prevalence():
    base = row("L1", "groin", "stenosis", sensitivity=0.1)
    against = row("L2", "groin", "hip_oa", lr_pos=2.0, comparator_id="group:any", comparator_kind="condition")
    stenosis = rate(base, against, observable="groin", of="stenosis")
    mean = (0.2 * 0.28 + 0.1 * stenosis + 0.1 * 0.28) / 0.4
    assert rate(base, against, observable="groin", of="hip_oa") == pytest.approx(mean * 2.0**0.75)


def test_rows_on_two_cuts_of_one_range_both_hold():
    rows = (
        row("L1", "rotation", "hip_oa", when="<=25", when_not=">25", sensitivity=0.75),
        row("L2", "rotation", "hip_oa", when="<=15", when_not=">15", sensitivity=0.5),
    )
    tight, middle, free = (rate(*rows, observable="rotation", of="hip_oa", level=index) for index in range(3))
    assert tight + middle + free == pytest.approx(1.0)
    assert tight == pytest.approx(expit(logit(0.2) + 0.75 * (logit(0.5) - logit(0.2))))
    assert tight + middle == pytest.approx(expit(logit(0.4) + 0.75 * (logit(0.75) - logit(0.4))))

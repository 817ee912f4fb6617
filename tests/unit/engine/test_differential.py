"""The posterior on a small network, against sums written out by hand, and the properties that must never break."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.summary import posterior_summary

from service.engine.differential import posterior
from service.engine.hypotheses import enumerate_hypotheses, source_pattern
from service.engine.model import PATTERNS, Answer, Case
from service.engine.network import coexisting_levels, coexisting_present, compile_network, shared_levels
from tests.unit.engine.small_knowledge import row, small_knowledge

ROWS = (
    row("L1", "groin", "hip_oa", sensitivity=0.7),
    row("L2", "groin", "disc", sensitivity=0.1),
    row("L3", "slr", "disc", lr_pos=3.0, lr_neg=0.4),
    row("L4", "numb", "tumour", lr_pos=2.0, lr_neg=0.9),
    row("L5", "rotation", "hip_oa", when="<=15", when_not=">15", lr_pos=3.0, lr_neg=0.5),
)
NETWORK = compile_network(small_knowledge(*ROWS))


def answered(**answers):
    return Case(tuple(Answer(finding, value) for finding, value in answers.items()))


def test_every_set_of_at_most_three_is_there_once():
    hypotheses = enumerate_hypotheses(small_knowledge())
    assert hypotheses.count == 1 + 5 + 10 + 10
    assert {tuple(row) for row in hypotheses.membership.tolist()} == {
        tuple(float(index in chosen) for index in range(5)) for size in range(4) for chosen in combinations(range(5), size)
    }


def test_the_prior_has_the_class_masses_of_the_tables():
    prior = np.exp(NETWORK.hypotheses.log_prior)
    assert prior.sum() == pytest.approx(1.0)
    assert prior[0] == pytest.approx(0.05)
    assert prior[NETWORK.hypotheses.coexistence > 0].sum() == pytest.approx(0.06)
    singles = prior[1:6]
    assert singles.sum() == pytest.approx(0.85)
    assert singles[0] / singles[1] == pytest.approx(2.0)


@pytest.mark.parametrize(
    ("regions", "pattern"),
    [
        ({"hip", "spine", "serious"}, "serious"),
        ({"hip", "spine", "sij"}, "hip-and-spine"),
        ({"sij"}, "sij"),
        ({"sij", "spine"}, "other-combination"),
        (set(), "none-identified"),
    ],
)
def test_the_first_rule_that_applies_names_the_pattern(regions, pattern):
    assert source_pattern(regions) == pattern


def test_the_posterior_is_bayes_theorem_written_out():
    case = answered(groin=True, slr=False, rotation=10.0)
    hypotheses = NETWORK.hypotheses
    weights = []
    for index in range(hypotheses.count):
        members = hypotheses.membership[index]
        names = [condition.id for condition, inside in zip(hypotheses.conditions, members, strict=True) if inside]
        weight = math.exp(hypotheses.log_prior[index])
        for finding, level in (("groin", 0), ("slr", 1), ("rotation", 0)):
            weight *= math.exp(NETWORK.log_full[NETWORK.start[finding] + level, index])
        weights.append((names, weight))
    total = sum(weight for _, weight in weights)
    summary = posterior_summary(case, NETWORK)
    for condition in ("disc", "hip_oa", "tumour"):
        by_hand = sum(weight for names, weight in weights if condition in names) / total
        assert summary.conditions[condition] == pytest.approx(by_hand, rel=1e-12)


def test_one_condition_alone_has_its_own_rate():
    for observable, block in (("groin", 0), ("slr", 0)):
        for column, condition in enumerate(NETWORK.hypotheses.conditions):
            rate = NETWORK.rate_table.rates(NETWORK.by_finding[observable][0], condition.id)[block]
            assert math.exp(NETWORK.log_full[NETWORK.start[observable], 1 + column]) == pytest.approx(rate)


def test_two_raisers_are_a_noisy_or_and_a_lowerer_is_a_factor():
    members = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])
    present = coexisting_present(np.array([[0.6, 0.5, 0.1]]), np.array([0.2]), members)
    assert present[0, 0] == pytest.approx(1 - 0.8 * (0.4 / 0.8) * (0.5 / 0.8))
    assert present[0, 1] == pytest.approx(0.6 * 0.1 / 0.2)


def test_levels_are_a_normalised_product_of_ratios():
    rates = np.array([[0.5, 0.2], [0.5, 0.8]])
    found = np.exp(coexisting_levels(rates, (0.4, 0.6), np.array([[1.0, 1.0]])))[:, 0]
    product = np.array([0.4 * (0.5 / 0.4) * (0.2 / 0.4), 0.6 * (0.5 / 0.6) * (0.8 / 0.6)])
    assert found == pytest.approx(product / product.sum())


def test_shared_levels_stay_a_distribution():
    found = np.exp(shared_levels(np.log(np.array([[0.9], [0.05], [0.05]])), (0.4, 0.3, 0.3), 0.3))
    assert found.sum() == pytest.approx(1.0)
    assert 0.4 < found[0, 0] < 0.9


answers = st.fixed_dictionaries(
    {},
    optional={
        "groin": st.booleans(), "buttock": st.booleans(), "slr": st.booleans(), "numb": st.booleans(),
        "thrust": st.booleans(), "rotation": st.floats(0, 90),
    },
)


@given(answers)
def test_probabilities_are_probabilities_and_patterns_sum_to_one(values):
    summary = posterior_summary(answered(**values), NETWORK)
    assert sum(summary.patterns.values()) == pytest.approx(1.0, abs=1e-12)
    assert all(0.0 <= value <= 1.0 for value in (*summary.patterns.values(), *summary.conditions.values()))
    assert tuple(summary.patterns) == PATTERNS


@given(answers)
def test_the_order_of_the_answers_changes_nothing(values):
    forward = posterior(answered(**values), NETWORK).log_posterior
    backward = posterior(answered(**dict(reversed(values.items()))), NETWORK).log_posterior
    assert np.array_equal(forward, backward)


@given(answers)
def test_an_unknown_answer_changes_nothing(values):
    case = answered(**values)
    asked = Case(case.answers, asked_unknown=("numb",))
    assert np.array_equal(posterior(case, NETWORK).log_posterior, posterior(asked, NETWORK).log_posterior)


def test_a_second_raiser_never_lowers():
    rows = (row("L1", "slr", "disc", lr_pos=3.0, lr_neg=0.4), row("L2", "slr", "stenosis", lr_pos=2.0, lr_neg=0.6))
    network = compile_network(small_knowledge(*rows))
    membership = network.hypotheses.membership.tolist()
    present = np.exp(network.log_full[network.start["slr"]])
    one = present[membership.index([1, 0, 0, 0, 0])]
    both = present[membership.index([1, 1, 0, 0, 0])]
    assert both > one

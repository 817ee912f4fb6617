"""Sums over the hypotheses that hold a set of conditions, against the obvious way to add them up."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from service.engine.hypotheses import enumerate_hypotheses
from service.engine.model import Estimate
from service.engine.network import compile_network
from service.engine.spreads import sensitivity_spread
from service.engine.subsets import coefficients, compile_subsets, on_sets, sets_of
from service.engine.uncertainty import measure_uncertainty
from tests.unit.engine.small_knowledge import row, small_knowledge

HYPOTHESES = enumerate_hypotheses(small_knowledge(row("L1", "groin", "hip_oa", sensitivity=0.6)))
SUBSETS = compile_subsets(HYPOTHESES)
SEED = 20260301


def test_the_sum_of_a_set_is_that_of_all_hypotheses_that_hold_it():
    table = np.random.default_rng(SEED).normal(size=(HYPOTHESES.count, 3))
    sums = SUBSETS.sums(table, coexistence=True)
    for place, chosen in enumerate(sets_of(len(HYPOTHESES.conditions))):
        holding = HYPOTHESES.membership[:, list(chosen)].all(axis=1)
        both = holding & (HYPOTHESES.coexistence > 0)
        assert sums[place] == pytest.approx(table[holding].sum(axis=0))
        assert sums[HYPOTHESES.count + place] == pytest.approx(table[both].sum(axis=0))


def test_the_sets_of_a_support_stand_where_the_hypotheses_hold_just_them():
    for place, chosen in zip(SUBSETS.of_support((1, 3, 4)), sets_of(3), strict=True):
        assert set(np.flatnonzero(HYPOTHESES.membership[place])) == {(1, 3, 4)[one] for one in chosen}


@pytest.mark.parametrize("count", [0, 1, 2, 5])
def test_coefficients_are_what_adds_up_to_the_values(count: int):
    values = np.random.default_rng(SEED).normal(size=(2, len(sets_of(count))))
    found = coefficients(values, count)
    assert on_sets(found, count) == pytest.approx(values)
    for place, whole in enumerate(sets_of(count)):
        held = [index for index, chosen in enumerate(sets_of(count)) if set(chosen) <= set(whole)]
        assert found[:, held].sum(axis=1) == pytest.approx(values[:, place])


def test_slopes_know_a_row_on_hip_and_spine_together():
    """Such a row moves only the hypotheses that hold a hip and a spine condition, and only the figure of that row does."""
    rows = (row("L1", "groin", "hip_oa", sensitivity=0.6), row("L2", "groin", "hip_spine_syndrome", sensitivity=0.7))
    knowledge = small_knowledge(*rows)
    step = 1e-4
    moved = replace(rows[1], sensitivity=Estimate(1.0 / (1.0 + math.exp(-(math.log(0.7 / 0.3) + step)))))
    before, after = (compile_network(replace(knowledge, likelihoods=two)) for two in (rows, (rows[0], moved)))
    uncertainty = measure_uncertainty(before, merged=False)
    groin = before.by_finding["groin"][0]
    contrast = np.random.default_rng(SEED).normal(size=(before.hypotheses.count, 2))
    sums = before.subsets.sums(contrast, coexistence=True)
    spread = sensitivity_spread(rows[1], Estimate(0.7), knowledge)
    for leads in (True, False):
        lead = (lambda one: one.log_full) if leads else (lambda one: one.log_shared)
        for level in range(2):
            numeric = (lead(after) - lead(before))[before.start["groin"] + level] / step * spread
            slopes = uncertainty.slopes(groin).on(level, before.member_matrix, leads=leads)
            assert slopes[-1] == pytest.approx(numeric, rel=3e-3, abs=1e-6)
            assert np.abs(numeric).max() > 0.01
            assert uncertainty.slopes(groin).sums(level, sums, leads=leads) == pytest.approx(slopes @ contrast)

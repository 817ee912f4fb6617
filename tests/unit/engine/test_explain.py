"""Contributions: they add up, do not depend on order, and are the path integral they claim to be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.engine.differential import posterior, targets
from service.engine.explain import Contrast, attribute, explain, path_integral
from service.engine.hypotheses import normalised_log
from service.engine.model import Answer, Case
from service.engine.network import compile_network
from tests.unit.engine.small_knowledge import row, small_knowledge

NETWORK = compile_network(
    small_knowledge(
        row("L1", "groin", "hip_oa", sensitivity=0.8),
        row("L2", "groin", "disc", sensitivity=0.05),
        row("L3", "slr", "disc", lr_pos=6.0, lr_neg=0.2),
        row("L4", "numb", "disc", lr_pos=4.0, lr_neg=0.6),
        row("L5", "rotation", "hip_oa", when="<=15", when_not=">15", lr_pos=5.0, lr_neg=0.3),
    )
)
NAMES, MATRIX = targets(NETWORK)
CONTRASTS = [Contrast(name, MATRIX[:, i], 1 - MATRIX[:, i], (name,)) for i, name in enumerate(NAMES)
             if 0 < MATRIX[:, i].sum() < len(MATRIX)]


def result_of(**answers):
    return posterior(Case(tuple(Answer(finding, value) for finding, value in answers.items())), NETWORK)


@settings(max_examples=60)
@given(st.fixed_dictionaries({}, optional={"groin": st.booleans(), "slr": st.booleans(), "numb": st.booleans(),
                                           "rotation": st.floats(0, 90)}))
def test_A9_prior_plus_contributions_is_the_posterior(values):
    found = attribute(result_of(**values), CONTRASTS)
    assert found.prior + found.contributions.sum(axis=0) == pytest.approx(found.posterior, abs=1e-6)


def test_contributions_are_the_integral_along_the_straight_path():
    result = result_of(groin=True, slr=True, numb=False)
    target, against = CONTRASTS[0].target[:, None], CONTRASTS[0].against[:, None]
    steps = 4000
    brute = np.zeros(3)
    for step in range(steps):
        t = (step + 0.5) / steps
        weights = np.exp(normalised_log(result.log_prior + t * result.log_likelihood.sum(axis=0)))
        inside, outside = weights * target[:, 0], weights * against[:, 0]
        brute += (result.log_likelihood @ inside / inside.sum() - result.log_likelihood @ outside / outside.sum()) / steps
    found = path_integral(result.log_prior, result.log_likelihood, target, against, 12)[:, 0]
    assert found == pytest.approx(brute, abs=1e-6)


def test_a_single_answer_contributes_the_whole_change():
    found = attribute(result_of(slr=True), CONTRASTS)
    assert found.contributions[0] == pytest.approx(found.posterior - found.prior, abs=1e-9)


def test_leading_targets_list_all_contributions_others_the_strongest():
    result = result_of(groin=True, slr=True, numb=True, thrust=True, rotation=10.0)
    explained = explain(result, CONTRASTS, NETWORK, frozenset({"spine"}))
    assert explained["spine"].complete
    assert len(explained["spine"].contributions) == 5
    assert not explained["hip"].complete
    assert len(explained["hip"].contributions) == 4


def test_each_contribution_names_the_rows_behind_it():
    explained = explain(result_of(slr=True), CONTRASTS, NETWORK, frozenset({"disc"}))
    assert explained["disc"].contributions[0].rows == ("L3",)
    assert explained["hip_oa"].contributions[0].rows == ()

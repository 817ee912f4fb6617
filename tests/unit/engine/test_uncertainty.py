"""Intervals: slopes against finite differences, and the delta method against seeded draws of whole tables."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from service.engine.differential import posterior, prior_answers, targets
from service.engine.evidence import Observation
from service.engine.model import Answer, Case, Estimate, KnowledgeBase, Level
from service.engine.network import compile_network
from service.engine.odds import expit, logit
from service.engine.spreads import (
    background_spreads,
    mass_spread,
    prevalence_spread,
    ratio_spread,
    sensitivity_spread,
)
from service.engine.uncertainty import measure_uncertainty
from tests.unit.engine.small_knowledge import row, small_knowledge

KNOWLEDGE = small_knowledge(
    row("L1", "groin", "hip_oa", sensitivity=0.6),
    row("L2", "groin", "disc", sensitivity=0.15),
    row("L3", "slr", "group:spine", lr_pos=2.5, lr_neg=0.5),
    row("L4", "buttock", "disc", lr_pos=1.3, lr_neg=0.7),
    row("L5", "rotation", "hip_oa", when="<=15", when_not=">15", lr_pos=2.5, lr_neg=0.6),
    row("L6", "numb", "disc", lr_pos=2.0),
    row("L7", "groin", "sij_pain", lr_pos=1.2, lr_neg=0.9, comparator_id="disc", comparator_kind="condition"),
)
NETWORK = compile_network(KNOWLEDGE)
UNCERTAINTY = measure_uncertainty(NETWORK)
ONE_BY_ONE = measure_uncertainty(NETWORK, merged=False)
NAMES, MATRIX = targets(NETWORK)
TARGETS = ("spine", "hip", "sij", "disc", "hip_oa", "hip-and-spine")
CASE = Case(tuple(Answer(*pair) for pair in
                  (("groin", True), ("buttock", False), ("slr", True), ("rotation", 10.0), ("numb", False))))


def log_odds(knowledge: KnowledgeBase, case: Case = CASE) -> np.ndarray:
    network = compile_network(knowledge)
    inside = posterior(case, network).weights @ MATRIX
    return np.array([math.log(inside[NAMES.index(name)] / (1 - inside[NAMES.index(name)])) for name in TARGETS])


def half_widths(case: Case = CASE) -> np.ndarray:
    result = posterior(case, NETWORK)
    found = UNCERTAINTY.half_widths(result, prior_answers(case, NETWORK))
    return found[[NAMES.index(name) for name in TARGETS]]


def _slopes(observed: Observation) -> np.ndarray:
    slopes = ONE_BY_ONE.slopes(observed.observable)
    return slopes.on(observed.level, NETWORK.member_matrix, leads=observed.leader)


def draw_tables(seed: np.random.Generator) -> KnowledgeBase:
    """The same tables with every uncertain figure drawn once from its spread."""
    conditions = tuple(
        replace(item, prevalence=item.prevalence * math.exp(seed.normal(0, prevalence_spread(item))))
        for item in KNOWLEDGE.conditions
    )
    constants = dict(KNOWLEDGE.constants)
    for name in ("class_mass_empty", "class_mass_hip_and_spine", "class_mass_combination"):
        mass = constants[name]
        constants[name] = replace(mass, value=mass.value * math.exp(seed.normal(0, mass_spread(mass))))
    observables = []
    for item in KNOWLEDGE.observables:
        spreads = background_spreads(item)
        if item.binary:
            present = expit(logit(item.levels[0].background) + seed.normal(0, spreads[0]))
            rates = [present, 1 - present]
        else:
            raw = [
                level.background * math.exp(seed.normal(0, spread)) for level, spread in zip(item.levels, spreads, strict=True)
            ]
            rates = [value / sum(raw) for value in raw]
        levels = tuple(
            Level(level.id, level.when, rate, level.background_low, level.background_high)
            for level, rate in zip(item.levels, rates, strict=True)
        )
        observables.append(replace(item, levels=levels))
    rows = []
    for item in KNOWLEDGE.likelihoods:
        changes = {}
        if item.lr_pos or item.lr_neg:
            for name in ("lr_pos", "lr_neg"):
                estimate = getattr(item, name)
                if estimate:
                    changes[name] = Estimate(estimate.point * math.exp(seed.normal(0, ratio_spread(item, estimate, KNOWLEDGE))))
        elif item.sensitivity:
            spread = sensitivity_spread(item, item.sensitivity, KNOWLEDGE)
            changes["sensitivity"] = Estimate(expit(logit(item.sensitivity.point) + seed.normal(0, spread)))
        rows.append(replace(item, **changes))
    return replace(
        KNOWLEDGE, conditions=conditions, constants=constants, observables=tuple(observables), likelihoods=tuple(rows)
    )


def test_the_interval_agrees_with_two_thousand_draws_of_whole_tables():
    seed = np.random.default_rng(20260101)
    drawn = np.array([log_odds(draw_tables(seed)) for _ in range(2000)])
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    delta = half_widths()
    assert (high - low) / 2 == pytest.approx(delta, rel=0.2)
    # The delta method sets the interval round the point estimate; the middle of the draws must not lie far from it.
    assert np.abs(np.median(drawn, axis=0) - log_odds(KNOWLEDGE)).max() < 0.3 * delta.min()


@pytest.mark.parametrize("name", ["class_mass_empty", "class_mass_hip_and_spine", "class_mass_combination"])
def test_a_wider_mass_of_a_class_never_narrows_an_interval(name):
    wider = replace(KNOWLEDGE, constants={**KNOWLEDGE.constants, name: replace(KNOWLEDGE.constants[name], low=0.005, high=0.3)})
    network = compile_network(wider)
    result = posterior(CASE, network)
    found = measure_uncertainty(network).half_widths(result, ())[[NAMES.index(target) for target in TARGETS]]
    assert (found >= half_widths() - 1e-9).all()
    assert found.max() > half_widths().max() - 1e-9


def test_each_slope_is_the_derivative_of_the_log_odds():
    """One row's ratio moved by a small step moves the log-odds as its slope says."""
    step = 1e-4
    index = next(position for position, item in enumerate(KNOWLEDGE.likelihoods) if item.row_id == "L3")
    item = KNOWLEDGE.likelihoods[index]
    moved = replace(item, lr_pos=Estimate(item.lr_pos.point * math.exp(step)))
    rows = (*KNOWLEDGE.likelihoods[:index], moved, *KNOWLEDGE.likelihoods[index + 1:])
    numeric = (log_odds(replace(KNOWLEDGE, likelihoods=rows)) - log_odds(KNOWLEDGE)) / step
    result = posterior(CASE, NETWORK)
    weights = result.weights
    columns = MATRIX[:, [NAMES.index(name) for name in TARGETS]]
    inside = weights @ columns
    contrast = weights[:, None] * (columns / inside - (1 - columns) / (1 - inside))
    observed = next(one for one in result.evidence.observations if one.observable.id == "slr")
    slopes = _slopes(observed)  # background, then LR+ and LR- of L3
    analytic = (slopes[1] @ contrast) / ratio_spread(item, item.lr_pos, KNOWLEDGE)
    assert analytic == pytest.approx(numeric, rel=2e-3, abs=1e-5)


@pytest.mark.parametrize("finding", ["slr", "rotation"])
@pytest.mark.parametrize("leader", [True, False])
def test_slopes_of_every_level_are_derivatives_of_the_network(finding: str, leader: bool):
    """The row of the finding and its background, moved by a small step in the tables: full and shared, at every level."""
    step = 1e-4
    observable = NETWORK.by_finding[finding][0]
    index, item = next((i, item) for i, item in enumerate(KNOWLEDGE.likelihoods) if item.finding_id == finding)
    moved_row = replace(item, lr_pos=Estimate(item.lr_pos.point * math.exp(step)))
    rows = (*KNOWLEDGE.likelihoods[:index], moved_row, *KNOWLEDGE.likelihoods[index + 1 :])
    first = observable.levels[0].background * math.exp(step)
    rates = [first, *(level.background for level in observable.levels[1:])]
    levels = tuple(
        replace(level, background=rate / sum(rates)) for level, rate in zip(observable.levels, rates, strict=True)
    )
    observables = tuple(replace(one, levels=levels) if one is observable else one for one in KNOWLEDGE.observables)
    spreads = {
        len(background_spreads(observable)): ratio_spread(item, item.lr_pos, KNOWLEDGE),  # the first figure of the row
        0: background_spreads(observable)[0],
    }
    changed = {
        len(background_spreads(observable)): compile_network(replace(KNOWLEDGE, likelihoods=rows)),
        0: compile_network(replace(KNOWLEDGE, observables=observables)),
    }
    for figure, network in changed.items():
        for level in range(len(observable.levels)):
            row_index = NETWORK.start[observable.id] + level
            before, after = ((one.log_full if leader else one.log_shared)[row_index] for one in (NETWORK, network))
            answer = Answer(finding, observable.levels[level].when.example())
            observed = Observation(answer, observable, level, row_index, leader)
            found = _slopes(observed)[figure] / spreads[figure]
            assert found == pytest.approx((after - before) / step, rel=3e-3, abs=3e-4)


def test_an_answer_without_rows_adds_no_width():
    plain = Case((Answer("slr", True),))
    more = Case((Answer("slr", True), Answer("thrust", True)))
    assert half_widths(more) == pytest.approx(half_widths(plain), rel=1e-6)


def test_figures_that_pull_together_stand_as_one_and_give_the_same_intervals():
    result = posterior(CASE, NETWORK)
    merged, apart = (one.half_widths(result, prior_answers(CASE, NETWORK)) for one in (UNCERTAINTY, ONE_BY_ONE))
    assert merged == pytest.approx(apart, rel=1e-4)  # slopes are finite differences
    slr = NETWORK.by_finding["slr"][0]
    assert UNCERTAINTY.slopes(slr).coefficients.shape[2] == 2, "the background, and both ratios of the row"
    assert ONE_BY_ONE.slopes(slr).coefficients.shape[2] == 3

"""What counts, and how much: dependence, clusters, bounds."""

from __future__ import annotations

import numpy as np
import pytest
from support.summary import posterior_summary

from service.engine.differential import posterior
from service.engine.evidence import observe
from service.engine.model import Answer, Case
from service.engine.network import compile_network
from tests.unit.engine.small_knowledge import row, small_knowledge

ROWS = (
    row("L1", "groin", "hip_oa", sensitivity=0.7),
    row("L2", "buttock", "disc", lr_pos=1.2, lr_neg=0.7),
    row("L3", "slr", "disc", lr_pos=3.0, lr_neg=0.4),
    row("L4", "count", "sij_pain", when=">=3", when_not="<3", lr_pos=4.0, lr_neg=0.3),
    row("L5", "thrust", "sij_pain", lr_pos=2.0, lr_neg=0.5),
    row("L6", "rotation", "hip_oa", when="<=15", when_not=">15", lr_pos=3.0, lr_neg=0.5),
)


@pytest.fixture(scope="module")
def network():
    return compile_network(small_knowledge(*ROWS))


def case(**answers):
    return Case(tuple(Answer(finding, value) for finding, value in answers.items()))


def test_of_one_dependency_group_the_most_separating_finding_counts_in_full(network):
    evidence = observe(case(groin=True, buttock=True), network)
    assert {item.observable.id: item.leader for item in evidence.observations} == {"groin": True, "buttock": False}
    assert network.separation["groin"] > network.separation["buttock"]


def test_the_leader_is_a_property_of_the_findings_not_of_their_answers(network):
    leaders = [
        [item.leader for item in observe(case(groin=groin, buttock=buttock), network).observations]
        for groin in (True, False)
        for buttock in (True, False)
    ]
    assert all(found == leaders[0] for found in leaders)


def test_a_shared_finding_moves_the_odds_by_the_shrunken_log_ratio(network):
    result = posterior(case(groin=True, buttock=True), network)
    single = 1 + [condition.id for condition in network.hypotheses.conditions].index("disc")
    plain = network.log_full[network.start["buttock"], single]
    b = 0.5
    odds = (b / (1 - b)) ** 0.7 * (np.exp(plain) / (1 - np.exp(plain))) ** 0.3
    assert np.exp(result.log_likelihood[1, single]) == pytest.approx(odds / (1 + odds))


def test_all_parts_answered_become_the_count_and_do_not_count_beside_it(network):
    parts = posterior_summary(case(thrust=True, gaenslen=True, press=True), network)
    count = posterior_summary(case(count=3.0), network)
    assert parts.patterns == count.patterns
    assert observe(case(thrust=True, gaenslen=True, press=True, count=0.0), network).derived_clusters == ("count",)


def test_a_given_count_takes_the_place_of_some_parts(network):
    observed = observe(case(count=1.0, thrust=True), network).observations
    assert [item.observable.id for item in observed] == ["count"]


def test_a_count_that_shows_no_level_leaves_the_parts_alone(network):
    observed = observe(case(count=0.5, thrust=True), network)
    assert [item.observable.id for item in observed.observations] == ["thrust"]
    assert observed.without_effect == ("count",)


def test_some_parts_without_a_count_stand_for_themselves(network):
    observed = observe(case(thrust=True, press=False), network).observations
    assert [item.observable.id for item in observed] == ["thrust", "press"]


@pytest.mark.parametrize(
    ("comparator", "value", "level"),
    [("<", 15.0, 0), ("<=", 15.0, 0), (">", 25.0, 2), ("<", 20.0, None), (">", 15.0, None), (">=", 26.0, 2)],
)
def test_C9_a_bound_counts_only_if_it_decides_the_level(network, comparator, value, level):
    observed = observe(Case((Answer("rotation", value, comparator),)), network)
    assert [item.level for item in observed.observations] == ([] if level is None else [level])
    assert observed.without_effect == (("rotation",) if level is None else ())


def test_an_answer_to_a_question_the_tables_do_not_have_is_an_error(network):
    with pytest.raises(KeyError):
        observe(case(nonsense=True), network)

"""Published clusters: the rule is met as often as the study says, whatever was asked is one distribution, and it adds up."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from service.composition.parts import Service
from service.engine.clusters import CompiledCluster
from service.engine.differential import posterior, targets
from service.engine.hypotheses import Array
from service.engine.model import Answer, AnswerValue, Case, Cluster, Estimate, KnowledgeBase, Level
from service.engine.model import Test as Statement
from service.engine.network import Network, compile_network
from service.engine.odds import expit, logit
from service.engine.prospects import Outlook, Prospects
from service.engine.spreads import background_spreads, ratio_spread, sensitivity_spread, uncertain_figures
from service.engine.uncertainty import PRIOR, measure_uncertainty

IBP = ("morning_stiffness", "improves_exercise_not_rest", "second_half_night", "alternating_buttock")
PAIR = ("palp_trochanter", "resisted_abduction_pain")
NEARER = "onset_under_40"  # separates conditions better than any item of inflammatory back pain


@pytest.fixture(scope="module")
def knowledge(service: Service) -> KnowledgeBase:
    """That of the tables, with a made-up pair of tests as a second cluster."""
    known = service.parts.knowledge
    (berlin,) = (one for one in known.published_clusters if one.id == "berlin_pattern")
    figures = {"lr_pos": Estimate(4.0), "lr_neg": Estimate(0.4), "sensitivity": None, "specificity": None}
    row = replace(
        berlin.rows[0], row_id="LCX", finding_id="pair", observable_id="pair", target_id="gtps", when=Statement.parse(">=2"),
        comparator_id="group:hip_region", **figures,
    )
    pair = Cluster("pair", "Two tests", "gtps", tuple((name, Statement.parse("true")) for name in PAIR), (row,))
    return replace(known, published_clusters=(*known.published_clusters, pair))


@pytest.fixture(scope="module")
def network(knowledge: KnowledgeBase) -> Network:
    return compile_network(knowledge)


def compiled(network: Network, name: str) -> CompiledCluster:
    return next(one for one in network.clusters if one.cluster.id == name)


def case(**values: AnswerValue) -> Case:
    return Case(tuple(Answer(*item) for item in values.items()))


def joint(answers: Case, network: Network) -> Array:
    """P(answers | hypothesis)."""
    likelihood: Array = np.exp(posterior(answers, network).log_likelihood.sum(axis=0))
    return likelihood


def answers_to(finding_ids: tuple[str, ...], network: Network) -> list[dict[str, AnswerValue]]:
    levels = [[level.when.example() for level in network.by_finding[name][0].levels] for name in finding_ids]
    return [dict(zip(finding_ids, chosen, strict=True)) for chosen in product(*levels)]


@pytest.mark.parametrize(
    "asked",
    [
        IBP,
        IBP[1:],
        IBP[:2],
        (*IBP[2:], "onset_under_40"),
        ("palp_trochanter", "resisted_abduction_pain"),
        ("palp_trochanter", "resisted_abduction_pain", "single_leg_stance_30s", "side_lying_night_pain"),
        ("second_half_night", "alternating_buttock", "palp_trochanter", "resisted_abduction_pain"),
    ],
)
def test_whatever_is_asked_the_answers_have_probabilities_that_sum_to_one(asked: tuple[str, ...], network: Network) -> None:
    total = sum(joint(case(**answers), network) for answers in answers_to(asked, network))
    assert total == pytest.approx(np.ones(network.hypotheses.count), abs=1e-12)


@pytest.mark.parametrize("name", ["berlin_pattern", "pair"])
def test_people_with_the_target_alone_meet_the_rule_as_often_as_its_rows_say(name: str, network: Network) -> None:
    """The odds of the rule in the target against those in the people compared with are the published ones, weighted."""
    one = compiled(network, name)
    findings = tuple(item.observable.finding_id for item in one.items)
    ids = [condition.id for condition in network.hypotheses.conditions]
    for row, use in zip(one.cluster.rows, one.alone.uses, strict=True):
        met = np.zeros(network.hypotheses.count)
        for answers in answers_to(findings, network):
            number = sum(statement.holds(answers[finding]) for finding, statement in one.cluster.items)
            if row.when is not None and row.when.holds(float(number)):
                met += joint(case(**answers), network)
        target = met[1 + ids.index(one.cluster.target_id)]
        group = next(each for each in network.knowledge.groups if each.id == row.comparator_id)
        others = [member for member in group.members if member in ids and member != one.cluster.target_id]
        weight = np.array([next(c.prevalence for c in network.hypotheses.conditions if c.id == other) for other in others])
        compared = met[[1 + ids.index(other) for other in others]] @ weight / weight.sum()
        assert row.lr_pos is not None
        assert row.lr_neg is not None
        expected = expit(logit(compared) + use.weight * math.log(row.lr_pos.point / row.lr_neg.point))
        background = met[0]
        cap = min(use.lr_pos_cap * background, 1.0 - use.lr_neg_cap * (1.0 - background))
        assert target == pytest.approx(min(expected, cap), rel=1e-9)


def test_other_conditions_keep_the_product_of_the_items(network: Network) -> None:
    answers = case(second_half_night=True, alternating_buttock=True)
    term = posterior(answers, network).log_likelihood[-1]
    without = np.ones(network.hypotheses.count, dtype=bool)
    without[compiled(network, "berlin_pattern").with_target] = False
    assert not term[without].any()
    assert term[~without].all()


@pytest.mark.parametrize(
    ("values", "bears"),
    [
        ({"second_half_night": True}, False),
        ({"second_half_night": True, "alternating_buttock": True}, True),
        ({"improves_exercise_not_rest": True}, False),
        ({"palp_trochanter": True}, True),  # had it been negative, "both" were ruled out
        ({"palp_trochanter": True, "resisted_abduction_pain": False}, True),
    ],
)
def test_a_cluster_bears_on_answers_that_can_decide_something(values: dict[str, bool], bears: bool, network: Network) -> None:
    assert bool(posterior(case(**values), network).evidence.readings) is bears


def test_two_of_two_decide_two_or_more_but_not_three_or_more(network: Network) -> None:
    """The factor of an unfinished set is that of the union of the levels still possible."""
    one = compiled(network, "berlin_pattern")
    two_or_more = math.log(one.wanted[1:].sum() / one.given[1:].sum())
    assert one.log_weights(2)[2] == pytest.approx(two_or_more)
    assert one.log_weights(4)[2] == pytest.approx(math.log(one.wanted[1] / one.given[1]))
    assert one.log_weights(1) == pytest.approx([0.0, 0.0])


def test_a_cluster_is_a_contribution_of_its_own_with_its_rows_and_all_add_up(service: Service) -> None:
    answers = case(second_half_night=True, alternating_buttock=True, lbp_present=True)
    found = service.parts.engine.assess(answers)
    why = next(one.explanation for one in found.conditions if one.target == "ax_spa")
    assert why is not None
    assert why.complete
    own = next(one for one in why.contributions if one.finding_id == "berlin_pattern")
    assert own.rows == ("LC01", "LC02")
    assert own.value == 2.0
    assert own.log_odds > 0.5
    total = why.prior_log_odds + sum(one.log_odds for one in why.contributions)
    assert total == pytest.approx(why.posterior_log_odds, abs=1e-6)
    assert "berlin_pattern" not in found.used, "what is used are answers"


def test_a_cluster_shares_where_a_nearer_finding_leads_the_group_of_its_items(network: Network) -> None:
    """Then its log factor counts as much as that of any shared finding, before it is normalised."""
    answers = {"second_half_night": True, "alternating_buttock": True}
    one = compiled(network, "berlin_pattern")
    alone = posterior(case(**answers), network).evidence.readings[0]
    value = network.by_finding[NEARER][0].levels[0].when.example()
    beside = posterior(case(**answers, **{NEARER: value}), network).evidence.readings[0]
    assert network.separation[NEARER] > max(network.separation[name] for name in answers)
    assert (alone.leader, beside.leader) == (True, False)
    shrink = network.knowledge.constant("dependence_shrink")
    assert one.weights(beside.state) == pytest.approx(shrink * one.weights(alone.state))


def test_results_after_which_a_cluster_counts_are_expected_to_sum_to_one(network: Network) -> None:
    """One open item, and two of them together, beside an answered one."""
    prospects = Prospects(network)
    answers = case(second_half_night=True, palp_trochanter=False)
    made = Outlook(prospects, answers, posterior(answers, network), targets(network)[1])
    places = {name: [int(at) for at in made.open if prospects.results[at].finding_id == name] for name in (*IBP, *PAIR)}
    for name in ("alternating_buttock", "morning_stiffness", "resisted_abduction_pain"):
        assert made.tilts((places[name][0],)) is not None
        expected = [made.expected[made.open.tolist().index(at)] for at in places[name]]
        assert sum(expected) == pytest.approx(1.0, abs=1e-12)
    both = list(product(places["alternating_buttock"], places["improves_exercise_not_rest"]))
    after, expected = made.together(np.array(both))
    assert expected.sum() == pytest.approx(1.0, abs=1e-5)
    for row, members in enumerate(both):
        assert after[row] == pytest.approx(made.recomputed(members), rel=1e-4, abs=1e-6)


@pytest.mark.parametrize(
    "values",
    [
        {"palp_trochanter": True, "resisted_abduction_pain": True, "pain_groin": False},
        {"morning_stiffness": "over 60 min", "second_half_night": True, "alternating_buttock": False, "lbp_present": True},
    ],
)
def test_the_slopes_behind_an_interval_are_those_of_the_whole_network(
    values: dict[str, AnswerValue], knowledge: KnowledgeBase, network: Network
) -> None:
    """Every figure of the items and of the cluster's rows moved by a small step in the tables, one after the other."""
    names, matrix = targets(network)
    answers = case(**values)
    # Every other figure fixed: spreads of the prior and of what was not asked about play no part in the comparison.
    findings = {*values, *(name for one in network.clusters for name, _ in one.cluster.items)}
    moved = [*_moved_backgrounds(knowledge, findings), *_moved_rows(knowledge, findings)]
    result = posterior(answers, network)
    base = result.weights @ matrix
    variance = np.zeros(len(names))
    for spread, tables in moved:
        after = posterior(answers, compile_network(tables)).weights @ matrix
        variance += np.square((_log_odds(after) - _log_odds(base)) / STEP * spread)
    uncertainty = measure_uncertainty(network)
    gradients = uncertainty.gradients(result.evidence, result.weights, ())
    found = sum(np.square(moved).sum(axis=0) for name, moved in gradients.items() if name != PRIOR)
    columns = [names.index(name) for name in ("spine", "hip", "gtps", "ax_spa", "hip_oa")]
    assert found[columns] == pytest.approx(variance[columns], rel=0.02)


STEP = 1e-4


def _log_odds(chance: Array) -> Array:
    odds: Array = np.log(chance) - np.log1p(-chance)
    return odds


def _moved_backgrounds(knowledge: KnowledgeBase, findings: set[str]) -> list[tuple[float, KnowledgeBase]]:
    found = []
    for place, observable in enumerate(knowledge.observables):
        if observable.finding_id not in findings:
            continue
        for index, spread in enumerate(background_spreads(observable)):
            rates = [level.background for level in observable.levels]
            if observable.binary:
                present = expit(logit(rates[0]) + STEP)
                rates = [present, 1.0 - present]
            else:
                rates[index] *= math.exp(STEP)
                rates = [rate / sum(rates) for rate in rates]
            levels = tuple(
                Level(level.id, level.when, rate, level.background_low, level.background_high)
                for level, rate in zip(observable.levels, rates, strict=True)
            )
            observables = list(knowledge.observables)
            observables[place] = replace(observable, levels=levels)
            found.append((spread, replace(knowledge, observables=tuple(observables))))
    return found


def _moved_rows(knowledge: KnowledgeBase, findings: set[str]) -> list[tuple[float, KnowledgeBase]]:
    found = []
    for place, row in enumerate(knowledge.likelihoods):
        if row.role != "input" or row.finding_id not in findings:
            continue
        names = [name for name in ("lr_pos", "lr_neg") if (one := getattr(row, name)) is not None and one.point]
        for name in names or ["sensitivity"]:
            estimate = getattr(row, name)
            point = expit(logit(estimate.point) + STEP) if name == "sensitivity" else estimate.point * math.exp(STEP)
            spread = (sensitivity_spread if name == "sensitivity" else ratio_spread)(row, estimate, knowledge)
            rows = list(knowledge.likelihoods)
            rows[place] = replace(row, **{name: Estimate(point, estimate.low, estimate.high)})
            found.append((spread, replace(knowledge, likelihoods=tuple(rows))))
    network = compile_network(knowledge)
    for number, cluster in enumerate(knowledge.published_clusters):
        for place, use in enumerate(network.clusters[number].alone.uses):
            for name, spread in uncertain_figures(use, knowledge):
                estimate = getattr(use.row, name)
                point = estimate.point * math.exp(STEP)
                rows = list(cluster.rows)
                rows[place] = replace(use.row, **{name: Estimate(point, estimate.low, estimate.high)})
                clusters = list(knowledge.published_clusters)
                clusters[number] = replace(cluster, rows=tuple(rows))
                found.append((spread, replace(knowledge, published_clusters=tuple(clusters))))
    return found

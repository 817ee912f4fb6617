"""The engine against a general Bayesian-network library.

The prior over sets enters as one node with a state per set; every answered observable is a child of it. What is checked is
the inference; the rates come from the plain implementation, whose own agreement is checked elsewhere.
"""

from __future__ import annotations

import logging
from itertools import product
from math import exp, fsum

import numpy as np
import pytest
from pgmpy.factors.discrete import TabularCPD
from pgmpy.inference import VariableElimination
from pgmpy.models import DiscreteBayesianNetwork
from plain_engine import HIP_SPINE, PlainEngine, Value
from random_cases import RandomCase, random_cases
from support.summary import posterior_summary

from service.engine.network import Network

CLUSTERED: tuple[dict[str, Value], ...] = (
    {"second_half_night": True, "alternating_buttock": True},
    {"morning_stiffness": "over 60 min", "improves_exercise_not_rest": True, "second_half_night": False, "onset_under_40": True},
    {"palp_trochanter": False, "resisted_abduction_pain": False, "side_lying_night_pain": True, "single_leg_stance_30s": True},
)


def library_network(case: RandomCase, plain: PlainEngine) -> tuple[DiscreteBayesianNetwork, dict[str, int], list[str]]:
    """The network of one case, its evidence, and the names of the source patterns."""
    size = len(plain.sets)
    age_band = plain.age_band(case.age)
    model = DiscreteBayesianNetwork()
    model.add_node("set")
    model.add_cpds(TabularCPD("set", size, np.array(plain.prior(age_band, case.sex)).reshape(size, 1)))

    def add_child(name: str, table: np.ndarray) -> None:
        model.add_edge("set", name)
        model.add_cpds(TabularCPD(name, len(table), table, evidence=["set"], evidence_card=[size]))

    evidence = plain.observed(case.answers)
    leaders = plain.leaders(evidence)
    for cluster in plain.clusters:
        # The items of a published cluster are one node: a state per combination of their answers, which must sum to 1.
        if plain.tilt(cluster, evidence, leaders) is not None:
            names = [plain.observables_of[finding][0] for finding, _ in plain.items_of(cluster)]
            names = [name for name in names if name in evidence]
            states = list(product(*(range(len(plain.observables[name].names)) for name in names)))
            table = [joint_rates(dict(zip(names, levels, strict=True)), cluster, leaders, plain) for levels in states]
            add_child(cluster, np.array(table))
            evidence[cluster] = states.index(tuple(evidence.pop(name) for name in names))
    for observable in evidence.keys() - plain.clusters.keys():
        levels = range(len(plain.observables[observable].names))
        logs = [plain.log_rate(observable, level, observable not in leaders) for level in levels]
        add_child(observable, np.array([[exp(value) for value in row] for row in logs]))
    patterns = sorted(set(plain.pattern))
    add_child("pattern", np.array([[float(each == pattern) for each in plain.pattern] for pattern in patterns]))
    for condition in plain.conditions:
        present = [float(condition in members) for members in plain.sets]
        add_child(condition, np.array([[1 - p for p in present], present]))
    both = [float(each) for each in plain.hip_and_spine]
    add_child(HIP_SPINE, np.array([[1 - p for p in both], both]))
    return model, evidence, patterns


def joint_rates(answers: dict[str, int], cluster: str, leaders: set[str], plain: PlainEngine) -> list[float]:
    """P(these levels of the items of a cluster | set), for every set."""
    logs = [plain.log_rate(name, level, name not in leaders) for name, level in answers.items()]
    tilted = plain.tilt(cluster, answers, leaders)
    assert tilted is not None
    return [exp(fsum(parts)) for parts in zip(tilted, *logs, strict=True)]


def cases_for_library(plain: PlainEngine) -> list[RandomCase]:
    cases = random_cases(plain, 40, seed=7)
    chosen = [case for case in cases if "age_band" not in case.answers and 0 < len(case.answers) < 25][:10]
    return [*chosen, *(RandomCase(dict(answers)) for answers in CLUSTERED)]


@pytest.mark.parametrize("index", range(10 + len(CLUSTERED)))
def test_variable_elimination_gives_the_same_marginals(plain: PlainEngine, network: Network, index: int) -> None:
    logging.getLogger("pgmpy").setLevel(logging.ERROR)
    case = cases_for_library(plain)[index]
    model, evidence, patterns = library_network(case, plain)
    assert model.check_model()
    elimination = VariableElimination(model)
    summary = posterior_summary(case.for_engine(), network)
    ours = plain.posterior(case.answers, case.age, case.sex)
    partition = elimination.query(["pattern"], evidence=evidence, show_progress=False).values
    for pattern, value in zip(patterns, partition, strict=True):
        assert summary.patterns[pattern] == pytest.approx(value, abs=1e-9)
        assert plain.patterns(ours)[pattern] == pytest.approx(value, abs=1e-9)
    for condition, probability in plain.condition_marginals(ours).items():
        value = elimination.query([condition], evidence=evidence, show_progress=False).values[1]
        assert summary.conditions[condition] == pytest.approx(value, abs=1e-9)
        assert probability == pytest.approx(value, abs=1e-9)

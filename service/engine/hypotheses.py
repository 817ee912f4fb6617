"""Every set of at most three coexisting conditions, with its prior.

A condition of region ``both`` (hip-spine syndrome) is not a member of sets: it is the event "a hip condition and a spine
condition". One of region ``other`` is the empty set. Both are read off the finished posterior.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from service.engine.model import PATTERNS, Condition, KnowledgeBase
from service.errors import Fault, KnowledgeBaseError
from service.records import dataclass

MAXIMUM_COEXISTING = 3

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hypotheses:
    """The sets, in a fixed order: empty, singles, pairs, triples, each in table order.

    `membership` is sets x conditions (0/1); `coexistence` marks the sets that hold a hip and a spine condition;
    `pattern` is sets x source patterns (one-hot, in the order of `PATTERNS`); `log_prior` is the natural log of the prior
    before age and sex; `prior_class` names each set's mass class.
    """

    conditions: tuple[Condition, ...]
    membership: Array
    coexistence: Array
    pattern: Array
    size: NDArray[np.int64]
    prior_class: NDArray[np.int64]
    log_prior: Array

    @property
    def count(self) -> int:
        return len(self.size)


EMPTY, SINGLE, HIP_AND_SPINE, COMBINATION = range(4)


def member_conditions(knowledge: KnowledgeBase) -> tuple[Condition, ...]:
    """The conditions that can be members of a hypothesis, in table order."""
    return tuple(condition for condition in knowledge.conditions if condition.region not in ("both", "other"))


def source_pattern(regions: set[str]) -> str:
    """The source pattern of a set whose members have these regions; the first rule that applies decides."""
    if "serious" in regions:
        return "serious"
    if {"hip", "spine"} <= regions:
        return "hip-and-spine"
    if len(regions) == 1:
        return next(iter(regions))
    return "other-combination" if regions else "none-identified"


def enumerate_hypotheses(knowledge: KnowledgeBase) -> Hypotheses:
    """All hypotheses with the class-wise prior of the tables.

    KnowledgeBaseError if the class masses leave nothing for single conditions.
    """
    conditions = member_conditions(knowledge)
    sets = [chosen for size in range(MAXIMUM_COEXISTING + 1) for chosen in combinations(range(len(conditions)), size)]
    membership = np.zeros((len(sets), len(conditions)))
    pattern = np.zeros((len(sets), len(PATTERNS)))
    size = np.array([len(chosen) for chosen in sets])
    prior_class = np.full(len(sets), COMBINATION)
    for row, chosen in enumerate(sets):
        membership[row, list(chosen)] = 1.0
        name = source_pattern({conditions[index].region for index in chosen})
        pattern[row, PATTERNS.index(name)] = 1.0
    regions = {
        region: membership @ np.array([float(condition.region == region) for condition in conditions]) > 0
        for region in ("hip", "spine")
    }
    coexistence = regions["hip"] & regions["spine"]
    prior_class[coexistence] = HIP_AND_SPINE
    prior_class[size == 1] = SINGLE
    prior_class[size == 0] = EMPTY
    return Hypotheses(
        conditions=conditions,
        membership=membership,
        coexistence=coexistence.astype(np.float64),
        pattern=pattern,
        size=size,
        prior_class=prior_class,
        log_prior=class_log_prior(
            membership,
            prior_class,
            np.array([condition.prevalence for condition in conditions]),
            class_masses(knowledge),
        ),
    )


def class_masses(knowledge: KnowledgeBase) -> Array:
    """Prior mass of the classes empty, single, hip-and-spine, other combination; sums to 1."""
    empty = knowledge.constant("class_mass_empty")
    both = knowledge.constant("class_mass_hip_and_spine")
    other = knowledge.constant("class_mass_combination")
    single = 1.0 - empty - both - other
    if single <= 0.0:
        raise KnowledgeBaseError(Fault("value", "The class masses leave nothing for single conditions.", "model.csv"))
    return np.array([empty, single, both, other])


def class_log_prior(membership: Array, prior_class: NDArray[np.int64], prevalences: Array, masses: Array) -> Array:
    """Log prior per set: within each class in proportion to the product of the members' prevalences."""
    log_weight: Array = membership @ np.log(prevalences)
    for index, mass in enumerate(masses):
        of_class = prior_class == index
        weights = np.exp(log_weight[of_class])
        log_weight[of_class] += np.log(mass) - np.log(weights.sum())
    return log_weight


def normalised_log(log_weight: Array) -> Array:
    """The same log weights shifted so that the weights sum to 1."""
    peak = log_weight.max()
    shifted: Array = log_weight - (peak + np.log(np.exp(log_weight - peak).sum()))
    return shifted

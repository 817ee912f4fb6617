"""How the prior moves with the figures behind it: prevalences, class masses, and the rates of age and sex.

Slopes per standard deviation of each figure, of the log prior of a hypothesis.
"""

from __future__ import annotations

import numpy as np

from service.engine.evidence import PRIOR_FINDINGS
from service.engine.hypotheses import COMBINATION, EMPTY, HIP_AND_SPINE, SINGLE, Array, class_masses
from service.engine.network import Network
from service.engine.rate_slopes import rate_moves
from service.engine.spreads import mass_spread, prevalence_spread
from service.records import dataclass

CLASSES = (EMPTY, SINGLE, HIP_AND_SPINE, COMBINATION)
# The masses of the tables, in their order; the single conditions have what is left.
MASSES = (("class_mass_empty", EMPTY), ("class_mass_hip_and_spine", HIP_AND_SPINE), ("class_mass_combination", COMBINATION))


@dataclass(frozen=True, slots=True)
class PriorSlopes:
    """Slopes of the log prior: first of the prevalences, in table order, then of the class masses.

    A prevalence moves its hypotheses against the others of their class: `mean_held` is how often the members of each class
    hold each condition (classes x conditions). What a class gains the single conditions lose, so that the masses keep summing
    to 1: `lost_by_single` per mass. `in_class` is classes x hypotheses (0/1).
    """

    prevalence_spreads: Array
    mean_held: Array
    mass_spreads: Array
    lost_by_single: Array
    in_class: Array
    membership: Array

    def sums(self, by_condition: Array, by_class: Array) -> Array:
        """Slopes times a table, summed over the hypotheses (figures x columns).

        Of the table are given the sums over the hypotheses that hold each condition, and over those of each class.
        """
        prevalences = self.prevalence_spreads[:, None] * (by_condition - self.mean_held.T @ by_class)
        of_mass = by_class[[index for _, index in MASSES]] - self.lost_by_single[:, None] * by_class[SINGLE]
        return np.concatenate([prevalences, self.mass_spreads[:, None] * of_mass])

    def on_hypotheses(self) -> Array:
        """The slopes themselves, figures x hypotheses."""
        return self.sums(self.membership.T, self.in_class)


def prior_slopes(network: Network) -> PriorSlopes:
    """The slopes of the prior of a network, without age and sex."""
    hypotheses, knowledge = network.hypotheses, network.knowledge
    in_class = np.array([hypotheses.prior_class == index for index in CLASSES], dtype=np.float64)
    share = in_class * np.exp(hypotheses.log_prior)
    share /= share.sum(axis=1, keepdims=True)
    masses = class_masses(knowledge)
    return PriorSlopes(
        prevalence_spreads=np.array([prevalence_spread(condition) for condition in hypotheses.conditions]),
        mean_held=share @ hypotheses.membership,
        mass_spreads=np.array([mass_spread(knowledge.constants[name]) for name, _ in MASSES]),
        lost_by_single=np.array([masses[index] / masses[SINGLE] for _, index in MASSES]),
        in_class=in_class,
        membership=hypotheses.membership,
    )


def prior_answer_slopes(network: Network) -> dict[tuple[str, str], Array]:
    """Slopes of the log prior ratio per condition (figures x conditions), by age or sex answer."""
    ids = [condition.id for condition in network.hypotheses.conditions]
    found: dict[tuple[str, str], Array] = {}
    for observable in network.knowledge.observables:
        if observable.finding_id not in PRIOR_FINDINGS:
            continue
        moves, direct = rate_moves(network, observable, ids)
        for index, level in enumerate(observable.levels):
            found[observable.finding_id, str(level.when.example())] = moves[:, index] - direct[:, index, None]
    return found

"""How far the numbers of the tables may be off: 90 % intervals by the delta method on the log-odds scale.

Uncertain are every prevalence and class mass, every background rate and every likelihood row. Each has a spread on its own
scale (log for ratios, masses and levels, log-odds for rates): from its published range where there is one, else by quality.
The gradient of a target's log-odds with respect to one of them is E[slope | target] - E[slope | not target], where the
slope is that of the log joint probability of a hypothesis and the answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from service.engine.cluster_slopes import ClusterSlopes, cluster_slopes
from service.engine.clusters import CompiledCluster, Item, Reading, State
from service.engine.differential import Posterior
from service.engine.evidence import PRIOR_FINDINGS, Evidence
from service.engine.hypotheses import COMBINATION, EMPTY, HIP_AND_SPINE, SINGLE, Array, class_masses
from service.engine.model import Observable
from service.engine.network import Network
from service.engine.rate_slopes import RateSlopes, observable_slopes, rate_moves
from service.engine.spreads import mass_spread, prevalence_spread
from service.engine.subsets import Places

LEAST_MASS = 1e-300
READINGS_KEPT = 64  # of some 50 kB each


@dataclass(frozen=True)
class Uncertainty:
    """All slopes of a network: of the prior (figures x hypotheses), of age and sex answers, and of each observable.

    `merged`: figures that move an observable in the same direction, such as both ratios of one row, stand as one with the square
    root of the sum of their squares, which gives the same intervals from two thirds of the memory and time.

    The slopes of an observable are found when they are first needed, or all at once by `prepare`, which takes as long as the
    rest of the network: a server does it before it listens, a command that assesses one file does not.
    """

    network: Network
    prior: Array
    prior_answers: Mapping[tuple[str, str], Array]
    width: float
    merged: bool = True
    _found: dict[str, RateSlopes] = field(default_factory=dict)
    _clusters: dict[str, ClusterSlopes] = field(default_factory=dict)
    _readings: dict[tuple[int, State], dict[str, Array]] = field(default_factory=dict)

    def slopes(self, observable: Observable) -> RateSlopes:
        """Slopes of one observable. Two threads may find the same ones at once; they are equal."""
        if observable.id not in self._found:
            self._found[observable.id] = observable_slopes(self.network, observable, merged=self.merged)
        return self._found[observable.id]

    def prepare(self) -> None:
        """Find all slopes now."""
        for observable in self.network.observables:
            self.slopes(observable)
        for compiled in self.network.clusters:
            self._slopes_of_cluster(compiled)

    def half_widths(self, posterior: Posterior, matrix: Array, prior_answers: Sequence[tuple[str, str]]) -> Array:
        """Half-width of the interval of every target (column of `matrix`, hypotheses x targets), in log-odds.

        `prior_answers` are the age and sex answers that entered the prior, as (finding, answer).
        """
        weights = posterior.weights
        # A target no hypothesis belongs to, or every one does, has no odds; its width is of no use and must not warn.
        inside = np.maximum(weights @ matrix, LEAST_MASS)
        outside = np.maximum(weights.sum() - weights @ matrix, LEAST_MASS)
        # matrix / inside - (1 - matrix) / outside, in one product and one difference.
        contrast = matrix * (1.0 / inside + 1.0 / outside)
        contrast -= 1.0 / outside
        contrast *= weights[:, None]
        subsets = self.network.subsets
        sums = subsets.sums(contrast, coexistence=self._event_counts(posterior.evidence))
        gradients = [self.prior @ contrast]
        gradients += [self.prior_answers[answer] @ sums[subsets.singles] for answer in prior_answers]
        gradients += self.gradients(posterior.evidence, contrast, sums).values()
        variance = np.square(np.concatenate(gradients)).sum(axis=0)
        half: Array = self.width * np.sqrt(variance)
        return half

    def _event_counts(self, evidence: Evidence) -> bool:
        """Whether rows of any observable speak of hip and spine together."""
        return any(self.slopes(observation.observable).support.coexistence for observation in evidence.observations)

    def gradients(self, evidence: Evidence, contrast: Array, sums: Array) -> dict[str, Array]:
        """Slopes of the log likelihood times `contrast` (hypotheses x anything), summed over the hypotheses.

        `sums` is its `Subsets.sums`. By the observable, or cluster, whose figures they belong to, figures x columns. The
        figures of an item of a published cluster move the cluster, too, also where the item was not asked for.
        """
        found = {
            one.observable.id: self.slopes(one.observable).sums(one.level, sums, leads=one.leader)
            for one in evidence.observations
        }
        for reading in evidence.readings:
            compiled = self.network.clusters[reading.place]
            with_target = contrast[compiled.with_target]
            for name, moved in self._slopes_of_reading(reading).items():
                found[name] = found.get(name, 0.0) + moved @ with_target
        return found

    def blocks(self, evidence: Evidence) -> dict[str, Array]:
        """The slopes themselves (figures x hypotheses), by the observable or cluster: for what no sum can tell."""
        members = self.network.member_matrix
        found = {
            one.observable.id: self.slopes(one.observable).on(one.level, members, leads=one.leader)
            for one in evidence.observations
        }
        for reading in evidence.readings:
            compiled = self.network.clusters[reading.place]
            for name, moved in self._slopes_of_reading(reading).items():
                if name not in found:
                    found[name] = np.zeros((len(moved), len(members)))
                found[name][:, compiled.with_target] += moved
        return found

    def _slopes_of_reading(self, reading: Reading) -> dict[str, Array]:
        """Slopes of the factor of a published cluster (figures x hypotheses with its target), by whose figures they are.

        Most patients answer the items of a cluster in one of a few ways, so the last ones found are kept.
        """
        key = (reading.place, reading.state)
        if key not in self._readings:
            slopes = self._slopes_of_cluster(self.network.clusters[reading.place])
            found = slopes.of(reading.state, self.network, self._level_slopes)
            if len(self._readings) >= READINGS_KEPT:
                self._readings.clear()
            self._readings[key] = {owner or reading.cluster.id: one for owner, one in found.items()}
        return self._readings[key]

    def _slopes_of_cluster(self, compiled: CompiledCluster) -> ClusterSlopes:
        name = compiled.cluster.id
        if name not in self._clusters:
            self._clusters[name] = cluster_slopes(compiled, self.network, self._level_slopes)
        return self._clusters[name]

    def _level_slopes(self, item: Item, level: int, leads: bool, hypotheses: Places) -> Array:
        """Slopes of log P(level) of an item's observable on some hypotheses."""
        return self.slopes(item.observable).on(level, self.network.member_matrix[hypotheses], leads=leads)


def measure_uncertainty(network: Network, *, merged: bool = True) -> Uncertainty:
    """The slopes of the prior, and those of the observables as they are needed; one by one if not `merged`."""
    knowledge = network.knowledge
    return Uncertainty(
        network=network,
        prior=_prior_slopes(network),
        prior_answers=_prior_answer_slopes(network),
        width=knowledge.constant("interval_z"),
        merged=merged,
    )


# --- slopes of the prior --------------------------------------------------------------------------------------------


def _prior_slopes(network: Network) -> Array:
    """Slopes of the log prior per standard deviation of each prevalence and class mass."""
    hypotheses, knowledge = network.hypotheses, network.knowledge
    weights = np.exp(hypotheses.log_prior)
    centred = hypotheses.membership.copy()
    for index in (EMPTY, SINGLE, HIP_AND_SPINE, COMBINATION):
        of_class = hypotheses.prior_class == index
        shares = weights[of_class] / weights[of_class].sum()
        centred[of_class] -= shares @ hypotheses.membership[of_class]
    spreads = np.array([prevalence_spread(condition) for condition in hypotheses.conditions])
    masses = class_masses(knowledge)
    moved = []
    for name, index in (
        ("class_mass_empty", EMPTY), ("class_mass_hip_and_spine", HIP_AND_SPINE), ("class_mass_combination", COMBINATION),
    ):
        # What a class gains the single conditions lose, so that the masses keep summing to 1.
        slope = (hypotheses.prior_class == index).astype(np.float64)
        slope[hypotheses.prior_class == SINGLE] = -masses[index] / masses[SINGLE]
        moved.append(slope * mass_spread(knowledge.constants[name]))
    return np.concatenate([(centred * spreads).T, np.array(moved)])


def _prior_answer_slopes(network: Network) -> dict[tuple[str, str], Array]:
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

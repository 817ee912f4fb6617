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
from service.engine.differential import Posterior, targets
from service.engine.evidence import Evidence
from service.engine.hypotheses import Array
from service.engine.model import Observable
from service.engine.network import Network
from service.engine.prior_slopes import PriorSlopes, prior_answer_slopes, prior_slopes
from service.engine.rate_slopes import RateSlopes, observable_slopes
from service.engine.subsets import Places

LEAST_MASS = 1e-300
PRIOR = "prior"
READINGS_KEPT = 64  # of some 50 kB each


@dataclass(frozen=True)
class TargetOdds:
    """From sums of the weights over each target to sums of what moves its log-odds: weight / inside - weight / outside.

    `combination` is (targets, then everything) x targets: 1 / inside + 1 / outside on the diagonal, -1 / outside below.
    """

    combination: Array

    @classmethod
    def of(cls, whole: Array) -> TargetOdds:
        """`whole` is the weight of every target and, last, of everything."""
        # A target no hypothesis belongs to, or every one does, has no odds; its width is of no use and must not warn.
        inside = np.maximum(whole[:-1], LEAST_MASS)
        outside = np.maximum(whole[-1] - whole[:-1], LEAST_MASS)
        return cls(np.vstack([np.diag(1.0 / inside + 1.0 / outside), -1.0 / outside]))

    def gradient(self, sums: Array) -> Array:
        """Of rows that hold the weight of every target and, last, of everything (rows x targets)."""
        found: Array = sums @ self.combination
        return found


def with_total(sums: Array, total: Array) -> Array:
    return np.concatenate([sums, total[:, None]], axis=1)


@dataclass(frozen=True)
class Uncertainty:
    """All slopes of a network: of the prior, of age and sex answers, and of each observable. `targets` as `targets` has them.

    `merged`: figures that move an observable in the same direction, such as both ratios of one row, stand as one with the square
    root of the sum of their squares, which gives the same intervals from two thirds of the memory and time.

    The slopes of an observable are found when they are first needed, or all at once by `prepare`, which takes as long as the
    rest of the network: a server does it before it listens, a command that assesses one file does not.
    """

    network: Network
    targets: Array
    prior: PriorSlopes
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

    def half_widths(self, posterior: Posterior, prior_answers: Sequence[tuple[str, str]]) -> Array:
        """Half-width of the interval of every target of the network, in log-odds.

        `prior_answers` are the age and sex answers that entered the prior, as (finding, answer).
        """
        gradients = self.gradients(posterior.evidence, posterior.weights, prior_answers)
        half: Array = self.width * np.sqrt(np.square(np.concatenate(list(gradients.values()))).sum(axis=0))
        return half

    def gradients(
        self, evidence: Evidence, weights: Array, prior_answers: Sequence[tuple[str, str]]
    ) -> dict[str, Array]:
        """Slopes of the log-odds of every target (figures x targets), by what the figures belong to.

        That is the prior (`PRIOR`), an answer to age or sex, an observable, or a published cluster. The figures of an item of
        a cluster move the cluster, too, also where the item was not asked for.
        """
        subsets, prior = self.network.subsets, self.prior
        event = self.network.derived is not None
        sums = subsets.target_sums(weights, event=event)
        odds = TargetOdds.of(sums[0])
        per_set = odds.gradient(sums)
        by_class = odds.gradient(with_total((prior.in_class * weights) @ self.targets, prior.in_class @ weights))
        found = {PRIOR: prior.sums(per_set[subsets.singles], by_class)}
        found |= {answer[0]: self.prior_answers[answer] @ per_set[subsets.singles] for answer in prior_answers}
        if any(self.slopes(one.observable).support.coexistence for one in evidence.observations):
            coexisting = odds.gradient(subsets.target_sums(weights * subsets.coexistence, event=event))
            per_set = np.concatenate([per_set, coexisting])
        for one in evidence.observations:
            found[one.observable.id] = self.slopes(one.observable).sums(one.level, per_set, leads=one.leader)
        for reading in evidence.readings:
            rows = self.network.clusters[reading.place].with_target
            held = weights[rows]
            per_hypothesis = odds.gradient(with_total(held[:, None] * self.targets[rows], held))
            for name, moved in self._slopes_of_reading(reading).items():
                found[name] = found.get(name, 0.0) + moved @ per_hypothesis
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
        targets=targets(network)[1],
        prior=prior_slopes(network),
        prior_answers=prior_answer_slopes(network),
        width=knowledge.constant("interval_z"),
        merged=merged,
    )

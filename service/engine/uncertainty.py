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
from numpy.typing import NDArray

from service.engine.cluster_slopes import ClusterSlopes, cluster_slopes
from service.engine.clusters import CompiledCluster, Item, Reading
from service.engine.differential import Posterior
from service.engine.evidence import PRIOR_FINDINGS, Evidence, Observation
from service.engine.hypotheses import COMBINATION, EMPTY, HIP_AND_SPINE, SINGLE, Array, class_masses
from service.engine.model import Answer, Observable
from service.engine.network import Network, Single
from service.engine.rates import backgrounds
from service.engine.spreads import (
    background_spreads,
    mass_spread,
    moved_background,
    moved_figures,
    prevalence_spread,
    uncertain_figures,
)

STEP = 1e-4
PARALLEL = 1.0 - 1e-6  # cosine from which two figures move the rates in one direction
LEAST_MASS = 1e-300


@dataclass(frozen=True)
class BinarySlopes:
    """Slopes behind a yes/no observable: of the log-odds of "present", per standard deviation of each uncertain figure.

    `log_odds` is figures x hypotheses, `background` per figure (zero where it is not a background rate). From these the
    slopes of both levels follow, in full and shared: a quarter of the memory, and these are the largest arrays of the
    process. Single precision, because they only feed an interval.
    """

    log_odds: Single
    background: Single

    def of(self, observation: Observation, network: Network) -> Single:
        """Slopes of the log probability of the observed level (figures x hypotheses)."""
        rates = network.full if observation.leader else network.shared
        first = observation.row - observation.level
        # d log P(present) = P(absent) d log-odds, and d log P(absent) = -P(present) d log-odds.
        factor = rates[first + 1] if observation.level == 0 else -rates[first]
        if observation.leader:
            return self.log_odds * factor
        # P' is proportional to b^(1-k) P^k: what moves the background also moves a shared finding directly.
        shrink = np.float32(network.knowledge.constant("dependence_shrink"))
        slopes: Single = self.log_odds * (shrink * factor)
        moved = np.flatnonzero(self.background)
        slopes[moved] += (np.float32(1.0) - shrink) * self.background[moved, None] * factor
        return slopes


@dataclass(frozen=True)
class LevelSlopes:
    """Slopes of log P(level | hypothesis) of an observable with several levels: levels x figures x hypotheses.

    In full and as shared; in half precision, because an interval needs three digits and one level is used at a time.
    """

    full: NDArray[np.float16]
    shared: NDArray[np.float16]

    def of(self, observation: Observation, network: Network) -> Single:
        """Slopes of the log probability of the observed level (figures x hypotheses)."""
        del network
        slopes = (self.full if observation.leader else self.shared)[observation.level]
        return slopes.astype(np.float32)


Slopes = BinarySlopes | LevelSlopes


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
    _found: dict[str, Slopes] = field(default_factory=dict)
    _clusters: dict[str, ClusterSlopes] = field(default_factory=dict)

    def slopes(self, observable: Observable) -> Slopes:
        """Slopes of one observable. Two threads may find the same ones at once; they are equal."""
        if observable.id not in self._found:
            self._found[observable.id] = _observable_slopes(self.network, observable, merged=self.merged)
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
        variance = np.square(self.prior @ contrast).sum(axis=0)
        by_condition = self.network.hypotheses.membership.T @ contrast
        for answer in prior_answers:
            variance += np.square(self.prior_answers[answer] @ by_condition).sum(axis=0)
        single = contrast.astype(np.float32)
        blocks = self.blocks(posterior.evidence)
        if blocks:
            # One product of all rows: many products of a few rows each took three times as long.
            variance += np.square(np.concatenate(list(blocks.values())) @ single, dtype=np.float64).sum(axis=0)
        half: Array = self.width * np.sqrt(variance)
        return half

    def blocks(self, evidence: Evidence) -> dict[str, Single]:
        """Slopes of the log likelihood (figures x hypotheses) by the observable, or cluster, whose figures they are.

        The figures of an item of a published cluster move the cluster, too, also where the item was not asked for.
        """
        found = {
            observation.observable.id: self.slopes(observation.observable).of(observation, self.network)
            for observation in evidence.observations
        }
        for reading in evidence.readings:
            self._add_cluster(reading, found)
        return found

    def _add_cluster(self, reading: Reading, blocks: dict[str, Single]) -> None:
        """Add the slopes of a published cluster to those of its items, where these are answered, and beside them."""
        compiled = self.network.clusters[reading.place]
        found = self._slopes_of_cluster(compiled).of(reading.state, self.network, self._level_slopes)
        for owner, slopes in found.items():
            name = owner or reading.cluster.id
            if name not in blocks:
                blocks[name] = np.zeros((len(slopes), self.network.hypotheses.count), dtype=np.float32)
            blocks[name][:, compiled.with_target] += slopes.astype(np.float32)

    def _slopes_of_cluster(self, compiled: CompiledCluster) -> ClusterSlopes:
        name = compiled.cluster.id
        if name not in self._clusters:
            self._clusters[name] = cluster_slopes(compiled, self.network, self._level_slopes)
        return self._clusters[name]

    def _level_slopes(self, item: Item, level: int, leads: bool) -> Single:
        """Slopes of log P(level) of an item's observable."""
        shown = Observation(Answer(item.observable.finding_id, True), item.observable, level, item.start + level, leads)
        return self.slopes(item.observable).of(shown, self.network)


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
        moves, direct = _rate_moves(network, observable, ids)
        for index, level in enumerate(observable.levels):
            found[observable.finding_id, str(level.when.example())] = moves[:, index] - direct[:, index, None]
    return found


# --- slopes of one observable ----------------------------------------------------------------------------------------


def _rate_moves(network: Network, observable: Observable, columns: Sequence[str]) -> tuple[Array, Array]:
    """How the log rates move per standard deviation of each uncertain figure, by a small finite step.

    Returns figures x levels x columns for the conditions, and figures x levels for the background itself.
    """
    knowledge, plan = network.knowledge, network.rate_table.plans[observable.id]
    base = np.log(np.array(backgrounds(observable)))
    rates = plan.rates()
    resting = _log_rates(rates, columns, backgrounds(observable))
    position = {column: index for index, column in enumerate(columns)}
    moves, direct = [], []
    for index, spread in enumerate(background_spreads(observable)):
        moved = moved_background(observable, index, STEP)
        moves.append((_log_rates(plan.rates(background=moved), columns, moved) - resting) * (spread / STEP))
        direct.append((np.log(np.array(moved)) - base) * (spread / STEP))
    for filling in plan.fillings:
        for use in filling.uses:
            for name, spread in uncertain_figures(use, knowledge):
                move = np.zeros_like(resting)
                figures = moved_figures(use.row, use.figures(), name, STEP)
                for condition_id, moved_row in plan.moved_rates(use, figures, rates).items():
                    index = position[condition_id]
                    move[:, index] = (np.log(np.array(moved_row)) - resting[:, index]) * (spread / STEP)
                moves.append(move)
                direct.append(np.zeros_like(base))
    return np.array(moves), np.array(direct)


def _log_rates(rates: dict[str, tuple[float, ...]], columns: Sequence[str], background: tuple[float, ...]) -> Array:
    """log rates, levels x columns; columns without rows have the background."""
    return np.log(np.array([rates.get(column, background) for column in columns]).T)


def merged_moves(moves: Array, direct: Array) -> tuple[Array, Array]:
    """Moves of the rates and of the background (figures first) with parallel figures as one: sum of squares kept.

    Figures that move nothing are left out, all but the first.
    """
    flat = np.concatenate([moves.reshape(len(moves), -1), direct], axis=1)
    length = np.sqrt(np.square(flat).sum(axis=1))
    kept: list[int] = []
    squares: list[float] = []
    for index in np.flatnonzero(length).tolist():
        along = [abs(flat[index] @ flat[one]) / (length[index] * length[one]) for one in kept]
        same = next((place for place, cosine in enumerate(along) if cosine > PARALLEL), None)
        if same is None:
            kept.append(index)
            squares.append(length[index] ** 2)
        else:
            squares[same] += length[index] ** 2
    if not kept:
        return moves[:1], direct[:1]
    scale = np.sqrt(squares) / length[kept]
    return moves[kept] * scale[:, None, None], direct[kept] * scale[:, None]


def _observable_slopes(network: Network, observable: Observable, *, merged: bool) -> Slopes:
    """Slopes of log P(level | hypothesis): the rules of coexistence, differentiated."""
    columns = [condition.id for condition in network.hypotheses.conditions]
    columns.append(network.derived.id if network.derived else "")
    moves, direct = _rate_moves(network, observable, columns)
    if merged:
        moves, direct = merged_moves(moves, direct)
    first = network.start[observable.id]
    rates = network.level_rates[first : first + len(observable.levels)]
    probability = np.exp(network.log_full[first : first + len(observable.levels)])
    members = network.member_matrix
    if observable.binary:
        background = observable.levels[0].background
        present = _present_slopes(moves[:, 0], direct[:, 0], rates[0], background, members)
        log_odds = present / (probability[0] * probability[1])
        return BinarySlopes(log_odds.astype(np.float32), (direct[:, 0] / (1.0 - background)).astype(np.float32))
    # Single precision from here on: these are the largest arrays on the way, and they end in half precision.
    base = direct.T[:, :, None].astype(np.float32)
    log_slope = base + ((moves.transpose(1, 0, 2) - direct.T[:, :, None]).astype(np.float32) @ members.T.astype(np.float32))
    slopes = log_slope - _mean_over_levels(log_slope, probability)
    # P' is proportional to b^(1-k) P^k, normalised over the levels.
    shrink = np.float32(network.knowledge.constant("dependence_shrink"))
    share = np.exp(network.log_shared[first : first + len(observable.levels)])
    slopes_shared = shrink * slopes + (np.float32(1.0) - shrink) * base
    slopes_shared -= _mean_over_levels(slopes_shared, share)
    return LevelSlopes(slopes.astype(np.float16), slopes_shared.astype(np.float16))


def _mean_over_levels(slopes: Single, probability: Array) -> Single:
    """Mean of levels x figures x hypotheses over the levels, each weighted by its probability (levels x hypotheses)."""
    mean = np.zeros(slopes.shape[1:], dtype=np.float32)
    for level, weight in zip(slopes, probability.astype(np.float32), strict=True):
        mean += level * weight
    return mean


def _present_slopes(moves: Array, direct: Array, rates: Array, background: float, members: Array) -> Array:
    """Slopes of P(present | hypothesis) (figures x hypotheses) of a yes/no observable.

    `moves` is figures x members and `direct` per figure: slopes of log q and log b.
    """
    raiser, lowerer = rates > background, rates < background
    # d log(1-q) = -q/(1-q) d log q, and the same for b.
    raised = np.where(raiser, -moves * (rates / (1.0 - rates)), 0.0)
    raised += np.where(raiser, direct[:, None] * (background / (1.0 - background)), 0.0)
    lowered = np.where(lowerer, moves - direct[:, None], 0.0)
    log_none = np.log1p(-background) + np.where(raiser, np.log1p(-rates) - np.log1p(-background), 0.0) @ members.T
    factor = np.exp(np.where(lowerer, np.log(rates) - np.log(background), 0.0) @ members.T)
    none_slope = -direct[:, None] * (background / (1.0 - background)) + raised @ members.T
    slopes: Array = -np.exp(log_none) * factor * none_slope + (1.0 - np.exp(log_none)) * factor * (lowered @ members.T)
    return slopes

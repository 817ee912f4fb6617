"""Which spinal level takes part: a probability for each of L1 to S1, and for none, read off the exact posterior.

Each condition that can involve a level has one, or none: P(level | condition, answers) is its share times how likely the
answers are at that level, normalised. The probability of the conditions themselves stays as the posterior has it, so nothing
counts twice, and whatever explains the answers without the spine (a nerve of the thigh, a hip) leaves its mass to ``none``.
Where a condition has company, a positive answer tells its level only as far as the others leave it unexplained: groin pain
beside an arthritic hip says little about the level of a stenosis. Within a set of conditions their levels are independent; so
several levels may be involved, and the figures need not sum to 1.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from service.engine.differential import Posterior
from service.engine.evidence import Observation
from service.engine.hypotheses import Array
from service.engine.model import NO_LEVEL, SPINAL_LEVELS, KnowledgeBase, LevelProbability, LevelRate, LevelReason
from service.engine.network import Network, separation_bits
from service.records import dataclass

OUTCOMES = (*SPINAL_LEVELS, NO_LEVEL)
PARTS = ("root", "segment")
REASONS = 4  # answers named per level
NOTICEABLE_LOG_ODDS = 0.05  # wording only: a smaller change of the odds is not worth a reader's time
LEAST_SINGLE = np.float32(1e-30)
LEAST = 1e-300  # keeps the logarithm of a share of 0 finite; its product with any mass is still 0


@dataclass(frozen=True, slots=True)
class LevelSign:
    """One finding that tells levels apart: its place in the arrays, its group, how well it tells them, its rows."""

    index: int
    finding_id: str
    group: str
    bits: float
    rows: Mapping[str, tuple[str, ...]]  # spinal level -> ids of the table rows


@dataclass(frozen=True)
class LevelModel:
    """What locating needs, compiled once.

    Hypotheses that hold the same conditions with a level are one subset. `order` sorts the hypotheses by subset, `starts` are
    the first places of each; `subsets` is subsets x conditions with a level, `members` hypotheses in `order` x the same.
    `log_share` is conditions x outcomes. `rates` is P(present | level), (beside a nearer sign of the group, in full) x signs x
    conditions x outcomes; `background` is P(present) without any condition. `absent` is P(absent | hypothesis), signs x
    hypotheses in `order`, and `own_absent` what a condition alone does to it, signs x conditions. `inverse` is
    1 / P(answer | hypothesis), (shared, full) x signs x (present, absent) x hypotheses in `order`: for reasons only.
    """

    signs: Mapping[str, LevelSign]
    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    subsets: Array
    members: NDArray[np.float32]
    log_share: Array
    rates: Array
    background: Array
    absent: NDArray[np.float32]
    own_absent: Array
    inverse: NDArray[np.float32]

    def locate(self, result: Posterior, weights: Array) -> tuple[LevelProbability, ...]:
        """The probability of every level, in anatomical order and ``none`` last, each with the answers that move it most."""
        told = [one for one in result.evidence.observations if one.answer.finding_id in self.signs]
        signs = [self.signs[one.answer.finding_id] for one in told]
        leaders = leading_signs(signs)
        rows = [sign.index for sign in signs]
        states = [one.level for one in told]
        sorted_weights = weights[self.order]
        single = sorted_weights.astype(np.float32)
        rates = self.rates[[int(sign.finding_id in leaders) for sign in signs], rows]
        ratios = self._log_ratios(rates, rows, states, self._left_to_explain(single, rows, states))
        total = self.log_share + ratios.sum(axis=0)
        # First everything, then everything but one answer: what each answer does to each level.
        within = _normalised(np.concatenate([total[None], total - ratios]))
        masses = self._subset_masses(sorted_weights, single, told, rows, states)
        found = self._probabilities(masses, within)
        change = (_log_odds(found[:1]) - _log_odds(found[1:])).T.tolist()
        return tuple(
            LevelProbability(outcome, probability, _reasons(outcome, told, signs, moved))
            for outcome, probability, moved in zip(OUTCOMES, found[0].tolist(), change, strict=True)
        )

    def _left_to_explain(self, weights: NDArray[np.float32], rows: list[int], states: list[int]) -> Array:
        """Per answer and condition, the part of a positive answer that the company of the condition leaves to it, 0..1.

        P(absent) of all the others relative to that of none, in the mean over the hypotheses that hold the condition.
        """
        left = np.ones((len(rows), len(self.log_share)))
        positive = [index for index, state in enumerate(states) if state == 0]
        if positive:
            chosen = [rows[index] for index in positive]
            masses = self.members * weights[:, None]
            mean = self.absent[chosen] @ (masses / np.maximum(masses.sum(axis=0), LEAST_SINGLE))
            left[positive] = np.minimum(mean / self.own_absent[chosen], 1.0)
        return left

    def _log_ratios(self, rates: Array, rows: list[int], states: list[int], left: Array) -> Array:
        """Log ratio of each answer at each level to the background: answers x conditions x outcomes."""
        background = self.background[rows][:, None, None]
        left = left[:, :, None]
        present = (1.0 - (1.0 - rates) * left) / (1.0 - (1.0 - background) * left)
        absent = (1.0 - rates) / (1.0 - background)
        found: Array = np.log(np.where(np.array(states)[:, None, None] == 0, present, absent))
        return found

    def _subset_masses(
        self, weights: Array, single: NDArray[np.float32], told: list[Observation], rows: list[int], states: list[int]
    ) -> Array:
        """Posterior mass of every subset with all answers, then with all but each of `told` (one row each, in single precision).

        `weights` are those of the hypotheses in `order`, `single` the same.
        """
        leader = [int(one.leader) for one in told]
        without = self.inverse[leader, rows, states]  # a copy
        without *= single
        masses = np.concatenate(
            [np.add.reduceat(weights, self.starts)[None], np.add.reduceat(without, self.starts, axis=1)]
        )
        normalised: Array = masses / masses.sum(axis=1, keepdims=True)
        return normalised

    def _probabilities(self, masses: Array, within: Array) -> Array:
        """P(at least one condition at the level), and P(no condition at any) last: cases x outcomes."""
        absent = np.log(np.maximum(1.0 - within, LEAST))
        absent[..., -1] = np.log(np.maximum(within[..., -1], LEAST))
        missed = np.matmul(masses[:, None, :], np.exp(self.subsets @ absent))[:, 0]
        missed[:, :-1] = 1.0 - missed[:, :-1]
        return np.clip(missed, 0.0, 1.0)


def compile_levels(network: Network) -> LevelModel | None:
    """The level model of a network; None if its tables say nothing of levels."""
    knowledge, hypotheses = network.knowledge, network.hypotheses
    parts = {row.condition_id: row.part for row in knowledge.levels}
    columns = [index for index, condition in enumerate(hypotheses.conditions) if condition.id in parts]
    if not columns:
        return None
    shares = np.zeros((len(columns), len(OUTCOMES)))
    place = {hypotheses.conditions[column].id: row for row, column in enumerate(columns)}
    for row in knowledge.levels:
        shares[place[row.condition_id], OUTCOMES.index(row.level)] = row.p
    subsets, subset_of = np.unique(hypotheses.membership[:, columns], axis=0, return_inverse=True)
    order = np.argsort(subset_of.ravel(), kind="stable")
    starts = np.searchsorted(subset_of.ravel()[order], np.arange(len(subsets)))
    background = {one.id: one.levels[0].background for one in network.observables if one.binary}
    by_finding: dict[str, list[LevelRate]] = {}
    for rate in knowledge.level_rates:
        if rate.finding_id in background:
            by_finding.setdefault(rate.finding_id, []).append(rate)
    of_condition = [PARTS.index(parts[hypotheses.conditions[column].id]) for column in columns]
    shrink = knowledge.constant("dependence_shrink") if by_finding else 1.0
    signs: dict[str, LevelSign] = {}
    rates_of = np.zeros((2, len(by_finding), len(columns), len(OUTCOMES)))
    for index, (finding_id, rates) in enumerate(by_finding.items()):
        present = weighted_rates(rates, background[finding_id], knowledge)
        rates_of[1, index] = present[of_condition]
        rates_of[0, index] = weighted_rates(rates, background[finding_id], knowledge, shrink=shrink)[of_condition]
        rows_of: dict[str, tuple[str, ...]] = {}
        for rate in rates:
            rows_of[rate.level] = (*rows_of.get(rate.level, ()), rate.row_id)
        bits = max(separation_bits(np.array([row, 1.0 - row])) for row in present)
        signs[finding_id] = LevelSign(index, finding_id, rates[0].group, bits, rows_of)
    backgrounds = np.array([background[name] for name in by_finding])
    rows = np.array([[network.start[name], network.start[name] + 1] for name in by_finding], dtype=np.intp).reshape(-1, 2)
    with np.errstate(divide="ignore"):  # a level a condition cannot have stays at minus infinity
        log_share = np.log(shares)
    return LevelModel(
        signs=signs,
        order=order,
        starts=starts,
        subsets=subsets,
        members=hypotheses.membership[order][:, columns].astype(np.float32),
        log_share=log_share,
        rates=rates_of,
        background=backgrounds,
        absent=np.exp(network.log_full[rows[:, 1]][:, order]).astype(np.float32),
        own_absent=1.0 - np.maximum(network.level_rates[rows[:, 0]][:, columns], backgrounds[:, None]),
        inverse=np.exp(-np.array([network.log_shared[rows], network.log_full[rows]])[..., order]).astype(np.float32),
    )


def weighted_rates(rates: list[LevelRate], background: float, knowledge: KnowledgeBase, *, shrink: float = 1.0) -> Array:
    """P(finding present | level) per part and outcome (parts x outcomes), drawn to the background by the weight of the row.

    As for conditions: on the log-odds scale a row counts with the weight of its quality, and `shrink` of that beside a
    nearer sign. A level without a row, and ``none``, has the background rate.
    """
    log_odds = np.full((len(PARTS), len(OUTCOMES)), np.log(background) - np.log1p(-background))
    for row in rates:
        weight = shrink * knowledge.constant(f"weight_quality_{row.quality}")
        base = np.log(background) - np.log1p(-background)
        cell = (PARTS.index(row.part), OUTCOMES.index(row.level))
        log_odds[cell] = base + weight * (np.log(row.p) - np.log1p(-row.p) - base)
    found: Array = 1.0 / (1.0 + np.exp(-log_odds))
    return found


def leading_signs(signs: list[LevelSign]) -> set[str]:
    """Of each group of answered signs the one that tells the levels apart best (ties: table order)."""
    best: dict[str, LevelSign] = {}
    for sign in sorted(signs, key=lambda sign: sign.index):
        holder = best.get(sign.group)
        if holder is None or sign.bits > holder.bits:
            best[sign.group] = sign
    return {sign.finding_id for sign in best.values()}


def _normalised(log_weight: Array) -> Array:
    """Weights that sum to 1 over the last axis."""
    weight = np.exp(log_weight - log_weight.max(axis=-1, keepdims=True))
    normalised: Array = weight / weight.sum(axis=-1, keepdims=True)
    return normalised


def _log_odds(probability: Array) -> Array:
    inside = np.clip(probability, 1e-12, 1.0 - 1e-12)
    found: Array = np.log(inside) - np.log1p(-inside)
    return found


def _reasons(
    outcome: str, told: list[Observation], signs: list[LevelSign], change: list[float]
) -> tuple[LevelReason, ...]:
    moved = sorted(((abs(value), index) for index, value in enumerate(change) if abs(value) >= NOTICEABLE_LOG_ODDS), reverse=True)
    return tuple(
        LevelReason(signs[index].finding_id, told[index].answer.value, change[index], signs[index].rows.get(outcome, ()))
        for _, index in moved[:REASONS]
    )

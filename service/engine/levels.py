"""Which spinal level takes part: a probability for each of L1 to S1, and for none, read off the exact posterior.

Each condition that can involve a level has one, or none: P(level | condition, answers) is its share times how likely the
answers are at that level, normalised. The probability of the conditions themselves stays as the posterior has it, so nothing
counts twice, and whatever explains the answers without the spine (a nerve of the thigh, a hip) leaves its mass to ``none``.
Within a set of conditions their levels are independent; so several levels may be involved, and the figures need not sum to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.engine.differential import Posterior
from service.engine.evidence import Observation
from service.engine.hypotheses import Array
from service.engine.model import NO_LEVEL, SPINAL_LEVELS, KnowledgeBase, LevelProbability, LevelRate, LevelReason
from service.engine.network import Network, separation_bits

OUTCOMES = (*SPINAL_LEVELS, NO_LEVEL)
PARTS = ("root", "segment")
REASONS = 4  # answers named per level
NOTICEABLE_LOG_ODDS = 0.05  # wording only: a smaller change of the odds is not worth a reader's time
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
    the first places of each; `subsets` is subsets x conditions with a level. `log_share` is conditions x outcomes.
    `log_full` and `log_shared` are signs x (present, absent) x conditions x outcomes: the log ratio to the background in
    full, and as counted beside a nearer sign of the group. `inverse` is 1 / P(answer | hypothesis) of the network, (shared,
    full) x signs x (present, absent) x hypotheses in `order`, single precision: for reasons only.
    """

    signs: Mapping[str, LevelSign]
    order: NDArray[np.intp]
    starts: NDArray[np.intp]
    subsets: Array
    log_share: Array
    log_full: Array
    log_shared: Array
    inverse: NDArray[np.float32]

    def locate(self, result: Posterior, weights: Array) -> tuple[LevelProbability, ...]:
        """The probability of every level, in anatomical order and ``none`` last, each with the answers that move it most."""
        told = [one for one in result.evidence.observations if one.answer.finding_id in self.signs]
        signs = [self.signs[one.answer.finding_id] for one in told]
        leaders = leading_signs(signs)
        rows = [sign.index for sign in signs]
        states = [one.level for one in told]
        ratios = np.where(
            np.array([sign.finding_id in leaders for sign in signs], dtype=bool)[:, None, None],
            self.log_full[rows, states],
            self.log_shared[rows, states],
        )
        # First everything, then everything but one answer: what each answer does to each level.
        total = self.log_share + ratios.sum(axis=0)
        within = _normalised(np.concatenate([total[None], total - ratios]))
        masses = self._subset_masses(weights, told, rows, states)
        found = self._probabilities(masses, within)
        change = (_log_odds(found[:1]) - _log_odds(found[1:])).T.tolist()
        return tuple(
            LevelProbability(outcome, float(found[0, column]), _reasons(outcome, told, signs, change[column]))
            for column, outcome in enumerate(OUTCOMES)
        )

    def within(self, answers: Mapping[str, bool]) -> Array:
        """P(level | condition, answers), conditions x outcomes: the answers to signs by finding id."""
        signs = [self.signs[finding_id] for finding_id in answers]
        leaders = leading_signs(signs)
        total = self.log_share.copy()
        for sign in signs:
            table = self.log_full if sign.finding_id in leaders else self.log_shared
            total += table[sign.index, 0 if answers[sign.finding_id] else 1]
        return _normalised(total[None])[0]

    def _subset_masses(self, weights: Array, told: list[Observation], rows: list[int], states: list[int]) -> Array:
        """Posterior mass of every subset with all answers, then with all but each of `told` (one row each)."""
        sorted_weights = weights[self.order]
        leader = [int(one.leader) for one in told]
        without = self.inverse[leader, rows, states] * sorted_weights.astype(np.float32)
        masses = np.concatenate(
            [np.add.reduceat(sorted_weights, self.starts)[None], np.add.reduceat(without, self.starts, axis=1)]
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
    full, shared = [], []
    for index, (finding_id, rates) in enumerate(by_finding.items()):
        present = weighted_rates(rates, background[finding_id], knowledge)
        nearer = weighted_rates(rates, background[finding_id], knowledge, shrink=shrink)
        full.append(_log_ratios(present, background[finding_id])[:, of_condition])
        shared.append(_log_ratios(nearer, background[finding_id])[:, of_condition])
        rows_of: dict[str, tuple[str, ...]] = {}
        for rate in rates:
            rows_of[rate.level] = (*rows_of.get(rate.level, ()), rate.row_id)
        bits = max(separation_bits(np.array([row, 1.0 - row])) for row in present)
        signs[finding_id] = LevelSign(index, finding_id, rates[0].group, bits, rows_of)
    rows = np.array([[network.start[name], network.start[name] + 1] for name in by_finding], dtype=np.intp).reshape(-1, 2)
    empty = np.zeros((0, 2, len(columns), len(OUTCOMES)))
    with np.errstate(divide="ignore"):  # a level a condition cannot have stays at minus infinity
        log_share = np.log(shares)
    return LevelModel(
        signs=signs,
        order=order,
        starts=starts,
        subsets=subsets,
        log_share=log_share,
        log_full=np.array(full) if full else empty,
        log_shared=np.array(shared) if shared else empty,
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


def _log_ratios(present: Array, background: float) -> Array:
    """Log ratio to the background of present and absent: 2 x parts x outcomes."""
    return np.array([np.log(present / background), np.log((1.0 - present) / (1.0 - background))])


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

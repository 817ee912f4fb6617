"""Spine and hip together: which is primary, and which stage of the combined pattern the answers fit.

The stages are a clinical scheme of teaching, not of accuracy studies: spinal dysfunction that the hip still tolerates (1),
compensatory changes of the hip over months to years (2), both of them sources of pain (3). Their numbers are expert judgement.

Like the levels, they only share out what the exact posterior says. Given that the spine takes part, either a hip condition does
too or not; each has its own P(stage), and the answers weigh within it: P(stage) = sum over both of P(event | answers) times
P(stage | event, answers). So a case that is surely hip and spine can hardly be stage 1. Who is primary is read off the evidence
that has already been weighed between spine alone and hip alone, at a discount: rows of its own would count it twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.engine.differential import Posterior, prior_answers
from service.engine.hypotheses import Array
from service.engine.model import (
    STAGES,
    AnswerValue,
    Case,
    CombinedPattern,
    Explanation,
    KnowledgeBase,
    Observable,
    StageRate,
    StageReason,
)
from service.engine.network import AGE_FINDING, Network, separation_bits
from service.engine.odds import expit, logit
from service.records import dataclass

EVENTS = ("hip-and-spine", "spine")  # a hip condition beside the spinal one, and none
NOTICEABLE_LOG_ODDS = 0.05  # wording only: a smaller change of the odds is not worth a reader's time


@dataclass(frozen=True, slots=True)
class StageSign:
    """One observable that tells stages apart: log P(level | stage), levels x stages, in full and beside a nearer sign.

    `rows` are the ids of the table rows behind each level.
    """

    observable: Observable
    group: str
    bits: float
    log_full: Array
    log_shared: Array
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class StageAnswer:
    """What one answer showed of an observable; `level` is its index."""

    finding_id: str
    observable_id: str
    level: int
    value: AnswerValue


@dataclass(frozen=True)
class StageModel:
    """What staging needs, compiled once.

    `hip` and `spine` mark the hypotheses with such a condition; `log_prior` is events x stages.
    """

    network: Network
    signs: Mapping[str, StageSign]
    log_prior: Array
    hip: NDArray[np.bool_]
    spine: NDArray[np.bool_]

    def combine(self, case: Case, result: Posterior, weights: Array, balance: Explanation) -> CombinedPattern | None:
        """The combined pattern, or None where spine and hip do not both carry weight. `balance` is spine against hip."""
        knowledge = self.network.knowledge
        any_spine, any_hip = float(weights[self.spine].sum()), float(weights[self.hip].sum())
        both = float(weights[self.spine & self.hip].sum())
        if min(any_spine, any_hip) < knowledge.constant("combined_marginal_from"):
            return None
        if both < knowledge.constant("combined_both_from"):
            return None
        stages, reasons = self.stages(both / any_spine, self.answers(case, result))
        primary_spine = spine_is_primary(balance, knowledge)
        probability = max(primary_spine, 1.0 - primary_spine)
        primary: Literal["spine", "hip", "undetermined"] = "undetermined"
        if probability >= knowledge.constant("combined_primary_named_from"):
            primary = "spine" if primary_spine > 0.5 else "hip"
        return CombinedPattern(
            primary=primary,
            primary_probability=probability,
            stages=tuple(sorted(zip(STAGES, stages.tolist(), strict=True), key=lambda item: -item[1])),
            reasons=reasons,
            primary_spine=primary_spine,
            both=both,
        )

    def answers(self, case: Case, result: Posterior) -> list[StageAnswer]:
        """The observations of a case that tell stages apart, and its age band."""
        found = [
            StageAnswer(one.answer.finding_id, one.observable.id, one.level, one.answer.value)
            for one in result.evidence.observations
            if one.observable.id in self.signs
        ]
        age = dict(prior_answers(case, self.network)).get(AGE_FINDING)
        if age is not None and AGE_FINDING in self.signs:
            levels = self.signs[AGE_FINDING].observable.levels
            found += [StageAnswer(AGE_FINDING, AGE_FINDING, at, age) for at, one in enumerate(levels) if one.when.holds(age)]
        return found

    def stages(self, hip_too: float, answers: Sequence[StageAnswer]) -> tuple[Array, tuple[StageReason, ...]]:
        """P(stage) in the order of the stages, and what each answer does to the stage it speaks for most, strongest first.

        `hip_too` is the probability that a hip condition takes part, given that a spinal one does.
        """
        leaders = self._leading(answers)
        terms = np.zeros((len(answers), len(STAGES)))
        for index, answer in enumerate(answers):
            sign = self.signs[answer.observable_id]
            terms[index] = (sign.log_full if answer.observable_id in leaders else sign.log_shared)[answer.level]
        total = terms.sum(axis=0)
        # First everything, then everything but one answer.
        logs = np.concatenate([total[None], total - terms])[:, None, :] + self.log_prior
        given = np.exp(logs - logs.max(axis=-1, keepdims=True))
        given /= given.sum(axis=-1, keepdims=True)
        found = hip_too * given[:, 0] + (1.0 - hip_too) * given[:, 1]
        log_odds = np.log(found) - np.log1p(-found)
        change = (log_odds[0] - log_odds[1:]).tolist()
        reasons = [_reason(one, moved, self.signs[one.observable_id]) for one, moved in zip(answers, change, strict=True)]
        kept = [reason for reason in reasons if reason.log_odds >= NOTICEABLE_LOG_ODDS]
        return found[0], tuple(sorted(kept, key=lambda reason: -reason.log_odds))

    def _leading(self, answers: Sequence[StageAnswer]) -> set[str]:
        """Of each dependency group the observable that tells the stages apart best (ties: table order)."""
        best: dict[str, str] = {}
        for answer in answers:
            group, bits = self.signs[answer.observable_id].group, self.signs[answer.observable_id].bits
            if group not in best or bits > self.signs[best[group]].bits:
                best[group] = answer.observable_id
        return set(best.values())


def _reason(answer: StageAnswer, moved: Sequence[float], sign: StageSign) -> StageReason:
    most = max(range(len(STAGES)), key=lambda index: moved[index])
    return StageReason(answer.finding_id, STAGES[most], moved[most], sign.rows[answer.level], answer.value)


def spine_is_primary(balance: Explanation, knowledge: KnowledgeBase) -> float:
    """Probability that the spine is the primary of the two: what the answers moved between spine alone and hip alone counts
    in part. Age and sex stand in the prior of `balance` and do not count."""
    moved = balance.posterior_log_odds - balance.prior_log_odds
    return expit(logit(knowledge.constant("combined_primary_spine")) + knowledge.constant("combined_primary_weight") * moved)


def compile_stages(network: Network) -> StageModel | None:
    """The stage model of a network; None if its tables say nothing of stages."""
    knowledge, hypotheses = network.knowledge, network.hypotheses
    if not knowledge.stages:
        return None
    prior = np.zeros((len(EVENTS), len(STAGES)))
    by_observable: dict[str, list[StageRate]] = {}
    for row in knowledge.stages:
        if row.given:
            prior[EVENTS.index(row.given), STAGES.index(row.stage)] = row.p
        else:
            by_observable.setdefault(row.observable_id, []).append(row)
    region = {
        name: hypotheses.membership @ np.array([float(one.region == name) for one in hypotheses.conditions]) > 0
        for name in ("hip", "spine")
    }
    return StageModel(
        network=network,
        signs={
            observable.id: _sign(observable, by_observable[observable.id], network)
            for observable in knowledge.observables
            if observable.id in by_observable
        },
        log_prior=np.log(prior),
        hip=region["hip"],
        spine=region["spine"],
    )


def _sign(observable: Observable, rows: list[StageRate], network: Network) -> StageSign:
    ids = [level.id for level in observable.levels]
    rates = np.zeros((len(ids), len(STAGES)))
    behind: list[tuple[str, ...]] = [()] * len(ids)
    for row in rows:
        at = ids.index(row.level)
        rates[at, STAGES.index(row.stage)] = row.p
        behind[at] = (*behind[at], row.row_id)
    if observable.binary:
        rates[1] = 1.0 - rates[0]
        behind[1] = behind[0]
    weight = network.knowledge.constant(f"weight_quality_{rows[0].quality}")
    full = drawn_together(rates, weight)
    shared = drawn_together(rates, weight * network.knowledge.constant("dependence_shrink"))
    return StageSign(
        observable,
        network.findings[observable.finding_id].dependency_group,
        separation_bits(full),
        np.log(full),
        np.log(shared),
        tuple(behind),
    )


def drawn_together(rates: Array, weight: float) -> Array:
    """The same distributions (levels x stages) closer to their mean over the stages: m (P/m)^weight, normalised."""
    mean = rates.mean(axis=1, keepdims=True)
    drawn = mean * (rates / mean) ** weight
    normalised: Array = drawn / drawn.sum(axis=0)
    return normalised

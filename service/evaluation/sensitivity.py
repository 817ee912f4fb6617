"""Which assigned numbers move the answers of the published cases most.

Every number whose source is a judgement is moved by one standard deviation of its spread. What moves is the total
variation of the source patterns, averaged over the cases. Rates, prevalences and class masses go by the slopes the
intervals use; the largest are then moved for real, up and down. Constants of the model (weights, caps, sharing) have no
slopes: the network is made anew at both ends of their range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np

from service.engine.differential import Posterior, posterior, prior_answers
from service.engine.hypotheses import Array
from service.engine.model import Case, Constant, Estimate, KnowledgeBase, Likelihood, Observable
from service.engine.network import Network, compile_network
from service.engine.rates import Figures
from service.engine.spreads import (
    JUDGED_INTERVAL,
    background_spreads,
    mass_spread,
    moved_background,
    moved_figures,
    prevalence_spread,
    uncertain_figures,
)
from service.engine.uncertainty import Uncertainty, measure_uncertainty
from service.records import dataclass

LARGEST = 10
MASSES = ("class_mass_empty", "class_mass_hip_and_spine", "class_mass_combination")
# Constants that shape the rates; the others (intervals, thresholds of advice) do not move a probability.
SHAPING = (
    "weight_quality_A", "weight_quality_B", "weight_quality_C", "weight_quality_D", "weight_confidence_low", "weight_healthy",
    "lr_pos_cap", "lr_neg_cap", "lr_pos_cap_definite", "lr_neg_cap_definite", "lr_only_max_rate", "dependence_shrink",
)

Steps = Callable[[Sequence["AssignedNumber"]], Iterable["AssignedNumber"]]


@dataclass(frozen=True, slots=True)
class AssignedNumber:
    """One judged figure. `place` is its table, `key` its row, `part` its column or level; `spread` one standard deviation."""

    place: Literal["background_rates", "likelihoods", "conditions", "model"]
    key: str
    part: str
    spread: float


@dataclass(frozen=True, slots=True)
class Influence:
    """What one number does: mean total variation of the patterns per standard deviation, and on how many cases it bears.

    `moved_up`, `moved_down` and `flips` (cases whose leading pattern changes either way) come from moving it for real.
    """

    number: AssignedNumber
    by_slope: float
    moved_up: float
    moved_down: float
    flips: int

    @property
    def total_variation(self) -> float:
        return (self.moved_up + self.moved_down) / 2.0


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The numbers that move most, in descending order, of how many were tried over how many cases."""

    largest: tuple[Influence, ...]
    tried: int
    cases: int


def all_steps(numbers: Sequence[AssignedNumber]) -> Iterable[AssignedNumber]:
    """The numbers as they are: no progress is shown."""
    return numbers


def measure_sensitivity(
    network: Network, cases: Sequence[Case], *, largest: int = LARGEST, steps: Steps = all_steps
) -> Sensitivity:
    """The `largest` influences among all assigned numbers, over `cases`; `steps` may show the progress of moving them."""
    results = [posterior(case, network) for case in cases]
    slopes = slope_influences(network, cases, results)
    ranked = sorted(slopes, key=lambda number: -slopes[number])
    resting = np.array([result.weights @ network.hypotheses.pattern for result in results])
    constants = [_constant_number(network.knowledge.constants[name]) for name in SHAPING]
    # Twice as many as are shown: what a real move does may differ in order from what the slope said.
    candidates = [*constants, *ranked[: 2 * largest]]
    moved = [_move(number, network.knowledge, cases, resting, slopes.get(number, 0.0)) for number in steps(candidates)]
    moved.sort(key=lambda influence: -influence.total_variation)
    return Sensitivity(tuple(moved[:largest]), len(slopes) + len(constants), len(cases))


def slope_influences(network: Network, cases: Sequence[Case], results: Sequence[Posterior]) -> dict[AssignedNumber, float]:
    """Mean total variation of the patterns per standard deviation of each assigned number, to first order."""
    uncertainty = measure_uncertainty(network, merged=False)
    pattern = network.hypotheses.pattern
    total: dict[AssignedNumber, float] = {}
    for case, result in zip(cases, results, strict=True):
        weights = result.weights
        share = weights @ pattern
        for numbers, slopes in _slopes_of(case, result, network, uncertainty):
            weighted = slopes * weights
            change = weighted @ pattern - weighted.sum(axis=1)[:, None] * share
            for number, variation in zip(numbers, (0.5 * np.abs(change).sum(axis=1)).tolist(), strict=True):
                if number is not None:
                    total[number] = total.get(number, 0.0) + variation
    return {number: variation / len(cases) for number, variation in total.items()}


def _slopes_of(
    case: Case, result: Posterior, network: Network, uncertainty: Uncertainty
) -> Iterator[tuple[list[AssignedNumber | None], Array]]:
    """The slopes that bear on a case (figures x hypotheses), each with its number; None where it was not assigned."""
    knowledge = network.knowledge
    yield prior_numbers(network), uncertainty.prior.on_hypotheses()
    by_finding = {observable.finding_id: observable for observable in knowledge.observables}
    for answer in prior_answers(case, network):
        slopes = uncertainty.prior_answers[answer] @ network.hypotheses.membership.T
        yield observable_numbers(network, by_finding[answer[0]]), slopes
    by_id = {observable.id: observable for observable in network.observables}
    for name, block in uncertainty.blocks(result.evidence).items():
        if name in by_id:  # else the rows of a published cluster, none of which is a judgement
            yield observable_numbers(network, by_id[name]), block.astype(np.float64)


def prior_numbers(network: Network) -> list[AssignedNumber | None]:
    """The numbers behind the slopes of the prior, in their order."""
    found: list[AssignedNumber | None] = [
        AssignedNumber("conditions", condition.id, "prevalence", prevalence_spread(condition))
        if condition.source_kind == "expert"
        else None
        for condition in network.hypotheses.conditions
    ]
    for name in MASSES:
        constant = network.knowledge.constants[name]
        expert = constant.source_kind == "expert"
        found.append(AssignedNumber("model", name, "value", mass_spread(constant)) if expert else None)
    return found


def observable_numbers(network: Network, observable: Observable) -> list[AssignedNumber | None]:
    """The numbers behind the slopes of one observable, in their order: its background, then the figures of its rows."""
    found: list[AssignedNumber | None] = [
        AssignedNumber("background_rates", observable.id, level.id, spread) if observable.source_kind == "expert" else None
        for level, spread in zip(observable.levels, background_spreads(observable), strict=False)
    ]
    for filling in network.rate_table.plans[observable.id].fillings:
        for use in filling.uses:
            for name, spread in uncertain_figures(use, network.knowledge):
                expert = use.row.source_kind == "expert"
                found.append(AssignedNumber("likelihoods", use.row.row_id, name, spread) if expert else None)
    return found


def _constant_number(constant: Constant) -> AssignedNumber:
    return AssignedNumber("model", constant.id, "value", (constant.high - constant.low) / (2.0 * JUDGED_INTERVAL))


def _move(
    number: AssignedNumber, knowledge: KnowledgeBase, cases: Sequence[Case], resting: Array, by_slope: float
) -> Influence:
    """The influence of a number, moved for real by one standard deviation each way."""
    variations = []
    flipped = np.zeros(len(cases), dtype=bool)
    for direction in (1.0, -1.0):
        network = compile_network(moved_knowledge(number, knowledge, direction))
        patterns = np.array([posterior(case, network).weights @ network.hypotheses.pattern for case in cases])
        variations.append(float(0.5 * np.abs(patterns - resting).sum(axis=1).mean()))
        flipped |= patterns.argmax(axis=1) != resting.argmax(axis=1)
    return Influence(number, by_slope, variations[0], variations[1], int(flipped.sum()))


def moved_knowledge(number: AssignedNumber, knowledge: KnowledgeBase, direction: float) -> KnowledgeBase:
    """The knowledge base with one number moved by `direction` standard deviations on its own scale, within its range."""
    amount = direction * number.spread
    if number.place == "conditions":
        return replace(knowledge, conditions=tuple(
            replace(item, prevalence=item.prevalence * float(np.exp(amount))) if item.id == number.key else item
            for item in knowledge.conditions
        ))
    if number.place == "background_rates":
        return replace(knowledge, observables=tuple(
            _moved_observable(item, number.part, amount) if item.id == number.key else item for item in knowledge.observables
        ))
    if number.place == "likelihoods":
        return replace(knowledge, likelihoods=tuple(
            _moved_row(row, number.part, amount) if row.row_id == number.key else row for row in knowledge.likelihoods
        ))
    constant = knowledge.constants[number.key]
    value = constant.value * float(np.exp(amount)) if number.key in MASSES else constant.value + amount
    value = min(max(value, constant.low), constant.high)
    return replace(knowledge, constants={**knowledge.constants, constant.id: replace(constant, value=value)})


def _moved_observable(observable: Observable, level_id: str, amount: float) -> Observable:
    index = [level.id for level in observable.levels].index(level_id)
    rates = moved_background(observable, index, amount)
    levels = tuple(replace(level, background=rate) for level, rate in zip(observable.levels, rates, strict=True))
    return replace(observable, levels=levels)


def _moved_row(row: Likelihood, name: str, amount: float) -> Likelihood:
    resting = Figures(*(item.point if item else None for item in (row.sensitivity, row.lr_pos, row.lr_neg)))
    moved = moved_figures(row, resting, name, amount)
    points = {"sensitivity": moved.sensitivity, "lr_pos": moved.lr_pos, "lr_neg": moved.lr_neg}
    point = points[name]
    if point is None:
        raise ValueError(f"{row.row_id} has no figure {name}")
    estimates: dict[str, Estimate | None] = {"sensitivity": row.sensitivity, "lr_pos": row.lr_pos, "lr_neg": row.lr_neg}
    estimates[name] = Estimate(point)
    return replace(row, sensitivity=estimates["sensitivity"], lr_pos=estimates["lr_pos"], lr_neg=estimates["lr_neg"])

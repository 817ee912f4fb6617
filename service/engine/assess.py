"""The engine's one use: a case in, an assessment out. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.engine.care import care_plan
from service.engine.change import change_between
from service.engine.combined import StageModel, compile_stages
from service.engine.differential import Posterior, posterior, prior_answers, targets
from service.engine.explain import Contrast, explain
from service.engine.hypotheses import MAXIMUM_COEXISTING, Array
from service.engine.levels import LevelModel, compile_levels
from service.engine.model import (
    PATTERNS,
    Assessment,
    Case,
    Change,
    Explanation,
    KnowledgeBase,
    Prediction,
    RedFlagScreen,
    Undecided,
    UndecidedCode,
)
from service.engine.network import Network, compile_network
from service.engine.next_finding import FormInformation
from service.engine.odds import expit
from service.engine.plan import overall_urgency, recommend
from service.engine.prospects import Outlook, Prospects
from service.engine.red_flags import screen
from service.engine.safety import is_child, not_examined, not_explained, reassess_after_days
from service.engine.uncertainty import Uncertainty, measure_uncertainty
from service.engine.what_if import glance
from service.engine.what_if import what_if as change_of_answer

SPINE_VERSUS_HIP = "spine-versus-hip"
NEXT_FINDINGS = 5
LEADING = 2


@dataclass(frozen=True)
class Engine:
    """A network with what is computed once from it: slopes for intervals, information of the form, targets."""

    network: Network
    uncertainty: Uncertainty
    form: FormInformation
    target_ids: tuple[str, ...]
    target_matrix: Array
    contrasts: tuple[Contrast, ...]
    prospects: Prospects
    levels: LevelModel | None = None
    stages: StageModel | None = None

    def assess(self, case: Case, *, what_if: bool = False) -> Assessment:
        """Everything the service says about one case; with `what_if` also all that would change the answer.

        KeyError if an answer is to a finding the tables do not have.
        """
        network, knowledge = self.network, self.network.knowledge
        result = posterior(case, network)
        weights = result.weights
        predictions, spine_versus_hip = self._predictions(case, result, weights)
        patterns = sorted(predictions[: len(PATTERNS)], key=lambda prediction: -prediction.probability)
        conditions = sorted(predictions[len(PATTERNS) :], key=lambda prediction: -prediction.probability)
        flags = screen(case, knowledge.red_flags)
        # What only the prior says is no reason to send anyone anywhere.
        informed = bool(result.evidence.observations)
        referrals = recommend(knowledge, case, flags, patterns if informed else (), conditions if informed else ())
        bits = divergence_bits(weights @ network.hypotheses.pattern, np.exp(result.log_prior) @ network.hypotheses.pattern)
        coverage = self.form.coverage(result.evidence)
        outlook = Outlook(
            self.prospects, case, result, self.target_matrix if what_if else network.hypotheses.pattern, single=not what_if
        )
        # The bits speak of adults, and no test that a raised flag forbids is the next one.
        next_findings = () if is_child(case) else outlook.next_findings(NEXT_FINDINGS, not_examined(flags, knowledge))
        best = next_findings[0] if next_findings else None
        counted = [observation.answer.finding_id for observation in result.evidence.observations]
        assessment = Assessment(
            knowledge_version=knowledge.version,
            patterns=tuple(patterns),
            conditions=tuple(conditions),
            spine_versus_hip=spine_versus_hip,
            red_flags=flags,
            urgency=overall_urgency(flags, referrals),
            coverage=coverage,
            information_bits=bits,
            undecided=undecided(knowledge, case, patterns, conditions, flags, bits=bits, coverage=coverage),
            next_findings=next_findings,
            what_if=change_of_answer(outlook, best, self.target_ids) if what_if else glance(outlook, best),
            recommendations=referrals,
            used=tuple(dict.fromkeys([*(finding for finding, _ in prior_answers(case, network)), *counted])),
            without_effect=result.evidence.without_effect,
            mass_of_three=float(weights[network.hypotheses.size == MAXIMUM_COEXISTING].sum()),
            levels=self.levels.locate(result, weights) if self.levels else (),
            combined=self.stages.combine(case, result, weights, spine_versus_hip) if self.stages else None,
        )
        plan = care_plan(
            knowledge,
            case,
            flags,
            patterns if informed else (),
            conditions if informed else (),
            assessment.combined if informed else None,
            assessment.urgency,
        )
        return replace(assessment, plan=plan, reassess_after_days=reassess_after_days(flags, plan, knowledge))

    def compare(self, earlier: Case, now: Case) -> Change:
        """What changed between two cases of one patient, and which answers changed it."""
        return change_between(
            earlier=(earlier, posterior(earlier, self.network)),
            now=(now, posterior(now, self.network)),
            contrasts={contrast.name: contrast for contrast in self.contrasts},
            pattern=self.network.hypotheses.pattern,
        )

    def _predictions(self, case: Case, result: Posterior, weights: Array) -> tuple[list[Prediction], Explanation]:
        """One prediction per target, in the order of the targets, and the explanation of spine versus hip."""
        network = self.network
        before = np.exp(result.log_prior) @ self.target_matrix
        after = weights @ self.target_matrix
        half = self.uncertainty.half_widths(result, prior_answers(case, network))
        leading = {*_largest(after, range(len(PATTERNS))), *_largest(after, range(len(PATTERNS), len(after)))}
        explained = explain(
            result,
            self.contrasts,
            network,
            frozenset(self.target_ids[column] for column in leading) | {SPINE_VERSUS_HIP},
        )
        found = []
        for column, name in enumerate(self.target_ids):
            middle = explained[name].posterior_log_odds
            found.append(
                Prediction(
                    target=name,
                    kind="pattern" if column < len(PATTERNS) else "condition",
                    prior=float(before[column]),
                    probability=float(after[column]),
                    low=expit(middle - float(half[column])),
                    high=expit(middle + float(half[column])),
                    explanation=explained[name],
                    derived=network.derived is not None and name == network.derived.id,
                )
            )
        return found, explained[SPINE_VERSUS_HIP]


def _largest(probabilities: Array, columns: range) -> list[int]:
    """The columns with the largest probabilities: those whose explanation is given whole."""
    return sorted(columns, key=lambda column: -probabilities[column])[:LEADING]


def contrasts(network: Network, names: Sequence[str], matrix: Array) -> tuple[Contrast, ...]:
    """Each target against everything else, and the exclusive spine pattern against the exclusive hip pattern."""
    conditions = network.hypotheses.conditions
    hip_or_spine = tuple(condition.id for condition in conditions if condition.region in ("hip", "spine"))
    members: dict[str, tuple[str, ...]] = {condition.id: (condition.id,) for condition in conditions}
    for pattern in PATTERNS:
        own = tuple(condition.id for condition in conditions if condition.region == pattern)
        members[pattern] = own or tuple(condition.id for condition in conditions)
    members["hip-and-spine"] = hip_or_spine
    if network.derived:
        members[network.derived.id] = (*hip_or_spine, network.derived.id)
    found = [Contrast(name, matrix[:, column], 1.0 - matrix[:, column], members[name]) for column, name in enumerate(names)]
    spine, hip = names.index("spine"), names.index("hip")
    found.append(Contrast(SPINE_VERSUS_HIP, matrix[:, spine], matrix[:, hip], hip_or_spine))
    return tuple(found)


def build_engine(knowledge: KnowledgeBase) -> Engine:
    """The engine of a knowledge base, with everything precomputed."""
    network = compile_network(knowledge)
    names, matrix = targets(network)
    return Engine(
        network,
        measure_uncertainty(network),
        FormInformation(network),
        names,
        matrix,
        contrasts(network, names, matrix),
        Prospects(network),
        compile_levels(network),
        compile_stages(network),
    )


def divergence_bits(after: Array, before: Array) -> float:
    """Kullback-Leibler divergence of one distribution from another, in bits."""
    return float(sum(p * math.log2(p / q) for p, q in zip(after.tolist(), before.tolist(), strict=True) if p > 0.0))


def undecided(
    knowledge: KnowledgeBase,
    case: Case,
    patterns: Sequence[Prediction],
    conditions: Sequence[Prediction],
    flags: RedFlagScreen,
    *,
    bits: float,
    coverage: float,
) -> tuple[Undecided, ...]:
    """Why the answer is "cannot tell yet"; empty if it can be told. `patterns` in descending order."""
    first, second = patterns[0].probability, patterns[1].probability
    reasons: dict[UndecidedCode, bool] = {
        "no-findings": coverage == 0.0,
        "low-coverage": 0.0 < coverage < knowledge.constant("undecided_coverage_below"),
        "leading-below-half": first < knowledge.constant("undecided_leading_below"),
        "narrow-lead": first - second < knowledge.constant("undecided_lead_below"),
        "little-information": bits < knowledge.constant("undecided_bits_below"),
        "under-18": is_child(case),
        "alarm-not-explained": bool(not_explained(knowledge, conditions, flags)),
    }
    return tuple(Undecided(code) for code, applies in reasons.items() if applies)

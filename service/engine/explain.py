"""What each answer contributed to a target's log-odds: additive, and independent of the order of the answers.

Aumann-Shapley along the straight path from no evidence (t = 0) to all evidence (t = 1): observation i contributes the
integral over t of E[log-likelihood of i | target, t] - E[log-likelihood of i | complement, t]. The integral is taken by
Gauss-Legendre quadrature; the number of nodes is raised until the contributions add up.
Source: Aumann RJ, Shapley LS. Values of Non-Atomic Games, 1974.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache, lru_cache
from typing import Literal

import numpy as np

from service.engine.clusters import Reading
from service.engine.differential import Posterior
from service.engine.evidence import Observation
from service.engine.hypotheses import Array
from service.engine.model import AnswerValue, Contribution, Explanation
from service.engine.network import Network
from service.records import dataclass

NODES = (12, 24, 48, 96)
CLOSED_WITHIN = 1e-8
STRONGEST = 2


@dataclass(frozen=True, slots=True, eq=False)
class Contrast:
    """A target and what it is held against, as 0/1 columns over the hypotheses; `members` are the conditions behind it."""

    name: str
    target: Array
    against: Array
    members: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Attribution:
    """Contributions (observations x contrasts) that close the gap between prior and posterior log-odds of each contrast."""

    prior: Array
    posterior: Array
    contributions: Array
    nodes: int


def attribute(posterior: Posterior, contrasts: Sequence[Contrast]) -> Attribution:
    """Exact attribution of every contrast's change of log-odds to the observations, to `CLOSED_WITHIN`."""
    target, against = _columns(tuple(contrasts))
    prior = _log_odds(np.exp(posterior.log_prior), target, against)
    final = _log_odds(posterior.weights, target, against)
    likelihood = posterior.log_likelihood
    if not len(likelihood):
        return Attribution(prior, final, np.zeros((0, len(contrasts))), 0)
    for nodes in NODES:
        contributions = path_integral(posterior.log_prior, likelihood, target, against, nodes)
        if np.abs(prior + contributions.sum(axis=0) - final).max() < CLOSED_WITHIN:
            break
    return Attribution(prior, final, contributions, nodes)


@lru_cache(maxsize=8)
def _columns(contrasts: tuple[Contrast, ...]) -> tuple[Array, Array]:
    """Targets and what they are held against as two matrices (hypotheses x contrasts)."""
    target = np.column_stack([contrast.target for contrast in contrasts])
    return target, np.column_stack([contrast.against for contrast in contrasts])


def path_integral(log_prior: Array, likelihood: Array, target: Array, against: Array, nodes: int) -> Array:
    """Contributions (observations x contrasts) by Gauss-Legendre quadrature with `nodes` nodes on [0, 1]."""
    points, shares = quadrature(nodes)
    log_weights = log_prior + ((points + 1.0) / 2.0)[:, None] * likelihood.sum(axis=0)
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True)).T
    # Expectations are linear in the weights: sum over the nodes first, multiply by the likelihoods once.
    halves = (shares / 2.0)[:, None]
    mixture = weights @ (halves / (weights.T @ target))
    mixture *= target
    beside = weights @ (halves / (weights.T @ against))
    beside *= against
    mixture -= beside
    integrated: Array = likelihood @ mixture
    return integrated


@cache
def quadrature(nodes: int) -> tuple[Array, Array]:
    """Nodes and weights of Gauss-Legendre quadrature on [-1, 1]."""
    points, shares = np.polynomial.legendre.leggauss(nodes)
    return points, shares


def _log_odds(weights: Array, target: Array, against: Array) -> Array:
    odds: Array = np.log(weights @ target) - np.log(weights @ against)
    return odds


def explain(
    posterior: Posterior, contrasts: Sequence[Contrast], network: Network, leading: frozenset[str]
) -> dict[str, Explanation]:
    """Per contrast, the prior, the observations' contributions (largest first) and the posterior, in log-odds.

    Contrasts named in `leading` carry every contribution; the others only the `STRONGEST` for and against.
    """
    attribution = attribute(posterior, contrasts)
    terms = [_Told.of(term) for term in posterior.evidence.terms]
    by_contrast = attribution.contributions.T.tolist()
    ascending = np.argsort(attribution.contributions, axis=0, kind="stable").T.tolist()
    explained = {}
    for column, (contrast, amounts, order) in enumerate(zip(contrasts, by_contrast, ascending, strict=True)):
        complete = contrast.name in leading or len(order) <= 2 * STRONGEST
        chosen = order if complete else [*order[:STRONGEST], *order[-STRONGEST:]]
        chosen.sort(key=[-abs(amount) for amount in amounts].__getitem__)
        rows_behind = network.rows_behind(contrast.members)
        explained[contrast.name] = Explanation(
            target=contrast.name,
            prior_log_odds=float(attribution.prior[column]),
            posterior_log_odds=float(attribution.posterior[column]),
            contributions=tuple([terms[row].contribution(amounts[row], rows_behind) for row in chosen]),
            quadrature_nodes=attribution.nodes,
            complete=complete,
        )
    return explained


@dataclass(frozen=True, slots=True)
class _Told:
    """What a term says in every contrast alike: read once, because it stands in all of them."""

    finding_id: str
    observable_id: str
    value: AnswerValue
    counted: Literal["full", "shared"]

    @classmethod
    def of(cls, term: Observation | Reading) -> _Told:
        answer = term.answer
        return cls(answer.finding_id, term.observable_id, answer.value, "full" if term.leader else "shared")

    def contribution(self, log_odds: float, rows_behind: Mapping[str, tuple[str, ...]]) -> Contribution:
        rows = rows_behind.get(self.observable_id, ())
        return Contribution(self.finding_id, self.observable_id, self.value, log_odds, rows, self.counted)

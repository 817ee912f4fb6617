"""Exact posterior over all hypotheses, and what follows from it by summing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.engine.ages import ADULT_AGE_YEARS, band_of
from service.engine.clusters import Reading
from service.engine.evidence import Evidence, observe
from service.engine.hypotheses import Array, normalised_log
from service.engine.model import PATTERNS, Case
from service.engine.network import AGE_FINDING, SEX_FINDING, Network
from service.records import dataclass


@dataclass(frozen=True, slots=True)
class Posterior:
    """Log prior (age and sex applied) and log posterior per hypothesis, and the log-likelihood of each observation.

    `log_likelihood` is terms x hypotheses, in the order of `evidence.terms`: the observations, then the readings of clusters.
    `weights` is the posterior itself.
    """

    evidence: Evidence
    log_prior: Array
    log_likelihood: Array
    log_posterior: Array
    weights: Array


def posterior(case: Case, network: Network) -> Posterior:
    """Bayes' theorem over all hypotheses. Unknown findings take no part."""
    evidence = observe(case, network)
    log_prior = normalised_log(network.hypotheses.log_prior + prior_terms(case, network))
    rows = [observation.row for observation in evidence.observations]
    leaders = np.array([observation.leader for observation in evidence.observations], dtype=bool)
    log_likelihood = network.log_full[rows]
    shared = np.flatnonzero(~leaders)
    if len(shared):
        log_likelihood[shared] = network.log_shared[[rows[index] for index in shared]]
    if evidence.readings:
        log_likelihood = np.vstack([log_likelihood, cluster_terms(evidence.readings, network)])
    total = log_prior + log_likelihood.sum(axis=0) if rows else log_prior
    log_posterior = normalised_log(total)
    return Posterior(evidence, log_prior, log_likelihood, log_posterior, np.exp(log_posterior))


def cluster_terms(readings: Sequence[Reading], network: Network) -> Array:
    """Log factor of every reading per hypothesis (readings x hypotheses); 0 for hypotheses without the target."""
    terms = np.zeros((len(readings), network.hypotheses.count))
    for index, reading in enumerate(readings):
        compiled = network.clusters[reading.place]
        terms[index, compiled.with_target] = compiled.log_factor(reading.state)
    return terms


def prior_answers(case: Case, network: Network) -> tuple[tuple[str, str], ...]:
    """The age and sex answers that enter the prior, as (finding, answer); unknown ones, and an age under 18, do not."""
    answers = ((AGE_FINDING, age_band(case, network)), (SEX_FINDING, case.sex or case.value(SEX_FINDING)))
    return tuple((finding, str(answer)) for finding, answer in answers if (finding, str(answer)) in network.prior_ratios)


def prior_terms(case: Case, network: Network) -> Array:
    """Log prior ratio of age and sex per hypothesis; zero where they are unknown or the patient is under 18."""
    terms = np.zeros(len(network.hypotheses.conditions))
    for answer in prior_answers(case, network):
        terms += np.log(network.prior_ratios[answer])
    weighted: Array = network.hypotheses.membership @ terms
    return weighted


def age_band(case: Case, network: Network) -> str | None:
    """The age band of the tables this patient falls into: years outrank a band given in a form; None under 18."""
    if case.age_years is None:
        given = case.value(AGE_FINDING)
        return str(given) if (AGE_FINDING, str(given)) in network.prior_ratios else None
    if case.age_years < ADULT_AGE_YEARS:
        return None
    return band_of(case.age_years, [band for finding, band in network.prior_ratios if finding == AGE_FINDING])


def targets(network: Network) -> tuple[tuple[str, ...], Array]:
    """Every reported target, and which hypotheses belong to it (hypotheses x targets).

    First the source patterns, then the conditions, then the derived condition if there is one.
    """
    ids = [*PATTERNS, *(condition.id for condition in network.hypotheses.conditions)]
    columns = [network.hypotheses.pattern, network.hypotheses.membership]
    if network.derived:
        ids.append(network.derived.id)
        columns.append(network.hypotheses.coexistence[:, None])
    return tuple(ids), np.column_stack(columns)

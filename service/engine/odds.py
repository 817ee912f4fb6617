"""Probability, odds and log-odds arithmetic on single numbers."""

from __future__ import annotations

import math


def logit(probability: float) -> float:
    """Natural log-odds of a probability. ValueError outside (0, 1)."""
    if not 0.0 < probability < 1.0:
        raise ValueError(f"log-odds need a probability strictly between 0 and 1, not {probability}")
    return math.log(probability) - math.log1p(-probability)


def expit(log_odds: float) -> float:
    """Probability of natural log-odds, exact at both ends of the scale."""
    if log_odds >= 0.0:
        return 1.0 / (1.0 + math.exp(-log_odds))
    odds = math.exp(log_odds)
    return odds / (1.0 + odds)


def posttest_probability(pretest: float, log_lr: float) -> float:
    """Probability of a condition once the evidence is counted.

    `pretest` is a fraction in (0, 1); `log_lr` the natural log of the combined likelihood ratio.
    ValueError if `pretest` is outside. Source: Bayes' theorem in odds form.

    >>> round(posttest_probability(0.2, math.log(4.0)), 12)
    0.5
    """
    return expit(logit(pretest) + log_lr)

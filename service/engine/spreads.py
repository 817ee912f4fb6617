"""How far each number of the tables may be off, on its own scale: log for ratios, masses and levels, log-odds for rates.

From the published range where there is one, else by quality.
"""

from __future__ import annotations

import math

from service.engine.model import Condition, Constant, Estimate, KnowledgeBase, Likelihood, Observable
from service.engine.odds import logit
from service.engine.rates import LEAST_SENSITIVITY, Figures, RowUse

# Half-width, in standard deviations, of what the tables print: studies give 95 % intervals, judged limits are read as 90 %.
STUDY_INTERVAL = 1.96
JUDGED_INTERVAL = 1.6449


def log_spread(low: float, high: float) -> float:
    """Standard deviation on the log scale of a figure judged to lie between two limits."""
    return math.log(high / low) / (2.0 * JUDGED_INTERVAL)


def prevalence_spread(condition: Condition) -> float:
    return log_spread(condition.prevalence_low, condition.prevalence_high)


def mass_spread(constant: Constant) -> float:
    return log_spread(constant.low, constant.high)


def background_spreads(observable: Observable) -> tuple[float, ...]:
    """Spread of each uncertain background figure: log-odds of "present", else the log of each level's rate."""
    if observable.binary:
        level = observable.levels[0]
        return ((logit(level.background_high) - logit(level.background_low)) / (2.0 * JUDGED_INTERVAL),)
    return tuple(log_spread(level.background_low, level.background_high) for level in observable.levels)


def ratio_spread(row: Likelihood, estimate: Estimate, knowledge: KnowledgeBase) -> float:
    """Spread of a likelihood ratio on the log scale."""
    if estimate.low and estimate.high and estimate.low < estimate.high:
        return math.log(estimate.high / estimate.low) / (2.0 * STUDY_INTERVAL)
    return knowledge.constant(f"log_sd_quality_{row.quality}")


def sensitivity_spread(row: Likelihood, estimate: Estimate, knowledge: KnowledgeBase) -> float:
    """Spread of a frequency on the log-odds scale."""
    if estimate.low and estimate.high and estimate.low < estimate.high:
        low, high = (min(max(end, LEAST_SENSITIVITY), 1.0 - LEAST_SENSITIVITY) for end in (estimate.low, estimate.high))
        return (logit(high) - logit(low)) / (2.0 * STUDY_INTERVAL)
    return knowledge.constant(f"log_sd_quality_{row.quality}")


def moved_background(observable: Observable, index: int, amount: float) -> tuple[float, ...]:
    """The level rates after the log of one of them moved by `amount`, normalised again."""
    rates = [level.background for level in observable.levels]
    rates[index] *= math.exp(amount)
    total = sum(rates)
    return tuple(rate / total for rate in rates)


def moved_figures(row: Likelihood, figures: Figures, which: str, amount: float) -> Figures:
    """A row's figures after one of them moved by `amount` on its own scale."""
    if which == "sensitivity" and figures.sensitivity is not None:
        sensitivity = min(max(figures.sensitivity, LEAST_SENSITIVITY), 1.0 - LEAST_SENSITIVITY)
        moved = 1.0 / (1.0 + math.exp(-(logit(sensitivity) + amount)))
        return Figures(moved, figures.lr_pos, figures.lr_neg)
    if which == "lr_pos" and figures.lr_pos:
        return Figures(figures.sensitivity, figures.lr_pos * math.exp(amount), figures.lr_neg)
    if which == "lr_neg" and figures.lr_neg:
        return Figures(figures.sensitivity, figures.lr_pos, figures.lr_neg * math.exp(amount))
    raise ValueError(f"{row.row_id} has no figure {which}")


def uncertain_figures(use: RowUse, knowledge: KnowledgeBase) -> tuple[tuple[str, float], ...]:
    """Names and spreads of the figures of a row that enter the arithmetic."""
    row, figures = use.row, use.figures()
    ratios = [
        (name, ratio_spread(row, estimate, knowledge))
        for name, estimate in (("lr_pos", row.lr_pos), ("lr_neg", row.lr_neg))
        if estimate is not None and estimate.point
    ]
    if ratios:
        return tuple(ratios)
    if figures.sensitivity is None or row.sensitivity is None:
        return ()
    return (("sensitivity", sensitivity_spread(row, row.sensitivity, knowledge)),)

"""Where the network's likelihood ratios differ from the published ones, and why.

A row's ratios are weakened for quality, capped, and made to fit one distribution with the other figures; this lists every
input row for which the implied ratio is off the published one by more than a factor.
"""

from __future__ import annotations

import math
from typing import Literal

from service.engine.network import Network
from service.engine.rates import Filling, ObservablePlan, RowUse, backgrounds
from service.records import dataclass

FACTOR = 1.5
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Deviation:
    """One published ratio the network does not reproduce within the factor. `reasons` in the order they apply."""

    row_id: str
    finding_id: str
    target_id: str
    figure: Literal["LR+", "LR-"]
    published: float
    implied: float
    reasons: tuple[str, ...]

    @property
    def factor(self) -> float:
        return math.exp(abs(math.log(self.implied / self.published)))


def deviations(network: Network, factor: float = FACTOR) -> tuple[Deviation, ...]:
    """Every input row whose implied ratio is more than `factor` off the published one, in table order."""
    found = []
    for plan in network.rate_table.plans.values():
        rates = plan.rates()
        for filling in plan.fillings:
            for use in filling.uses:
                found.extend(_of_row(plan, filling, use, rates[filling.condition_ids[0]], rates))
    kept = [deviation for deviation in found if deviation.factor > factor]
    order = {row.row_id: index for index, row in enumerate(network.knowledge.likelihoods)}
    return tuple(sorted(kept, key=lambda deviation: order[deviation.row_id]))


def _of_row(
    plan: ObservablePlan,
    filling: Filling,
    use: RowUse,
    rates: tuple[float, ...],
    by_condition: dict[str, tuple[float, ...]],
) -> list[Deviation]:
    base = backgrounds(plan.observable)
    compared = plan.comparator_rates(use.row, filling.via, base, by_condition) or base
    inside = _mass(rates, use)
    other = _mass(compared, use)
    pairs: list[tuple[Literal["LR+", "LR-"], float | None, float]] = [
        ("LR+", use.row.lr_pos.point if use.row.lr_pos else None, inside / other),
        ("LR-", use.row.lr_neg.point if use.row.lr_neg else None, (1.0 - inside) / (1.0 - other)),
    ]
    return [
        Deviation(
            use.row.row_id, use.row.finding_id, use.row.target_id, name, published, implied,
            _reasons(use, inside, _mass(base, use), len(filling.uses)),
        )
        for name, published, implied in pairs
        if published
    ]


def _mass(rates: tuple[float, ...], use: RowUse) -> float:
    return sum(rate for rate, inside in zip(rates, use.levels, strict=True) if inside)


def _reasons(use: RowUse, rate: float, background: float, rows: int) -> tuple[str, ...]:
    """Why the row's own ratio cannot come out: what the rules of the model did to it."""
    reasons = [f"weakened to the power {use.weight:.2f} for quality {use.row.quality}, confidence {use.row.confidence}"]
    highest = min(use.lr_pos_cap * background, 1.0 - use.lr_neg_cap * (1.0 - background))
    lowest = max(use.lr_neg_cap * background, 1.0 - use.lr_pos_cap * (1.0 - background))
    if rate >= highest - ROUNDING or rate <= lowest + ROUNDING:
        reasons.append("at the cap for a single finding")
    if use.row.lr_pos and use.row.lr_neg:
        reasons.append("both ratios must come from one rate over the background, which keeps their quotient")
    if use.row.comparator_id:
        reasons.append("the comparator's own rate stands in for the background")
    if rows > 1:
        reasons.append("fitted together with the other rows of the same finding")
    return tuple(reasons)

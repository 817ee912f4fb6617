"""The marginals of one case as two dictionaries, for tests that look at probabilities alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.engine.differential import posterior, targets
from service.engine.model import PATTERNS, Case
from service.engine.network import Network


@dataclass(frozen=True, slots=True)
class Summary:
    """Marginal probability per condition (with the derived ones) and per source pattern; patterns sum to 1."""

    conditions: Mapping[str, float]
    patterns: Mapping[str, float]


def posterior_summary(case: Case, network: Network) -> Summary:
    """Marginals and partition of one case."""
    names, matrix = targets(network)
    probability = dict(zip(names, (posterior(case, network).weights @ matrix).tolist(), strict=True))
    return Summary(
        conditions={name: value for name, value in probability.items() if name not in PATTERNS},
        patterns={name: probability[name] for name in PATTERNS},
    )

"""The bars an assessment has to clear, each with what was found: met or missed."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from service.evaluation.clusters import ClusterResult
from service.evaluation.vignettes import Outcome
from service.records import dataclass

OVER_TRIAGE = 0.15
LENIENT = 0.80
CONFIDENTLY_WRONG = 0.05
CLUSTERS = 0.80


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar: `count` of `of` were found, and the share must be at least or at most `bar`."""

    name: str
    count: int
    of: int
    sense: Literal["at least", "at most"]
    bar: float
    failed: tuple[str, ...] = ()

    @property
    def share(self) -> float:
        return self.count / self.of if self.of else 0.0

    @property
    def met(self) -> bool:
        return self.share >= self.bar if self.sense == "at least" else self.share <= self.bar

    @property
    def verdict(self) -> str:
        return "met" if self.met else "MISSED"


def vignette_bars(outcomes: list[Outcome]) -> list[Bar]:
    """The bars that the published cases are held against."""
    flagged = [item for item in outcomes if item.case.urgency == "emergency" and item.case.recorded_flags]
    routine = [item for item in outcomes if item.case.urgency == "routine"]
    telling = [item for item in outcomes if item.case.completeness != "sparse"]
    over = [item for item in routine if item.over_triaged]
    wrong = [item for item in outcomes if item.confidently_wrong]
    missed = [item for item in flagged if item.under_triaged]
    astray = [item for item in telling if not item.lenient]
    return [
        Bar("emergencies with a recorded red flag that are escalated", len(flagged) - len(missed), len(flagged),
            "at least", 1.0, _names(missed)),
        Bar("routine cases given urgent or stat", len(over), len(routine), "at most", OVER_TRIAGE, _names(over)),
        Bar("rich and moderate cases, lenient source", len(telling) - len(astray), len(telling), "at least", LENIENT,
            _names(astray)),
        Bar("all cases, confidently wrong", len(wrong), len(outcomes), "at most", CONFIDENTLY_WRONG, _names(wrong)),
    ]


def cluster_bar(results: list[ClusterResult]) -> Bar:
    """The bar of the published clusters of quality A or B: every ratio of a cluster must be reproduced."""
    counted = [result for result in results if result.counts]
    failed = [result for result in counted if not result.reproduced]
    return Bar("clusters of quality A or B reproduced", len(counted) - len(failed), len(counted), "at least", CLUSTERS,
               tuple(result.cluster.id for result in failed))


def _names(outcomes: Iterable[Outcome]) -> tuple[str, ...]:
    return tuple(item.case.case for item in outcomes)

"""Published clusters of findings: the likelihood ratio the network implies for the same items, beside the printed one.

The ratio of a rule is P(rule met | target) / P(rule met | compared), summed exactly over every combination of answers to
its items. `compared` are the hypotheses without the target that hold a condition the study compared with, or all of them
where the table names none. Each combination is weighed by the engine as a case is: findings of one dependency group share,
and a count takes the place of its parts. Where a count stands for several combinations of parts, they share it in proportion
to what the parts by themselves give.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Literal

import numpy as np

from service.engine.clusters import count_distribution
from service.engine.dependence import leading
from service.engine.differential import posterior
from service.engine.evidence import PRIOR_FINDINGS, level_of
from service.engine.hypotheses import Array
from service.engine.model import Answer, AnswerValue, Case, Observable, Test
from service.engine.network import Network
from service.records import dataclass

FACTOR = 1.5
COMPUTED = "computed from counts"  # of an interval that the study does not print
COUNTED_QUALITIES = ("A", "B")


@dataclass(frozen=True, slots=True)
class Statement:
    """One item of a rule: what an answer must be."""

    finding_id: str
    test: Test

    @classmethod
    def parse(cls, text: str) -> Statement:
        finding_id, _, test = text.strip().partition(" ")
        return cls(finding_id, Test.parse(test))

    def holds(self, answers: dict[str, AnswerValue]) -> bool:
        return self.test.holds(answers[self.finding_id])


@dataclass(frozen=True, slots=True)
class Ratio:
    """A printed likelihood ratio with its 95 % interval: printed, or computed from the printed numbers of people."""

    kind: Literal["LR+", "LR-"]
    value: float
    low: float | None
    high: float | None
    interval: str = ""  # ``printed``, or ``computed from counts``


@dataclass(frozen=True, slots=True)
class Cluster:
    """One published rule. Met if one of the alternatives in `required` holds whole and `at_least` of `counted` hold."""

    id: str
    name: str
    target_id: str
    compared_with: tuple[str, ...]
    required: tuple[tuple[Statement, ...], ...]
    counted: tuple[Statement, ...]
    at_least: int
    ratios: tuple[Ratio, ...]
    quality: str
    source: str
    source_kind: str
    population: str
    not_compared: str
    note: str

    def met(self, answers: dict[str, AnswerValue]) -> bool:
        whole = not self.required or any(all(item.holds(answers) for item in group) for group in self.required)
        return whole and sum(item.holds(answers) for item in self.counted) >= self.at_least

    @property
    def finding_ids(self) -> tuple[str, ...]:
        items = [item for group in self.required for item in group] + list(self.counted)
        return tuple(dict.fromkeys(item.finding_id for item in items))


@dataclass(frozen=True, slots=True)
class RatioResult:
    """One printed ratio and the engine's: against the study's comparison, and against everyone else."""

    printed: Ratio
    engine: float
    engine_everyone: float

    @property
    def inside(self) -> bool | None:
        """Whether the engine's lies in the interval; None if there is none."""
        if self.printed.low is None or self.printed.high is None:
            return None
        return self.printed.low <= self.engine <= self.printed.high

    @property
    def factor(self) -> float:
        """How far apart they are: 1 is equal."""
        return math.exp(abs(math.log(self.engine / self.printed.value)))

    @property
    def reproduced(self) -> bool:
        return bool(self.inside) or self.factor <= FACTOR


@dataclass(frozen=True, slots=True)
class ClusterResult:
    """A rule with the engine's share of people who meet it, and its ratios."""

    cluster: Cluster
    met_by_target: float | None
    met_by_compared: float | None
    ratios: tuple[RatioResult, ...]

    @property
    def compared(self) -> bool:
        return bool(self.ratios)

    @property
    def counts(self) -> bool:
        """Whether the bar counts it: compared, and of quality A or B."""
        return self.compared and self.cluster.quality in COUNTED_QUALITIES

    @property
    def reproduced(self) -> bool:
        return all(ratio.reproduced for ratio in self.ratios)


def load_clusters(path: Path) -> list[Cluster]:
    """The rules of the table, in its order."""
    with path.open(encoding="utf-8", newline="") as table:
        return [_cluster(row) for row in csv.DictReader(table)]


def _cluster(row: dict[str, str]) -> Cluster:
    counted = _statements(row["counted"])
    return Cluster(
        id=row["rule_id"],
        name=row["name"],
        target_id=row["target_id"],
        compared_with=tuple(part for part in row["compared_with"].split(";") if part),
        required=tuple(_statements(part) for part in row["required"].split(" OR ") if part.strip()),
        counted=counted,
        at_least=int(row["at_least"]) if counted else 0,
        ratios=tuple(_ratios(row)),
        quality=row["quality"],
        source=row["source"],
        source_kind=row["source_kind"],
        population=row["population"],
        not_compared=row["not_compared"],
        note=row["note"],
    )


def _statements(text: str) -> tuple[Statement, ...]:
    return tuple(Statement.parse(part) for part in text.split(";") if part.strip())


def _ratios(row: dict[str, str]) -> Iterator[Ratio]:
    kinds: tuple[tuple[Literal["LR+", "LR-"], str], ...] = (("LR+", "lr_pos"), ("LR-", "lr_neg"))
    for kind, name in kinds:
        if row[name]:
            low, high = (float(row[end]) if row[end] else None for end in (f"{name}_low", f"{name}_high"))
            yield Ratio(kind, float(row[name]), low, high, row["interval"] if low is not None else "")


def check_clusters(clusters: Sequence[Cluster], network: Network) -> list[ClusterResult]:
    """Every rule beside the engine; one that cannot be compared has no ratios."""
    return [check_cluster(cluster, network) for cluster in clusters]


def check_cluster(cluster: Cluster, network: Network) -> ClusterResult:
    """One rule beside the engine."""
    if cluster.not_compared:
        return ClusterResult(cluster, None, None, ())
    inside = holding(network, (cluster.target_id,))
    everyone = 1.0 - inside
    compared = everyone * holding(network, cluster.compared_with) if cluster.compared_with else everyone
    met, unmet = rule_masses(cluster, network)
    of_target, of_compared, of_everyone = (
        float(met @ who / ((met + unmet) @ who)) for who in (inside, compared, everyone)
    )
    results = []
    for printed in cluster.ratios:
        positive = printed.kind == "LR+"
        part, other, all_others = (
            share if positive else 1.0 - share for share in (of_target, of_compared, of_everyone)
        )
        results.append(RatioResult(printed, part / other, part / all_others))
    return ClusterResult(cluster, of_target, of_compared, tuple(results))


def holding(network: Network, ids: Sequence[str]) -> Array:
    """1 for every hypothesis that holds one of these conditions (or a member of one of these groups), else 0."""
    groups = {group.id: group.members for group in network.knowledge.groups}
    wanted = {member for name in ids for member in groups.get(name, (name,))}
    known = [condition.id for condition in network.hypotheses.conditions]
    held = network.hypotheses.membership @ np.array([float(name in wanted) for name in known])
    if network.derived and network.derived.id in wanted:
        held = held + network.hypotheses.coexistence
    found: Array = (held > 0).astype(np.float64)
    return found


def rule_masses(cluster: Cluster, network: Network) -> tuple[Array, Array]:
    """Per hypothesis: P(it, rule met) and P(it, rule not met)."""
    met, unmet = np.zeros(network.hypotheses.count), np.zeros(network.hypotheses.count)
    for answers, weight in combinations(whole_counts(cluster.finding_ids, network), network):
        joint = weight * joint_mass(answers, network)
        if cluster.met(answers):
            met += joint
        else:
            unmet += joint
    return met, unmet


def whole_counts(finding_ids: Sequence[str], network: Network) -> tuple[str, ...]:
    """The findings, with every part of a count of which a part is among them.

    The engine counts some combinations of four parts and takes others singly, which is not one distribution; with all
    parts it is. The rule looks at its own items only.
    """
    more = [part for parts in network.knowledge.clusters.values() if set(parts) & set(finding_ids) for part in parts]
    return tuple(dict.fromkeys([*finding_ids, *more]))


def combinations(finding_ids: Sequence[str], network: Network) -> Iterator[tuple[dict[str, AnswerValue], float]]:
    """Every combination of answers, with the share of people of that age and sex."""
    levels = [_levels(finding_id, network) for finding_id in finding_ids]
    for chosen in product(*levels):
        answers = {finding_id: value for finding_id, (value, _) in zip(finding_ids, chosen, strict=True)}
        yield answers, math.prod(weight for _, weight in chosen)


def _levels(finding_id: str, network: Network) -> list[tuple[AnswerValue, float]]:
    """One answer for each level of a finding; for age and sex with their share, else 1."""
    observables: list[Observable] = [item for item in network.knowledge.observables if item.finding_id == finding_id]
    if len(observables) != 1:
        raise ValueError(f"{finding_id} does not have one observable")
    prior = finding_id in PRIOR_FINDINGS
    return [(level.when.example(), level.background if prior else 1.0) for level in observables[0].levels]


def joint_mass(answers: dict[str, AnswerValue], network: Network) -> Array:
    """P(hypothesis, answers | age, sex)."""
    result = posterior(Case(answers=tuple(Answer(*item) for item in answers.items())), network)
    joint: Array = np.exp(result.log_prior + result.log_likelihood.sum(axis=0))
    for cluster_id in result.evidence.derived_clusters:
        joint *= _share_of_count(cluster_id, answers, network)
    return joint


def _share_of_count(cluster_id: str, answers: dict[str, AnswerValue], network: Network) -> Array:
    """P(these parts of a count | its level, hypothesis): in proportion to what the parts by themselves give."""
    parts = [network.by_finding[part][0] for part in network.knowledge.clusters[cluster_id]]
    leaders = leading(parts, network.dependency_groups, network.separation)
    rates = np.exp(
        [(network.log_full if part.id in leaders else network.log_shared)[network.start[part.id]] for part in parts]
    )
    positive = np.array([answers[part.finding_id] is True for part in parts])
    observable, finding = network.by_finding[cluster_id][0], network.findings[cluster_id]

    def level(count: int) -> int | None:
        return level_of(observable, Answer(cluster_id, float(count)), finding)

    own = level(int(positive.sum()))
    same = [count for count in range(len(parts) + 1) if level(count) == own]
    share: Array = np.where(positive[:, None], rates, 1.0 - rates).prod(axis=0) / count_distribution(rates)[same].sum(axis=0)
    return share


def interval_from_counts(with_sign: int, target: int, others_with_sign: int, others: int) -> tuple[float, float] | None:
    """95 % interval of a likelihood ratio by the log method; None with an empty cell.

    `with_sign` of `target` people with the condition and `others_with_sign` of `others` without it show the sign; for a
    negative ratio count those who do not show it. Source: Simel DL et al. J Clin Epidemiol 1991;44:763.
    """
    if not with_sign or not others_with_sign:
        return None
    ratio = (with_sign / target) / (others_with_sign / others)
    spread = math.sqrt(1 / with_sign - 1 / target + 1 / others_with_sign - 1 / others)
    return ratio * math.exp(-1.96 * spread), ratio * math.exp(1.96 * spread)

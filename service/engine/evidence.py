"""From the answers of a case to the observations that count, and how much each counts.

Findings of one dependency group measure the same thing, so only the one that can tell the single conditions apart best counts
in full (`dependence.py`); the others count as shared. A count of tests takes the place of its parts; a published cluster adds
to its items what they say together (`clusters.py`).
"""

from __future__ import annotations

from collections.abc import Sequence

from service.engine.clusters import Reading, read_clusters
from service.engine.dependence import leading
from service.engine.model import Answer, Case, Finding, Observable, Qualifier
from service.engine.network import AGE_FINDING, SEX_FINDING, Network
from service.engine.rules import Facts, evaluate, findings_of
from service.records import dataclass

PRIOR_FINDINGS = (AGE_FINDING, SEX_FINDING)
# Three positive tests decide the top level of the cluster whatever the others would show (van der Wurff 2006, Laslett 2005).
CLUSTER_DECIDED = 3


@dataclass(frozen=True, slots=True)
class Observation:
    """One observable at one level, as it counts for this case. `row` is its row in the network's level arrays."""

    answer: Answer
    observable: Observable
    level: int
    row: int
    leader: bool

    @property
    def observable_id(self) -> str:
        return self.observable.id


@dataclass(frozen=True, slots=True)
class Evidence:
    """The observations of a case in table order, and the answered findings the model has no number for.

    `readings` are the published clusters on which the answers bear; they count beside their items, which stay.
    """

    observations: tuple[Observation, ...]
    without_effect: tuple[str, ...]
    derived_clusters: tuple[str, ...]  # counts that took the place of their parts
    readings: tuple[Reading, ...] = ()

    @property
    def terms(self) -> tuple[Observation | Reading, ...]:
        """All that moves the posterior."""
        return (*self.observations, *self.readings)


def observe(case: Case, network: Network) -> Evidence:
    """What counts of a case. KeyError if an answer is to a finding that the tables do not have."""
    unqualified = saying_nothing(case, network.knowledge.qualifiers)
    answers, clusters = with_clusters([one for one in case.answers if one.finding_id not in unqualified], network)
    by_finding = {answer.finding_id: answer for answer in answers}
    for finding_id in by_finding:
        network.findings[finding_id]
    found: list[tuple[Answer, Observable, int]] = []
    silent = []
    for finding_id, finding in network.findings.items():
        answer = by_finding.get(finding_id)
        if answer is None or finding_id in PRIOR_FINDINGS:
            continue
        known = [
            (answer, observable, level)
            for observable in network.by_finding.get(finding_id, ())
            if (level := level_of(observable, answer, finding)) is not None
        ]
        found.extend(known)
        if not known:
            silent.append(finding_id)
    leaders = leading([observable for _, observable, _ in found], network.dependency_groups, network.separation)
    return Evidence(
        tuple(
            Observation(answer, observable, level, network.start[observable.id] + level, observable.id in leaders)
            for answer, observable, level in found
        ),
        (*silent, *(one.finding_id for one in case.answers if one.finding_id in unqualified)),
        clusters,
        read_clusters(
            network.clusters, {observable.id: (level, observable.id in leaders) for _, observable, level in found}
        ),
    )


def saying_nothing(case: Case, qualifiers: Sequence[Qualifier]) -> set[str]:
    """Findings whose answer does not count: "not better" after a trial known to be short. Of unknown length, it counts."""
    facts = Facts.of(case)
    return {
        qualifier.finding_id
        for qualifier in qualifiers
        if facts.value(qualifier.finding_id) == qualifier.value
        and evaluate(qualifier.needs, facts).state is not True
        and any(finding_id in facts.answers for finding_id in findings_of(qualifier.needs))
    }


def level_of(observable: Observable, answer: Answer, finding: Finding) -> int | None:
    """Index of the level an answer shows, or None if it shows none (another part of the finding, or an open bound)."""
    if answer.comparator:
        return _level_within(observable, answer, finding)
    return next((index for index, level in enumerate(observable.levels) if level.when.holds(answer.value)), None)


def _level_within(observable: Observable, answer: Answer, finding: Finding) -> int | None:
    """The level that holds every value a one-sided answer (``<25``) allows inside the finding's range, if one does."""
    value = float(answer.value)
    lowest = finding.minimum if finding.minimum is not None else -1e9
    highest = finding.maximum if finding.maximum is not None else 1e9
    step = 1e-9 * max(1.0, abs(value))
    low, high = {
        "<": (lowest, value - step),
        "<=": (lowest, value),
        ">": (value + step, highest),
        ">=": (value, highest),
    }[answer.comparator]
    if low > high:
        return None
    for index, level in enumerate(observable.levels):
        if level.when.bounds and level.when.holds(low) and level.when.holds(high):
            return index
    return None


def with_clusters(answers: Sequence[Answer], network: Network) -> tuple[tuple[Answer, ...], tuple[str, ...]]:
    """The answers with each cluster (a count of positive parts) in the place of its parts, where that is decided.

    All parts answered, or three of them positive: the count is derived and replaces the parts and any count given.
    Else a given count that shows a level replaces the parts. Else the parts stand for themselves. Returns also the ids of
    the derived clusters.
    """
    derived = []
    for cluster_id, parts in network.knowledge.clusters.items():
        given = {answer.finding_id: answer for answer in answers if answer.finding_id in parts}
        if not given:
            continue
        positive = sum(answer.value is True for answer in given.values())
        counted = next((answer for answer in answers if answer.finding_id == cluster_id), None)
        if len(given) == len(parts) or positive >= CLUSTER_DECIDED:
            counted = Answer(cluster_id, float(positive), side=next(iter(given.values())).side)
            derived.append(cluster_id)
        if counted is not None and _shows_a_level(counted, network):
            kept = [answer for answer in answers if answer.finding_id not in (*parts, cluster_id)]
            answers = (*kept, counted)
    return tuple(answers), tuple(derived)


def _shows_a_level(answer: Answer, network: Network) -> bool:
    finding = network.findings[answer.finding_id]
    return any(level_of(item, answer, finding) is not None for item in network.by_finding.get(answer.finding_id, ()))

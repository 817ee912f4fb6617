"""What each possible result of each unanswered finding would make of the answer: exact, and for all of them at once.

A new answer may take over the lead of its dependency group; then the old leader counts as shared from there on. Results are
therefore weighed under the model that holds once they are known: `expected` is the probability of a result beside the other
answers as they would then count. Where no lead changes hands, this is the plain predictive probability, and the expected
posterior is the present one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from service.engine.clusters import state_of
from service.engine.differential import Posterior, posterior
from service.engine.evidence import level_of, saying_nothing, with_clusters
from service.engine.hypotheses import Array
from service.engine.model import PATTERNS, Answer, AnswerValue, Case, Finding, NextFinding
from service.engine.network import Network, Single
from service.engine.next_finding import LARGEST_BURDEN
from service.engine.rules import findings_of
from service.engine.safety import may_be_examined
from service.records import dataclass

Indexes = NDArray[np.int64]
NO_LEADER = np.iinfo(np.int64).max
SMALLEST = 1e-300


@dataclass(frozen=True, slots=True)
class Possible:
    """One possible result: an answer, and the rows of the network it shows, first that of the observable that can lead.

    A number stands for its level by one value of it.
    """

    finding_id: str
    value: AnswerValue
    rows: tuple[int, ...]


class Prospects:
    """Every possible result of every finding, compiled once per network. Results of one examination stand together.

    An examination is a finding, or one part of a finding that asks for several (radiograph or MRI).
    """

    def __init__(self, network: Network) -> None:
        self.network = network
        order = [one for finding_id in network.findings for one in network.by_finding.get(finding_id, ())]
        best_first = sorted(range(len(order)), key=lambda index: -network.separation[order[index].id])
        self.rank_of = {order[index].id: rank for rank, index in enumerate(best_first)}
        groups = list(dict.fromkeys(finding.dependency_group for finding in network.findings.values()))
        self.group_of = {finding.id: groups.index(finding.dependency_group) for finding in network.findings.values()}
        self.group_count = len(groups)
        index_of = {observable.id: index for index, observable in enumerate(network.observables)}
        results: list[Possible] = []
        ranks: list[int] = []
        examinations: list[int] = []
        for finding in network.findings.values():
            if finding.id in network.knowledge.clusters:
                continue  # a battery, not one examination
            for shown in _examinations(finding, network, index_of):
                observables = [network.observables[index] for index in shown[0][1]]
                lead = min(range(len(observables)), key=lambda index: self.rank_of[observables[index].id])
                number = len(set(examinations))
                for value, levels in shown:
                    rows = [network.start[network.observables[index].id] + level for index, level in levels.items()]
                    results.append(Possible(finding.id, value, (rows[lead], *rows[:lead], *rows[lead + 1 :])))
                    ranks.append(self.rank_of[observables[lead].id])
                    examinations.append(number)
        self.results = tuple(results)
        self.rank = np.array(ranks, dtype=np.int64)
        self.examination = np.array(examinations, dtype=np.int64)
        self.group = np.array([self.group_of[result.finding_id] for result in results], dtype=np.int64)
        findings = list(network.findings)
        self.finding = np.array([findings.index(result.finding_id) for result in results], dtype=np.int64)
        knowledge = network.knowledge
        # Answers to these can make others count or not: clusters and what qualifies them.
        entangled = {part for parts in knowledge.clusters.values() for part in parts} | {
            finding_id
            for qualifier in knowledge.qualifiers
            for finding_id in (qualifier.finding_id, *findings_of(qualifier.needs))
        }
        self.entangled = np.array([result.finding_id in entangled for result in results], dtype=bool)
        self.entangled_ids = frozenset(entangled)
        self.finding_ids = findings
        # Answers to these change what an item of a published cluster counts, or are one.
        near = {self.group_of[item.observable.finding_id] for one in network.clusters for item in one.items}
        self.near_cluster = np.isin(self.group, list(near))
        self.near_groups = frozenset(near)
        self.first_row = np.array([result.rows[0] for result in results], dtype=np.int64)
        self.one_row_each = all(len(result.rows) == 1 for result in results)
        # Of an examination with two results that are all its observable can show, the second is what the first leaves.
        levels_of = {observable.id: len(observable.levels) for observable in network.observables}
        two_levels = np.array([levels_of[network.shown_by[row][0]] == 2 for row in self.first_row.tolist()], dtype=bool)
        two_results = np.bincount(self.examination)[self.examination] == 2
        second = np.diff(self.examination, prepend=-1) == 0
        self.left_by_first = two_levels & two_results & second & self.one_row_each

    def either(self, rows: Indexes) -> Single:
        """A copy of rows of `both`."""
        if not self.one_row_each:
            return self.both[rows]
        count, network = len(self.results), self.network
        found = np.empty((len(rows), len(network.hypotheses.size)), dtype=np.float32)
        leads = rows < count
        found[leads] = network.full[self.first_row[rows[leads]]]
        found[~leads] = network.shared[self.first_row[rows[~leads] - count]]
        return found

    @cached_property
    def leading(self) -> Array:
        """P(result | hypothesis) where it leads its group, results x hypotheses."""
        return self._likelihood(self.network.log_full)

    @cached_property
    def sharing(self) -> Array:
        """The same where a nearer finding of its group leads."""
        return self._likelihood(self.network.log_shared)

    def likelihood(self, results: Indexes, *, leads: bool = True) -> Array:
        """P(result | hypothesis) of some results, each leading its group or sharing it."""
        return self._likelihood(self.network.log_full if leads else self.network.log_shared, results.tolist())

    def _likelihood(self, lead: Array, results: Sequence[int] | None = None) -> Array:
        chosen = self.results if results is None else [self.results[index] for index in results]
        found = lead[[result.rows[0] for result in chosen]]
        for index, result in enumerate(chosen):
            if len(result.rows) > 1:
                found[index] += self.network.log_shared[list(result.rows[1:])].sum(axis=0)
        return np.exp(found, out=found)

    @cached_property
    def both(self) -> Single:
        """P(result | hypothesis) in single precision: first all as leading, then all as sharing."""
        return np.concatenate([self.leading.astype(np.float32), self.sharing.astype(np.float32)])

    @cached_property
    def pattern(self) -> Single:
        return self.network.hypotheses.pattern.astype(np.float32)

    @cached_property
    def membership(self) -> Single:
        return self.network.hypotheses.membership.astype(np.float32)


def _examinations(
    finding: Finding, network: Network, index_of: Mapping[str, int]
) -> list[list[tuple[AnswerValue, dict[int, int]]]]:
    """The possible answers to a finding, each with the level it shows of each observable (by its index), by examination.

    Of answers that show the same the first stands for all.
    """
    observables = network.by_finding.get(finding.id, ())
    values: Iterable[AnswerValue] = [level.when.example() for observable in observables for level in observable.levels]
    if finding.answer_type == "choice":
        values = finding.choices
    found: dict[tuple[int, ...], list[tuple[AnswerValue, dict[int, int]]]] = {}
    for value in values:
        levels = {
            index_of[observable.id]: level
            for observable in observables
            if (level := level_of(observable, Answer(finding.id, value), finding)) is not None
        }
        same = found.setdefault(tuple(levels), [])
        if levels and levels not in [known for _, known in same]:
            same.append((value, levels))
    return [shown for key, shown in found.items() if key]


class Outlook:
    """The prospects of one case.

    `open` are the indexes of the results that are still open, `expected` and `after` (results x targets) run along them. The
    first targets are the source patterns. With `single` the results are worked out in single precision.
    """

    def __init__(self, prospects: Prospects, case: Case, now: Posterior, targets: Array, *, single: bool = False) -> None:
        self.prospects, self.case, self.now, self.targets = prospects, case, now, targets
        self.weights = now.weights
        network = prospects.network
        self.voided = saying_nothing(case, network.knowledge.qualifiers)
        self.leader_rank = np.full(prospects.group_count, NO_LEADER)
        self._leader_row: dict[int, int] = {}
        answered = {observation.answer.finding_id for observation in now.evidence.observations} | self.voided
        for observation in now.evidence.observations:
            if observation.leader:
                group = prospects.group_of[observation.answer.finding_id]
                self.leader_rank[group] = prospects.rank_of[observation.observable.id]
                self._leader_row[group] = observation.row
        for cluster, parts in network.knowledge.clusters.items():
            if cluster in answered:
                answered |= set(parts)
        unanswered = np.array([finding_id not in answered for finding_id in prospects.finding_ids], dtype=bool)
        self.open: Indexes = np.flatnonzero(unanswered[prospects.finding])
        self.current: Array = self.weights @ targets
        # Of every answered observable, the level and its row; and the published clusters as they stand now.
        self._shown = {one.observable.id: (one.level, one.leader) for one in now.evidence.observations}
        self._states = [state_of(compiled, self._shown) for compiled in network.clusters]
        self.expected, self.after = self._alone(single)

    # --- one result ---------------------------------------------------------------------------------------------------

    def _alone(self, single: bool) -> tuple[Array, Array]:
        """Expected probability, and the targets after it, of every open result."""
        prospects = self.prospects
        weighted = self.weights[:, None] * self.targets
        groups, ranks = prospects.group[self.open], prospects.rank[self.open]
        led = self.leader_rank[groups] != NO_LEADER
        joint = self._joint(weighted, led, single=single)
        takes_over = led & (ranks < self.leader_rank[groups])
        for group in set(groups[takes_over].tolist()):
            chosen = takes_over & (groups == group)
            demoted = self.weights * self.demotion(group)
            joint[chosen] = prospects.likelihood(self.open[chosen]) @ ((demoted / demoted.sum())[:, None] * self.targets)
        for place in np.flatnonzero(prospects.near_cluster[self.open]).tolist():
            tilts = self.tilts((int(self.open[place]),))
            if tilts is not None:
                joint[place] = self._tilted(place, tilts, bool(led[place]), bool(takes_over[place]))
        expected = joint[:, : len(PATTERNS)].sum(axis=1)
        after = joint / expected[:, None]
        # One result completes a cluster, or qualifies an answer, only where something of the kind was answered before.
        touched = any(answer.finding_id in prospects.entangled_ids for answer in self.case.answers)
        for place in np.flatnonzero(prospects.entangled[self.open] & touched).tolist():
            members = (int(self.open[place]),)
            if self.irregular(members):
                after[place] = self.recomputed(members)
        return expected, after

    def _joint(self, weighted: Array, led: NDArray[np.bool_], *, single: bool) -> Array:
        """P(result | hypothesis) times `weighted`, summed over the hypotheses, for every open result.

        As shared where another finding leads the group.
        """
        prospects = self.prospects
        left = prospects.left_by_first[self.open]
        joint = np.empty((len(self.open), weighted.shape[1]))
        if single:
            rows = self.open + np.where(led, len(prospects.results), 0)
            joint[~left] = prospects.either(rows[~left]) @ weighted.astype(np.float32)
        else:
            joint[~left & led] = prospects.sharing[self.open[~left & led]] @ weighted
            joint[~left & ~led] = prospects.leading[self.open[~left & ~led]] @ weighted
        seconds = np.flatnonzero(left)
        joint[seconds] = weighted.sum(axis=0) - joint[seconds - 1]
        return joint

    @cached_property
    def alone_shared(self) -> Array:
        """The targets after every open result as if each counted as shared."""
        weighted = self.weights[:, None] * self.targets
        shared = self._joint(weighted, np.ones(len(self.open), dtype=bool), single=False)
        return shared / shared[:, : len(PATTERNS)].sum(axis=1, keepdims=True)

    def _tilted(self, place: int, tilts: tuple[Array, Array], led: bool, takes_over: bool) -> Array:
        """Row of `joint` for a result after which a published cluster counts otherwise."""
        result = self.open[place]
        prospects, weights = self.prospects, self.weights
        if takes_over:
            weights = weights * self.demotion(int(prospects.group[result]))
        likelihood = prospects.likelihood(np.array([result]), leads=takes_over or not led)[0]
        found: Array = (weights * tilts[0] * likelihood) @ self.targets / (weights @ tilts[1])
        return found

    def tilts(self, members: Sequence[int]) -> tuple[Array, Array] | None:
        """Factors on every hypothesis by which published clusters count otherwise once these results are asked for.

        First with these results, then as the mean over all results of the same examinations; None where nothing changes.
        """
        prospects, network = self.prospects, self.prospects.network
        best = {
            group: min(
                int(self.leader_rank[group]), *(int(prospects.rank[one]) for one in members if prospects.group[one] == group)
            )
            for group in {int(prospects.group[index]) for index in members} & prospects.near_groups
        }
        if not best:
            return None
        shown = dict(self._shown)
        for name, (level, leads) in self._shown.items():
            group = prospects.group_of[network.observable_finding[name]]
            if leads and best.get(group, NO_LEADER) < prospects.rank_of[name]:
                shown[name] = (level, False)
        still_open: dict[str, tuple[int | None, bool]] = dict(shown)
        for index in members:
            group = int(prospects.group[index])
            if group in best:
                name, level = network.shown_by[int(prospects.first_row[index])]
                leads = int(prospects.rank[index]) == best[group]
                shown[name], still_open[name] = (level, leads), (None, leads)
        found: tuple[Array, Array] | None = None
        for compiled, now in zip(network.clusters, self._states, strict=True):
            state = state_of(compiled, shown)
            if state != now:
                before = compiled.log_factor(now)
                found = found or (np.ones(len(self.weights)), np.ones(len(self.weights)))
                found[0][compiled.with_target] *= np.exp(compiled.log_factor(state) - before)
                found[1][compiled.with_target] *= np.exp(compiled.log_factor(state_of(compiled, still_open)) - before)
        return found

    def demotion(self, group: int) -> Array:
        """Factor on every hypothesis if the present leader of a group counts as shared from now on."""
        row = self._leader_row[group]
        factor: Array = np.exp(self.prospects.network.log_shared[row] - self.prospects.network.log_full[row])
        return factor

    # --- information --------------------------------------------------------------------------------------------------

    @cached_property
    def bits(self) -> dict[str, float]:
        """Expected information gain about the source pattern by finding: the expected fall of its entropy, in bits.

        The best examination of the finding counts. Negative where the answer would take the weight of a better one. An
        outcome that the form cannot state (an abnormal MRI of the hip, beside the normal one) counts as telling nothing.
        """
        if not len(self.open):
            return {}
        fall = entropy(self.current[None, : len(PATTERNS)]) - entropy(self.after[:, : len(PATTERNS)])
        examinations = self.prospects.examination[self.open]
        starts = np.flatnonzero(np.diff(examinations, prepend=-1))
        gains = np.add.reduceat(self.expected * fall, starts)
        found: dict[str, float] = {}
        for start, gain in zip(starts.tolist(), gains.tolist(), strict=True):
            finding_id = self.result(start).finding_id
            found[finding_id] = max(found.get(finding_id, gain), gain)
        return found

    def bedside(self, finding_id: str) -> bool:
        """Whether it can be "the next question": no imaging, needle or internal examination."""
        return self.prospects.network.findings[finding_id].burden <= LARGEST_BURDEN

    def next_findings(self, limit: int, forbidden: frozenset[str] = frozenset()) -> tuple[NextFinding, ...]:
        """The bedside findings expected to tell most about the source pattern now, most informative first.

        None whose id or kind is `forbidden`: what a raised flag does not allow to be examined.
        """
        def allowed(finding_id: str) -> bool:
            return may_be_examined(self.prospects.network.findings[finding_id], forbidden)

        ranked = sorted(((bits, finding_id) for finding_id, bits in self.bits.items()), key=lambda item: -item[0])
        found = (
            NextFinding(finding_id, bits)
            for bits, finding_id in ranked
            if bits > 0.0 and self.bedside(finding_id) and allowed(finding_id)
        )
        return tuple(islice(found, limit))

    def result(self, place: int) -> Possible:
        return self.prospects.results[self.open[place]]

    # --- several results ----------------------------------------------------------------------------------------------

    def together(self, sets: Indexes) -> tuple[Array, Array]:
        """Targets after each set of results, and the probability of the set. `sets` is sets x members, indexes of results.

        Of the members of one group, the nearest leads and the others share. In single precision.
        """
        products, normaliser = self.products(sets)
        joint = (products @ self._targets32).astype(np.float64)
        total = joint[:, : len(PATTERNS)].sum(axis=1)
        after = joint / np.maximum(total, SMALLEST)[:, None]
        for row in np.flatnonzero(self.prospects.entangled[sets].any(axis=1)).tolist():
            members = sets[row].tolist()
            if self.irregular(members):
                after[row] = self.recomputed(members)
        return after, total / normaliser

    @cached_property
    def _targets32(self) -> Single:
        return self.targets.astype(np.float32)

    def products(self, sets: Indexes) -> tuple[Single, Array]:
        """Weight of every hypothesis times the likelihood of each set, and what the weights sum to without the set."""
        prospects = self.prospects
        groups, ranks = prospects.group[sets], prospects.rank[sets]
        leads = ranks < self.leader_rank[groups]
        for one in range(sets.shape[1]):
            for other in range(sets.shape[1]):
                leads[:, one] &= ~((groups[:, one] == groups[:, other]) & (ranks[:, other] < ranks[:, one]))
        rows = sets + np.where(leads, 0, len(prospects.results))
        products = prospects.either(rows[:, 0])
        for member in range(1, sets.shape[1]):
            products *= prospects.either(rows[:, member])
        products *= self.weights.astype(np.float32)
        normaliser = np.ones(len(sets))
        takes_over = leads & (self.leader_rank[groups] != NO_LEADER)
        affected = np.flatnonzero(takes_over.any(axis=1))
        if len(affected):
            factors, place = self._demotions
            factor = np.ones((len(affected), len(self.weights)), dtype=np.float32)
            for member in range(sets.shape[1]):
                taken = np.flatnonzero(takes_over[affected, member])
                factor[taken] *= factors[place[groups[affected[taken], member]]]
            products[affected] *= factor
            normaliser[affected] = factor @ self.weights
        demoted = dict(zip(affected.tolist(), factor if len(affected) else (), strict=True))
        for row in np.flatnonzero(prospects.near_cluster[sets].any(axis=1)).tolist():
            tilts = self.tilts(sets[row].tolist())
            if tilts is not None:
                products[row] *= tilts[0].astype(np.float32)
                normaliser[row] = self.weights @ (tilts[1] * demoted.get(row, 1.0))
        return products, normaliser

    @cached_property
    def _demotions(self) -> tuple[Single, Indexes]:
        """The demotions of all leaders, and the row of each group among them."""
        place = np.zeros(self.prospects.group_count, dtype=np.int64)
        place[list(self._leader_row)] = np.arange(len(self._leader_row))
        return np.array([self.demotion(group) for group in self._leader_row]).astype(np.float32), place

    # --- the long way -------------------------------------------------------------------------------------------------

    def case_with(self, members: Sequence[int]) -> Case:
        """The case with these results among its answers."""
        results = [self.prospects.results[index] for index in members]
        replaced = {result.finding_id for result in results}
        kept = [answer for answer in self.case.answers if answer.finding_id not in replaced]
        return replace(self.case, answers=(*kept, *(Answer(result.finding_id, result.value) for result in results)))

    def recomputed(self, members: Sequence[int]) -> Array:
        """The targets after these results, by assessing anew."""
        found: Array = posterior(self.case_with(members), self.prospects.network).weights @ self.targets
        return found

    def irregular(self, members: Sequence[int]) -> bool:
        """Whether these answers make others count or not: they complete a cluster, or qualify another answer."""
        if not self.prospects.entangled[list(members)].any():
            return False
        network = self.prospects.network
        case = self.case_with(members)
        if saying_nothing(case, network.knowledge.qualifiers) != self.voided:
            return True
        counted = {answer.finding_id for answer in with_clusters(self.case.answers, network)[0]}
        new = {self.prospects.results[index].finding_id for index in members}
        return {answer.finding_id for answer in with_clusters(case.answers, network)[0]} != counted | new


def entropy(distributions: Array) -> Array:
    """Entropy of each row, in bits."""
    safe = np.maximum(distributions, SMALLEST)
    found: Array = -(distributions * np.log2(safe)).sum(axis=1)
    return found

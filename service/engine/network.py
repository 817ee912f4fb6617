"""The knowledge base compiled once into arrays: log P(level of an observable | hypothesis).

Coexisting conditions combine as the model prescribes: for a yes/no observable by noisy-or over the conditions that raise
it, times the factors of those that lower it; for one with several levels by the normalised product of level ratios.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from service.engine.clusters import ClusterSetting, CompiledCluster, compile_clusters
from service.engine.hypotheses import Array, Hypotheses, enumerate_hypotheses
from service.engine.model import Condition, Finding, KnowledgeBase, Observable
from service.engine.rates import RateTable, backgrounds, compile_rates
from service.engine.subsets import Subsets, compile_subsets

AGE_FINDING = "age_band"
SEX_FINDING = "sex"

Single = NDArray[np.float32]


@dataclass(frozen=True)
class Network:
    """All arrays one assessment needs. Rows of the level arrays are the levels of all observables, one after another.

    `log_full` and `log_shared` are levels x hypotheses: the natural log of P(level | hypothesis), in full and as counted
    for an observable whose dependency group has a nearer finding among the answers. `start` is each observable's first row.
    """

    knowledge: KnowledgeBase
    hypotheses: Hypotheses
    rate_table: RateTable
    derived: Condition | None          # the coexistence event reported as a condition of its own
    observables: tuple[Observable, ...]
    start: Mapping[str, int]
    level_rates: Array                 # levels x members (conditions, then the coexistence event)
    member_matrix: Array               # hypotheses x members
    log_full: Array
    log_shared: Array
    separation: Mapping[str, float]    # observable -> bits about a condition drawn uniformly
    prior_ratios: Mapping[tuple[str, str], Array]  # (finding, level) -> ratio per condition
    clusters: tuple[CompiledCluster, ...] = ()

    @cached_property
    def subsets(self) -> Subsets:
        return compile_subsets(self.hypotheses)

    @cached_property
    def findings(self) -> dict[str, Finding]:
        return {finding.id: finding for finding in self.knowledge.findings}

    @cached_property
    def dependency_groups(self) -> dict[str, str]:
        """Finding id -> its dependency group."""
        return {finding.id: finding.dependency_group for finding in self.knowledge.findings}

    @cached_property
    def by_finding(self) -> dict[str, tuple[Observable, ...]]:
        """The observables an answer to each finding informs, in table order."""
        found: dict[str, list[Observable]] = {}
        for observable in self.observables:
            found.setdefault(observable.finding_id, []).append(observable)
        return {key: tuple(value) for key, value in found.items()}

    @cached_property
    def observable_finding(self) -> dict[str, str]:
        """Observable id -> its finding id."""
        return {observable.id: observable.finding_id for observable in self.observables}

    @cached_property
    def shown_by(self) -> list[tuple[str, int]]:
        """For every level row, its observable and which level of it."""
        return [(observable.id, level) for observable in self.observables for level in range(len(observable.levels))]

    @cached_property
    def full(self) -> Single:
        """P(level | hypothesis), levels x hypotheses, single precision: for expected information only."""
        return np.exp(self.log_full).astype(np.float32)

    @cached_property
    def shared(self) -> Single:
        """The same for findings that share their dependency group with a nearer one."""
        return np.exp(self.log_shared).astype(np.float32)

    @cached_property
    def segments(self) -> NDArray[np.int64]:
        """First row of every observable, in order: the boundaries for sums over levels."""
        return np.array([self.start[observable.id] for observable in self.observables])

    @cached_property
    def background(self) -> Array:
        """Background rate of every level row."""
        return np.concatenate([np.array(backgrounds(observable)) for observable in self.observables])

    @cached_property
    def _rows_behind(self) -> dict[tuple[str, ...], dict[str, tuple[str, ...]]]:
        return {}

    def rows_behind(self, members: tuple[str, ...]) -> Mapping[str, tuple[str, ...]]:
        """By observable and cluster, the ids of the table rows that set its rate for any of these conditions, in order.

        Observables without such rows are left out.
        """
        if members not in self._rows_behind:
            rows: dict[str, set[str]] = {}
            for observable_id, compiled in self.rate_table.compiled.items():
                for member in members:
                    if member in compiled:
                        rows.setdefault(observable_id, set()).update(use.row.row_id for use in compiled[member].rows)
            for one in self.clusters:
                if one.cluster.target_id in members:
                    rows.setdefault(one.cluster.id, set()).update(row.row_id for row in one.cluster.rows)
            self._rows_behind[members] = {name: tuple(sorted(found)) for name, found in rows.items()}
        return self._rows_behind[members]


def compile_network(knowledge: KnowledgeBase) -> Network:
    """The network of `knowledge`. Takes a few hundredths of a second; done once, before listening."""
    hypotheses = enumerate_hypotheses(knowledge)
    ids = [condition.id for condition in hypotheses.conditions]
    derived = next((condition for condition in knowledge.conditions if condition.region == "both"), None)
    table = compile_rates(knowledge, ids, set_level_ids=[derived.id] if derived else [])
    priors = (AGE_FINDING, SEX_FINDING)
    observables = tuple(observable for observable in knowledge.observables if observable.finding_id not in priors)
    members = np.column_stack([hypotheses.membership, hypotheses.coexistence])
    columns = [*ids, derived.id if derived else ""]
    start: dict[str, int] = {}
    blocks: list[Array] = []
    for observable in observables:
        start[observable.id] = sum(map(len, blocks))
        blocks.append(np.array(table.rows(observable, columns)).T)
    log_full, log_shared = combine(observables, blocks, members, knowledge.constant("dependence_shrink"))
    separation = {
        observable.id: separation_bits(block[:, : len(ids)]) for observable, block in zip(observables, blocks, strict=True)
    }
    setting = ClusterSetting(knowledge, observables, start, separation, hypotheses.membership, log_full, log_shared)
    return Network(
        knowledge=knowledge,
        hypotheses=hypotheses,
        rate_table=table,
        derived=derived,
        observables=observables,
        start=start,
        level_rates=np.concatenate(blocks),
        member_matrix=members,
        log_full=log_full,
        log_shared=log_shared,
        separation=separation,
        prior_ratios=_prior_ratios(knowledge, table, ids, priors),
        clusters=compile_clusters(setting),
    )


def combine(
    observables: tuple[Observable, ...], blocks: list[Array], members: Array, shrink: float
) -> tuple[Array, Array]:
    """log P(level | hypothesis) of every observable, in full and shared (levels x hypotheses, one after another).

    `blocks` are P(level | member alone), levels x members; `members` is hypotheses x members.
    """
    rows = sum(len(block) for block in blocks)
    full = np.empty((rows, len(members)))
    shared = np.empty_like(full)
    binary = [index for index, observable in enumerate(observables) if observable.binary]
    background = np.array([observables[index].levels[0].background for index in binary])
    rates = np.array([blocks[index][0] for index in binary]).reshape(len(binary), members.shape[1])
    present = coexisting_present(rates, background, members)
    log_present, log_absent = np.log(present), np.log1p(-present)
    # For two levels, pulling toward the background is shrinking the log-odds; all of them at once.
    base = np.log(background) - np.log1p(-background)
    shrunk = (base + shrink * (log_present.T - log_absent.T - base)).T
    shared_present = -np.log1p(np.exp(-shrunk))
    shared_absent = shared_present - shrunk
    position = 0
    taken = 0
    for observable, block in zip(observables, blocks, strict=True):
        end = position + len(block)
        if observable.binary:
            full[position], full[position + 1] = log_present[taken], log_absent[taken]
            shared[position], shared[position + 1] = shared_present[taken], shared_absent[taken]
            taken += 1
        else:
            full[position:end] = coexisting_levels(block, backgrounds(observable), members)
            shared[position:end] = shared_levels(full[position:end], backgrounds(observable), shrink)
        position = end
    return full, shared


def coexisting_present(rates: Array, background: Array, members: Array) -> Array:
    """P(present | hypothesis) of yes/no observables (observables x hypotheses).

    `rates` is observables x members: P(present | that member alone). Noisy-or over raisers, then a factor per lowerer.
    """
    b = background[:, None]
    raised = np.where(rates > b, np.log1p(-rates) - np.log1p(-b), 0.0) @ members.T
    lowered = np.where(rates < b, np.log(rates) - np.log(b), 0.0) @ members.T
    combined: Array = -np.expm1(np.log1p(-b) + raised) * np.exp(lowered)
    return combined


def coexisting_levels(rates: Array, background: tuple[float, ...], members: Array) -> Array:
    """log P(level | hypothesis) of one observable with several levels: normalised product of level ratios."""
    log_background = np.log(np.array(background))[:, None]
    log_rate = log_background + (np.log(rates) - log_background) @ members.T
    return log_rate - _log_sum(log_rate)


def shared_levels(log_rate: Array, background: tuple[float, ...], shrink: float) -> Array:
    """log P(level | hypothesis) pulled toward the background: proportional to b (P/b)^shrink, normalised."""
    log_background = np.log(np.array(background))[:, None]
    pulled = log_background + shrink * (log_rate - log_background)
    return pulled - _log_sum(pulled)


def _log_sum(log_rate: Array) -> Array:
    peak = log_rate.max(axis=0)
    total: Array = peak + np.log(np.exp(log_rate - peak).sum(axis=0))
    return total


def separation_bits(rates: Array) -> float:
    """Mutual information, in bits, between an observable's level and a condition drawn uniformly (levels x conditions)."""
    mean = rates.mean(axis=1, keepdims=True)
    return float((rates * np.log2(rates / mean)).sum() / rates.shape[1])


def _prior_ratios(
    knowledge: KnowledgeBase, table: RateTable, ids: list[str], priors: tuple[str, ...]
) -> dict[tuple[str, str], Array]:
    """P(level | condition) / P(level) of age and sex, by finding id and answer."""
    ratios: dict[tuple[str, str], Array] = {}
    for observable in knowledge.observables:
        if observable.finding_id not in priors:
            continue
        rates = np.array(table.rows(observable, ids))
        for index, level in enumerate(observable.levels):
            ratios[observable.finding_id, str(level.when.example())] = rates[:, index] / level.background
    return ratios

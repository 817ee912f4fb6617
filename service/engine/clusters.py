"""Published clusters: what several items say together about one condition, where that was measured.

Items of a cluster belong to one phenomenon. Taken singly, one of them counts in full and the others are shrunk; what the
study found for "two or more of them" is then lost. So for every hypothesis with the target of the cluster the joint
probability of its items is tilted by a factor that depends on the number of items met alone, such that people with the
target alone meet the rule as often as the study, weighted and capped like any row, says. Of all joint distributions with
that property this is the nearest to the one without it (Kullback-Leibler). Other conditions keep their items as they are.

An unfinished set of answers is tilted only by what it decides whatever the rest would be: two of four items already met
decide "two or more", not yet "three or more". For every set of items that were asked the probabilities of all possible
answers still sum to 1, which is what the normaliser below is for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field

import numpy as np
from numpy.typing import NDArray

from service.engine.dependence import leading
from service.engine.hypotheses import Array
from service.engine.model import Answer, Cluster, KnowledgeBase, Observable
from service.engine.rates import Figures, RowUse, level_rates, row_weight
from service.records import dataclass

UNASKED, SHARED, LEADING = range(3)
# Per item: how it counts, and whether it is met; None where it is asked and the answer still open.
State = tuple[tuple[int, bool | None], ...]
# Observable id -> the level observed (None: asked, still open), and whether it leads its dependency group.
Shown = Mapping[str, tuple[int | None, bool]]


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its observable, the first of its rows in the network, and which of its levels meet it."""

    observable: Observable
    start: int
    met: tuple[bool, ...]

    def rows(self) -> list[int]:
        return [self.start + index for index, met in enumerate(self.met) if met]


@dataclass(frozen=True, slots=True)
class Reading:
    """What a case says of one cluster: how each item counts and whether it is met, and whether the cluster counts in full.

    It does unless a nearer finding leads the dependency group of every item answered.
    """

    cluster: Cluster
    state: State
    leader: bool
    place: int  # of the cluster among those of the network

    @property
    def observable_id(self) -> str:
        return self.cluster.id

    @property
    def answer(self) -> Answer:
        return Answer(self.cluster.id, float(sum(met is True for _, met in self.state)))


@dataclass(frozen=True, slots=True)
class Alone:
    """What the shares of a cluster's levels are worked out from.

    `rates` is P(item met) in people with none of our conditions, then with each alone (items x conditions + 1), as the items
    count where nothing else was asked; `leads` says which of them count in full there.
    """

    knowledge: KnowledgeBase
    cluster: Cluster
    condition_ids: tuple[str, ...]
    uses: tuple[RowUse, ...]
    level_of: tuple[int, ...]
    rates: Array
    leads: tuple[bool, ...]

    def shares(self, *, rates: Array | None = None, figures: Mapping[str, Figures] | None = None) -> tuple[Array, Array]:
        """P(level | target alone) as the rows want it, and as the items by themselves give it.

        `rates` and `figures` (by row id) stand in for those of the tables.
        """
        items = self.rates if rates is None else rates
        by_level = np.zeros((max(self.level_of) + 1, items.shape[1]))
        np.add.at(by_level, np.array(self.level_of), count_distribution(items))
        wanted = level_rates(
            self.uses,
            [(figures or {}).get(use.row.row_id) or use.figures() for use in self.uses],
            background=by_level[:, 0].tolist(),
            compared_with=[self._compared(use.row.comparator_id, by_level) for use in self.uses],
        )
        return np.array(wanted), by_level[:, 1 + self.condition_ids.index(self.cluster.target_id)]

    def _compared(self, comparator_id: str, by_level: Array) -> list[float] | None:
        """Level rates of the people a row compared with: those of a condition, or of a group without the target."""
        if not comparator_id:
            return None
        members = next((one.members for one in self.knowledge.groups if one.id == comparator_id), (comparator_id,))
        held = [member for member in members if member in self.condition_ids and member != self.cluster.target_id]
        prevalence = {condition.id: condition.prevalence for condition in self.knowledge.conditions}
        shares = np.array([prevalence[member] for member in held])
        columns = [1 + self.condition_ids.index(member) for member in held]
        rates: list[float] = (by_level[:, columns] @ (shares / shares.sum())).tolist()
        return rates


@dataclass(frozen=True)
class CompiledCluster:
    """A cluster on the arrays of a network.

    `level_of` is the level of each number of items met. Of people with the target alone `wanted` is P(level) as the rows want
    it, `given` as the items by themselves give it; `alone` is what both are worked out from. `with_target` are the hypotheses
    that hold the target; `full` and `shared` hold, item by item, P(item met) there.
    """

    cluster: Cluster
    items: tuple[Item, ...]
    place: int
    level_of: tuple[int, ...]
    wanted: Array
    given: Array
    with_target: NDArray[np.int64]
    full: Array
    shared: Array
    shrink: float
    alone: Alone
    _found: dict[State, Array] = field(default_factory=dict)

    def log_factor(self, state: State) -> Array:
        """Log factor of the hypotheses with the target, as the asked items of `state` count. Kept once found.

        Over the possible answers to an item that is still open it is the mean.
        """
        if state not in self._found:
            asked = [(index, how, met) for index, (how, met) in enumerate(state) if how != UNASKED]
            if not asked:
                return np.zeros(len(self.with_target))
            rates = np.array([(self.full if how == LEADING else self.shared)[index] for index, how, _ in asked])
            weights = np.exp(self.weights(state))
            known = sum(met is True for _, _, met in asked)
            still_open = count_distribution(rates[[met is None for _, _, met in asked]])
            given = weights[known : known + len(still_open)] @ still_open
            self._found[state] = np.log(given) - np.log(weights @ count_distribution(rates))
        return self._found[state]

    def weights(self, state: State) -> Array:
        """`log_weights` as they count: shrunk where a nearer finding of every item's dependency group leads."""
        logs = self.log_weights(sum(how != UNASKED for how, _ in state))
        return logs if any(how == LEADING for how, _ in state) else self.shrink * logs

    def log_weights(self, asked: int, shares: tuple[Array, Array] | None = None) -> Array:
        """Log factor, before normalising, of each number of items met among so many asked: 0 while all levels are open.

        `shares` stand in for what is wanted and given.
        """
        wanted, given = shares or (self.wanted, self.given)
        possible = [self.possible(met, asked) for met in range(asked + 1)]
        found: Array = np.log([wanted[levels].sum() / given[levels].sum() for levels in possible])
        return found

    def possible(self, met: int, asked: int) -> list[int]:
        """The levels that are still possible with so many met of so many asked."""
        return sorted({self.level_of[met + more] for more in range(len(self.items) - asked + 1)})

    def bears(self, asked: int) -> bool:
        """Whether some answers to so many items would decide something."""
        return any(len(self.possible(met, asked)) < len(self.wanted) for met in range(asked + 1))


def count_distribution(rates: Array) -> Array:
    """P(number of items met) for independent items (counts x columns); `rates` is items x columns."""
    found = np.zeros((len(rates) + 1, rates.shape[1]))
    found[0] = 1.0
    for index, rate in enumerate(rates):
        found[1 : index + 2] = found[1 : index + 2] * (1.0 - rate) + found[: index + 1] * rate
        found[0] *= 1.0 - rate
    return found


@dataclass(frozen=True, slots=True)
class ClusterSetting:
    """What the clusters are compiled from: the arrays of a network, without the network itself."""

    knowledge: KnowledgeBase
    observables: Sequence[Observable]
    start: Mapping[str, int]
    separation: Mapping[str, float]
    membership: Array
    log_full: Array
    log_shared: Array


def compile_clusters(setting: ClusterSetting) -> tuple[CompiledCluster, ...]:
    """The clusters of the knowledge base whose rows are inputs, in table order."""
    groups = {finding.id: finding.dependency_group for finding in setting.knowledge.findings}
    chosen = [cluster for cluster in setting.knowledge.published_clusters if cluster.rows]
    return tuple(_compile(cluster, place, groups, setting) for place, cluster in enumerate(chosen))


def _compile(cluster: Cluster, place: int, groups: Mapping[str, str], setting: ClusterSetting) -> CompiledCluster:
    knowledge = setting.knowledge
    by_finding = {observable.finding_id: observable for observable in setting.observables}
    items = tuple(
        Item(
            by_finding[finding_id],
            setting.start[by_finding[finding_id].id],
            tuple(statement.holds(level.when.example()) for level in by_finding[finding_id].levels),
        )
        for finding_id, statement in cluster.items
    )
    full = np.array([np.exp(setting.log_full[item.rows()]).sum(axis=0) for item in items])
    shared = np.array([np.exp(setting.log_shared[item.rows()]).sum(axis=0) for item in items])
    uses, level_of = row_uses(cluster, knowledge)
    # Single conditions stand right behind the empty set, in table order.
    count = setting.membership.shape[1]
    leaders = leading([item.observable for item in items], groups, setting.separation)
    leads = tuple(item.observable.id in leaders for item in items)
    alone = Alone(
        knowledge,
        cluster,
        tuple(condition.id for condition in knowledge.conditions if condition.region not in ("both", "other")),
        uses,
        level_of,
        np.where(np.array(leads)[:, None], full[:, : count + 1], shared[:, : count + 1]),
        leads,
    )
    wanted, given = alone.shares()
    held = setting.membership[:, alone.condition_ids.index(cluster.target_id)] > 0
    return CompiledCluster(
        cluster=cluster,
        items=items,
        place=place,
        level_of=level_of,
        wanted=wanted,
        given=given,
        with_target=np.flatnonzero(held),
        full=full[:, held],
        shared=shared[:, held],
        shrink=knowledge.constant("dependence_shrink"),
        alone=alone,
    )


def row_uses(cluster: Cluster, knowledge: KnowledgeBase) -> tuple[tuple[RowUse, ...], tuple[int, ...]]:
    """The rows of a cluster on its levels, and the level of each number of items met.

    Numbers of which the same rows are true are one level.
    """
    counts = range(len(cluster.items) + 1)
    signatures = [tuple(row.when is not None and row.when.holds(float(count)) for row in cluster.rows) for count in counts]
    levels = list(dict.fromkeys(signatures))
    uses = tuple(
        RowUse(
            row=row,
            levels=tuple(signature[index] for signature in levels),
            weight=row_weight(row, knowledge),
            lr_pos_cap=knowledge.constant("lr_pos_cap"),
            lr_neg_cap=knowledge.constant("lr_neg_cap"),
            most_likely=knowledge.constant("lr_only_max_rate"),
        )
        for index, row in enumerate(cluster.rows)
    )
    return uses, tuple(levels.index(signature) for signature in signatures)


def read_clusters(clusters: Sequence[CompiledCluster], shown: Shown) -> tuple[Reading, ...]:
    """The clusters on which the answers bear."""
    readings = []
    for compiled in clusters:
        state = state_of(compiled, shown)
        asked = sum(how != UNASKED for how, _ in state)
        if compiled.bears(asked):
            readings.append(Reading(compiled.cluster, state, any(how == LEADING for how, _ in state), compiled.place))
    return tuple(readings)


def state_of(compiled: CompiledCluster, shown: Shown) -> State:
    """How each item of a cluster counts, and whether it is met."""
    return tuple(
        (UNASKED, False)
        if (found := shown.get(item.observable.id)) is None
        else (LEADING if found[1] else SHARED, None if found[0] is None else item.met[found[0]])
        for item in compiled.items
    )

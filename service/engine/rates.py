"""From rows of published figures to P(level of an observable | one condition alone).

The rule for one row is `statement_rate`; `level_rates` makes one proper distribution of all rows that speak of the same
observable and condition. Every number comes from the tables.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import field
from itertools import compress

from service.engine.model import Finding, Group, KnowledgeBase, Likelihood, Observable
from service.engine.odds import expit, logit
from service.records import dataclass

# A published 0 % or 100 % is a small sample, not a certainty.
LEAST_SENSITIVITY = 0.005
# A rate is never 0 or 1: one answer must not be able to decide alone.
LEAST_RATE = 1e-6
FITTING_ROUNDS = 200
FITTING_TOLERANCE = 1e-12


@dataclass(frozen=True, slots=True)
class Figures:
    """The figures of one row that enter the arithmetic; a draw of the tables replaces them."""

    sensitivity: float | None
    lr_pos: float | None
    lr_neg: float | None


@dataclass(frozen=True, slots=True)
class RowUse:
    """One input row on its observable: which levels make its statement true, its weight, its caps."""

    row: Likelihood
    levels: tuple[bool, ...]
    weight: float
    lr_pos_cap: float
    lr_neg_cap: float
    most_likely: float

    def figures(self) -> Figures:
        row = self.row
        return Figures(
            row.sensitivity.point if row.sensitivity else None,
            row.lr_pos.point if row.lr_pos else None,
            row.lr_neg.point if row.lr_neg else None,
        )


@dataclass(frozen=True, slots=True)
class CompiledRates:
    """P(level | condition alone) for one observable and condition, the rows behind it and how they were found.

    `via` is the condition's own id or that of the group whose rows fill it.
    """

    rates: tuple[float, ...]
    rows: tuple[RowUse, ...]
    via: str


def row_weight(row: Likelihood, knowledge: KnowledgeBase) -> float:
    """How much of a row's log ratio counts, 0..1: by quality, transcription confidence and comparator."""
    weight = knowledge.constant(f"weight_quality_{row.quality}")
    if row.confidence == "low":
        weight *= knowledge.constant("weight_confidence_low")
    if row.comparator_kind == "healthy":
        weight *= knowledge.constant("weight_healthy")
    return weight


def use_row(row: Likelihood, observable: Observable, finding: Finding, knowledge: KnowledgeBase) -> RowUse:
    """`row` prepared for its observable. ValueError if it is not an input row."""
    if row.when is None:
        raise ValueError(f"{row.row_id} has no statement to use")
    definite = "_definite" if finding.definite else ""
    return RowUse(
        row=row,
        levels=tuple(row.when.holds(level.when.example()) for level in observable.levels),
        weight=row_weight(row, knowledge),
        lr_pos_cap=knowledge.constant(f"lr_pos_cap{definite}"),
        lr_neg_cap=knowledge.constant(f"lr_neg_cap{definite}"),
        most_likely=knowledge.constant("lr_only_max_rate"),
    )


def statement_rate(use: RowUse, figures: Figures, *, compared_with: float, background: float) -> float:
    """P(statement true | target) of one row.

    `compared_with` is the statement's rate among the people the study compared with, `background` among people with none
    of our conditions; the caps are relative to the latter.
    """
    weight = use.weight
    # A negative ratio of 0 is an empty cell of a small table, not a proof of absence: the cap stands in for it.
    lr_neg = use.lr_neg_cap if figures.lr_neg == 0.0 else figures.lr_neg
    if figures.lr_pos and lr_neg:
        rate = expit(logit(compared_with) + weight * (math.log(figures.lr_pos) - math.log(lr_neg)))
    elif figures.lr_pos:
        rate = min(compared_with * figures.lr_pos**weight, use.most_likely)
    elif lr_neg:
        rate = 1.0 - min((1.0 - compared_with) * lr_neg**weight, use.most_likely)
    elif figures.sensitivity is not None:
        sensitivity = min(max(figures.sensitivity, LEAST_SENSITIVITY), 1.0 - LEAST_SENSITIVITY)
        rate = expit(logit(background) + weight * (logit(sensitivity) - logit(background)))
    else:
        raise ValueError(f"{use.row.row_id} holds no figure")
    lowest = max(use.lr_neg_cap * background, 1.0 - use.lr_pos_cap * (1.0 - background))
    highest = min(use.lr_pos_cap * background, 1.0 - use.lr_neg_cap * (1.0 - background))
    return min(max(rate, lowest, LEAST_RATE), highest, 1.0 - LEAST_RATE)


def level_rates(
    uses: Sequence[RowUse],
    figures: Sequence[Figures],
    *,
    background: Sequence[float],
    compared_with: Sequence[Sequence[float] | None],
) -> tuple[float, ...]:
    """One distribution over the levels that honours every row, by iterative proportional fitting from the background.

    `compared_with` holds, per row, the level rates of the comparator, or None for the background.
    """
    targets = []
    for use, figure, comparator in zip(uses, figures, compared_with, strict=True):
        plain = _mass(background, use.levels)
        other = plain if comparator is None else _mass(comparator, use.levels)
        targets.append(statement_rate(use, figure, compared_with=other, background=plain))
    rates = list(background)
    for _ in range(FITTING_ROUNDS):
        change = 0.0
        for use, target in zip(uses, targets, strict=True):
            inside_mass = _mass(rates, use.levels)
            scale_in, scale_out = target / inside_mass, (1.0 - target) / (1.0 - inside_mass)
            for index, inside in enumerate(use.levels):
                scaled = rates[index] * (scale_in if inside else scale_out)
                change = max(change, abs(scaled - rates[index]))
                rates[index] = scaled
        if change < FITTING_TOLERANCE or len(uses) == 1:
            break
    return tuple(rates)


def _mass(rates: Sequence[float], levels: tuple[bool, ...]) -> float:
    """Sum of the rates of the levels that make a statement true."""
    return sum(compress(rates, levels))


@dataclass(frozen=True, slots=True)
class Filling:
    """The rows that set the rates of one observable for some conditions. `via` is their own id or that of a group."""

    via: str
    condition_ids: tuple[str, ...]
    uses: tuple[RowUse, ...]
    second_pass: bool  # whether a row compares with another of our conditions, whose rates must be known first


@dataclass(frozen=True, slots=True)
class ObservablePlan:
    """Which rows fill which conditions of one observable, and the groups and prevalences their comparators need."""

    observable: Observable
    fillings: tuple[Filling, ...]
    groups: Mapping[str, Group]
    prevalences: Mapping[str, float]  # of the conditions that can be members of a group
    _of_tables: dict[str, tuple[float, ...]] = field(default_factory=dict)

    def rates(
        self, *, background: Sequence[float] | None = None, figures: Mapping[str, Figures] | None = None
    ) -> dict[str, tuple[float, ...]]:
        """Level rates per condition; conditions that no row fills are left out and mean the background.

        `background` and `figures` (by row id) stand in for those of the tables: for draws and for slopes. Those of the tables
        are asked for most and kept.
        """
        if background is None and not figures:
            if not self._of_tables:
                self._of_tables.update(self._fitted(backgrounds(self.observable), {}))
            return dict(self._of_tables)
        return self._fitted(tuple(background) if background is not None else backgrounds(self.observable), figures or {})

    def _fitted(self, base: tuple[float, ...], taken: Mapping[str, Figures]) -> dict[str, tuple[float, ...]]:
        first: dict[str, tuple[float, ...]] = {}
        for filling in self.fillings:
            if not filling.second_pass:
                first.update(dict.fromkeys(filling.condition_ids, self._fit(filling, base, taken, first)))
        found = dict(first)
        for filling in self.fillings:
            if filling.second_pass:
                found.update(dict.fromkeys(filling.condition_ids, self._fit(filling, base, taken, first)))
        return found

    def moved_rates(
        self, use: RowUse, figures: Figures, resting: Mapping[str, tuple[float, ...]]
    ) -> dict[str, tuple[float, ...]]:
        """Level rates of the conditions that one row's `figures` change; `resting` are the rates of the tables.

        Those of the row's own filling, and of every filling of the second pass that compares with one of them.
        """
        moved = {use.row.row_id: figures}
        base = backgrounds(self.observable)
        own = next(filling for filling in self.fillings if any(one is use for one in filling.uses))
        first = {
            condition_id: resting[condition_id]
            for filling in self.fillings
            if not filling.second_pass
            for condition_id in filling.condition_ids
        }
        found = dict.fromkeys(own.condition_ids, self._fit(own, base, moved, first))
        if own.second_pass:
            return found
        first.update(found)
        for filling in self.fillings:
            if filling.second_pass and any(self._compares(one.row, own.condition_ids) for one in filling.uses):
                found.update(dict.fromkeys(filling.condition_ids, self._fit(filling, base, moved, first)))
        return found

    def _compares(self, row: Likelihood, conditions: Sequence[str]) -> bool:
        """Whether a row compares with people who have one of these conditions."""
        group = self.groups.get(row.comparator_id)
        return row.comparator_id in conditions if group is None else any(member in conditions for member in group.members)

    def _fit(
        self,
        filling: Filling,
        background: tuple[float, ...],
        figures: Mapping[str, Figures],
        first: Mapping[str, tuple[float, ...]],
    ) -> tuple[float, ...]:
        return level_rates(
            filling.uses,
            [figures.get(use.row.row_id) or use.figures() for use in filling.uses],
            background=background,
            compared_with=[self.comparator_rates(use.row, filling.via, background, first) for use in filling.uses],
        )

    def comparator_rates(
        self, row: Likelihood, via: str, background: tuple[float, ...], first: Mapping[str, tuple[float, ...]]
    ) -> tuple[float, ...] | None:
        """Level rates among the people a row compared with, if they had a condition (or group) of ours, else None.

        A group's rate is the mean of its members weighted by prevalence, without the row's own targets.
        """
        if not row.comparator_id:
            return None
        if row.comparator_id not in self.groups:
            return first.get(row.comparator_id, background)
        targets = set(self.groups[via].members) if via in self.groups else {via}
        members = [
            member
            for member in self.groups[row.comparator_id].members
            if member not in targets and member in self.prevalences
        ]
        total = sum(self.prevalences[member] for member in members)
        if not total:
            return None
        weighted = [[self.prevalences[member] * rate for rate in first.get(member, background)] for member in members]
        return tuple(sum(column) / total for column in zip(*weighted, strict=True))


@dataclass(frozen=True, slots=True)
class RateTable:
    """Plans and compiled rates by observable id; a condition without rows is missing and means the background."""

    plans: Mapping[str, ObservablePlan]
    compiled: Mapping[str, Mapping[str, CompiledRates]]

    def rates(self, observable: Observable, condition_id: str) -> tuple[float, ...]:
        return self.rows(observable, (condition_id,))[0]

    def rows(self, observable: Observable, condition_ids: Sequence[str]) -> list[tuple[float, ...]]:
        """Level rates of an observable for each of some conditions."""
        compiled, background = self.compiled.get(observable.id, {}), backgrounds(observable)
        return [compiled[one].rates if one in compiled else background for one in condition_ids]


def backgrounds(observable: Observable) -> tuple[float, ...]:
    """Background rates of the levels, in order."""
    return tuple(level.background for level in observable.levels)


def rows_for(
    observable_id: str, condition_id: str, by_target: Mapping[tuple[str, str], Sequence[Likelihood]], groups: Sequence[Group]
) -> tuple[str, Sequence[Likelihood]]:
    """The rows that speak for a condition: its own, else those of the narrowest group that holds it.

    Returns where they come from (an id) and the rows; ``("", ())`` if there are none.
    """
    own = by_target.get((observable_id, condition_id))
    if own:
        return condition_id, own
    holding = [group for group in groups if condition_id in group.members and by_target.get((observable_id, group.id))]
    if not holding:
        return "", ()
    narrowest = min(holding, key=lambda group: len(group.members))
    return narrowest.id, by_target[(observable_id, narrowest.id)]


def compile_rates(knowledge: KnowledgeBase, condition_ids: Sequence[str], *, set_level_ids: Sequence[str] = ()) -> RateTable:
    """Rates of every observable for every condition, and for set-level targets, which only their own rows fill."""
    findings = {finding.id: finding for finding in knowledge.findings}
    by_target: dict[tuple[str, str], list[Likelihood]] = {}
    for row in knowledge.likelihoods:
        if row.role == "input":
            by_target.setdefault((row.observable_id, row.target_id), []).append(row)
    groups = {group.id: group for group in knowledge.groups}
    members = set(condition_ids)
    prevalences = {condition.id: condition.prevalence for condition in knowledge.conditions if condition.id in members}
    plans: dict[str, ObservablePlan] = {}
    compiled: dict[str, dict[str, CompiledRates]] = {}
    for observable in knowledge.observables:
        filled: dict[str, list[str]] = {}
        spoken_of = [group for group in knowledge.groups if (observable.id, group.id) in by_target]
        for condition_id in (*condition_ids, *set_level_ids):
            via, rows = rows_for(observable.id, condition_id, by_target, () if condition_id in set_level_ids else spoken_of)
            if rows:
                filled.setdefault(via, []).append(condition_id)
        fillings = tuple(
            Filling(
                via,
                tuple(ids),
                tuple(
                    use_row(row, observable, findings[observable.finding_id], knowledge)
                    for row in by_target[(observable.id, via)]
                ),
                any(row.comparator_id for row in by_target[(observable.id, via)]),
            )
            for via, ids in filled.items()
        )
        plan = ObservablePlan(observable, fillings, groups, prevalences)
        rates = plan.rates()
        plans[observable.id] = plan
        compiled[observable.id] = {
            condition_id: CompiledRates(rates[condition_id], filling.uses, filling.via)
            for filling in fillings
            for condition_id in filling.condition_ids
        }
    return RateTable(plans, compiled)

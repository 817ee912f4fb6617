"""Which results, alone or together, would put something else first. Exact for one result; a beam search for two and three.

The search adds up what single results do to the log-odds that matter and weighs the sets that promise most in full, so what
it finds is true, but it may miss a set of two or three. Width of the beam: of every event that would change the answer the
`EFFECTIVE` results that bring it nearest take part; `BEAM` sets of two are carried on to three; and of each size `EVALUATED`
sets that promise most, and as many of the most probable that promise to flip, are weighed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

import numpy as np

from service.engine.hypotheses import Array
from service.engine.model import Condition, KnowledgeBase, Prediction, RedFlagScreen
from service.engine.plan import recommend
from service.engine.prospects import SMALLEST, Indexes, Outlook
from service.engine.red_flags import screen
from service.engine.rules import Facts, evaluate, statement_of
from service.engine.safety import statement
from service.records import dataclass

LARGEST_SET = 3
EFFECTIVE = 40
BEAM = 64
EVALUATED = 128
# Sets that mean the same come out equal but for the last digits, which differ between processors; the answer must not.
PLACES = 9

# What stands first after each set of results (sets x members, targets after them).
First = Callable[[Indexes, Array], list[str]]


@dataclass(frozen=True, slots=True)
class Flip:
    """A set of results (indexes) that puts `becomes` first."""

    members: tuple[int, ...]
    expected: float
    becomes: str


def most_probable(flips: Sequence[Flip]) -> Flip | None:
    """The most probable of several; of equals the first."""
    return max(flips, key=lambda flip: round(flip.expected, PLACES), default=None)


def flips_of(sets: Indexes, expected: Array, becomes: Sequence[str], present: str) -> list[Flip]:
    """Those sets that change what stands first."""
    return [
        Flip(tuple(members), probability, name)
        for members, probability, name in zip(sets.tolist(), expected.tolist(), becomes, strict=True)
        if name != present
    ]


def largest(values: Array, count: int) -> Indexes:
    """Indexes of the `count` largest values along the first axis; of equals the first."""
    if len(values) <= count:
        return np.arange(len(values))
    found: Indexes = np.argsort(-np.round(values, PLACES), axis=0, kind="stable")[:count]
    return found


class Beam:
    """The search for one question. `margins` gives, for targets (sets x targets), how far each event that would change the
    answer is (sets x events, log-odds, above 0 once it has happened)."""

    def __init__(self, outlook: Outlook, first: First, present: str, margins: Callable[[Array], Array]) -> None:
        self.outlook, self.first, self.present, self.margins = outlook, first, present, margins
        self.base = margins(outlook.current[None, :])
        gain = margins(outlook.after) - self.base
        shared_gain = margins(outlook.alone_shared) - self.base
        effective = np.unique(largest(np.maximum(gain, shared_gain), EFFECTIVE))
        self.gain, self.shared_gain = gain[effective], shared_gain[effective]
        self.log_expected = np.log(np.maximum(outlook.expected[effective], SMALLEST))
        prospects = outlook.prospects
        self.open = outlook.open[effective]
        self.finding, self.group, self.rank = prospects.finding[self.open], prospects.group[self.open], prospects.rank[self.open]
        self._parents: tuple[Indexes, Array, Array] | None = None  # places, margins and log probability of the pairs kept

    def pairs(self) -> list[Flip]:
        """Flipping pairs among those weighed."""
        one, other = np.triu_indices(len(self.open), 1)
        apart = self.finding[one] != self.finding[other]
        one, other = one[apart], other[apart]
        promised = self.base + self.gain[one] + self.gain[other]
        together = np.flatnonzero(self.group[one] == self.group[other])
        nearer = self.rank[one[together]] < self.rank[other[together]]
        lead = np.where(nearer, one[together], other[together])
        follow = np.where(nearer, other[together], one[together])
        promised[together] = self.base + self.gain[lead] + self.shared_gain[follow]
        places = np.stack([one, other], axis=1)
        flips, chosen, margins, expected = self._weigh(places, promised, self.log_expected[places].sum(axis=1))
        if len(chosen):
            kept = largest(margins.max(axis=1), BEAM)
            self._parents = (chosen[kept], margins[kept], np.log(np.maximum(expected[kept], SMALLEST)))
        return flips

    def triples(self) -> list[Flip]:
        """Flipping sets of three among those weighed; `pairs` comes first."""
        if self._parents is None:
            return []
        places, margins, log_expected = self._parents
        count = len(self.open)
        parent, child = np.divmod(np.arange(len(places) * count), count)
        apart = (self.finding[places[parent]] != self.finding[child][:, None]).all(axis=1)
        parent, child = parent[apart], child[apart]
        beside = (self.group[places[parent]] == self.group[child][:, None]).any(axis=1)
        promised = margins[parent] + np.where(beside[:, None], self.shared_gain[child], self.gain[child])
        sets = np.sort(np.column_stack([places[parent], child]), axis=1)
        _, unique = np.unique((sets[:, 0] * count + sets[:, 1]) * count + sets[:, 2], return_index=True)
        likely = log_expected[parent] + self.log_expected[child]
        return self._weigh(sets[unique], promised[unique], likely[unique])[0]

    def _weigh(self, places: Indexes, promised: Array, likely: Array) -> tuple[list[Flip], Indexes, Array, Array]:
        """The flips among the sets that promise most; those sets, their margins and probabilities."""
        if not len(places):
            return [], places, promised, likely
        promise = promised.max(axis=1)
        flipping = np.flatnonzero(promise > 0.0)
        chosen = places[np.union1d(largest(promise, EVALUATED), flipping[largest(likely[flipping], EVALUATED)])]
        sets = self.open[chosen]
        after, expected = self.outlook.together(sets)
        found = flips_of(sets, expected, self.first(sets, after), self.present)
        return found, chosen, self.margins(after), expected


class FirstReferral:
    """Which referral would stand first, for many possible outcomes of one case."""

    def __init__(self, knowledge: KnowledgeBase, outlook: Outlook, target_ids: Sequence[str], patterns: int) -> None:
        self.knowledge, self.outlook = knowledge, outlook
        self.pattern_ids, self.condition_ids = tuple(target_ids[:patterns]), tuple(target_ids[patterns:])
        conditions = {condition.id: condition for condition in knowledge.conditions}
        self.thresholds = np.array([_threshold(conditions[name], knowledge) for name in self.condition_ids])
        self._facts = Facts.of(outlook.case)
        self._open_of: dict[str, list[int]] = {}
        for index in outlook.open.tolist():
            self._open_of.setdefault(outlook.prospects.results[index].finding_id, []).append(index)
        # Rule -> the sets of results that raise it; for a rule that is raised already the empty set.
        self._ways = {rule.id: self._ways_of(rule.when) for rule in knowledge.red_flags}
        self._signs = frozenset(index for ways in self._ways.values() for way in ways for index in way)
        self._rules: dict[tuple[int, ...], tuple[str, ...]] = {}
        self._screens: dict[tuple[str, ...], RedFlagScreen] = {}
        asked = {statement(word)[0] for one in knowledge.referrals for word in (*one.only_when, *one.unless)}
        self._telling = frozenset(index for finding_id in asked for index in self._open_of.get(finding_id, ()))
        self._named: dict[tuple[tuple[str, ...], int, tuple[int, ...], tuple[int, ...]], str] = {}
        self.present = self._now()

    def __call__(self, sets: Indexes, after: Array) -> list[str]:
        leaders = after[:, : len(self.pattern_ids)].argmax(axis=1).tolist()
        return [
            self.of(tuple(members), leader, calling)
            for members, leader, calling in zip(sets.tolist(), leaders, self._calling(after), strict=True)
        ]

    def _calling(self, after: Array) -> list[tuple[int, ...]]:
        """Per row of targets the conditions that call for a referral, as indexes, the most probable first."""
        chances = after[:, len(self.pattern_ids) :]
        order = np.argsort(-chances, axis=1, kind="stable")
        rows, ranks = np.nonzero(np.take_along_axis(chances >= self.thresholds, order, axis=1))
        calling = order[rows, ranks].tolist()
        ends = np.searchsorted(rows, np.arange(1, len(after) + 1)).tolist()
        return [tuple(calling[start:end]) for start, end in zip([0, *ends], ends, strict=False)]

    def _now(self) -> str:
        """Id of the first referral as things stand; empty if there is none."""
        if not self.outlook.now.evidence.observations:  # what only the prior says is no reason to send anyone anywhere
            return self.of((), -1, ())
        return self(np.empty((1, 0), dtype=np.int64), self.outlook.current[None])[0]

    def of(self, members: tuple[int, ...], leader: int, calling: tuple[int, ...]) -> str:
        """The same, given the leading pattern (-1: none) and the conditions that call for a referral, as indexes."""
        flags = self._screen(members)
        telling = tuple(index for index in members if index in self._telling)
        key = (tuple(flag.rule.id for flag in flags.raised), leader, calling, telling)
        if key not in self._named:
            patterns = [_certain(self.pattern_ids[leader], "pattern")] if leader >= 0 else []
            conditions = [_certain(self.condition_ids[index], "condition") for index in calling]
            found = recommend(self.knowledge, self.outlook.case_with(telling), flags, patterns, conditions)
            self._named[key] = found[0].referral.id if found else ""
        return self._named[key]

    def _screen(self, members: tuple[int, ...]) -> RedFlagScreen:
        """The flags raised now and those that these results would raise beside them."""
        signs = tuple(index for index in members if index in self._signs)
        if signs not in self._rules:
            held = frozenset(signs)
            self._rules[signs] = tuple(name for name, ways in self._ways.items() if any(way <= held for way in ways))
        raised = self._rules[signs]
        if raised not in self._screens:
            rules = tuple(rule for rule in self.knowledge.red_flags if rule.id in raised)
            self._screens[raised] = screen(self.outlook.case_with(signs), rules)
        return self._screens[raised]

    def _ways_of(self, expression: Mapping[str, object]) -> set[frozenset[int]]:
        """The smallest sets of at most `LARGEST_SET` open results with which a rule is true. Rules only add signs up."""
        for key in ("any", "all"):
            parts = expression.get(key)
            if isinstance(parts, list | tuple):
                each = [self._ways_of(part) for part in parts]
                return _smallest(set().union(*each)) if key == "any" else self._joined(each)
        if evaluate(expression, self._facts).state is True:
            return {frozenset()}
        if "finding" not in expression:
            return set()
        test, results = statement_of(str(expression["is"])), self.outlook.prospects.results
        return {
            frozenset([index])
            for index in self._open_of.get(str(expression["finding"]), ())
            if test.holds(results[index].value)
        }

    def _joined(self, each: Sequence[set[frozenset[int]]]) -> set[frozenset[int]]:
        """Sets that hold one way of each part, with one result of a finding."""
        finding = self.outlook.prospects.finding
        found: set[frozenset[int]] = {frozenset()}
        for ways in each:
            together = {one | other for one in found for other in ways}
            found = _smallest(
                {one for one in together if len(one) <= LARGEST_SET and len({finding[index] for index in one}) == len(one)}
            )
        return found

    # --- what the search aims at ----------------------------------------------------------------------------------------

    def margins(self) -> Callable[[Array], Array]:
        """How far the events are that alone would change the first referral: another pattern leads, a condition begins or
        ceases to call for a referral of its own."""
        current, patterns = self.outlook.current, len(self.pattern_ids)
        leader = int(current[:patterns].argmax())
        chances = current[patterns:]
        calling = np.flatnonzero(chances >= self.thresholds)
        ordered = calling[np.argsort(-chances[calling], kind="stable")].tolist()
        rivals = [rival for rival in range(patterns) if rival != leader and self._matters(rival, ordered)]
        signs = {
            index: -1.0 if index in ordered else 1.0
            for index in range(len(chances))
            if self._matters(leader, [one for one in ordered if one != index] + [index] * (index not in ordered))
        }
        crossing = list(signs)
        direction = np.array([signs[index] for index in crossing])

        def measure(targets: Array) -> Array:
            lead = np.log(np.maximum(targets[:, :patterns], SMALLEST))
            chance = np.clip(targets[:, patterns:][:, crossing], SMALLEST, 1.0 - 1e-15)
            limit = self.thresholds[crossing]
            cross = direction * (np.log(chance / (1.0 - chance)) - np.log(limit / (1.0 - limit)))
            found: Array = np.column_stack([lead[:, rivals] - lead[:, [leader]], cross])
            return found

        return measure

    def _matters(self, leader: int, calling: list[int]) -> bool:
        return self.of((), leader, tuple(calling)) != self.present

    def alarming(self, size: int) -> Indexes:
        """Sets of that many open results that together raise a red flag."""
        found = {tuple(sorted(way)) for ways in self._ways.values() for way in ways if len(way) == size}
        return np.array(sorted(found), dtype=np.int64).reshape(len(found), size)


def _smallest(ways: set[frozenset[int]]) -> set[frozenset[int]]:
    """Those that hold no other."""
    return {one for one in ways if not any(other < one for other in ways)}


def _threshold(condition: Condition, knowledge: KnowledgeBase) -> float:
    """From which probability on a condition calls for a referral, as `recommend` has it."""
    dangerous = condition.urgency in ("emergency", "urgent")
    return knowledge.constant("referral_dangerous_from" if dangerous else "referral_from")


def _certain(target: str, kind: Literal["pattern", "condition"]) -> Prediction:
    """A prediction that calls for whatever it can call for."""
    return Prediction(target, kind, 1.0, 1.0, 1.0, 1.0)

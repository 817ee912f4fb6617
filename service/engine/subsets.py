"""Sets of conditions as an observable sees them.

The rows of an observable speak of a few conditions, its support; what it says of a hypothesis depends only on which of these the
hypothesis holds. Every such function is a sum of coefficients, one for each subset of the support that the hypothesis holds
(Moebius inversion). So its expectation is a sum over these subsets, too: coefficient times the mass of all hypotheses that
hold the subset. Of the observables 40 of 100 have one condition in their support, and two terms stand for 2,626 hypotheses.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from service.engine.hypotheses import MAXIMUM_COEXISTING, Array, Hypotheses
from service.records import dataclass

Places = NDArray[np.intp]


@dataclass(frozen=True)
class Subsets:
    """Where each set of at most three conditions stands among the hypotheses, which are all such sets.

    `beyond_pairs` are, for every pair in order, the places of the sets of three that hold it. `with_one_more` is the place of
    each set together with each condition, and behind all places where these would be four.
    """

    place: Mapping[tuple[int, ...], int]
    beyond_pairs: Places
    with_one_more: Places
    membership: Array
    coexistence: Array
    pattern: Array

    @property
    def singles(self) -> slice:
        """The places of the sets of one condition."""
        return slice(1, 1 + self.membership.shape[1])

    def of_support(self, conditions: Sequence[int], *, coexistence: bool = False) -> Places:
        """Places of all sets of some conditions (in table order), as `sets_of` has them.

        With `coexistence` then of each together with the coexistence event: behind all others, as `sums` has them.
        """
        sets = sets_of(len(conditions))
        found = np.array([self.place[tuple(conditions[one] for one in chosen)] for chosen in sets], dtype=np.intp)
        return np.concatenate([found, found + len(self.membership)]) if coexistence else found

    def sums(self, table: Array, *, coexistence: bool = False) -> Array:
        """For every set, the sum of `table` (hypotheses x anything) over the hypotheses that hold it.

        With `coexistence` also over those of them that hold a hip and a spine condition, behind the others.
        """
        found = table.copy()  # no other hypothesis holds a set of three
        pairs = slice(self.singles.stop, self.singles.stop + len(self.beyond_pairs))
        found[pairs] += np.einsum("psc->pc", table[self.beyond_pairs])  # a quarter of the time of `sum` over the middle axis
        found[self.singles] = self.membership.T @ table
        found[0] = np.einsum("hc->c", table)
        return np.concatenate([found, self.sums(table * self.coexistence[:, None])]) if coexistence else found

    def target_sums(self, weights: Array, *, event: bool) -> Array:
        """For every set, the weight of the hypotheses that hold it, by target; last comes their whole weight.

        The targets are the source patterns, the conditions and, with `event`, the coexistence event. What holds a set and a
        condition holds the set with one more: so the sums of the patterns tell those of the conditions.
        """
        patterns, conditions = self.pattern.shape[1], self.membership.shape[1]
        told = self.sums(weights[:, None] * np.column_stack([self.pattern, self.coexistence]))
        whole = np.einsum("sp->s", told[:, :patterns])
        found = np.empty((len(told), patterns + conditions + int(event) + 1))
        found[:, :patterns] = told[:, :patterns]
        found[:, patterns : patterns + conditions] = np.append(whole, 0.0)[self.with_one_more]
        found[:, -2 if event else -1] = told[:, -1]
        found[:, -1] = whole
        return found


def compile_subsets(hypotheses: Hypotheses) -> Subsets:
    """The sets behind `hypotheses`, whose order is that of `sets_of`."""
    membership = hypotheses.membership
    count = membership.shape[1]
    place = {chosen: row for row, chosen in enumerate(sets_of(count))}
    pairs = list(combinations(range(count), 2))
    beyond = [
        [place[tuple(sorted((one, two, more)))] for more in range(count) if more not in (one, two)] for one, two in pairs
    ]
    beyond_pairs = np.array(beyond, dtype=np.intp).reshape(len(pairs), max(count - 2, 0))
    sets = len(membership)
    with_one_more = np.where(membership > 0.0, np.arange(sets)[:, None], sets)
    with_one_more[0] = 1 + np.arange(count)
    for row, (one, two) in enumerate(pairs, 1 + count):
        with_one_more[1 + one, two] = with_one_more[1 + two, one] = row
        with_one_more[row, membership[row] == 0.0] = beyond_pairs[row - 1 - count]
    return Subsets(place, beyond_pairs, with_one_more, membership, hypotheses.coexistence, hypotheses.pattern)


@cache
def sets_of(count: int) -> tuple[tuple[int, ...], ...]:
    """All sets of at most three of so many things, by size and then in order: the order of the hypotheses."""
    return tuple(chosen for size in range(MAXIMUM_COEXISTING + 1) for chosen in combinations(range(count), size))


@cache
def set_membership(count: int) -> Array:
    """Which things each of `sets_of` holds, sets x things (0/1)."""
    found = np.zeros((len(sets_of(count)), count))
    for row, chosen in enumerate(sets_of(count)):
        found[row, list(chosen)] = 1.0
    return found


@cache
def _steps(count: int) -> tuple[tuple[Places, Places], ...]:
    """Per thing, the positions of the sets with it and of the same sets without it."""
    position = {chosen: index for index, chosen in enumerate(sets_of(count))}
    return tuple(
        (
            np.array([position[chosen] for chosen in position if one in chosen], dtype=np.intp),
            np.array(
                [position[tuple(other for other in chosen if other != one)] for chosen in position if one in chosen],
                dtype=np.intp,
            ),
        )
        for one in range(count)
    )


def coefficients(values: Array, count: int) -> Array:
    """From the values of a function on all sets of so many conditions (last axis) to the coefficient of each set."""
    found = values.copy()
    for having, lacking in _steps(count):
        found[..., having] -= found[..., lacking]
    return found


def on_sets(found: Array, count: int) -> Array:
    """The way back: from the coefficients (last axis) to the values on all sets."""
    values = found.copy()
    for having, lacking in _steps(count):
        values[..., having] += values[..., lacking]
    return values
